package e2e_test

import (
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// TestHostStrictPolicy registers on a page that allows only its own scripts and styles
// and the API: with each bundle, and with all bundles at once.
func TestHostStrictPolicy(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	x.host.Policy(x.host.StrictPolicy())
	p := browser.Open(t)
	const own = `<script type="module" src="/host.js"></script>`
	for _, bundle := range []struct{ name, more, scripts string }{
		{"esm", "", `<script type="module" src="/ats-widget.esm.js"></script>`},
		{"iife", `lang="fr"`, `<script defer src="/ats-widget.iife.js"></script>`},
		{"twice", "", `<script defer src="/ats-widget.iife.js"></script><script defer src="/ats-widget.iife.js?again"></script><script type="module" src="/ats-widget.esm.js"></script><script type="module" src="/ats-widget.esm.js?again"></script>`},
	} {
		p.Goto(x.host.Page(bundle.name+".html", x.element(bundle.more)+own+bundle.scripts))
		if bundle.more != "" { // its texts come from the API, by the same policy
			p.Wait("e2e.text('next') === 'Continuer'")
		}
		fill(p, 0, noise(t, bundle.name+".wav", 20_000), bundle.name)
		p.Wait(browser.Hook("confirm"))
		confirm(p, 0)
		// Saving the code makes a file in the page: the policy must let it.
		p.Click(browser.Hook("save-access-code"))
		events := p.Events()
		checkShapes(t, events)
		if got := course(events); got != fullCourse {
			t.Errorf("%s: events %s", bundle.name, got)
		}
		if n := len(p.Requests("WEBSOCKET", "")); n == 0 {
			t.Errorf("%s: the socket was never opened", bundle.name)
		}
	}
	quiet(t, p)
}

// TestHostTwoWidgets registers two songs at once on one page. Nothing of one
// shows up in the other, and neither takes the focus from the other.
func TestHostTwoWidgets(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	// Side by side in a window that does not scroll. So a shorter screen of one widget
	// does not move the other one under the mouse.
	p.Size(1280, tall)
	p.Goto(x.host.Page("two.html", `<div class="side">`+x.element(`id="one"`)+x.element(`id="two"`)+`</div>`+scripts))
	titles := []string{"First", "Second"}
	p.Wait(browser.HookIn(1, "file"))
	fillSong(p, 0, noise(t, "one.wav", 30_000), titles[0])
	fillSong(p, 1, noise(t, "two.wav", 40_000), titles[1])
	fillCreator(p, 0)
	fillCreator(p, 1)
	p.Wait(browser.HookIn(0, "confirm") + " && " + browser.HookIn(1, "confirm"))
	p.Click(browser.HookIn(0, "confirm"))
	p.Click(browser.HookIn(1, "confirm"))
	p.Wait(onScreen(0, "COMPLETE") + " && " + onScreen(1, "COMPLETE"))

	events := p.Events()
	checkShapes(t, events)
	one, two := stateOf(p, 0), stateOf(p, 1)
	if one.AtsID == two.AtsID || one.AccessCode == two.AccessCode || one.TransactionID == two.TransactionID || one.JobID == two.JobID {
		t.Errorf("the widgets share something:\n%+v\n%+v", one, two)
	}
	for i, id := range []string{"one", "two"} {
		mine := only(events, id)
		if got := course(mine); got != fullCourse {
			t.Errorf("%s: events %s", id, got)
		}
		if file := member[string](t, named(mine, "upload-start")[0], "filename"); file != id+".wav" {
			t.Errorf("%s: uploaded %s", id, file)
		}
		if code := member[string](t, named(mine, "complete")[0], "accessCode"); code != stateOf(p, i).AccessCode {
			t.Errorf("%s: the event carries another access code than the state", id)
		}
		if text := browser.Eval[string](p, browser.HookIn(i, "card")+".textContent"); !strings.Contains(text, titles[i]) || strings.Contains(text, titles[1-i]) {
			t.Errorf("%s shows %s", id, text)
		}
	}
	quiet(t, p)
}

// TestHostTwoAlike reloads a page while both of its widgets follow a registration. The
// widgets are identical, but each continues its own registration.
func TestHostTwoAlike(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Size(1280, tall)
	page := x.host.Page("alike.html", `<div class="side">`+x.element("")+x.element("")+`</div>`+scripts)
	p.Goto(page)
	p.Wait(browser.HookIn(1, "file"))
	titles := []string{"First", "Second"}
	for i, title := range titles {
		fillSong(p, i, noise(t, title+".wav", 20_000), title)
		fillCreator(p, i)
	}
	p.Wait(browser.HookIn(0, "confirm") + " && " + browser.HookIn(1, "confirm"))
	// The sockets stay silent until the page is another.
	p.Run("globalThis.WebSocket = class { close() {} }")
	p.Click(browser.HookIn(0, "confirm"))
	p.Click(browser.HookIn(1, "confirm"))
	p.Wait(onScreen(0, "TRACKING") + " && " + onScreen(1, "TRACKING"))
	p.Goto(page)
	p.Wait(onScreen(0, "COMPLETE") + " && " + onScreen(1, "COMPLETE"))
	for i, title := range titles {
		if text := browser.Eval[string](p, browser.HookIn(i, "card")+".textContent"); !strings.Contains(text, title) {
			t.Errorf("widget %d shows %s", i, text)
		}
	}
	quiet(t, p)
}

// TestHostLayouts puts the widget into the boxes that pages are made of. In none
// does it collapse or push the page sideways.
func TestHostLayouts(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	x.host.Page("layout.css", `.grid { display: grid; } .flex { display: flex; } .column { display: flex; flex-direction: column; align-items: center; } .narrow { inline-size: 280px; }`)
	for _, box := range []string{"block", "grid", "flex", "column", "narrow"} {
		for _, width := range []int64{320, 1280} {
			p.Size(width, tall)
			p.Goto(x.host.Page(box+".html", `<link rel="stylesheet" href="/layout.css"><div class="`+box+`">`+x.element("")+`</div>`+scripts))
			p.Wait(browser.Hook("form-song"))
			want := min(float64(width)-16, 576) // the page's padding; the widget's own limit
			if box == "narrow" {
				want = 280
			}
			if got := browser.Eval[float64](p, "e2e.widget().shadowRoot.querySelector('[data-ats=card]').getBoundingClientRect().width"); got != want {
				t.Errorf("in a %s box at %d px the card is %v px wide, want %v", box, width, got, want)
			}
			for _, line := range p.Overflow() {
				t.Errorf("in a %s box at %d px: %s", box, width, line)
			}
		}
	}
}

// TestHostKeepsFocus types elsewhere on the page while a song is being sent: a
// new screen takes the focus only from the widget's own old one.
func TestHostKeepsFocus(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.host.Page("focus.html", `<label>Comment <input id="comment"></label>`+x.element("")+scripts))
	hold := p.Hold("PUT", "/blob/")
	fill(p, 0, noise(t, "elsewhere.wav", 30_000), "Elsewhere")
	sending := hold.Await()
	p.Wait("e2e.focus() === 'heading'")
	p.Click("document.getElementById('comment')")
	p.Keys("I am ")
	sending.Go()
	p.Wait(browser.Hook("confirm"))
	p.Keys("typing")
	if text := browser.Eval[string](p, "document.getElementById('comment').value"); text != "I am typing" {
		t.Errorf("a new screen of the widget took the focus from a field of the page: it holds %q", text)
	}
	hold.Release()
	confirm(p, 0)
	quiet(t, p)
}

// TestHostMoved moves the element through the page while it uploads: nothing is
// lost and nothing is sent twice.
func TestHostMoved(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.host.Page("moved.html", `<div id="here">`+x.element("")+`</div><div id="there"></div>`+scripts))
	p.Wait(browser.Hook("file"))
	fillSong(p, 0, noise(t, "long.wav", 400_000), "Moved")
	p.Slow(20_000)
	fillCreator(p, 0)
	p.Wait("e2e.events.some((e) => e.name === 'upload-progress' && e.detail.progress > 0 && e.detail.progress < 60)")
	job := stateOf(p, 0).JobID
	for _, to := range []string{"there", "here", "there"} {
		p.Run(`document.getElementById('` + to + `').append(e2e.widget())`)
		if s := stateOf(p, 0); s.Screen != "UPLOAD" || s.JobID != job {
			t.Errorf("moved %s, the state is %+v", to, s)
		}
	}
	p.Wait("e2e.hook('progress')?.value > 0") // it is still drawn
	p.Slow(0)
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	if n := len(p.Requests("PUT", "/blob/")); n != 1 {
		t.Errorf("the file was sent %d times", n)
	}
	if n := len(p.Requests("POST", "/v1/works/init")); n != 1 {
		t.Errorf("the work was begun %d times", n)
	}
	events := p.Events()
	checkShapes(t, events)
	if got := course(events); got != fullCourse || len(named(events, "ready")) != 1 {
		t.Errorf("events %s", got)
	}
	quiet(t, p)
}

// TestHostInShadowRoot makes the widget by script inside two shadow roots of the
// page, and hears every event at the document.
func TestHostInShadowRoot(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	const nest = `const outer = document.getElementById('outer').attachShadow({ mode: 'open' });
const box = document.createElement('div');
outer.append(box);
const inner = box.attachShadow({ mode: 'open' });
const widget = document.createElement('ats-widget');
Object.assign(widget, JSON.parse(document.getElementById('outer').dataset.config));
inner.append(widget);
`
	x.host.Page("nest.js", nest)
	config := strings.NewReplacer("KEY", x.siteKey, "URL", x.server.URL).Replace(`{"siteKey":"KEY","atsUrl":"URL","network":"testnet"}`)
	p.Goto(x.host.Page("nested.html", `<div id="outer" data-config='`+config+`'></div><script type="module" src="/nest.js"></script>`+scripts))
	p.Wait(browser.Hook("file"))
	fill(p, 0, fixtures+"alac.m4a", "Nested")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	events := p.Events()
	checkShapes(t, events)
	if got := course(events); got != fullCourse {
		t.Errorf("events %s", got)
	}
	quiet(t, p)
}

// TestHostTokens brings the token only when the widget asks, inside the handler
// itself. The token is nowhere in the page.
func TestHostTokens(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	x.host.Page("tokens.js", `const fresh = async () => (await import('/token.js?' + crypto.randomUUID())).default;
const ready = [await fresh(), await fresh()];
document.addEventListener('allfeat:token-expired', (e) => {
  if (e.detail.pendingAction !== 'reset') e.composedPath()[0].setToken(ready.shift());
});
document.body.dataset.armed = '';
`)
	p.Goto(x.host.Page("tokens.html", x.element("")+`<script type="module" src="/tokens.js"></script><script type="module" src="/ats-widget.esm.js"></script>`))
	p.Wait("'armed' in document.body.dataset")
	nowhere := func(when string) {
		t.Helper()
		dom := browser.Eval[string](p, "e2e.serialized()")
		for _, token := range x.host.Tokens() {
			if strings.Contains(dom, token) || strings.Contains(dom, token[strings.LastIndexByte(token, '.'):]) {
				t.Errorf("%s: the token stands in the page", when)
			}
		}
		if browser.Eval[bool](p, "e2e.widget().hasAttribute('token') || !!e2e.widget().token || Object.values(sessionStorage).concat(Object.values(localStorage)).join().includes('eyJ')") {
			t.Errorf("%s: the token can be read back", when)
		}
	}

	// A reset in the middle of an upload: it stops, and nothing is kept.
	fillSong(p, 0, noise(t, "stopped.wav", 400_000), "Stopped")
	p.Slow(20_000)
	fillCreator(p, 0)
	p.Wait("e2e.events.some((e) => e.name === 'upload-progress' && e.detail.progress > 0)")
	nowhere("uploading")
	job := stateOf(p, 0).JobID
	p.Run("e2e.widget().reset()")
	if s := stateOf(p, 0); s != (state{Screen: "FORM"}) {
		t.Errorf("after reset: %+v", s)
	}
	p.Wait(browser.Hook("form-song"))
	if browser.Eval[string](p, "e2e.hook('title').value + e2e.text('file-size')") != "" {
		t.Error("after reset the form is not empty")
	}
	events := p.Events()
	expired := named(events, "token-expired")
	if len(expired) != 2 || member[string](t, expired[0], "pendingAction") != "submit" || member[string](t, expired[1], "pendingAction") != "reset" {
		t.Errorf("token-expired: %v", expired)
	}
	p.Slow(0)
	if code := prepareCode(t, x, x.host.Tokens()[0], job); code != "registration.upload_missing" {
		t.Errorf("the stopped upload: prepare says %q, want registration.upload_missing", code)
	}
	if n := browser.Eval[int](p, "e2e.events.filter((e) => e.name === 'upload-complete' || e.name === 'failed').length"); n != 0 {
		t.Errorf("after reset the upload still said something")
	}

	// And again, to the end, from the same page.
	before := browser.Eval[int](p, "e2e.events.length")
	fill(p, 0, fixtures+"bare-cbr.mp3", "Asked for")
	p.Wait(browser.Hook("confirm"))
	nowhere("price")
	confirm(p, 0)
	nowhere("complete")
	events = p.Events()
	checkShapes(t, events)
	if got, want := course(events[before:]), "token-expired upload-start upload-progress upload-complete confirmed step complete"; got != want {
		t.Errorf("events %s\nwant %s", got, want)
	}
	quiet(t, p)

	// A token that the page wrote into the attribute does not stay there.
	x.host.Page("attribute.js", `import token from '/token.js';
document.querySelector('ats-widget').setAttribute('token', token);
`)
	p.Goto(x.host.Page("attribute.html", x.element("")+`<script type="module" src="/ats-widget.esm.js"></script><script type="module" src="/attribute.js"></script>`))
	p.Wait("performance.getEntriesByName(location.origin + '/token.js').length > 0 && e2e.hook('file')")
	fill(p, 0, noise(t, "attribute.wav", 20_000), "By attribute")
	p.Wait(browser.Hook("confirm"))
	nowhere("attribute")
	quiet(t, p)
}

// TestUnkeptCode leaves the page with an access code that was neither saved nor
// copied: the browser is to ask first. With one that was kept it does not.
func TestUnkeptCode(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.AllowClipboard(x.host.URL)
	const asks = `(() => { const e = new Event('beforeunload', { cancelable: true }); dispatchEvent(e); return e.defaultPrevented; })()`
	for i, keep := range []string{"save-access-code", "copy-access-code"} {
		p.Goto(x.plain())
		p.Wait(browser.Hook("file"))
		if browser.Eval[bool](p, asks) {
			t.Error("asks about an empty form")
		}
		fill(p, 0, noise(t, keep+".wav", 20_000+1_000*i), keep)
		p.Wait(browser.Hook("confirm"))
		confirm(p, 0)
		p.Click(browser.Hook("technical"))
		p.Click(browser.Hook("copy-tx-hash")) // is not the code
		p.Wait(`e2e.text('copy-tx-hash') === 'Copied'`)
		if !browser.Eval[bool](p, asks) {
			t.Errorf("%s: would leave without the code", keep)
		}
		p.Click(browser.Hook(keep))
		p.Wait("!" + asks)
	}
	quiet(t, p)
}
