package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
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

// TestDocumentedPage switches between all modes as the public documentation does, many
// times without a pause, with a fast and with a slow server. The widget never requests a
// token that the page is already fetching.
func TestDocumentedPage(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"Blue Morning"}})
	p := browser.Open(t)
	for _, takes := range []int{0, 600} {
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
	quiet(t, p)
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

// TestOldBrowser takes from the browser what older ones do not have. Without
// the youngest of it a song is registered all the same; without what the widget
// needs it says so at once, with the versions that are needed.
func TestOldBrowser(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	x.host.Page("old.js", `delete AbortSignal.any; delete AbortSignal.timeout; delete Promise.withResolvers; delete URL.parse; delete Object.groupBy; delete Array.prototype.toSorted; delete globalThis.structuredClone;`)
	p.Goto(x.host.Page("old.html", `<script src="/old.js"></script>`+x.element("")+scripts))
	fill(p, 0, noise(t, "old.wav", 20_000), "In an old browser")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	quiet(t, p)
	for i, lack := range []string{"delete Array.prototype.findLastIndex", "delete AbortSignal.prototype.throwIfAborted", "delete Document.prototype.adoptedStyleSheets; delete ShadowRoot.prototype.adoptedStyleSheets; window.CSSStyleSheet = function () { throw new TypeError('Illegal constructor'); }"} {
		x.host.Page(fmt.Sprintf("older-%d.js", i), lack)
		p.Goto(x.host.Page(fmt.Sprintf("older-%d.html", i), fmt.Sprintf(`<script src="/older-%d.js"></script>`, i)+x.element("")+scripts))
		p.Wait(browser.Hook("message"))
		if got, want := browser.Eval[string](p, "e2e.text('message')"), "This browser is too old. Please use Chrome or Edge 100, Firefox 104, Safari 16.4, or a newer one."; got != want {
			t.Errorf("%s: %q", lack, got)
		}
		p.Wait("e2e.events.some((e) => e.name === 'failed')")
		e := named(p.Events(), "failed")[0]
		if code, reason := member[string](t, e, "code"), member[map[string]string](t, e, "details"); code != "widget.configuration_error" || reason["reason"] != "browser" || reason["needs"] == "" {
			t.Errorf("%s: %s %v", lack, code, reason)
		}
	}
	quiet(t, p)
}

// TestWrongAttributes sets the element up wrongly: the console names the
// attribute, its value and a right one, and never a secret.
func TestWrongAttributes(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	for _, c := range []struct{ attribute, value, said, right string }{
		{"network", "tetsnet", `network="tetsnet"`, `network="testnet"`},
		{"ats-url", "ats.example", `ats-url="ats.example"`, `ats-url="https://ats.example"`},
		{"site-key", "", `site-key is missing`, `site-key="cpk_`},
		{"site-key", "csk_0123", "is a secret key", `site-key="cpk_`},
		{"mode", "downlaod", `mode="downlaod"`, `mode="register"`},
		{"mode", "download", `external-user-id=""`, `external-user-id="user-17"`},
		{"max-file-size", "10 MB", `max-file-size="10 MB"`, `max-file-size="104857600"`},
	} {
		p.Goto(x.plain())
		p.Wait(browser.Hook("form-song"))
		p.Run(fmt.Sprintf("e2e.widget().setAttribute(%q, %q)", c.attribute, c.value))
		p.Wait(onScreen(0, "FAILED"))
		line := strings.Join(p.Problems(), "\n")
		if !strings.Contains(strings.ReplaceAll(line, `\"`, `"`), c.said) || !strings.Contains(strings.ReplaceAll(line, `\"`, `"`), c.right) || strings.Contains(line, "csk_") {
			t.Errorf("%s=%q: the console says %s", c.attribute, c.value, line)
		}
		p.ForgetProblems()
		p.Wait("e2e.events.some((e) => e.name === 'failed')")
		if got := member[map[string]string](t, named(p.Events(), "failed")[0], "details")["attribute"]; got == "" {
			t.Errorf("%s=%q: no attribute in the details", c.attribute, c.value)
		}
	}
}
