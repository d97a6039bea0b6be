package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/fault"
)

// published opens a page with the double of the published widgets, in Chromium.
// Its waits are divided by hurry. The tokens are given first, then fresh ones.
func published(t *testing.T, x *site, p *browser.Page, hurry int, more string, tokens ...string) {
	t.Helper()
	double, err := os.ReadFile("testdata/published.js")
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(append([]string{}, tokens...))
	if err != nil {
		t.Fatal(err)
	}
	x.host.Page("published.js", string(double))
	// Like tokenScript, and for the end-user that the element names.
	x.host.Page("tokens.js", strings.NewReplacer("(mode)", "(mode, user)", "{ mode,", "{ mode, user,", "(widget.mode)", "(widget.mode, widget.externalUserId)").Replace(fmt.Sprintf(tokenScript, list)))
	p.Goto(x.host.Page("published.html", x.element(fmt.Sprintf("hurry=%q %s", fmt.Sprint(hurry), more))+
		`<script type="module" src="/tokens.js"></script><script type="module" src="/published.js"></script>`))
	p.Wait("e2e.widget()?.token")
}

// fillPublished fills its one form in.
func fillPublished(p *browser.Page, file, title string) {
	p.SetFile(browser.Hook("file"), file)
	p.Type(browser.Hook("title"), title)
	fillCreator(p, 0)
}

// saved fetches what a download's address gives, as the page would.
func saved(t *testing.T, p *browser.Page, button string) []byte {
	t.Helper()
	before := browser.Eval[int](p, "e2e.all('[data-ats=saved]').length")
	p.Click(browser.Hook(button))
	p.Wait(fmt.Sprintf("e2e.all('[data-ats=saved]').length > %d", before))
	return download(t, browser.Eval[string](p, "e2e.all('[data-ats=saved]').at(-1).textContent"))
}

// TestPublishedWidget registers and updates with the double of the published
// widgets, by access code and for an end-user, and downloads.
func TestPublishedWidget(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	x.server.CLI(nil, "origins", "add", x.org, "localhost:3000")
	p := browser.Open(t)

	published(t, x, p, 1, "")
	fillPublished(p, noise(t, "Published.wav", 20_000), " Published before ")
	p.Wait(onScreen(0, "COMPLETE"))
	if got := course(p.Events()); got != "ready upload-start upload-progress upload-complete confirmed step complete" {
		t.Errorf("events %s", got)
	}
	code := stateOf(p, 0).AccessCode
	if !strings.HasPrefix(code, "atc_") {
		t.Fatalf("the access code is %q", code)
	}
	if n := len(p.Requests("WEBSOCKET", "")); n != 1 {
		t.Errorf("%d sockets, want one", n)
	}

	// By its access code, in capitals as some keyboards write them: with another
	// recording, and without.
	shouted := "atc_" + strings.ToUpper(strings.TrimPrefix(code, "atc_"))
	for _, file := range []string{noise(t, "Second.wav", 30_000), ""} {
		published(t, x, p, 1, `mode="update"`)
		open(p, shouted)
		p.Wait("e2e.all('[data-ats=kept]').map((e) => e.textContent).join() === 'Ana Writer author'") // trimmed by the server
		if file != "" {
			p.SetFile(browser.Hook("file"), file)
		}
		p.Click(browser.Hook("submit"))
		p.Wait(onScreen(0, "COMPLETE"))
	}
	// Read with sessions of both kinds.
	for _, action := range []string{"access", "update_version"} {
		published(t, x, p, 1, `mode="download"`, x.token(t, map[string]any{"action_type": action}))
		open(p, code)
		p.Wait("e2e.text('work-title') === 'Published before' && " + browser.Hook("audio-3"))
		if b := saved(t, p, "audio-2"); len(b) != 30_044 {
			t.Errorf("%s: the recording of version 2 has %d bytes", action, len(b))
		}
	}

	// And without one, for an end-user.
	id := x.songOf(t, "ada", "Of her own", 5, 0)
	published(t, x, p, 1, `mode="update" external-user-id="ada"`)
	p.Click(browser.Hook(fmt.Sprintf("work-%d", id)))
	p.Wait("e2e.all('[data-ats=kept]').map((e) => e.textContent).join() === 'Ada Example author,composer'")
	p.Click(browser.Hook("submit"))
	p.Wait(onScreen(0, "COMPLETE"))
	if code := stateOf(p, 0).AccessCode; code != "" {
		t.Errorf("an end-user's work has the access code %s", code)
	}
	// Pages switch the mode first: the token may be that of a registration.
	published(t, x, p, 1, `mode="download" external-user-id="ada"`, x.token(t, map[string]any{"action_type": "register", "external_user_ref": "ada"}))
	p.Click(browser.Hook(fmt.Sprintf("work-%d", id)))
	p.Wait("e2e.text('creators-1') === 'Ada Example'")
	if b := saved(t, p, "audio-2"); string(b) != string(harness.WAV(5)) {
		t.Errorf("the recording has %d bytes", len(b))
	}
	for _, e := range p.Events() {
		if e.Name == "token-expired" || e.Name == "error" {
			t.Errorf("%s %s", e.Name, e.Detail)
		}
	}
	quiet(t, p)
}

// TestPublishedWidgetLosesItsSocket restarts the server while the transaction is
// followed. Those widgets do not hear a socket that closes; they hear an error.
func TestPublishedWidgetLosesItsSocket(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{BlockTime: "1h"})
	x := newSite(t, s)
	x.server.CLI(nil, "origins", "add", x.org, "localhost:3000")
	through(t, x.song("Sealed at once", 11))
	p := browser.Open(t)
	published(t, x, p, 20, "")
	fillPublished(p, noise(t, "Waits.wav", 20_000), "Waits for its block")
	p.Wait("e2e.events.some((e) => e.name === 'step' && e.detail.step === 'confirming')")
	if n := len(p.Requests("GET", "/v1/transactions/")); n != 0 {
		t.Fatalf("asked %d times with the socket open", n)
	}
	s.Stop()
	s.BlockTime = "100ms"
	s.Restart()
	p.Wait(onScreen(0, "COMPLETE"))
	if n := len(p.Requests("GET", "/v1/transactions/")); n == 0 {
		t.Error("it came without asking")
	}
	if code := stateOf(p, 0).AccessCode; !strings.HasPrefix(code, "atc_") {
		t.Errorf("the access code is %q", code)
	}
}

// publishedScreens are those that the integrators' table of codes names, where
// that is another than FAILED.
var publishedScreens = map[fault.Code]string{
	fault.CodeSessionInvalidToken:            "COMPLETE", // a token is asked for, and it goes on
	fault.CodeCommonAuthMissingToken:         "COMPLETE",
	fault.CodeCommonAuthExpired:              "COMPLETE",
	fault.CodeCommonAuthInvalidToken:         "COMPLETE",
	fault.CodeSessionKeyInactive:             "DISABLED",
	fault.CodeSessionWidgetNotEnabled:        "DISABLED",
	fault.CodeSessionOriginNotAllowed:        "DISABLED",
	fault.CodeOrganizationNotFound:           "DISABLED",
	fault.CodeOrganizationInactive:           "DISABLED",
	fault.CodeOrganizationNoIntegration:      "DISABLED",
	fault.CodeCommonAuthInvalidAPIKey:        "DISABLED",
	fault.CodeWorkNotFound:                   "FORM",
	fault.CodeAccessCodeNotFound:             "FORM",
	fault.CodeWorkCertificateUnavailable:     "COMPLETE",
	fault.CodeWidgetMalformedResponse:        "UPLOAD", // a fault of theirs: it stays there
	fault.CodeTransactionAlreadyConfirmed:    "FAILED",
	fault.CodeRegistrationDuplicateTitle:     "FAILED",
	fault.CodeRegistrationAudioTooLarge:      "FAILED",
	fault.CodeRegistrationInvalidAudioFormat: "FAILED",
}

// TestPublishedWidgetMeetsEachCode rehearses every code with the double: each
// ends on the screen that those widgets have for it, with its code and a text.
func TestPublishedWidgetMeetsEachCode(t *testing.T) {
	t.Parallel()
	x := newTestSite(t, harness.Start(t, harness.Options{}))
	x.server.CLI(nil, "origins", "add", x.org, "localhost:3000")
	song := through(t, x.song("To be updated", 9))
	p := browser.Open(t)
	for i, entry := range fault.All() {
		if entry.Rehearse == "" {
			continue
		}
		t.Run(string(entry.Code), func(t *testing.T) {
			p := p.In(t)
			action, more := "register", ""
			if entry.Rehearse == "code" {
				action, more = "update_version", `mode="update"`
			}
			published(t, x, p, 20, more, x.token(t, map[string]any{"action_type": action, "rehearse": string(entry.Code)}))
			if action == "register" {
				fillPublished(p, noise(t, "Rehearsed.wav", 20_000+2*i), "Rehearses "+string(entry.Code))
			} else {
				open(p, song.AccessCode)
			}
			screen := publishedScreens[entry.Code]
			if screen == "" {
				screen = "FAILED"
			}
			switch screen {
			case "UPLOAD":
				p.Wait("e2e.events.some((e) => e.name === 'error' && !e.detail.code)")
			case "COMPLETE":
				p.Wait(onScreen(0, screen))
				if entry.Class == fault.ClassRefresh && len(named(p.Events(), "token-expired")) != 1 {
					t.Errorf("asked for a token: %v", p.Events())
				}
				if entry.Code == fault.CodeWorkCertificateUnavailable {
					p.Click(browser.Hook("certificate"))
					p.Wait(onScreen(0, "FAILED"))
				}
				return
			default:
				p.Wait(onScreen(0, screen) + " && e2e.text('code')")
			}
			if got := browser.Eval[string](p, "e2e.state().screen"); got != screen {
				t.Errorf("on %s, want %s", got, screen)
			}
			if screen == "UPLOAD" {
				return
			}
			// Two that the widget itself says are answered with a code of the server's.
			answers := entry.Code == fault.CodeWidgetUnknownError || entry.Code == fault.CodeWidgetConfigurationError
			if code := browser.Eval[string](p, "e2e.text('code')"); code != string(entry.Code) && entry.Code != fault.CodeWidgetUnknownError {
				t.Errorf("told as %s", code)
			}
			if text := browser.Eval[string](p, "e2e.text('message')"); text == "" || strings.Contains(text, "[object") || strings.Contains(text, "{") {
				t.Errorf("the text is %q", text)
			}
			if id := browser.Eval[string](p, "e2e.text('request-id')"); strings.HasPrefix(id, "req_") != (entry.Status != 0 || answers) {
				t.Errorf("the request is %q", id)
			}
		})
	}
}

// TestPublishedWidgetReadsTheCause has refusals by their real cause that those
// widgets could only guess at when an answer does not suit them.
func TestPublishedWidgetReadsTheCause(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)

	// A file above the limit is refused when it is read, and not as a failed upload.
	x := newSite(t, s)
	s.CLI(nil, "org", "set", x.org, "--max-file-size", "10000")
	published(t, x, p, 20, "")
	fillPublished(p, noise(t, "Large.wav", 20_000), "Too large")
	p.Wait(onScreen(0, "FAILED") + " && e2e.text('code') === 'registration.audio_too_large'")
	if n := len(p.Requests("PUT", "")); n != 1 {
		t.Errorf("uploaded %d times", n)
	}

	// A page that is on no list reads why.
	x = newSite(t, s)
	token := x.token(t, nil)
	s.CLI(nil, "origins", "remove", x.org, x.host.URL)
	published(t, x, p, 20, "", token)
	fillPublished(p, noise(t, "Elsewhere.wav", 20_000), "From elsewhere")
	p.Wait(onScreen(0, "DISABLED") + " && e2e.text('code') === 'session.origin_not_allowed'")

	// An exhausted quota is reported at once; the widget does not wait until it resets.
	x = newSite(t, s)
	s.CLI(nil, "origins", "add", x.org, "localhost:3000")
	through(t, x.song("The only one", 4))
	s.CLI(nil, "org", "set", x.org, "--quota", "1")
	published(t, x, p, 20, "")
	fillPublished(p, noise(t, "One more.wav", 20_000), "One more")
	p.Wait(onScreen(0, "FAILED") + " && e2e.text('code') === 'common.quota_exceeded'")

	// A refusal without a listener on the socket shows a text.
	x = newTestSite(t, s)
	published(t, x, p, 20, "", x.token(t, map[string]any{"rehearse": "transaction.failed"}))
	p.Run("globalThis.WebSocket = class { constructor() { setTimeout(() => this.onerror()); } close() {} }")
	fillPublished(p, noise(t, "Refused.wav", 20_000), "Refused later")
	p.Wait(onScreen(0, "FAILED"))
	entry, _ := fault.Lookup(fault.CodeTransactionFailed)
	if text := browser.Eval[string](p, "e2e.text('message')"); text != entry.Message {
		t.Errorf("the text is %q, want %q", text, entry.Message)
	}
}
