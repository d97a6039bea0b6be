package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/fault"
)

// TestDemoRehearses rehearses every possible code with the demo's form, each with one
// click. The screen, the event and the request must match the class of the code in the
// catalogue.
func TestDemoRehearses(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.Goto(s.URL + "/demo/")
	// The screen for each class, and for the codes with another screen.
	ends := map[fault.Class]string{
		fault.ClassRefresh: "CONFIRMING allfeat:token-expired ", fault.ClassDisabled: "DISABLED allfeat:failed CODE", fault.ClassFailed: "FAILED allfeat:failed CODE",
		fault.ClassInline: "FORM allfeat:error CODE", fault.ClassClient: "FAILED allfeat:failed CODE",
	}
	special := map[fault.Code]string{
		fault.CodeTransactionAlreadyConfirmed: "COMPLETE allfeat:complete ", // it follows what was confirmed
		fault.CodeCommonValidationFailed:      "FORM allfeat:error CODE",    // the example names a field that the form has
		fault.CodeWorkCertificateUnavailable:  "COMPLETE allfeat:complete ", // and the certificate is waited for, for two minutes
	}
	for _, entry := range fault.All() {
		if entry.Rehearse == "" {
			continue
		}
		if entry.Code == fault.CodeTransactionStoreUnavailable {
			t.Logf("%s is left to the API's tests: the widget asks again for two minutes", entry.Code)
			continue
		}
		want, ok := special[entry.Code]
		if !ok {
			want = ends[entry.Class]
		}
		rehearse(p, string(entry.Code))
		p.Wait(fmt.Sprintf("rehearsal().end === %q", strings.ReplaceAll(want, "CODE", string(entry.Code))))
		if entry.Status != 0 && entry.Code != fault.CodeTransactionFailed {
			p.Wait(fmt.Sprintf("rehearsal().requests.includes('%d %s')", entry.Status, entry.Code))
		}
		if entry.Rehearse == "certificate" {
			p.Wait("e2e.widget(1).shadowRoot.querySelector('[data-ats=told-certificate]').textContent.includes('being made')")
		}
		// A code is worth keeping where the registration may still be there; that of a refused one opens nothing.
		code := browser.Eval[bool](p, "e2e.widget(1).shadowRoot.querySelector('[data-ats=access-code]') !== null")
		if want := entry.Code == fault.CodeTransactionNotFound || entry.Code == fault.CodeTransactionAlreadyConfirmed || entry.Rehearse == "certificate"; code != want {
			t.Errorf("%s: an access code is shown: %t", entry.Code, code)
		}
		// The screen must not say "submitted" when the transaction is not found.
		if entry.Code == fault.CodeTransactionNotFound && browser.Eval[bool](p, "e2e.widget(1).shadowRoot.querySelector('[data-ats=standing]') !== null") {
			t.Errorf("%s: the screen says two things at once", entry.Code)
		}
		if link := browser.Eval[string](p, "document.querySelector('#rehearsal-promise a').href"); link != s.URL+"/docs/errors#"+string(entry.Code) {
			t.Errorf("%s is explained at %s", entry.Code, link)
		}
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
	p.LoadAxe(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
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
	      get end() { return this.screen + ' ' + this.told?.event + ' ' + (this.told?.code ?? ''); },
	      requests: [...document.querySelectorAll('#rehearsal-requests li')].map((x) => x.querySelector('strong').textContent + ' ' + (x.querySelector('p')?.textContent ?? '')).join('\n'),
	    };
	  };
	  const list = document.getElementById('rehearsal-code');
	  list.value = %q;
	  list.dispatchEvent(new Event('change', { bubbles: true }));
	})()`, code))
	p.Click("document.getElementById('rehearsal-run')")
}
