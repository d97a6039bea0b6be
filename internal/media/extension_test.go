package media

import "testing"

// TestExtensions: every format has an extension that no other kind of file has.
func TestExtensions(t *testing.T) {
	for _, k := range kinds {
		if len(k.format.Extensions()) == 0 {
			t.Errorf("%s has no ending", k.format)
		}
		for _, e := range k.format.Extensions() {
			switch e {
			case ".html", ".svg", ".exe", ".pdf", "":
				t.Errorf("%s ends in %q", k.format, e)
			}
		}
	}
	if len(Format("none").Extensions()) > 0 {
		t.Error("an unknown format has an extension")
	}
}
