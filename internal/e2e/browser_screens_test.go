package e2e_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// TestWhatIsSealed reads the screens of a registration on a test network, in a
// time zone where it is another day: the review says all that is sealed, and
// each screen on which network it is.
func TestWhatIsSealed(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.TimeZone("Pacific/Kiritimati")
	p.Size(320, 640)
	files := p.Downloads()
	p.Goto(x.plain())
	said := func(hook string) string {
		t.Helper()
		return browser.Eval[string](p, fmt.Sprintf(`(e2e.hook(%q)?.textContent ?? '').trim().replace(/\s+/g, ' ')`, hook))
	}
	current := func(want string) {
		t.Helper()
		if got := browser.Eval[string](p, `e2e.widget().shadowRoot.querySelector('.path [aria-current]').textContent`); got != want {
			t.Errorf("the current step is %q, want %q", got, want)
		}
		if got := said("test-network"); !strings.HasPrefix(got, "Test network") {
			t.Errorf("at %s the test network is not named: %q", want, got)
		}
	}
	p.Wait(browser.Hook("form-song"))
	current("Song")
	if before := browser.Eval[float64](p, `e2e.widget().shadowRoot.getElementById('file-hint').offsetHeight`); before < 40 {
		t.Errorf("the line of the largest file has no place kept: %v px", before)
	}
	fillSong(p, 0, noise(t, "Sealed.wav", 300_000), "Sealed")
	current("Creators")
	if got := said("why-email"); !strings.Contains(got, "certificate can read the email") {
		t.Errorf("nothing says who reads an email address: %q", got)
	}
	p.Type(browser.Hook("creator-0-fullName"), "Ana Writer")
	p.Type(browser.Hook("creator-0-email"), "ana@writers.example")
	p.Click(browser.Hook("creator-0-author"))
	p.Click(browser.Hook("creator-0-adapter"))
	p.Click(browser.Hook("creator-0-numbers"))
	p.Type(browser.Hook("creator-0-ipi"), "00.012-345 678")
	p.Type(browser.Hook("creator-0-isni"), "0000 0001 2103 268x")
	if got := browser.Eval[string](p, "e2e.hook('creator-0-ipi').inputMode + ' ' + e2e.hook('creator-0-isni').inputMode"); got != "numeric text" {
		t.Errorf("the keyboards of the numbers are %q", got)
	}
	hold := p.Hold("", "/")
	p.Click(browser.Hook("submit"))
	hold.Await().Go() // init
	put := hold.Await()
	p.Wait(onScreen(0, "UPLOAD"))
	current("Upload")
	put.Go()
	prepare := hold.Await()
	p.Wait(onScreen(0, "CONFIRMING"))
	current("Checking")
	prepare.Go()
	p.Wait(browser.Hook("confirm"))
	current("Price")
	if got := sealed(p); got != "Ana Writer Lyrics, Adaptation ana@writers.example IPI 00012345678 ISNI 000000012103268X" {
		t.Errorf("the review says of the creator: %q", got)
	}
	if got := said("review"); !strings.Contains(got, "Sealed.wav 294 kB") || !strings.Contains(got, "Free") {
		t.Errorf("the review says: %q", got)
	}
	if got := said("quote-until"); !strings.HasSuffix(got, "GMT+14.") {
		t.Errorf("the end of the price has no time zone: %q", got)
	}
	hold.Release()
	confirm(p, 0)
	current("Proof")
	// The code and the certificate are on a phone's first screen.
	p.Wait("e2e.hook('certificate')")
	if bottom := browser.Eval[float64](p, "e2e.hook('certificate').getBoundingClientRect().bottom - e2e.hook('card').getBoundingClientRect().top"); bottom > 640 {
		t.Errorf("the certificate's button ends %v px below the top of the card", bottom)
	}
	if got := said("date"); !strings.HasSuffix(got, "GMT+14") {
		t.Errorf("the date has no time zone: %q", got)
	}
	if got := browser.Eval[bool](p, "e2e.hook('save-access-code').classList.contains('main') && !e2e.hook('certificate').classList.contains('main')"); !got {
		t.Error("first is not what cannot be had again")
	}
	p.Click(browser.Hook("save-access-code"))
	p.Wait("e2e.text('save-access-code') === 'Saved' && e2e.text('told-save').includes('copy the code') && e2e.text('live').includes('copy the code')")
	p.Wait("e2e.hook('certificate').classList.contains('main')")
	_, content := files.Await()
	utc := regexp.MustCompile(`\r\n\d{4}-\d\d-\d\d \d\d:\d\d UTC\r\n`)
	if text := string(content); !strings.HasPrefix(text, "Test network\r\n") || !strings.Contains(text, "GMT+14") || !utc.MatchString(text) || !strings.Contains(text, "Where to use the code\r\n") || !strings.Contains(text, x.host.URL) {
		t.Errorf("the file says:\n%s", text)
	}
	if got := said("explorer") + browser.Eval[string](p, "e2e.widget().shadowRoot.getElementById(e2e.hook('explorer').getAttribute('aria-describedby')).textContent"); !strings.Contains(got, "new tab") {
		t.Errorf("the link says %q", got)
	}
	// On paper there is nothing to press, and still what was registered.
	p.Print(true)
	if got := browser.Eval[string](p, `[...e2e.widget().shadowRoot.querySelectorAll('button, .link, progress')].filter((e) => e.getBoundingClientRect().width).map((e) => e.textContent).join() + '|' + e2e.hook('ats-id').checkVisibility() + e2e.hook('access-code').checkVisibility()`); got != "|truetrue" {
		t.Errorf("on paper: %s", got)
	}
	p.Print(false)
	quiet(t, p)

	p.Goto(x.plain())
	p.Wait(browser.Hook("test-network"))
	p.Run("e2e.widget().network = 'mainnet'")
	p.Wait("e2e.hook('card') && !" + browser.Hook("test-network"))
}

// spacesSeen reports whether a space is visible before the second word of the creator's
// name, which begins at the given place. The word must not touch the first word or start
// a line.
const spacesSeen = `(() => {
	const name = e2e.hook('review-name').querySelector('bdi');
	const text = [...name.childNodes].find((n) => n.nodeType === 3 && n.data);
	const word = document.createRange();
	word.setStart(text, %d);
	word.setEnd(text, text.length);
	const from = name.getBoundingClientRect(), at = word.getBoundingClientRect();
	return at.left > from.left + 8 && (at.top > from.top + 8 || at.left > from.left + 100);
})()`

// TestSpacesAreSealed reviews a title and a name with runs of spaces, on the
// narrowest screen: they are shown as they are sealed, and nothing overflows.
func TestSpacesAreSealed(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	dir := browser.Pictures(t)
	p.Size(320, 900)
	p.Goto(x.plain())
	name := "Ana" + strings.Repeat(" ", 60) + "Writer"
	fillSong(p, 0, noise(t, "Spaces.wav", 20_000), "Two  spaces   three")
	p.Type(browser.Hook("creator-0-fullName"), name)
	p.Type(browser.Hook("creator-0-email"), "ana@writers.example")
	p.Click(browser.Hook("creator-0-author"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	// The visible text, as a person could select and copy it.
	if got := browser.Eval[string](p, "[...e2e.hook('review').querySelectorAll('bdi')].map((e) => e.innerText).join('|')"); got != "Two  spaces   three|Spaces.wav|"+name {
		t.Errorf("the review shows %q", got)
	}
	for _, size := range []int64{320, 1280} {
		for _, dark := range []bool{false, true} {
			p.Size(size, 900)
			p.Dark(dark)
			if over := p.Overflow(); len(over) > 0 {
				t.Errorf("at %d px: %v", size, over)
			}
			if apart := browser.Eval[bool](p, fmt.Sprintf(spacesSeen, strings.Index(name, "W"))); !apart {
				t.Errorf("at %d px the name looks as if it had one space", size)
			}
			p.Screenshot(dir, fmt.Sprintf("spaces-%d-%t", size, dark))
		}
	}
	quiet(t, p)
}

// TestWhoPays shows a price that is not nothing, and waits for long.
func TestWhoPays(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	// The minute after which a wait is long passes at once.
	x.host.Page("hurry.js", `const real = setTimeout; globalThis.setTimeout = (f, ms, ...more) => real(f, globalThis.hurry && ms === 60_000 ? 50 : ms, ...more);`)
	p.Goto(x.host.Page("hurry.html", `<script src="/hurry.js"></script>`+x.element("")+scripts))
	p.Wait(browser.Hook("form-song"))
	fillSong(p, 0, noise(t, "paid.wav", 30_000), "Paid")
	hold := p.Hold("", "/v1/")
	fillCreator(p, 0)
	hold.Await().Go() // init
	hold.Await().Answer(200, `{"job_id":"1","work_id":"2","commitment":"0x5f0cbd4fa2c8ad9f1a1a4ed4f9d0a3a9d4fd1d2e07b9fbd5c2f9b6f2f2f0a1c3","network_fee_credits":12,"total_deposit_credits":70,"service_fee_credits":5,"storage_fee_credits":0,"total_price_credits":87,"is_valid":true,"expires_at":"2126-01-01T00:00:00Z"}`)
	p.Wait("e2e.text('price') === '87 credits'")
	p.Click(browser.Hook("technical"))
	for _, want := range []string{"unit of price", "you pay nothing here", "gets all credits back", "no deposit"} {
		if got := browser.Eval[string](p, "e2e.text('who-pays')"); !strings.Contains(got, want) {
			t.Errorf("of the credits is said %q, without %q", got, want)
		}
	}
	p.Run("globalThis.hurry = true")
	p.Click(browser.Hook("confirm"))
	const id = "00000000-0000-7000-8000-000000000000"
	hold.Await().Answer(202, fmt.Sprintf(`{"transaction_id":%q,"ws_url":"ws://127.0.0.1:1/","status_url":"%s/v1/transactions/%s"}`, id, x.server.URL, id))
	p.Wait("e2e.text('how-long').includes('longer than usual')")
	if got := browser.Eval[string](p, "e2e.text('may-close')"); !strings.Contains(got, "Keep this tab open") {
		t.Errorf("whether the page may be closed: %q", got)
	}
	hold.Release()
}

// TestSandboxedFrames registers in frames that forbid forms, pop-ups and
// downloads: it works, and never reports a blocked action as done.
func TestSandboxedFrames(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	files := p.Downloads()
	for i, c := range []struct {
		sandbox, save, told, certificate string
		asks                             bool
	}{
		{"allow-scripts allow-same-origin", "Save as a file", "is not allowed to save files here", "is not allowed to download files here", true},
		{"allow-scripts allow-same-origin allow-downloads", "Saved", "If nothing was saved", "The download has begun.", false},
	} {
		x.host.Page("framed.html", x.element(fmt.Sprintf(`id="frame-%d"`, i))+scripts) // else the last one's code is there again
		p.Goto(x.host.Page("sandbox.html", fmt.Sprintf(`<iframe src="/framed.html" sandbox=%q width="640" height="1800"></iframe>`, c.sandbox)))
		in := func(name string) string { return fmt.Sprintf("frames[0].e2e?.hook(%q)", name) }
		click := func(name string) {
			t.Helper()
			p.Wait(in(name))
			p.Run(in(name) + ".click()")
		}
		enter := func(name, text string) {
			t.Helper()
			p.Wait(in(name))
			p.Run(fmt.Sprintf("{ const e = %s; e.value = %q; e.dispatchEvent(new Event('input')); }", in(name), text))
		}
		p.SetFile(in("file"), noise(t, fmt.Sprintf("framed-%d.wav", len(c.sandbox)), 20_000+len(c.sandbox)*100))
		enter("title", "Framed "+c.save)
		click("next")
		enter("creator-0-fullName", "Ana Writer")
		enter("creator-0-email", "ana@writers.example")
		click("creator-0-author")
		click("submit")
		click("confirm")
		click("save-access-code")
		p.Wait(fmt.Sprintf("frames[0].e2e.text('told-save').includes(%q)", c.told))
		if got := browser.Eval[string](p, "frames[0].e2e.text('save-access-code')"); got != c.save {
			t.Errorf("%s: the button says %q", c.sandbox, got)
		}
		if got := browser.Eval[bool](p, `(() => { const e = new Event('beforeunload', { cancelable: true }); frames[0].dispatchEvent(e); return e.defaultPrevented; })()`); got != c.asks {
			t.Errorf("%s: asks before the code is left: %t", c.sandbox, got)
		}
		if c.asks {
			continue // its certificate is tested below
		}
		if name, _ := files.Await(); !strings.HasPrefix(name, "access-code-") {
			t.Errorf("%s: saved %s", c.sandbox, name)
		}
		click("certificate")
		p.WaitFor(fmt.Sprintf("frames[0].e2e.text('told-certificate').includes(%q)", c.certificate), browser.Timeout)
	}
}

// TestNamesThatTurn shows what was registered before such names were refused:
// nothing on a screen reads otherwise than it is.
func TestNamesThatTurn(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.host.Page("turn.html", x.element(`mode="download" external-user-id="ada"`)+scripts))
	hold := p.Hold("GET", "/v1/works")
	list := hold.Await()
	list.Answer(200, `{"works":[{"id":"00000000-0000-7000-8000-000000000000","ats_id":7,"title":"song of \u202eevol ym\u2066","latest_version":1,"latest_version_at":"2026-01-01T00:00:00Z","external_user_ref":"ada"}],"total_count":1,"page_info":{"has_next_page":false,"end_cursor":null}}`)
	p.Wait(browser.Hook("work-7"))
	if got := browser.Eval[string](p, "e2e.text('works')"); !strings.Contains(got, "song of ⟨U+202E⟩evol ym⟨U+2066⟩") {
		t.Errorf("the list shows %q", got)
	}
	p.Click(browser.Hook("work-7"))
	p.Click(browser.Hook("next"))
	hold.Await().Answer(200, `{"ats_id":7,"versions":[{"version":1,"registered_at":"2026-01-01T00:00:00Z","asset_filename":"a\u200fb.wav"}]}`)
	hold.Await().Answer(200, `{"version":1,"creators":[{"full_name":"A\u202eda","email":"a@b.example","roles":["author"]}]}`)
	p.Wait(browser.Hook("versions"))
	if got := browser.Eval[string](p, "['heading', 'file-1', 'creator-1'].map((h) => e2e.text(h)).join(' | ').replace(/\\s+/g, ' ')"); got != "song of ⟨U+202E⟩evol ym⟨U+2066⟩ | a⟨U+200F⟩b.wav | A⟨U+202E⟩da Lyrics" {
		t.Errorf("the versions show %q", got)
	}
	hold.Release()
}

// TestColoursOfOldBrowsers removes from the style sheet the features that are younger
// than 2024: everything can still be read, whatever the primary is.
func TestColoursOfOldBrowsers(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	v := newViewer(t, p)
	x.host.Page("old.js", `const replace = CSSStyleSheet.prototype.replaceSync;
CSSStyleSheet.prototype.replaceSync = function (text) {
  replace.call(this, text.replaceAll('light-dark(', 'unknown-a(').replaceAll('color(from', 'unknown-b(from').replaceAll('color-mix(', 'unknown-c('));
  document.body.dataset.old = '';
};`)
	p.Goto(x.host.Page("old.html", `<script src="/old.js"></script>`+x.element("")+scripts))
	v.load()
	p.Wait(browser.Hook("form-song") + " && 'old' in document.body.dataset")
	check := func(screen string) {
		t.Helper()
		for _, primary := range append(primaries, "initial") {
			p.Run(fmt.Sprintf("e2e.widget().style.setProperty('--ats-primary', %q)", primary))
			how := "an old browser, --ats-primary " + primary
			v.tell(screen, how, p.Audit("color-contrast"))
			v.tell(screen, how, lowContrast(p))
			v.tell(screen, how, browser.Eval[[]string](p, `(() => {
			  const s = getComputedStyle(e2e.widget().shadowRoot.querySelector('.main'));
			  return s.backgroundColor === 'rgba(0, 0, 0, 0)' || s.backgroundColor === s.color ? ['the main button is ' + s.color + ' on ' + s.backgroundColor] : [];
			})()`))
		}
		p.Screenshot(v.pictures, screen)
	}
	check("song")
	fillSong(p, 0, noise(t, "old.wav", 20_000), "Old")
	p.Wait(browser.Hook("form-creators"))
	check("creators")
	fillCreator(p, 0)
	p.Wait(browser.Hook("confirm"))
	check("review")
	confirm(p, 0)
	check("complete")
}

// TestOwnHover sets the two colours that else follow from the primary.
func TestOwnHover(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	x.host.Page("hover.css", `ats-widget { --ats-primary: #17663c; --ats-primary-hover: #ffe08a; --ats-primary-light: #e8f6ee; --ats-transition: 0s }`)
	p.Goto(x.host.Page("hover.html", `<link rel="stylesheet" href="/hover.css">`+x.element("")+scripts))
	p.Wait(browser.Hook("form-song"))
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("error-title"))
	p.Click(browser.Hook("next")) // the complaints have moved it
	p.Wait("getComputedStyle(e2e.hook('next')).backgroundColor === 'rgb(255, 224, 138)'")
	if got := browser.Eval[string](p, "(() => { const c = document.createElement('canvas').getContext('2d'); c.fillStyle = getComputedStyle(e2e.hook('next')).color; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data].join(); })()"); got != "0,0,0,255" {
		t.Errorf("the text on the page's own hover colour is %s", got)
	}
	fillSong(p, 0, noise(t, "hover.wav", 20_000), "Hover")
	p.Click(browser.Hook("creator-0-author"))
	p.Wait("getComputedStyle(e2e.hook('creator-0-author').parentElement).backgroundColor === 'rgb(232, 246, 238)'")
}
