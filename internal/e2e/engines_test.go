package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/engine"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/fault"
)

// listen is the tests' own script, before those of the page.
const listen = `<script src="/e2e.js"></script>`

// TestEngines tests the widget and the page /verify in Firefox and WebKit, under the
// strictest policy. The detailed tests run in Chromium. This test covers the behaviour
// that may differ in another engine.
func TestEngines(t *testing.T) {
	t.Parallel()
	for _, name := range engine.Names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := engine.Open(t, name, engine.Options{})
			s := harness.Start(t, harness.Options{})
			x := newSite(t, s)
			x.host.Policy(x.host.StrictPolicy())
			e := &engines{t, p, x}
			code := e.registers()
			e.updates(code)
			e.downloads()
			e.refuses()
			e.staysHere()
			e.verifies()
			e.writesLeft()
			e.reloads()
		})
	}
}

// engines is the flow in one of them.
type engines struct {
	t *testing.T
	p *engine.Page
	x *site
}

// page is one with a widget and the tests' ears, under the policy of the site.
func (e *engines) page(more string) string {
	return e.x.host.Page("engine.html", listen+e.x.element(more)+scripts)
}

// well holds that nothing was against the policy, and that all events are as the
// contract has them.
func (e *engines) well() {
	e.t.Helper()
	for _, v := range engine.Eval[[]string](e.p, "e2e.violations") {
		if !strings.Contains(v, "/favicon.ico") { // the browser asks for the host's by itself
			e.t.Errorf("policy violated: %s", v)
		}
	}
	checkShapes(e.t, e.events())
}

func (e *engines) events() (out []browser.Event) {
	e.t.Helper()
	if err := json.Unmarshal([]byte(engine.Eval[string](e.p, "JSON.stringify(e2e.events)")), &out); err != nil {
		e.t.Fatal(err)
	}
	return out
}

// registers goes from the form to the end, saves the certificate and the access
// code, and copies that.
func (e *engines) registers() (code string) {
	p := e.p
	p.Goto(e.page(""))
	p.SetFile(browser.Hook("file"), noise(e.t, "Engine.wav", 6_000_000))
	p.Wait(browser.Hook("title") + ".value !== ''") // the title is proposed before the typing begins
	p.Type(browser.Hook("title"), "In another engine")
	p.Click(browser.Hook("next"))
	fillCreator(p, 0)
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	if got := course(e.events()); got != fullCourse {
		e.t.Errorf("events %s", got)
	}
	progress := named(e.events(), "upload-progress")
	if last := progress[len(progress)-1]; member[int](e.t, last, "progress") != 100 || member[int](e.t, last, "loaded") != member[int](e.t, last, "total") {
		e.t.Errorf("the upload ended at %s", last.Detail)
	}
	p.Click(browser.Hook("certificate"))
	if name, content := p.Download(".pdf"); name != "In another engine.pdf" || !bytes.HasPrefix(content, []byte("%PDF-")) {
		e.t.Errorf("the certificate was saved as %s, %d bytes", name, len(content))
	}
	code = engine.Eval[string](p, "e2e.state().accessCode")
	p.Click(browser.Hook("save-access-code"))
	if name, content := p.Download(".txt"); !bytes.Contains(content, []byte(code)) {
		e.t.Errorf("%s lacks the access code: %s", name, content)
	}
	p.Click(browser.Hook("copy-access-code"))
	e.well()
	return code
}

// updates pastes the code and registers a version with another recording.
func (e *engines) updates(code string) {
	p := e.p
	p.Goto(e.page(`mode="update"`))
	tokenCame(p)
	p.Click(browser.Hook("access_code"))
	p.Chord("v")
	if got := engine.Eval[string](p, browser.Hook("access_code")+".value"); got != code {
		e.t.Errorf("what was copied is %q, not %q", got, code)
	}
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("work"))
	p.SetFile(browser.Hook("file"), noise(e.t, "Another take.wav", 30_000))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	confirm(p, 0)
	if steps := named(e.events(), "complete"); len(steps) != 1 {
		e.t.Errorf("complete %v", steps)
	}
	e.well()
}

// downloads saves the recording and the certificate of a song of one's own.
func (e *engines) downloads() {
	p := e.p
	e.x.server.CLI(nil, "origins", "add", e.x.org, "localhost:3000") // where songs are registered beside the browser
	e.x.songOf(e.t, "ada", "Of her own", 5, 0)
	p.Goto(e.page(`mode="download" external-user-id="ada"`))
	p.Wait(browser.Hook("works"))
	p.Click("e2e.hook('works').querySelector('label')")
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("audio-1"))
	if name, content := p.Download(".wav"); name != "take.wav" || !bytes.Equal(content, harness.WAV(5)) {
		e.t.Errorf("the recording was saved as %s, %d bytes", name, len(content))
	}
	p.Click(browser.Hook("certificate-1"))
	if name, content := p.Download(".pdf"); name != "Of her own.pdf" || !bytes.HasPrefix(content, []byte("%PDF-")) {
		e.t.Errorf("the certificate was saved as %s, %d bytes", name, len(content))
	}
	e.well()
}

// refuses rehearses codes that end on three different screens.
func (e *engines) refuses() {
	p, real := e.p, e.x
	for code, screen := range map[fault.Code]string{
		fault.CodeSessionKeyInactive: "DISABLED", fault.CodeRegistrationInvalidAudioFormat: "FORM", fault.CodeTransactionFailed: "FAILED",
	} {
		// Each on a site of its own: what was typed for one stays in the tab for the next.
		e.x = newTestSite(e.t, real.server)
		e.x.host.Policy(e.x.host.StrictPolicy())
		list, err := json.Marshal([]string{e.x.token(e.t, map[string]any{"rehearse": string(code)})})
		if err != nil {
			e.t.Fatal(err)
		}
		e.x.host.Page("tokens.js", fmt.Sprintf(tokenScript, list))
		p.Goto(e.x.host.Page("refused.html", listen+e.x.element("")+`<script type="module" src="/tokens.js"></script><script type="module" src="/ats-widget.esm.js"></script>`))
		p.SetFile(browser.Hook("file"), noise(e.t, "Refused.wav", 20_000))
		p.Wait("e2e.hook('title').value === 'Refused'") // proposed: earlier keys would be in front of it
		p.Type(browser.Hook("title"), "Refused by "+string(code))
		p.Click(browser.Hook("next"))
		fillCreator(p, 0)
		if screen == "FAILED" {
			p.Click(browser.Hook("confirm"))
		}
		p.Wait(fmt.Sprintf("e2e.events.some((e) => e.name === 'failed' || e.name === 'error') && %s", onScreen(0, screen)))
		told := append(named(e.events(), "failed"), named(e.events(), "error")...)
		if len(told) != 1 || member[string](e.t, told[0], "code") != string(code) {
			e.t.Errorf("%s was told as %v", code, told)
		}
		if screen == "FORM" {
			if kept := engine.Eval[string](p, "e2e.hook('title').value"); kept != "Refused by "+string(code) {
				e.t.Errorf("%s: the title is %q now", code, kept)
			}
		}
		e.well()
	}
	e.x = real
}

// staysHere registers a recording by its hash.
func (e *engines) staysHere() {
	p, real := e.p, e.x
	e.x = newSite(e.t, real.server)
	e.x.host.Policy(e.x.host.StrictPolicy())
	e.x.server.CLI(nil, "org", "set", e.x.org, "--asset-storage", "none")
	e.x.host.Page("counting.js", countingScript)
	p.Goto(e.x.host.Page("private.html", listen+counting+e.x.element("")+scripts))
	fill(p, 0, noise(e.t, "At home.wav", 6_000_000), "At home")
	confirm(p, 0)
	if n := engine.Eval[int](p, "window.workers"); n != 1 {
		e.t.Errorf("%d workers, want one", n)
	}
	if sent := engine.Eval[[]string](p, "performance.getEntriesByType('resource').map((e) => e.name).filter((n) => n.includes('/blob/'))"); len(sent) > 0 {
		e.t.Errorf("left the page: %v", sent)
	}
	e.well()
	e.x = real
}

// verifies checks a certificate and its recording with the page as it is served,
// and with the page as it saves itself, from the disk.
func (e *engines) verifies() {
	t, p, s := e.t, e.p, e.x.server
	song := &harness.Song{Server: s, Title: "Checked elsewhere", Audio: harness.WAV(7)}
	paper, audio := write(t, "certificate.pdf", certified(t, song)), write(t, "song.wav", song.Audio)
	p.Goto(s.URL + "/verify")
	p.Click("document.getElementById('save')")
	_, saved := p.Download("timbre-verify.html")
	for _, at := range []string{s.URL + "/verify", "file://" + write(t, "saved.html", saved)} {
		p.Goto(at)
		for field, path := range map[string]string{"proof": paper, "recording": audio} {
			p.SetFile(fmt.Sprintf("document.getElementById(%q)", field), path)
			p.Wait(fmt.Sprintf("document.querySelector('#%s-name bdi')?.textContent === %q && !document.querySelector('progress')", field, filepath.Base(path)))
		}
		if verdict := engine.Eval[string](p, "document.querySelector('[data-verdict]')?.dataset.verdict ?? document.body.innerText"); verdict != "verified" {
			t.Errorf("%s: %s", at, verdict)
		}
	}
}

// writesLeft shows the widget from right to left. Its numbers are written with
// the digits that registration numbers have.
func (e *engines) writesLeft() {
	p := e.p
	p.Goto(e.page(`lang="ar"`))
	p.Wait(browser.Hook("file") + " && getComputedStyle(e2e.hook('card')).direction === 'rtl' && /[0-9\u0660-\u0669]/.test(e2e.hook('card').innerText)")
	if text := engine.Eval[string](p, "e2e.hook('card').innerText"); strings.ContainsAny(text, "٠١٢٣٤٥٦٧٨٩") {
		e.t.Errorf("two kinds of digits on one screen: %s", text)
	}
	e.well()
}

// reloads reloads the page while the transaction waits for its block, and restarts the
// server. The socket closes, and the widget polls the status.
func (e *engines) reloads() {
	p, s := e.p, e.x.server
	s.Stop()
	s.BlockTime = "1h"
	s.Restart()
	// The first block is made at once, and the next one an hour later.
	through(e.t, e.x.song("Sealed at once", 11))
	p.Goto(e.page(""))
	fill(p, 0, noise(e.t, "Waits.wav", 20_000), "Waits for its block")
	p.Click(browser.Hook("confirm"))
	p.Wait(onScreen(0, "TRACKING") + " && e2e.state().transactionId")
	id := engine.Eval[string](p, "e2e.state().transactionId")
	p.Reload()
	p.Wait(onScreen(0, "TRACKING"))
	if again := engine.Eval[string](p, "e2e.state().transactionId"); again != id {
		e.t.Errorf("it follows %s, not %s", again, id)
	}
	s.Stop()
	s.BlockTime = "100ms"
	s.Restart()
	p.Wait(onScreen(0, "COMPLETE") + " && e2e.hook('card').innerText.includes('Waits for its block')")
	if code := engine.Eval[string](p, "e2e.state().accessCode ?? ''"); !strings.HasPrefix(code, "atc_") {
		e.t.Errorf("the access code is %q after all that", code)
	}
	e.well()
}

// TestFirefoxWithoutStorage has a Firefox that keeps nothing for any page, as
// some people set it. The widget goes to its end, and the demo stays alive.
func TestFirefoxWithoutStorage(t *testing.T) {
	t.Parallel()
	p := engine.Open(t, "Firefox", engine.Options{Preferences: map[string]any{"network.cookie.cookieBehavior": 2}})
	x := newSite(t, harness.Start(t, harness.Options{}))
	e := &engines{t, p, x}
	p.Goto(e.page(""))
	if !engine.Eval[bool](p, "(() => { try { sessionStorage; return false; } catch { return true; } })()") {
		t.Fatal("this Firefox has a storage")
	}
	fill(p, 0, noise(t, "Not kept.wav", 20_000), "Not kept")
	confirm(p, 0)
	e.well()

	p.Goto(x.server.URL + "/demo/")
	fill(p, 0, noise(t, "Demo.wav", 20_000), "Without a storage")
	p.Wait(browser.Hook("confirm"))
	p.Click("document.getElementById('reset')")
	p.Wait(onScreen(0, "FORM"))
	before := engine.Eval[string](p, "getComputedStyle(e2e.widget()).getPropertyValue('--ats-primary')")
	p.Click(`document.querySelector('[name=colour][value="#b4532a"]')`)
	p.Wait(fmt.Sprintf("getComputedStyle(e2e.widget()).getPropertyValue('--ats-primary') !== %q", before))
}
