package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

const fullCourse = "ready upload-start upload-progress upload-complete confirmed step complete"

// TestDemoByMouse registers a song of each format on the demo page with the mouse, as a
// visitor does. The events, the screen and the public record must have the same values.
func TestDemoByMouse(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	for i, song := range []struct{ file, title string }{
		{"pcm16.wav", "Wave"}, {"vbr-id3v2.mp3", "Em Pee Three"}, {"stereo.flac", "Flac é ñ 歌"}, {"vorbis.ogg", "Ogg <b>bold</b>"},
	} {
		if i > 0 {
			p.Run("e2e.widget().reset()") // the code that was not saved would come back
		}
		p.Goto(s.URL + "/demo/")
		fill(p, 0, fixtures+song.file, song.title)
		p.Wait(browser.Hook("confirm"))
		if price := browser.Eval[string](p, `e2e.text('price')`); price != "Free" {
			t.Errorf("%s: the price before agreeing is %q, want Free on testnet", song.file, price)
		}
		if n := len(p.Requests("POST", "/v1/works/confirm")); n != i {
			t.Errorf("%s: %d confirms before the user agreed, want %d", song.file, n, i)
		}
		p.Click(browser.Hook("confirm"))
		p.Wait(onScreen(0, "COMPLETE"))

		events := p.Events()
		checkShapes(t, events)
		if got := course(events); got != fullCourse {
			t.Errorf("%s: events %s\nwant %s", song.file, got, fullCourse)
		}
		checkNumbers(t, song.file, events)

		end := stateOf(p, 0)
		complete := events[len(events)-1]
		shown := browser.Eval[struct{ AtsID, Code, Link string }](p, `({AtsID: e2e.text('ats-id'), Code: e2e.text('access-code'), Link: e2e.hook('explorer').href})`)
		if id := member[int64](t, complete, "atsId"); end.AtsID != id || shown.AtsID != fmt.Sprint(id) {
			t.Errorf("%s: ATS id %d in the event, %d in the state, %s on the screen", song.file, id, end.AtsID, shown.AtsID)
		}
		if code := member[string](t, complete, "accessCode"); end.AccessCode != code || shown.Code != code {
			t.Errorf("%s: access code %s in the event, %s in the state, %s on the screen", song.file, code, end.AccessCode, shown.Code)
		}
		if id := member[string](t, named(events, "confirmed")[0], "transactionId"); id != end.TransactionID {
			t.Errorf("%s: transaction %s was confirmed, the state says %s", song.file, id, end.TransactionID)
		}
		explorer := member[string](t, complete, "explorerUrl")
		server, _, told := strings.Cut(explorer, "/explorer/testnet/tx/"+member[string](t, complete, "txHash"))
		url := fmt.Sprintf("%s/w/testnet/%d", server, end.AtsID)
		if !told || shown.Link != url {
			t.Errorf("%s: the link leads to %s, the event says %s", song.file, shown.Link, explorer)
		}

		record := p.Follow(browser.Hook("explorer"))
		type entry struct {
			URL, Heading, Text string
			Holds, Fails       int
			Verified           bool
		}
		seen := browser.Eval[entry](record, `({URL: location.href, Heading: document.querySelector('h1').textContent, Text: document.body.textContent,
		  Holds: document.querySelectorAll('.checks .yes').length, Fails: document.querySelectorAll('.checks .no').length,
		  Verified: document.querySelector('.badge.yes')?.textContent.includes('Verified') ?? false})`)
		if seen.URL != url || !seen.Verified || seen.Fails > 0 || seen.Holds < 3 {
			t.Errorf("%s: the public record: %+v", song.file, seen)
		}
		if hash := member[string](t, complete, "txHash"); !strings.Contains(seen.Text, hash) {
			t.Errorf("%s: the public record does not show transaction %s", song.file, hash)
		}
		if strings.Contains(seen.Text, song.title) || strings.Contains(seen.Text, "Ana Writer") {
			t.Errorf("%s: the public record tells the title or a name", song.file)
		}
		for _, line := range record.Problems() {
			t.Errorf("%s: the public record: %s", song.file, line)
		}
		record.Close()
	}
	quiet(t, p)
}

// TestDemoUpdates registers a song and then updates it with the page's own switch and
// samples, as a visitor does with a new access code.
func TestDemoUpdates(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.Goto(s.URL + "/demo/")
	fill(p, 0, fixtures+"pcm16.wav", "First take")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	code := stateOf(p, 0).AccessCode

	const notice = `document.getElementById('toast-text').textContent`
	choose := func(mode string) {
		p.Run(fmt.Sprintf(`{ const s = document.querySelector('#switches [name=mode]'); s.value = %q; s.dispatchEvent(new Event('change', { bubbles: true })); }`, mode))
	}
	choose("update")
	p.Wait(browser.Hook("access_code"))
	if said := browser.Eval[string](p, notice); !strings.Contains(said, "access code") {
		t.Errorf("the code went with its screen, and the page says %q", said)
	}
	use := `document.querySelector('[data-file="last-ferry.mp3"] [data-use]')`
	p.Click(use)
	p.Wait(notice + `.includes('by its access code first')`)
	open(p, code)
	p.Wait(`document.getElementById('toast').hidden`)
	p.Wait(browser.Hook("work"))
	p.Click(use)
	p.Wait("e2e.text('file-name') === 'last-ferry.mp3'")
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	if got := browser.Eval[string](p, "e2e.text('version')"); got != "2" {
		t.Errorf("version %s, want 2", got)
	}
	choose("register")
	p.Wait(browser.Hook("title"))
	quiet(t, p)
}

// checkNumbers checks what the shapes cannot: sizes, and that progress only grows.
func checkNumbers(t *testing.T, file string, events []browser.Event) {
	t.Helper()
	info, err := os.Stat(fixtures + file)
	if err != nil {
		t.Fatal(err)
	}
	if start := named(events, "upload-start"); len(start) != 1 || member[int64](t, start[0], "size") != info.Size() || member[string](t, start[0], "filename") != file {
		t.Errorf("%s: upload-start %v", file, start)
	}
	for _, name := range []string{"upload-progress", "step"} {
		var progress []int
		for _, e := range named(events, name) {
			progress = append(progress, member[int](t, e, "progress"))
		}
		if !slices.IsSorted(progress) || len(slices.Compact(slices.Clone(progress))) != len(progress) || len(progress) == 0 || progress[len(progress)-1] != 100 {
			t.Errorf("%s: %s goes %v", file, name, progress)
		}
	}
	var steps []string
	for _, e := range named(events, "step") {
		steps = append(steps, member[string](t, e, "step"))
	}
	want := []string{"validating", "preparing_transaction", "signing", "submitting", "confirming", "completed"}
	if !slices.Equal(steps, want) {
		t.Errorf("%s: steps %v, want %v", file, steps, want)
	}
}

// TestDemoByKeyboard registers a song on the demo page with Tab, Shift+Tab,
// Space and Enter alone, besides the letters of what is filled in.
func TestDemoByKeyboard(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.InterceptChooser()
	p.Goto(s.URL + "/demo/")
	p.Wait(browser.Hook("file"))
	k := keyboard{t, p}

	k.to("file")
	p.Press(browser.Space, false)
	p.ChooseFile(fixtures + "opusenc.opus")
	p.Wait("e2e.text('file-name') === 'opusenc.opus'")
	k.on("file")
	k.to("title")
	p.Keys("By keyboard")
	k.leaves("file", "clear")
	k.to("next")
	p.Press(browser.Enter, false)
	k.heading("who", "Who made it?")

	k.to("creator-0-fullName")
	p.Keys("Ana Writer")
	k.to("creator-0-email")
	p.Keys("ana@writers.example")
	k.to("creator-0-author")
	p.Press(browser.Space, false)
	k.to("creator-0-numbers")
	p.Press(browser.Enter, false)
	k.to("creator-0-isni")
	p.Keys("000000012146438X")
	k.to("add-creator")
	p.Press(browser.Enter, false)
	p.Wait("e2e.focus() === 'creator-1-fullName'")
	p.Keys("Bo Composer")
	k.to("creator-1-email")
	p.Keys("bo@writers.example")
	k.to("creator-1-composer")
	p.Press(browser.Space, false)
	k.to("remove-creator-1")
	k.back("creator-0-isni")
	k.leaves("remove-creator-0", "back")

	k.to("submit")
	p.Press(browser.Enter, false)
	p.Wait(browser.Hook("confirm"))
	k.heading("review", "Check and confirm")
	k.to("technical")
	p.Press(browser.Space, false)
	p.Wait("e2e.hook('technical').closest('details').open")
	k.leaves("confirm", "technical")
	k.to("confirm")
	p.Press(browser.Space, false)
	p.Wait(onScreen(0, "COMPLETE"))
	k.heading("done", "Your song is registered")
	k.to("save-access-code")
	k.to("certificate")
	k.to("explorer")
	k.to("again")
	p.Press(browser.Enter, false)
	p.Wait(browser.Hook("unsaved")) // the code was neither saved nor copied
	p.Press(browser.Enter, false)
	p.Wait("e2e.state().screen === 'FORM'")
	k.heading("again", "Register your song")
	quiet(t, p)
}

// keyboard is somebody who has nothing else.
type keyboard struct {
	t *testing.T
	p *browser.Page
}

// far is more than the number of Tab stops on any of our pages.
const far = 120

// to presses Tab until the element has the focus.
func (k keyboard) to(hook string) { k.t.Helper(); k.walk(hook, false) }

// back does the same with Shift.
func (k keyboard) back(hook string) { k.t.Helper(); k.walk(hook, true) }

func (k keyboard) walk(hook string, shift bool) {
	k.t.Helper()
	var path []string
	for range far {
		k.p.Press(browser.Tab, shift)
		at := browser.Eval[string](k.p, "e2e.focus()")
		if at == hook {
			k.visible(hook)
			return
		}
		path = append(path, at)
	}
	k.t.Fatalf("Tab never gets to %s: %v", hook, path)
}

// visible checks that the focus can be seen: the element, or the one that stands
// for it, is drawn with an outline.
func (k keyboard) visible(hook string) {
	k.t.Helper()
	if !browser.Eval[bool](k.p, `(() => {
	  const e = e2e.active();
	  const shown = [e, e.nextElementSibling, e.closest('label')].filter(Boolean);
	  return shown.some((x) => { const s = getComputedStyle(x); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 && x.getBoundingClientRect().width > 8; });
	})()`) {
		k.t.Errorf("the focus on %s cannot be seen", hook)
	}
}

func (k keyboard) on(hook string) {
	k.t.Helper()
	if at := browser.Eval[string](k.p, "e2e.focus()"); at != hook {
		k.t.Errorf("the focus is on %s, want %s", at, hook)
	}
}

// heading waits until the focus is on the heading of a new screen.
func (k keyboard) heading(what, text string) {
	k.t.Helper()
	k.p.Wait(fmt.Sprintf("e2e.focus() === 'heading' && e2e.text('heading') === %q", text))
}

// leaves checks that the widget does not trap the focus. Tab leads out from its last
// stop, and Shift+Tab back in. Shift+Tab also leads out from its first stop.
func (k keyboard) leaves(first, last string) {
	k.t.Helper()
	const inside = "e2e.widget().shadowRoot.activeElement !== null"
	k.walk(last, false)
	k.p.Press(browser.Tab, false)
	if browser.Eval[bool](k.p, inside) {
		k.t.Errorf("Tab from %s stays in the widget, on %s", last, browser.Eval[string](k.p, "e2e.focus()"))
	}
	k.p.Press(browser.Tab, true)
	k.on(last)
	k.walk(first, true)
	k.p.Press(browser.Tab, true)
	if browser.Eval[bool](k.p, inside) {
		k.t.Errorf("Shift+Tab from %s stays in the widget, on %s", first, browser.Eval[string](k.p, "e2e.focus()"))
	}
}

// TestDemoSignedIn registers a song as Ada and finds it among hers, where Ben
// finds nothing.
func TestDemoSignedIn(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.Goto(s.URL + "/demo/")
	p.Wait(browser.Hook("form-song"))
	pick := func(name, value string) {
		p.Run(fmt.Sprintf("(() => { const s = document.querySelector('select[name=%s]'); s.value = %q; s.dispatchEvent(new Event('change', {bubbles: true})); })()", name, value))
	}
	// The session that the page requested first has no end-user.
	p.Wait("performance.getEntriesByType('resource').some((r) => r.name.endsWith('/demo/session'))")
	pick("user", "ada")
	fill(p, 0, fixtures+"pcm16.wav", "Signed")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	if browser.Eval[bool](p, "!!e2e.hook('access-code')") {
		t.Error("Ada was given an access code")
	}
	pick("mode", "download")
	p.Wait("e2e.text('count') === '1 song' && e2e.hook('works').textContent.includes('Signed')")
	p.Leave(func() { p.Run("location.reload()") })
	p.Wait("e2e.widget()?.externalUserId.startsWith('ada-')")
	pick("mode", "update")
	p.Wait("e2e.text('count') === '1 song'")
	pick("user", "ben")
	p.Wait(browser.Hook("none"))
	pick("user", "")
	p.Wait(browser.Hook("form-code"))
	pick("mode", "download")
	p.Wait("e2e.text('count') === '1 song'")
	pick("user", "")
	p.Wait(browser.Hook("form-song"))
	// A token that was on its way when somebody else signed in is refused, and another one asked for.
	for _, line := range p.Problems() {
		if !strings.Contains(line, "/v1/works?") {
			t.Errorf("console: %s", line)
		}
	}
}

// TestDemoWithoutStorage has a visitor who allows no storage: even to name it
// throws. All of the page works, for as long as it is open.
func TestDemoWithoutStorage(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.BeforeScripts(`for (const name of ['localStorage', 'sessionStorage'])
	  Object.defineProperty(window, name, { get() { throw new DOMException('The operation is insecure.', 'SecurityError'); } });
	delete URL.parse;`)
	p.Goto(s.URL + "/demo/")
	p.Wait(browser.Hook("file"))
	const mark = "document.getElementById('network-mark').textContent"
	if said := browser.Eval[string](p, mark); !strings.HasPrefix(said, "Test network") {
		t.Errorf("the stage says %q", said)
	}
	p.Run("(() => { const s = document.querySelector('[name=network]'); s.value = 'mainnet'; s.dispatchEvent(new Event('change', { bubbles: true })); })()")
	p.Wait(mark + ".startsWith('Main network') && e2e.widget().network === 'mainnet'")
	p.Run("(() => { const s = document.querySelector('[name=network]'); s.value = 'testnet'; s.dispatchEvent(new Event('change', { bubbles: true })); })()")
	p.Wait(mark + ".startsWith('Test network') && e2e.widget().network === 'testnet'")
	p.Click("document.querySelectorAll('[name=colour]')[1]")
	p.Wait("e2e.widget().style.getPropertyValue('--ats-primary') === '#17663c'")
	p.Click("document.querySelector('.sample [data-use]')")
	p.Wait("e2e.text('file-name') !== ''")
	p.Type(browser.Hook("title"), "Without storage")
	p.Click(browser.Hook("next"))
	fillCreator(p, 0)
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	p.Wait("document.getElementById('result').textContent.startsWith('Your song is number 1, in block 1. On the test network.') && document.getElementById('result-link').href.includes('/explorer/testnet/tx/')")
	p.Click("document.getElementById('reset')")
	p.Wait(browser.Hook("file"))
	p.AllowClipboard(s.URL)
	p.Click("document.querySelector('[data-copy]')")
	p.Wait("document.getElementById('toast-text').textContent === 'Copied.'")
	for _, line := range p.Problems() {
		t.Error(line)
	}
}

// TestDemoRightToLeft looks for elements on the wrong side of the page.
func TestDemoRightToLeft(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.Goto(s.URL + "/demo/")
	p.Wait(browser.Hook("file"))
	p.Run("(() => { const s = document.querySelector('[name=lang]'); s.value = 'ar'; s.dispatchEvent(new Event('change', { bubbles: true })); })()")
	p.Wait("document.documentElement.dir === 'rtl' && e2e.text('heading') !== ''")
	for _, wide := range []int64{1280, 320} {
		p.Size(wide, 2600)
		for what, holds := range map[string]string{
			"the triangle":         "(() => { const s = document.querySelector('.no-song summary'), r = document.createRange(); r.selectNodeContents(s); return s.getBoundingClientRect().right - r.getBoundingClientRect().right > 8; })()",
			"the label Error code": "(() => { const l = document.querySelector('label[for=rehearsal-code]'), r = document.createRange(); r.selectNodeContents(l); return Math.abs(document.getElementById('rehearsal-code').getBoundingClientRect().right - r.getBoundingClientRect().right) < 4; })()",
		} {
			if !browser.Eval[bool](p, holds) {
				t.Errorf("%d px: %s stands on the left", wide, what)
			}
		}
		if at := p.Overflow(); len(at) > 0 {
			t.Errorf("%d px: %q", wide, at)
		}
		if dir := browser.Pictures(t); dir != "" {
			p.Screenshot(dir, fmt.Sprintf("demo-rtl-%d", wide))
		}
	}
}
