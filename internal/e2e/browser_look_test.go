package e2e_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/web/i18n"
)

// A look is one way in which a screen may be seen.
type look struct {
	name  string
	width int64
	dark  bool
	lang  string
}

var looks = []look{
	{"320-light", 320, false, "en"},
	{"320-dark", 320, true, "en"},
	{"1280-dark", 1280, true, "en"},
	{"1280-light", 1280, false, "en"},
	{"320-light-ar", 320, false, "ar"},
	{"1280-dark-ar", 1280, true, "ar"},
}

// translations are the languages of the widget and of /verify.
var translations = func() []i18n.Language {
	all, err := i18n.Read("../..")
	if err != nil {
		panic(err) // the builds fail too
	}
	return all
}()

// others are the languages that looks lacks.
func others() []string {
	var tags []string
	for _, l := range translations {
		if !slices.ContainsFunc(looks, func(s look) bool { return s.lang == l.Tag }) {
			tags = append(tags, l.Tag)
		}
	}
	return tags
}

// TestLooksLarge looks at the screens of a file in parts: its speed, the wait without a network,
// the offer to continue after a reload, and another file that was chosen then.
func TestLooksLarge(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{Args: []string{"--upload-parts-from", "1000000"}}))
	p := browser.Open(t)
	v := newViewer(t, p)
	p.Goto(x.plain())
	v.load()
	p.Slow(300_000)
	file := noise(t, "A rather long name of a song that was exported (final mix, master 2).wav", 40<<20)
	fill(p, 0, file, "The Ferryman’s Daughter")
	p.Wait(browser.Hook("pace"))
	v.see("pace")
	p.Offline(true)
	p.Wait(browser.Hook("notice") + " && !" + browser.Hook("pace"))
	v.see("offline")
	p.Offline(false)
	p.Goto(x.plain())
	v.load()
	p.Wait(browser.Hook("lost"))
	v.see("chosen-again")
	p.SetFile(browser.Hook("file"), noise(t, "Another song.wav", 100_000))
	p.Wait(browser.Hook("another"))
	v.see("another-file")
	p.SetFile(browser.Hook("file"), file)
	p.Wait(browser.Hook("go-on"))
	v.see("go-on")
	p.ForgetProblems() // the console tells of lost requests
}

// tall is a window that no screen is too long for, so that nothing scrolls
// between one look and the next.
const tall = 2600

// primaries are brand colours that are hard to read on, or with.
var primaries = []string{"#ffcc00", "#1a1a1a", "white", "oklch(0.7 0.2 145)"}

// TestLooks goes through every screen and looks at each from all sides: the
// accessibility rules hold, nothing scrolls sideways, any brand colour can be
// read.
func TestLooks(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	v := newViewer(t, p)
	p.Goto(x.plain())
	v.load()
	see, colour := v.see, v.colour

	// The rules look into the widget: what is planted there is found.
	p.Wait(browser.Hook("form-song"))
	p.Run("e2e.widget().style.setProperty('--ats-text', '#ccc')")
	if len(p.Audit("color-contrast")) == 0 {
		t.Fatal("the accessibility rules do not see into the widget")
	}
	p.Run("e2e.widget().style.removeProperty('--ats-text')")

	p.Wait(browser.Hook("form-song"))
	see("song")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("error-file"))
	see("song-errors")
	p.SetFile(browser.Hook("file"), noise(t, "A rather long name of a song that was exported (final mix, master 2).wav", 400_000))
	p.Type(browser.Hook("title"), "The Ferry\u200bman’s Daughter")
	p.Click(browser.Hook("next"))
	p.Wait(`e2e.text('error-title').includes('…he Ferry⟨U+200B⟩man’s Da…')`)
	see("song-hidden")
	p.Run("e2e.hook('title').select()")
	p.Keys("The Ferryman’s Daughter")
	see("song-filled")
	colour("song-filled")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("form-creators"))
	p.Click(browser.Hook("creator-0-numbers"))
	p.Click(browser.Hook("add-creator"))
	p.Click(browser.Hook("submit"))
	p.Wait(`e2e.hook('error-creators.1.email')`)
	see("creators-errors")
	p.Click(browser.Hook("remove-creator-1"))
	p.Wait("!" + browser.Hook("creator-1"))
	p.Type(browser.Hook("creator-0-fullName"), "Ana Writer")
	p.Type(browser.Hook("creator-0-email"), "ana@writers.example")
	p.Click(browser.Hook("creator-0-author"))
	p.Click(browser.Hook("creator-0-composer"))
	see("creators")
	colour("creators")

	p.Slow(8_000)
	p.Click(browser.Hook("submit"))
	p.Wait("e2e.hook('progress')?.value > 0")
	see("uploading")
	hold := p.Hold("", "/v1/works/")
	p.Slow(0)
	preparing := hold.Await()
	p.Wait(browser.Hook("progress"))
	see("preparing")
	preparing.Go()
	p.Wait(browser.Hook("confirm"))
	p.Click(browser.Hook("technical"))
	p.Wait("e2e.hook('technical').closest('details').open")
	see("review")
	// docs/images/widget.png is this picture.
	p.Run("document.querySelector('h1').hidden = true; document.querySelector('main').style.paddingBlock = '20px'")
	p.Portrait(v.pictures, "readme", browser.Hook("card"))
	p.Run("document.querySelector('h1').hidden = false; document.querySelector('main').style.paddingBlock = ''")
	colour("review")

	p.Click(browser.Hook("confirm"))
	confirming := hold.Await()
	p.Wait("e2e.focus() === 'heading' && !" + browser.Hook("confirm"))
	see("confirming")
	confirming.Go()
	hold.Release()
	p.Wait(onScreen(0, "COMPLETE"))
	p.Click(browser.Hook("technical"))
	see("complete")
	colour("complete")

	// From here some answers are fixed ones in the documented form, so that each screen
	// stays while its picture is taken. reset, because the code that was not saved would
	// come back.
	p.Run("e2e.widget().reset()")
	p.Goto(x.plain())
	v.load()
	const id = "00000000-0000-7000-8000-000000000000"
	const hash = "0x5f0cbd4fa2c8ad9f1a1a4ed4f9d0a3a9d4fd1d2e07b9fbd5c2f9b6f2f2f0a1c3"
	fillSong(p, 0, noise(t, "second.wav", 20_000), "Held in between")
	hold = p.Hold("", "/v1/")
	fillCreator(p, 0)
	hold.Await().Go() // init
	hold.Await().Go() // prepare
	p.Click(browser.Hook("confirm"))
	// The socket does not answer: the widget polls instead.
	hold.Await().Answer(202, fmt.Sprintf(`{"transaction_id":%q,"ws_url":"ws://127.0.0.1:1/","status_url":"%s/v1/transactions/%s"}`, id, x.server.URL, id))
	hold.Await().Answer(200, fmt.Sprintf(`{"id":%q,"current_step":"submitting","progress":60,"description":"","is_complete":false,"result":null,"steps":[]}`, id))
	p.Wait("e2e.events.some((e) => e.name === 'step')")
	see("tracking")
	hold.Await().Answer(200, fmt.Sprintf(`{"id":%q,"current_step":"failed","progress":100,"description":"","is_complete":true,"steps":[],"result":{"success":false,"tx_hash":%q,"error":"The registration did not go through.","error_code":"transaction.failed","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`, id, hash))
	p.Wait(onScreen(0, "FAILED"))
	p.Wait("e2e.focus() === 'heading'")
	see("failed")

	p.Click(browser.Hook("retry"))
	p.Wait(onScreen(0, "FORM"))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	hold.Await().Answer(403, `{"error":{"code":"session.key_inactive","message":"This key is not active.","request_id":"req_01M84P5Y0S9D5JKPTP7BAC8R4F"}}`)
	p.Wait(onScreen(0, "DISABLED"))
	p.Wait("e2e.focus() === 'heading'")
	see("disabled")
	hold.Release()
	v.done()
}

// viewer looks at screens from all sides. Its pictures are in the folder that
// TIMBRE_SCREENSHOTS names.
type viewer struct {
	t        *testing.T
	p        *browser.Page
	pictures string
	number   int
	told     map[string]bool
}

func newViewer(t *testing.T, p *browser.Page) *viewer {
	t.Helper()
	pictures := browser.Pictures(t)
	p.Size(1280, tall)
	return &viewer{t: t, p: p, pictures: pictures, told: map[string]bool{}}
}

// load brings the accessibility rules into a page that was just opened.
func (v *viewer) load() {
	v.t.Helper()
	v.p.LoadAxe(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
	v.p.Run(placing)
}

// speak changes the language of the page, and waits for the widget to follow.
func (v *viewer) speak(lang string) {
	v.t.Helper()
	at := slices.IndexFunc(translations, func(l i18n.Language) bool { return l.Tag == lang })
	dir := translations[at].Dir
	v.p.Run(fmt.Sprintf("Object.assign(document.documentElement, {lang: %q, dir: %q})", lang, dir))
	v.p.Wait(fmt.Sprintf("e2e.hook('card').dir === %q && e2e.hook('card').lang === %q", dir, lang))
}

func (v *viewer) tell(screen, how string, found []string) {
	v.t.Helper()
	for _, line := range found {
		if !v.told[screen+line] {
			v.told[screen+line] = true
			v.t.Errorf("%s, %s: %s", screen, how, line)
		}
	}
}

// see looks at a screen in every look.
func (v *viewer) see(screen string) {
	v.t.Helper()
	p := v.p
	v.number++
	for _, l := range looks {
		p.Size(l.width, tall)
		p.Dark(l.dark)
		v.speak(l.lang)
		p.Run("getSelection().removeAllRanges()")
		v.tell(screen, l.name, p.Audit())
		v.tell(screen, l.name, p.Overflow())
		v.tell(screen, l.name, browser.Eval[[]string](p, "measure()"))
		p.Screenshot(v.pictures, fmt.Sprintf("%02d-%s-%s", v.number, screen, l.name))
	}
	p.Dark(false)
	// The longest labels of all languages, where there is least room.
	p.Size(320, tall)
	for _, lang := range others() {
		v.speak(lang)
		v.tell(screen, "320 "+lang, p.Overflow())
		v.tell(screen, "320 "+lang, browser.Eval[[]string](p, "measure()"))
		p.Screenshot(v.pictures, fmt.Sprintf("%02d-%s-320-%s", v.number, screen, lang))
	}
	v.forced(screen)
	v.speak("en")
	p.Size(1280, tall)
}

// forced holds that in the system's few colours an edge replaces the meaning of a colour.
func (v *viewer) forced(screen string) {
	v.t.Helper()
	p := v.p
	p.Forced(true)
	v.tell(screen, "forced colours", browser.Eval[[]string](p, `(() => {
	  const found = [];
	  const look = (e) => { const s = getComputedStyle(e); return [s.borderTopStyle, s.borderTopWidth, s.outlineStyle, s.borderTopColor].join(' '); };
	  const root = e2e.widget().shadowRoot;
	  const current = root.querySelector('.path [aria-current]');
	  for (const li of root.querySelectorAll('.path li')) if (current && li !== current && look(li) === look(current)) found.push('a step looks like the current one: ' + look(li));
	  const past = root.querySelector('.path .past:not([aria-current])');
	  const coming = root.querySelector('.path li:not(.past, [aria-current])');
	  if (past && coming && look(past) === look(coming)) found.push('what is past looks like what comes: ' + look(past));
	  const shown = (e) => e?.getBoundingClientRect().width > 0 && e !== root.activeElement;
	  const main = [...root.querySelectorAll('.main')].find(shown);
	  const other = [...root.querySelectorAll('button:not(.main)')].find(shown);
	  if (main && other && look(main) === look(other)) found.push('the main button looks like the others: ' + look(main));
	  const ribbon = root.querySelector('.ribbon');
	  if (!ribbon || getComputedStyle(ribbon).borderTopStyle !== 'solid' || !ribbon.getBoundingClientRect().height) found.push('the test network is not marked');
	  return found;
	})()`))
	p.Screenshot(v.pictures, fmt.Sprintf("%02d-%s-forced", v.number, screen))
	p.Forced(false)
}

// colour tries the brand colours on a screen.
func (v *viewer) colour(screen string) {
	v.t.Helper()
	p := v.p
	for _, dark := range []bool{false, true} {
		p.Dark(dark)
		for _, primary := range primaries {
			p.Run(fmt.Sprintf("e2e.widget().style.setProperty('--ats-primary', %q)", primary))
			how := fmt.Sprintf("--ats-primary %s, dark %t", primary, dark)
			v.tell(screen, how, p.Audit("color-contrast"))
			v.tell(screen, how, lowContrast(p))
		}
		p.Run("e2e.widget().style.removeProperty('--ats-primary')")
	}
	p.Dark(false)
}

// done checks that every screen has a picture of every look, when pictures are taken.
func (v *viewer) done() {
	v.t.Helper()
	if v.pictures == "" {
		return
	}
	if files, _ := filepath.Glob(filepath.Join(v.pictures, "*.png")); len(files) < v.number*len(looks) {
		v.t.Errorf("%d pictures of %d screens", len(files), v.number)
	}
}

// TestPagesLook holds the demo's page and the public record to the same rules.
func TestPagesLook(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.Goto(s.URL + "/demo/")
	fill(p, 0, fixtures+"ffmpeg.opus", "Seen from outside")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	record := browser.Eval[string](p, "e2e.events.find((e) => e.name === 'complete').detail.explorerUrl")
	block := browser.Eval[string](p, "String(e2e.text('block'))")
	for _, page := range []string{s.URL + "/demo/", record, s.URL + "/explorer/testnet/block/" + block, s.URL + "/explorer/testnet"} {
		p.Goto(page)
		p.LoadAxe(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
		for _, l := range looks[:4] {
			p.Size(l.width, 900)
			p.Dark(l.dark)
			for _, line := range append(p.Audit(), p.Overflow()...) {
				t.Errorf("%s, %s: %s", page, l.name, line)
			}
		}
	}
}

// lowContrast looks at what the rules for text do not: lines and shapes that
// carry a meaning stand out from what is behind them by 3:1 (WCAG 1.4.11).
func lowContrast(p *browser.Page) []string {
	return browser.Eval[[]string](p, `(() => {
	  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
	  const rgba = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
	  const light = (c) => { const [r, g, b] = [...rgba(c)].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };
	  const ground = getComputedStyle(e2e.hook('card')).backgroundColor;
	  const found = [];
	  const check = (what, colour, behind = ground) => { const r = ratio(colour, behind); if (r < 3) found.push(what + ' stands out by ' + r.toFixed(2) + ': ' + colour + ' on ' + behind); };
	  for (const e of e2e.widget().shadowRoot.querySelectorAll('*')) {
	    if (!e.getBoundingClientRect().width) continue;
	    const s = getComputedStyle(e);
	    if (e.matches('input[type=checkbox]:checked')) check('a tick', s.accentColor);
	    if (e.matches('svg.turn, [aria-current] svg')) check('the current step', s.color);
	    if (e.matches('.path li[aria-current]')) check('the path', s.borderBlockStartColor);
	  }
	  return found;
	})()`)
}
