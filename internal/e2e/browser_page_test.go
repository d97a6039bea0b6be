package e2e_test

import (
	"fmt"
	"testing"

	"timbre.example/internal/e2e/browser"
)

// documentedPage is the integration of the public documentation: it sets the
// mode first and gives the token when its server has answered, and its handler
// knows two words. TAKES is how long its server takes, in ms.
const documentedPage = `const TAKES = %d;
const widget = document.querySelector('ats-widget');
const minted = async (mode) => {
  const { default: token } = await import('/token.js?' + new URLSearchParams({ mode, user: widget.externalUserId, once: crypto.randomUUID() }));
  await new Promise((resolve) => setTimeout(resolve, TAKES));
  return token;
};
window.switchMode = async (mode) => {
  widget.setAttribute('mode', mode);
  widget.setToken(await minted(mode));
};
widget.addEventListener(AtsWidgetComponent.EVENT_NAMES.TOKEN_EXPIRED, async (e) => {
  const { pendingAction } = e.detail;
  widget.setToken(await minted(pendingAction === 'download' ? 'download' : pendingAction === 'submit' && widget.getAttribute('mode') === 'update' ? 'update' : 'register'));
});
minted('register').then((token) => widget.setToken(token));
`

// TestDocumentedPage switches between all modes as the public documentation
// does, at once and again and again, with a server that answers fast and one
// that is slow. The page is never asked for what it is about to give.
func TestDocumentedPage(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"Blue Morning"}})
	p := browser.Open(t)
	for _, takes := range []int{0, 1200} {
		x.host.Page("switch.js", fmt.Sprintf(documentedPage, takes))
		p.Goto(x.host.Page(fmt.Sprintf("switch-%d.html", takes), x.element(`external-user-id="ada"`)+`<script src="/ats-widget.iife.js"></script><script src="/ats-widget.iife.js"></script><script type="module" src="/switch.js"></script>`))
		p.Wait("window.switchMode")
		p.Wait(browser.Hook("form-song"))
		for range 2 {
			p.Run("switchMode('update')")
			p.Wait("e2e.all('[data-ats=works] label').length === 1")
			p.Run("switchMode('download')")
			p.Wait("e2e.all('[data-ats=works] label').length === 1 && e2e.events.at(-1).detail.mode === 'download'")
			p.Run("switchMode('register')")
			p.Wait(browser.Hook("form-song"))
		}
		p.Run("for (const mode of ['update', 'download', 'register', 'update', 'download']) switchMode(mode)")
		p.Wait("e2e.all('[data-ats=works] label').length === 1")
		p.Click("e2e.all('[data-ats=works] label')[0]")
		p.Click(browser.Hook("next"))
		p.Wait(browser.Hook("versions"))
		p.Run("switchMode('update')")
		p.Wait("e2e.all('[data-ats=works] label').length === 1 && e2e.events.at(-1).detail.mode === 'update'")
		p.Click("e2e.all('[data-ats=works] label')[0]")
		p.Click(browser.Hook("next"))
		p.Wait(browser.Hook("work"))
		if e := p.Events(); len(named(e, "failed"))+len(named(e, "error"))+len(named(e, "token-expired")) != 0 {
			t.Errorf("mints of %d ms: %v", takes, e)
		}
	}
	p.ForgetProblems() // a token of the mode before may have been refused on the way
	for _, script := range []string{"/ats-widget.iife.js", "/ats-widget.esm.js"} {
		p.Run(fmt.Sprintf("import(%q).then((m) => (window.loaded = [m.EVENT_NAMES?.COMPLETE, m.AtsWidget === customElements.get('ats-widget')]))", script))
		p.Wait("window.loaded")
	}
	if got := browser.Eval[string](p, "[AtsWidgetComponent.EVENT_NAMES.COMPLETE, AtsWidgetComponent.AtsWidget === customElements.get('ats-widget'), Object.isFrozen(AtsWidgetComponent)].join(' ')"); got != "allfeat:complete true true" {
		t.Errorf("the global: %s", got)
	}
	if got := browser.Eval[string](p, "loaded.join(' ')"); got != "allfeat:complete false" {
		t.Errorf("the module beside it: %s", got)
	}
}
