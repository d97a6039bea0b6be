package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/proof/evidence"
)

// counting counts the workers of the page, from before the widget is there.
const counting = `<script src="/counting.js"></script>`

const countingScript = `window.workers = 0;
const Real = Worker;
window.Worker = class extends Real { constructor(...a) { super(...a); window.workers++; } };
`

// private is a page of a site whose recordings stay with their owners, with the
// scripts that it is to load.
func private(t *testing.T, x *site, scripts string) string {
	t.Helper()
	x.server.CLI(nil, "org", "set", x.org, "--asset-storage", "none")
	x.host.Page("counting.js", countingScript)
	return x.host.Page("private.html", counting+x.element("")+scripts)
}

// TestRecordingStaysHere registers a recording that is not uploaded, under the
// strictest policy, and proves it with the file afterwards. No byte of it leaves.
func TestRecordingStaysHere(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	x := newSite(t, s)
	x.host.Policy(x.host.StrictPolicy())
	p := browser.Open(t)
	song := noise(t, "At home.wav", 6_000_000)
	p.Goto(private(t, x, scripts))
	held := p.Hold("POST", "/v1/works/prepare")
	fill(p, 0, song, "At home")
	prepare := held.Await() // everything about the file has been done by now
	if seen := browser.Eval[string](p, "e2e.text('stays') + e2e.state().screen"); seen != "CONFIRMING" {
		t.Errorf("on the screen: %q", seen)
	}
	prepare.Go()
	held.Release()
	p.Wait(browser.Hook("confirm"))
	if n := browser.Eval[int](p, "window.workers"); n != 1 {
		t.Errorf("%d workers, want one", n)
	}
	recorded, err := os.ReadFile(song)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := browser.Eval[string](p, "e2e.text('file-hash')"), fmt.Sprintf("0x%x", sha256.Sum256(recorded)); got != want {
		t.Errorf("the review says that the file's hash is %s, want %s", got, want)
	}
	confirm(p, 0)
	for _, r := range p.Requests("", "") {
		if r.Method == "PUT" || strings.Contains(r.URL, "/blob/") || r.Bytes > 10_000 {
			t.Errorf("left the page: %s %s with %d bytes", r.Method, r.URL, r.Bytes)
		}
	}
	events := p.Events()
	checkShapes(t, events)
	if got := course(events); got != "ready confirmed step complete" {
		t.Errorf("events %s", got)
	}
	quiet(t, p)
	if files, _ := filepath.Glob(filepath.Join(s.Data, "blobs", "objects", "[au]*", "*")); len(files) != 0 {
		t.Errorf("stored: %v", files)
	}

	ats := fmt.Sprint(member[int64](t, events[len(events)-1], "atsId"))
	proof := filepath.Join(t.TempDir(), "evidence.json")
	s.CLI(nil, "works", "evidence", ats, "--network", "testnet", "--secret-file", filepath.Join(s.Data, "secret"), "-o", proof)
	text, err := os.ReadFile(proof)
	if err != nil {
		t.Fatal(err)
	}
	e, err := evidence.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	audio, err := os.ReadFile(song)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(audio)}); err != nil || !report.OK() {
		t.Errorf("%+v, %v", report, err)
	}
	audio[len(audio)-1] ^= 1
	if report, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(audio)}); err != nil || report.OK() {
		t.Errorf("another recording: %+v, %v", report, err)
	}
}

// TestHashedWhereScriptsAreFrom loads the widget from where integrators do, from
// the server's own origin: a worker where the page's policy has one for it, and
// the page itself in small pieces where it has not.
func TestHashedWhereScriptsAreFrom(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	for _, c := range []struct {
		name, policy string
		workers      int
		violations   string
	}{
		{"no policy", "", 1, ""},
		{"blob", "script-src 'self' {ats}; worker-src blob:", 1, ""},
		{"no worker", "script-src 'self' {ats}; worker-src 'none'", 1, "worker-src"},
		{"another's types", "script-src 'self' {ats}; worker-src blob:; require-trusted-types-for 'script'; trusted-types lit-html", 0, "trusted-types"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newSite(t, s)
			x.host.Policy(strings.ReplaceAll(c.policy, "{ats}", s.URL))
			p := browser.Open(t)
			p.Goto(private(t, x, `<script type="module" src="/host.js"></script><script src="`+s.URL+`/widget/v1/ats-widget.iife.js" defer></script>`))
			fill(p, 0, noise(t, c.name+".wav", 700_000), c.name)
			p.Wait(browser.Hook("confirm"))
			confirm(p, 0)
			if n := browser.Eval[int](p, "window.workers"); n != c.workers {
				t.Errorf("%d workers, want %d", n, c.workers)
			}
			if n := len(p.Requests("PUT", "")); n != 0 {
				t.Errorf("%d uploads", n)
			}
			violations := browser.Eval[[]string](p, "e2e.violations")
			if text := strings.Join(violations, "\n"); c.violations == "" && text != "" || !strings.Contains(text, c.violations) {
				t.Errorf("violations %q, want %q", text, c.violations)
			}
		})
	}
}

// TestHashingIsStopped reads a large recording. Meanwhile the page responds, in every
// language and on every screen, shows its progress, and stops on request. If the file
// changes meanwhile, the page reports it.
func TestHashingIsStopped(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	large := filepath.Join(t.TempDir(), "large.wav")
	f, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(400 << 20); err != nil {
		t.Fatal(err)
	}
	p.Goto(private(t, x, scripts))
	fill(p, 0, large, "Large")
	p.Wait(browser.Hook("stays") + " && " + browser.Hook("progress") + ".value > 0")
	if said := browser.Eval[string](p, "e2e.text('stays')"); said != "Your recording stays on this device. Only the file hash (SHA-256), the size and the name are sent." {
		t.Errorf("it says %q", said)
	}
	p.Click(browser.Hook("cancel"))
	p.Wait(browser.Hook("form-creators") + " || " + browser.Hook("form-song"))
	if n := len(p.Requests("POST", "/prepare")); n != 0 {
		t.Errorf("%d prepares of what was cancelled", n)
	}
	p.Run("e2e.widget().reset()")
	p.Wait(browser.Hook("form-song"))
	fill(p, 0, large, "Large again")
	p.Wait(browser.Hook("stays") + " && " + browser.Hook("progress") + ".value > 0")
	if err := f.Truncate(1000); err != nil {
		t.Fatal(err)
	}
	p.Wait("e2e.hook('file-error') || e2e.hook('form-song')")
	p.Wait("e2e.state().screen === 'FORM'")
	if text := browser.Eval[string](p, "document.querySelector('ats-widget').shadowRoot.textContent"); !strings.Contains(text, "This file can no longer be read.") {
		t.Errorf("it does not say so: %s", text)
	}
}
