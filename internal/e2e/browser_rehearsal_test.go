package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// TestDemoRehearses runs codes of every class with the demo's picker, each with
// one click. What the page shows side by side is what the catalogue promises.
func TestDemoRehearses(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.Goto(s.URL + "/demo/")
	for _, c := range []struct {
		code, screen, event string
		request             string // the last that was refused: its status and code
	}{
		{"registration.duplicate_title", "FORM", "error", "409 registration.duplicate_title"},
		{"registration.invalid_audio_format", "FORM", "error", "415 registration.invalid_audio_format"},
		{"access_code.expired", "FORM", "error", "410 access_code.expired"},
		{"session.key_inactive", "DISABLED", "failed", "403 session.key_inactive"},
		{"organization.not_found", "DISABLED", "failed", "404 organization.not_found"},
		{"common.rate_limited", "FAILED", "failed", "429 common.rate_limited"},
		{"transaction.expired", "FAILED", "failed", "410 transaction.expired"},
		{"transaction.failed", "FAILED", "failed", ""},
		{"transaction.not_found", "FAILED", "failed", "404 transaction.not_found"},
		{"widget.network_error", "FAILED", "failed", "no answer "},
		{"widget.malformed_response", "FAILED", "failed", "200 a body that is no JSON"},
		{"widget.upload_error", "FAILED", "failed", "503 "},
		{"widget.unknown_error", "FAILED", "failed", "400 rehearsal.of_tomorrow"},
		{"version.already_in_progress", "FAILED", "failed", "409 version.already_in_progress"},
	} {
		rehearse(p, c.code)
		p.Wait(fmt.Sprintf("rehearsal().told?.event === %q && rehearsal().told.code === %q && rehearsal().screen === %q", "allfeat:"+c.event, c.code, c.screen))
		if c.request != "" {
			p.Wait(fmt.Sprintf("rehearsal().requests.includes(%q)", c.request))
		}
		if link := browser.Eval[string](p, "document.querySelector('#rehearsal-promise a').href"); link != s.URL+"/docs/errors#"+c.code {
			t.Errorf("%s is explained at %s", c.code, link)
		}
	}
	// A token mends these, and the next one is an ordinary one: the flow goes on
	// to the price.
	for _, code := range []string{"session.invalid_token", "common.auth.expired", "common.auth.missing_token"} {
		rehearse(p, code)
		p.Wait("rehearsal().screen === 'CONFIRMING' && e2e.hook('confirm', 1) && rehearsal().heard.includes('allfeat:token-expired')")
		if heard := browser.Eval[string](p, "rehearsal().heard"); strings.Contains(heard, "failed") {
			t.Errorf("%s: heard %s", code, heard)
		}
		p.Wait(fmt.Sprintf("rehearsal().requests.includes('401 %s')", code))
	}
	// By keyboard, from the list of codes; and the page keeps its rules with all
	// panes filled.
	rehearse(p, "registration.insufficient_credits")
	p.Wait("rehearsal().screen === 'FAILED'")
	before := browser.Eval[string](p, "e2e.widget(1).id")
	p.Run("document.getElementById('rehearsal-code').focus()")
	p.Press(browser.Tab, false)
	p.Press(browser.Enter, false)
	p.Wait(fmt.Sprintf("e2e.widget(1).id !== %q && rehearsal().screen === 'FAILED'", before))
	p.LoadAxe(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	for _, l := range looks[:4] {
		p.Size(l.width, 900)
		p.Dark(l.dark)
		for _, line := range append(p.Audit(), p.Overflow()...) {
			t.Errorf("%s: %s", l.name, line)
		}
	}
	// The page's own widget knew nothing of it.
	if state := stateOf(p, 0); state.Screen != "FORM" {
		t.Errorf("the other widget is at %s", state.Screen)
	}
	for _, v := range browser.Eval[[]string](p, "e2e.violations") {
		t.Errorf("policy violated: %s", v)
	}
}

// rehearse chooses a code and runs it.
func rehearse(p *browser.Page, code string) {
	p.Run(fmt.Sprintf(`(() => {
	  window.rehearsal = () => {
	    const items = [...document.querySelectorAll('#rehearsal-events li')];
	    const last = items.findLast((x) => x.querySelector('pre'));
	    return {
	      heard: items.map((x) => x.querySelector('.name').textContent).join(' '),
	      told: last && { event: last.querySelector('.name').textContent, code: JSON.parse(last.querySelector('pre').textContent).code },
	      screen: document.getElementById('rehearsal-state').textContent,
	      requests: [...document.querySelectorAll('#rehearsal-requests li')].map((x) => x.querySelector('strong').textContent + ' ' + (x.querySelector('p')?.textContent ?? '')).join('\n'),
	    };
	  };
	  const list = document.getElementById('rehearsal-code');
	  list.value = %q;
	  list.dispatchEvent(new Event('change', { bubbles: true }));
	})()`, code))
	p.Click("document.getElementById('rehearsal-run')")
}
