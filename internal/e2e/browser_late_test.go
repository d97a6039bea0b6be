package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// TestRestArrivesLate uses the first screen while the rest of the widget is on its
// way, under a strict policy: nothing typed, chosen or pressed is lost, and
// neither the focus nor the caret moves.
func TestRestArrivesLate(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	x.host.Policy(x.host.StrictPolicy())
	p.Goto(x.plain())
	p.Wait(browser.Hook("form-song"))
	if n := len(p.Requests("", "ats-widget-rest")); n != 0 {
		t.Errorf("nobody has touched it, and it asked %d times for the rest", n)
	}
	const caret = `(() => { const at = e2e.widget().shadowRoot.activeElement; return at?.dataset.ats + ' ' + at?.selectionStart; })()`
	stands := func(when, want string) {
		t.Helper()
		p.Wait(fmt.Sprintf("e2e.hook('title').value === %q", want))
		if got := browser.Eval[string](p, caret); got != fmt.Sprint("title ", len(want)) {
			t.Errorf("%s the focus is at %s", when, got)
		}
	}
	// By keyboard alone, into the title, across the moment at which the rest comes.
	rest := p.Hold("GET", "/ats-widget-rest.js")
	p.Press(browser.Tab, false) // the file
	p.Press(browser.Tab, false) // the title
	p.Keys("Slow ")
	held := rest.Await()
	stands("before the rest", "Slow ")
	top := browser.Eval[float64](p, "e2e.hook('title').getBoundingClientRect().top")
	held.Go()
	rest.Release()
	p.Wait("e2e.hook('clear')") // the first screen does not have this button
	stands("with the rest", "Slow ")
	if got := browser.Eval[float64](p, "e2e.hook('title').getBoundingClientRect().top"); got != top {
		t.Errorf("the title jumped from %v to %v px", top, got)
	}
	p.Keys("train")
	stands("typed on", "Slow train")

	// Everything is done before the rest comes, Continue too.
	p.Run("sessionStorage.clear()")
	p.Goto(x.plain())
	p.Wait(browser.Hook("form-song"))
	rest = p.Hold("GET", "/ats-widget-rest.js")
	fillSong(p, 0, noise(t, "Late.wav", 20_000), "Late")
	held = rest.Await()
	if got := browser.Eval[string](p, "e2e.text('file-name') + e2e.hook('title').value + e2e.state().screen"); got != "Late.wavLateFORM" {
		t.Errorf("while the rest is on its way: %s", got)
	}
	held.Go()
	rest.Release()
	p.Wait(browser.Hook("form-creators"))
	if got := browser.Eval[string](p, `e2e.widget().shadowRoot.activeElement.dataset.ats`); got != "heading" {
		t.Errorf("a screen reader stands at %s", got)
	}
	fillCreator(p, 0)
	p.Wait(browser.Hook("confirm"))
	if got := browser.Eval[string](p, "e2e.text('review')"); !strings.Contains(got, "Late.wav") {
		t.Errorf("the review says %q", got)
	}
	if got := course(p.Events()); got != "ready upload-start upload-progress upload-complete" {
		t.Errorf("events %s", got)
	}
	quiet(t, p)
}

// TestRestCannotBeHad keeps the rest of the widget away, from the page and from
// the server: what was typed stands, the screen says so, and Continue tries again.
func TestRestCannotBeHad(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.host.Page("two.html", x.element(`id="one"`)+x.element(`id="two"`)+scripts))
	p.Wait(browser.HookIn(0, "form-song") + " && " + browser.HookIn(1, "form-song"))
	rest := p.Hold("GET", "ats-widget-rest.js")
	p.Type(browser.Hook("title"), "Unreached")
	rest.Await().Answer(404, "")
	rest.Await().Answer(404, "")
	p.Wait(browser.Hook("notice"))
	if got := browser.Eval[string](p, "e2e.hook('notice').getAttribute('role') + '|' + e2e.hook('title').value + '|' + !!e2e.hook('notice', 1)"); got != "alert|Unreached|false" {
		t.Errorf("not to be had: %s", got)
	}
	p.SetFile(browser.Hook("file"), noise(t, "Unreached.wav", 20_000)) // tries again
	rest.Await().Answer(404, "")
	rest.Await().Answer(404, "")
	p.Wait(browser.Hook("notice"))
	p.Click(browser.Hook("next"))
	rest.Await().Go()
	rest.Release()
	p.Wait(browser.Hook("form-creators"))
	fillCreator(p, 0)
	p.Wait(browser.Hook("confirm"))
	p.ForgetProblems() // the browser's, of the files that were not there

	// The other one has its own beginning.
	p.Type(browser.HookIn(1, "title"), "Reached")
	p.Wait(browser.HookIn(1, "clear"))
	if got := browser.Eval[string](p, "e2e.hook('title', 1).value + '|' + e2e.state().screen"); got != "Reached|CONFIRMING" {
		t.Errorf("two widgets: %s", got)
	}
	quiet(t, p)
}
