package packages

import (
	"strings"
	"testing"

	"timbre.example/widget"
)

func TestAll(t *testing.T) {
	names := map[string]string{}
	for _, p := range All() {
		names[p.Name] = p.Version
		if !strings.HasPrefix(p.Integrity(), "sha512-") || p.Versioned() != strings.TrimSuffix(p.File, ".tgz")+"-"+p.Version+".tgz" {
			t.Errorf("%s: %s %s", p.File, p.Versioned(), p.Integrity())
		}
		for _, file := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
			if b, err := inside(p.Tarball, "package/"+file); err != nil || len(b) == 0 {
				t.Errorf("%s has no %s: %v", p.Name, file, err)
			}
		}
	}
	if len(names) != 2 || names["@timbre/ats-widget"] != widget.Version || names["@timbre/client"] == "" {
		t.Errorf("the packages are %v, and the widget has version %s", names, widget.Version)
	}
	for _, unknown := range []string{"", ".", "README.md", "client-0.0.0.tgz", "../client.tgz"} {
		if Released(unknown) != nil {
			t.Errorf("%q is a released package", unknown)
		}
	}
}
