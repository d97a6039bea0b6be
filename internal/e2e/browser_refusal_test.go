package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// TestRefusedFiles submits files that are not songs. Each time the file field shows the
// reason and has the focus, and everything that was typed is still there.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.plain())
	whole, err := os.ReadFile(fixtures + "pcm16.wav")
	if err != nil {
		t.Fatal(err)
	}
	filled := false
	for _, c := range []struct {
		name    string
		data    string
		code    string
		request bool // raised by the server
	}{
		{"a part of a WAV that holds words", "RIFF\x24\x00\x00\x00WAVE this is no song\n", "registration.invalid_audio_format", true},
		{"script named song.wav", "#!/bin/sh\necho this is no song\n", "registration.invalid_audio_format", false},
		{"empty", "", "registration.audio_empty", false},
		{"half a WAV", string(whole[:len(whole)/2]), "registration.invalid_audio_format", true},
	} {
		before := len(p.Events())
		file := write(t, "song.wav", []byte(c.data))
		p.SetFile(browser.Hook("file"), file)
		if c.request {
			if !filled {
				p.Type(browser.Hook("title"), "Kept <title>")
			}
			p.Click(browser.Hook("next"))
			if !filled {
				fillCreator(p, 0)
			} else {
				p.Click(browser.Hook("submit"))
			}
			filled = true
		}
		p.Wait(browser.Hook("error-file") + " && e2e.events.length > " + fmt.Sprint(before))
		p.Wait(`e2e.events.at(-1).name === 'error'`)
		e := p.Events()[len(p.Events())-1]
		if code, stage := member[string](t, e, "code"), member[string](t, e, "stage"); code != c.code || stage != "file" {
			t.Errorf("%s: %s at %s, want %s at file", c.name, code, stage, c.code)
		}
		if id := member[*string](t, e, "requestId"); (id != nil) != c.request {
			t.Errorf("%s: request id %v", c.name, id)
		}
		checkField(t, p, c.name, "file")
		if title := browser.Eval[string](p, "e2e.hook('title').value"); title != "Kept <title>" {
			t.Errorf("%s: the title became %q", c.name, title)
		}
	}
	checkShapes(t, p.Events())

	// Over the limit that the page sets; then a good one, with nothing typed again.
	p.Run("e2e.widget().setAttribute('max-file-size', '10240')")
	p.SetFile(browser.Hook("file"), fixtures+"pcm16.wav")
	p.Wait(browser.Hook("error-file"))
	p.Wait("e2e.events.at(-1).detail.code === 'registration.audio_too_large'")
	checkField(t, p, "over the attribute's limit", "file")
	if text := browser.Eval[string](p, "e2e.text('error-file')"); !strings.Contains(text, "at most 10 kB") {
		t.Errorf("the message tells no limit: %q", text)
	}
	p.Run("e2e.widget().removeAttribute('max-file-size')")
	p.SetFile(browser.Hook("file"), fixtures+"pcm16.aiff")
	p.Wait("!" + browser.Hook("error-file"))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
}

// TestRepairedFile picks a file that is refused, repairs it, and picks it again
// under the same name.
func TestRepairedFile(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.InterceptChooser()
	p.Goto(x.plain())
	p.Wait(browser.Hook("file"))
	file := write(t, "song.wav", []byte("not yet a song"))
	p.Click(browser.Hook("dropzone"))
	p.ChooseFile(file)
	p.Type(browser.Hook("title"), "Repaired")
	p.Click(browser.Hook("next"))
	fillCreator(p, 0)
	p.Wait(browser.Hook("error-file"))
	good, err := os.ReadFile(fixtures + "pcm16.wav")
	if err == nil {
		err = os.WriteFile(file, good, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.Click(browser.Hook("dropzone"))
	p.ChooseFile(file)
	p.Wait("!" + browser.Hook("error-file"))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
}

// checkField holds that a field shows its complaint to eyes and to readers, and
// has the focus.
func checkField(t *testing.T, p *browser.Page, what, hook string) {
	t.Helper()
	seen := browser.Eval[struct {
		Focus, Invalid, Described, Message string
	}](p, fmt.Sprintf(`(() => {
	  const f = e2e.hook(%q);
	  const ids = (f.getAttribute('aria-describedby') ?? '').split(/\s+/).filter(Boolean);
	  return { Focus: e2e.focus(), Invalid: f.getAttribute('aria-invalid') ?? '', Described: ids.map((id) => f.getRootNode().getElementById(id)?.textContent.trim() ?? '').join('|'), Message: e2e.hook('error-' + f.id)?.textContent.trim() ?? '' };
	})()`, hook))
	if seen.Focus != hook || seen.Invalid != "true" || seen.Message == "" || !strings.Contains(seen.Described, seen.Message) {
		t.Errorf("%s: the field %s: %+v", what, hook, seen)
	}
}

// TestRefusedFields gets titles, names and numbers wrong.
func TestRefusedFields(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.plain())
	fill(p, 0, noise(t, "a.wav", 20_000), "Same Title")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)

	// For a code that was not saved, the widget asks once.
	p.Click(browser.Hook("again"))
	p.Wait(browser.Hook("unsaved"))
	if screen := stateOf(p, 0).Screen; screen != "COMPLETE" {
		t.Errorf("the code is left at once, for %s", screen)
	}
	// Nothing at all: both fields complain, the first has the focus.
	p.Click(browser.Hook("again"))
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("error-file") + " && " + browser.Hook("error-title"))
	checkField(t, p, "nothing chosen", "file")
	p.SetFile(browser.Hook("file"), noise(t, "b.wav", 22_000))
	p.Type(browser.Hook("title"), "   ")
	p.Click(browser.Hook("next"))
	p.Wait("e2e.focus() === 'title'")
	checkField(t, p, "a title of spaces", "title")

	// A wrong number, two wrong addresses and no role, then all in order.
	p.Type(browser.Hook("title"), "same title ")
	p.Click(browser.Hook("next"))
	p.Type(browser.Hook("creator-0-fullName"), "Ana Writer")
	p.Type(browser.Hook("creator-0-email"), "ana@writers.example")
	p.Click(browser.Hook("creator-0-author"))
	p.Click(browser.Hook("creator-0-numbers"))
	p.Type(browser.Hook("creator-0-isni"), "12345")
	p.Click(browser.Hook("submit"))
	p.Wait(`e2e.focus() === 'creator-0-isni' && e2e.hook('error-creators.0.isni')`)
	checkField(t, p, "ISNI", "creator-0-isni")
	if kept := browser.Eval[[]any](p, `['fullName', 'email', 'isni'].map((f) => e2e.hook('creator-0-' + f).value).concat(e2e.hook('creator-0-author').checked)`); fmt.Sprint(kept) != "[Ana Writer ana@writers.example 12345 true]" {
		t.Errorf("kept: %v", kept)
	}
	if n := len(p.Requests("POST", "/v1/works/init")); n != 1 {
		t.Errorf("a wrong number was sent to the server: %d inits", n)
	}
	p.Run("e2e.hook('creator-0-isni').select()")
	p.Type(browser.Hook("creator-0-isni"), "")
	p.Run("e2e.hook('creator-0-isni').select()")
	p.Keys("000000012146438X")
	p.Wait("!e2e.hook('error-creators.0.isni')")
	p.Click(browser.Hook("submit"))

	// Another song has the title, in any case of its letters. The message is next to the field.
	p.Wait("e2e.focus() === 'title' && " + browser.Hook("error-title"))
	checkField(t, p, "duplicate title", "title")
	events := p.Events()
	last := events[len(events)-1]
	if last.Name != "error" || member[string](t, last, "code") != "registration.duplicate_title" || member[string](t, last, "stage") != "title" {
		t.Errorf("event %s %s", last.Name, last.Detail)
	}
	p.Run("e2e.hook('title').select()")
	p.Keys("Another")
	p.Click(browser.Hook("next"))
	if isni := browser.Eval[string](p, "e2e.hook('creator-0-isni').value"); isni != "000000012146438X" {
		t.Errorf("the number became %q", isni)
	}
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	checkShapes(t, p.Events())
}

// TestRefusedSite takes the key and the origin from a page that is open. It
// says that nothing can be done here, with a reference to copy.
func TestRefusedSite(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.AllowClipboard(x.host.URL)
	for i, c := range []struct {
		code    string
		off, on []string
	}{
		{"session.key_inactive", []string{"keys", "disable", x.siteKey}, []string{"keys", "enable", x.siteKey}},
		{"session.origin_not_allowed", []string{"origins", "remove", x.org, x.host.URL}, []string{"origins", "add", x.org, x.host.URL}},
	} {
		p.Goto(x.plain())
		if i > 0 {
			p.Click(browser.Hook("clear")) // what was filled in is still there
		}
		fillSong(p, 0, noise(t, fmt.Sprint(i, ".wav"), 20_000), "Refused")
		p.Wait("performance.getEntriesByType('resource').some((r) => r.name.includes('/token.js'))")
		x.server.CLI(nil, c.off...)
		fillCreator(p, 0)
		p.Wait(onScreen(0, "DISABLED"))
		p.Wait("e2e.focus() === 'heading'")
		events := p.Events()
		checkShapes(t, events)
		last := events[len(events)-1]
		id := member[string](t, last, "requestId")
		if last.Name != "failed" || member[string](t, last, "code") != c.code {
			t.Errorf("event %s %s, want failed with %s", last.Name, last.Detail, c.code)
		}
		if shown := browser.Eval[string](p, "e2e.text('request-id')"); shown != id || !strings.HasPrefix(id, "req_") {
			t.Errorf("%s: the screen shows %q, the event says %q", c.code, shown, id)
		}
		p.Click(browser.Hook("copy-request-id"))
		p.Wait("e2e.text('copy-request-id') === 'Copied'")
		if copied := browser.Eval[string](p, "navigator.clipboard.readText()"); copied != id {
			t.Errorf("%s: copied %q, want %q", c.code, copied, id)
		}
		if browser.Eval[bool](p, "!!e2e.hook('retry')") {
			t.Errorf("%s: there is a way on that leads nowhere", c.code)
		}
		x.server.CLI(nil, c.on...)
	}
}

// TestServerAway stops the server between the steps. The widget says so and,
// when the server is back, goes on where it was.
func TestServerAway(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	p.Goto(x.plain())

	// While the file is sent. The attempts that are left may be over before the
	// server is back, or not: either way nothing is lost.
	hold := p.Hold("PUT", "/blob/")
	fill(p, 0, noise(t, "away.wav", 30_000), "Away")
	sending := hold.Await()
	x.server.Kill()
	sending.Go()
	hold.Release()
	p.Wait(browser.Hook("notice") + " || " + onScreen(0, "FAILED"))
	x.server.Restart()
	p.Wait(browser.Hook("confirm") + " || " + onScreen(0, "FAILED"))
	if stateOf(p, 0).Screen == "FAILED" {
		p.Click(browser.Hook("retry"))
	}

	// When the price is agreed to.
	p.Wait(browser.Hook("confirm"))
	sent := len(p.Requests("PUT", "/blob/"))
	failures := len(named(p.Events(), "failed"))
	before := stateOf(p, 0)
	x.server.Kill()
	p.Click(browser.Hook("confirm"))
	p.Wait(onScreen(0, "FAILED"))
	p.Wait("e2e.focus() === 'heading'")
	if code := browser.Eval[string](p, "e2e.text('code')"); code != "widget.network_error" {
		t.Errorf("code %s", code)
	}
	p.Click(browser.Hook("retry")) // still away
	p.Wait(fmt.Sprintf("e2e.events.filter((e) => e.name === 'failed').length === %d", failures+2))
	x.server.Restart()
	p.Click(browser.Hook("retry"))
	p.Wait(onScreen(0, "COMPLETE"))
	if after := stateOf(p, 0); after.JobID != before.JobID {
		t.Errorf("began anew: job %s, then %s", before.JobID, after.JobID)
	}
	if n := len(p.Requests("PUT", "/blob/")); n != sent {
		t.Errorf("after the price was shown the file was sent %d times more", n-sent)
	}
	checkShapes(t, p.Events())
	if n := len(named(p.Events(), "complete")); n != 1 {
		t.Errorf("completed %d times", n)
	}
}

// TestNoSocket registers where the policy of the page lets no WebSocket out: the
// widget asks instead.
func TestNoSocket(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	x.host.Policy("default-src 'none'; script-src 'self'; style-src 'self'; connect-src " + x.server.URL + "; require-trusted-types-for 'script'")
	p := browser.Open(t)
	p.Goto(x.plain())
	fill(p, 0, fixtures+"pcm16.aiff", "Asked")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	events := p.Events()
	checkShapes(t, events)
	if got := course(events); got != fullCourse {
		t.Errorf("events %s", got)
	}
	if n := len(p.Requests("GET", "/v1/transactions/")); n == 0 {
		t.Error("the widget never asked")
	}
}

// TestNoRoomForFiles is refused by a server whose disk is at its reserve. The screen
// says so in a sentence that is true, in each language, and keeps what was typed.
// TIMBRE_SCREENSHOTS names a folder for pictures.
func TestNoRoomForFiles(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{Args: []string{"--reserve-space", "1152921504606846976"}}))
	p := browser.Open(t)
	p.Goto(x.plain())
	p.SetFile(browser.Hook("file"), fixtures+"pcm16.wav")
	p.Type(browser.Hook("title"), "No room")
	p.Click(browser.Hook("next"))
	fillCreator(p, 0)
	p.Wait(onScreen(0, "FAILED"))
	e := p.Events()[len(p.Events())-1]
	if code := member[string](t, e, "code"); code != "common.service_unavailable" {
		t.Errorf("failed with %s", code)
	}
	if text := browser.Eval[string](p, "e2e.widget().shadowRoot.textContent"); !strings.Contains(text, "There is no space for more files right now.") {
		t.Errorf("the screen says %q", text)
	}
	p.Wait(browser.Hook("retry"))
	for _, wide := range []int64{320, 1280} {
		for _, dark := range []bool{false, true} {
			p.Size(wide, 800)
			p.Dark(dark)
			if over := p.Overflow(); len(over) != 0 {
				t.Errorf("at %d px: %v", wide, over)
			}
			if dir := os.Getenv("TIMBRE_SCREENSHOTS"); dir != "" {
				p.Screenshot(dir, fmt.Sprintf("no-room-%d-%t", wide, dark))
			}
		}
	}
}

// TestRefusedMint takes the page and the backend of the quick start, for an organization without
// credits. The widget shows the refusal of the mint at once; when there are credits, a retry goes on.
func TestRefusedMint(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{
		Roles: "organizations,ats,worker", Args: []string{"--prices-testnet", "network=2000,base=0,storage=1:0/:0"},
	})
	s.NewOrganization()
	markup := listings(t, "quick-start.md", "html")
	b := startBackend(t, "quick-start.md", "mjs", s.URL, s.SecretKey, strings.NewReplacer("cpk_…", s.SiteKey, "https://ats.example", s.URL).Replace(markup[0]))
	s.CLI(nil, "origins", "add", s.OrganizationID, b.url)
	p := browser.Open(t)
	p.Goto(b.url + "/")
	p.Wait(browser.Hook("file"))
	const code = "registration.insufficient_credits"
	// The developer of the page reads the refusal before a visitor does anything.
	p.Wait("e2e.warnings.some((w) => w.startsWith('ats-widget: your backend refused a session: " + code + " ') && w.endsWith('/docs/errors#" + code + "'))")
	fill(p, 0, noise(t, "unpaid.wav", 20_000), "Unpaid")
	p.Wait(onScreen(0, "FAILED"))
	failed := named(p.Events(), "failed")
	if len(failed) != 1 || member[string](t, failed[0], "code") != code || !strings.HasPrefix(member[string](t, failed[0], "requestId"), "req_") {
		t.Errorf("failed: %v", failed)
	}
	if shown := browser.Eval[string](p, "e2e.text('code')"); shown != code {
		t.Errorf("the screen shows %q", shown)
	}
	// Still no credits: the retry asks the backend again.
	p.Click(browser.Hook("retry"))
	p.Wait("e2e.events.filter((e) => e.name === 'failed').length === 2")
	p.Wait(browser.Hook("retry"))

	s.CLI(nil, "credits", "grant", s.OrganizationID, "5000")
	p.Click(browser.Hook("retry"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	if n := len(p.Requests("POST", "/my-backend/session")); n != 4 {
		t.Errorf("the page asked its backend %d times for a token, want 4", n)
	}
	if title := browser.Eval[string](p, "e2e.widget().shadowRoot.textContent"); !strings.Contains(title, "Unpaid") {
		t.Errorf("the screen says %q", title)
	}
}
