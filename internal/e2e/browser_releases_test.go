package e2e_test

import (
	"fmt"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// TestWidgetAndServer registers with this widget on the server of the previous release, and with the widget of that
// release on this server. Pages and servers are upgraded at different times. Until a release exists, a commit stands for it.
func TestWidgetAndServer(t *testing.T) {
	t.Parallel()
	name, binary := previousRelease(t)
	before := newSite(t, harness.Start(t, harness.Options{Binary: binary}))
	now := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	for _, c := range []struct {
		what, script string
		x            *site
	}{
		{"this widget, the server of " + name, "/ats-widget.esm.js", before},
		{"the widget of " + name + ", this server", before.server.URL + "/widget/v1/ats-widget.esm.js", now},
	} {
		p.Goto(c.x.host.Page("release.html", c.x.element("")+fmt.Sprintf(`<script type="module" src="/host.js"></script><script type="module" src=%q></script>`, c.script)))
		p.Wait(browser.Hook("form-song"))
		fill(p, 0, noise(t, "Release.wav", 20_000), "Of two releases")
		p.Wait(browser.Hook("confirm"))
		confirm(p, 0)
		if got := course(p.Events()); got != "ready upload-start upload-progress upload-complete confirmed step complete" {
			t.Errorf("%s: events %s", c.what, got)
		}
		if code := stateOf(p, 0).AccessCode; code == "" {
			t.Errorf("%s: no access code", c.what)
		}
		quiet(t, p)
		p.ForgetProblems()
	}
}
