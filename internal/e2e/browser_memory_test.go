package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/widget"
)

// TestNothingIsLost fills the form in, loads the page again and again, takes
// the element out as a route does, and finds everything but the file; and at
// the end the access code, until it was copied.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.AllowClipboard(x.host.URL)
	p.Goto(x.plain())
	p.SetFile(browser.Hook("file"), noise(t, "03 - blue_morning.wav", 20_000))
	p.Wait("e2e.hook('title').value === 'blue morning'")
	p.Type(browser.Hook("title"), "Blue Morning") // in the place of the proposal
	p.Click(browser.Hook("next"))
	p.Type(browser.Hook("creator-0-fullName"), "Ana Writer")
	p.Type(browser.Hook("creator-0-email"), "ana@writers.example")
	p.Click(browser.Hook("creator-0-author"))
	form := func(when string) {
		t.Helper()
		p.Wait(browser.Hook("form-song"))
		if got := browser.Eval[string](p, "e2e.hook('title').value + '|' + e2e.text('lost')"); got != "Blue Morning|Please choose your file again: 03 - blue_morning.wav" {
			t.Errorf("%s: %s", when, got)
		}
	}
	p.Goto(x.plain())
	form("reloaded")
	p.Run("{ const w = e2e.widget(); const next = w.cloneNode(); w.remove(); document.querySelector('main').append(next); }")
	form("another element in its place")
	p.Run("e2e.widget().externalUserId = 'ada'")
	p.Wait("e2e.hook('title').value === ''")
	p.Run("e2e.widget().externalUserId = ''")
	form("after somebody else was there")

	// Everything is there but the file: it is chosen, and the song registered.
	p.SetFile(browser.Hook("file"), noise(t, "03 - blue_morning.wav", 20_000))
	p.Wait("!e2e.hook('lost')")
	p.Click(browser.Hook("next"))
	if got := browser.Eval[string](p, "e2e.hook('creator-0-fullName').value + e2e.hook('creator-0-email').value + e2e.hook('creator-0-author').checked"); got != "Ana Writerana@writers.exampletrue" {
		t.Errorf("the creator: %s", got)
	}
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	code := stateOf(p, 0).AccessCode
	end := func(when string) {
		t.Helper()
		p.Wait(browser.Hook("access-code"))
		if s := stateOf(p, 0); s.AccessCode != code || s.AtsID != 1 || s.Screen != "COMPLETE" || browser.Eval[string](p, "e2e.text('access-code')") != code {
			t.Errorf("%s: %+v", when, s)
		}
		if browser.Eval[bool](p, "Object.values(sessionStorage).concat(Object.values(localStorage)).join().includes('atc_')") {
			t.Errorf("%s: the code is stored", when)
		}
		if !browser.Eval[bool](p, "!dispatchEvent(new Event('beforeunload', { cancelable: true }))") {
			t.Errorf("%s: the page can be left without a question", when)
		}
	}
	end("registered")
	p.Goto(x.plain())
	end("reloaded")
	if got := course(p.Events()); got != "ready" {
		t.Errorf("after the reload the page heard %s", got)
	}
	p.Run("{ const w = e2e.widget(); const next = w.cloneNode(); w.remove(); document.querySelector('main').append(next); }")
	end("another element in its place")
	p.Click(browser.Hook("copy-access-code"))
	p.Wait("e2e.text('live') === 'Copied'")
	if browser.Eval[bool](p, "!dispatchEvent(new Event('beforeunload', { cancelable: true }))") {
		t.Error("the code was copied, and the page still asks")
	}
	p.Goto(x.plain())
	p.Wait(browser.Hook("form-song"))
	if got := browser.Eval[string](p, "e2e.hook('title').value + Object.keys(sessionStorage).join()"); got != "" {
		t.Errorf("what is registered is still kept: %s", got)
	}
	quiet(t, p)
}

// TestDialogAsksOnce closes a dialog with an access code that was not saved.
func TestDialogAsksOnce(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.host.Page("dialog.html", "<dialog>"+x.element("")+"</dialog>"+scripts))
	p.Wait("e2e.widget()")
	p.Run("document.querySelector('dialog').showModal()")
	fill(p, 0, noise(t, "dialog.wav", 20_000), "In a dialog")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	p.Press(browser.Escape, false)
	p.Wait(browser.Hook("unsaved"))
	if !browser.Eval[bool](p, "document.querySelector('dialog').open") {
		t.Error("the dialog closed without a word")
	}
	p.Press(browser.Escape, false)
	p.Wait("!document.querySelector('dialog').open")
	p.Run("document.querySelector('dialog').showModal()")
	p.Click(browser.Hook("save-access-code"))
	p.Wait("!e2e.hook('unsaved')")
	p.Press(browser.Escape, false)
	p.Wait("!document.querySelector('dialog').open")
}

// TestCodeComesBack hides an access code that was not saved without asking, as a page's
// button, a popover and a route do. The code comes back with the element, and also with
// another element long after the first was removed.
func TestCodeComesBack(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	for i, c := range []struct{ around, show, hide, hidden, again string }{
		{
			`<dialog id="a"><form method="dialog"><button id="close">Close</button></form>@</dialog>`, "a.showModal()",
			"", "!a.open", "a.show()",
		},
		{
			`<div id="a" popover>@<button id="close" popovertarget="a" popovertargetaction="hide">Close</button></div>`, "a.showPopover()",
			"", "!a.matches(':popover-open')", "a.showPopover()",
		},
		{
			`<div id="a" popover>@</div>`, "a.showPopover()",
			"a.hidePopover()", "!a.matches(':popover-open')", "a.showPopover()",
		},
		{
			`<div id="a">@</div>`, "",
			// The route takes it out, and the widget gives up what was on its way.
			"window.gone = false; const set = setTimeout; const made = e2e.widget().cloneNode(); window.next = () => a.append(made);" +
				"window.setTimeout = (f, ms, ...rest) => set(() => { f(); gone ||= ms >= 5000; }, ms, ...rest); e2e.widget().remove();",
			"gone && !e2e.widget()", "next()",
		},
	} {
		p.Goto(x.host.Page(fmt.Sprintf("back%d.html", i), strings.Replace(c.around, "@", x.element(""), 1)+scripts))
		p.Wait("e2e.widget()")
		p.Run("{ globalThis.a = document.getElementById('a'); " + c.show + " }")
		fill(p, 0, noise(t, fmt.Sprintf("back%d.wav", i), 20_000), fmt.Sprint("Comes back ", i))
		p.Wait(browser.Hook("confirm"))
		confirm(p, 0)
		code := stateOf(p, 0).AccessCode
		if c.hide == "" { // by the button of the page
			p.Click("document.getElementById('close')")
		} else {
			p.Run("{ " + c.hide + " }")
		}
		p.Wait(c.hidden)
		p.Run(c.again)
		p.Wait("e2e.hook('access-code')?.checkVisibility()")
		if got := browser.Eval[string](p, "e2e.text('access-code')"); code == "" || got != code {
			t.Errorf("%s: the code is %q, was %q", c.around, got, code)
		}
		if !browser.Eval[bool](p, "!dispatchEvent(new Event('beforeunload', { cancelable: true }))") {
			t.Errorf("%s: the page can be left without a question", c.around)
		}
		quiet(t, p)
		p.Run("sessionStorage.clear()")
	}
}

// TestFilesByMistake drops things that are not recordings, also beside the field.
func TestFilesByMistake(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.plain())
	p.Wait(browser.Hook("file"))
	song := noise(t, "song.wav", 20_000)
	folder := filepath.Join(t.TempDir(), "hand")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	pdf := write(t, "lyrics.mp3", []byte("%PDF-1.7 and so on"))
	for _, c := range []struct {
		what  string
		files []string
		want  string
	}{
		{"a folder", []string{folder}, "This is a folder. Please choose one audio file."},
		{"two files", []string{song, pdf}, "Please drop one file only. None of these was taken."},
		{"a PDF", []string{pdf}, "We cannot read this file as audio. Please choose another."},
		{"a text", []string{write(t, "text.mp3", []byte("Dear label, this is a letter."))}, "We cannot read this file as audio. Please choose another."},
		{"nothing in it", []string{write(t, "empty.wav", nil)}, "This file is empty. Please choose another."},
	} {
		before := len(p.Events())
		p.Drop("e2e.hook('heading')", c.files...) // beside the dashed box
		p.Wait(fmt.Sprintf("e2e.text('error-file') === %q", c.want))
		p.Wait(fmt.Sprintf("e2e.events.length > %d", before))
		if e := p.Events()[before]; e.Name != "error" || member[string](t, e, "stage") != "file" {
			t.Errorf("%s: %+v", c.what, e)
		}
	}
	p.Drop("e2e.hook('heading')", song)
	p.Wait("e2e.text('file-name') === 'song.wav' && !e2e.hook('error-file') && e2e.hook('title').value === 'song'")
	p.Click(browser.Hook("next"))
	fillCreator(p, 0)
	p.Wait(browser.Hook("confirm"))
	// Where no file is wanted, one that is dropped is not opened either.
	p.Drop("e2e.hook('review')", song)
	if got := browser.Eval[string](p, "e2e.state().screen"); got != "CONFIRMING" {
		t.Errorf("after a drop on the price: %s", got)
	}
	if puts := p.Requests("PUT", ""); len(puts) != 1 {
		t.Errorf("%d uploads", len(puts))
	}
	checkShapes(t, p.Events())
	quiet(t, p)
	if names, err := widget.Files.Open("ats-widget-file.js"); err != nil {
		t.Error(err)
	} else {
		names.Close()
	}
}

// TestFiftyRoutes mounts and unmounts the element as client-side routes do, and
// counts what is left: no listener on the page, no timer, no socket.
func TestFiftyRoutes(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	x.host.Page("counts.js", `window.left = new Map();
for (const [name, target] of [['window', window], ['document', document]]) {
  const add = target.addEventListener, remove = target.removeEventListener;
  const count = (type, n) => left.set(name + ' ' + type, (left.get(name + ' ' + type) ?? 0) + n);
  target.addEventListener = function (type, f, o) { if (new Error().stack.includes('ats-widget')) count(type, 1); return add.call(this, type, f, o); };
  target.removeEventListener = function (type, f, o) { if (new Error().stack.includes('ats-widget')) count(type, -1); return remove.call(this, type, f, o); };
}
window.timers = new Set();
const { setTimeout: set, clearTimeout: clear } = window;
window.setTimeout = (f, ms, ...a) => { const id = set(() => { timers.delete(id); f(); }, ms, ...a); if (new Error().stack.includes('ats-widget')) timers.add(id); return id; };
window.clearTimeout = (id) => { timers.delete(id); clear(id); };
window.sockets = 0;
window.WebSocket = class extends WebSocket { constructor(...a) { super(...a); sockets++; } };
`)
	p.Goto(x.host.Page("routes.html", `<script src="/counts.js"></script><div id="view"></div>`+x.element("")+scripts))
	p.Wait("e2e.widget()?.shadowRoot?.querySelector('h2')")
	p.Run(`{
		const made = e2e.widget().cloneNode();
		e2e.widget().remove();
		window.done = 0;
		(async () => {
			for (let i = 0; i < 50; i++) {
				const w = made.cloneNode();
				document.querySelector('#view').append(w);
				if (i % 2) { w.remove(); document.querySelector('#view').append(w); } // as StrictMode mounts twice
				await new Promise((resolve) => w.addEventListener('allfeat:ready', resolve, { once: true }));
				w.remove();
				done++;
			}
		})();
	}`)
	p.Wait("done === 50")
	p.Wait("timers.size === 0") // the last one is given its five seconds
	if got := browser.Eval[string](p, "JSON.stringify([...left].filter(([, n]) => n)) + sockets"); got != "[]0" {
		t.Errorf("left: %s", got)
	}
	if n := strings.Count(browser.Eval[string](p, "document.querySelector('#view').innerHTML"), "ats-widget"); n != 0 {
		t.Errorf("%d elements", n)
	}
	quiet(t, p)
}
