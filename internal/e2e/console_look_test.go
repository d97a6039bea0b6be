package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// demoConsole is what a script reads of demo.json to sign in.
type demoConsole struct {
	Seeded  bool `json:"seeded"`
	Console struct {
		URL      string `json:"url"`
		Email    string `json:"email"`
		Password string `json:"password"`
	} `json:"console"`
}

// seeded waits until the demo has filled its console.
func seeded(t *testing.T, s *harness.Server) demoConsole {
	t.Helper()
	var d demoConsole
	full := func() bool {
		text, err := os.ReadFile(filepath.Join(s.Data, "demo.json"))
		return err == nil && json.Unmarshal(text, &d) == nil && d.Seeded
	}
	ok := harness.Eventually(full)
	if !ok { // a loaded machine needs longer than one page does
		ok = harness.Eventually(full)
	}
	if !ok {
		t.Fatal("the demo did not fill its console")
	}
	return d
}

// signIn signs in on the console's own page with the account of demo.json.
func signIn(p *browser.Page, d demoConsole) {
	p.Goto(d.Console.URL)
	p.Type("document.querySelector('[name=email]')", d.Console.Email)
	p.Type("document.querySelector('[name=password]')", d.Console.Password)
	p.Leave(func() { p.Press(browser.Enter, false) })
	p.Wait("document.querySelector('.side, .list, .rows')")
}

// consolePage is one page, by name. A page with a pattern is the first link of the page before it
// whose address matches the pattern.
type consolePage struct{ name, address, pattern string }

// consolePages is a page of each kind.
func consolePages(org string) []consolePage {
	o := "/console/o/" + org
	return []consolePage{
		{"overview", o + "/overview", ""},
		{"works", o + "/works", ""},
		{"work", "", `/works/(mainnet|testnet)?/?[^/?]+$`},
		{"work-redact", "", `/works/[^?]+/redact$`},
		{"works-none", o + "/works?q=nothing-has-this-title", ""},
		{"transactions", o + "/transactions", ""},
		{"story", "", `/transactions/[0-9a-f]{8}-`},
		{"failures", o + "/transactions?state=failed", ""},
		{"calls", o + "/transactions/calls", ""},
		{"story-of-none", o + "/transactions/req_01ARZ3NDEKTSV4RRFFQ69G5FA0", ""},
		{"integration", o + "/integration", ""},
		{"key", "", `/integration/keys/`},
		{"origin-refused", o + "/integration?test=https%3A%2F%2Fsongs.example", ""},
		{"snippet", o + "/integration/snippet", ""},
		{"theme", o + "/integration/theme", ""},
		{"rehearsal", o + "/integration/rehearsal?code=registration.insufficient_credits", ""},
		{"credits", o + "/credits", ""},
		{"holds", o + "/credits/holds", ""},
		{"api-keys", o + "/api-keys", ""},
		{"api-key", "", `/api-keys/[^/?]+$`},
		{"webhooks", o + "/webhooks", ""},
		{"endpoint", "", `/webhooks/[^/?]+$`},
		{"delivery", "", `/webhooks/[^/]+/deliveries/`},
		{"settings", o + "/settings", ""},
		{"people", o + "/people", ""},
		{"person", "", `/people/(?!invitations)[^/?]+$`},
		{"invitations", o + "/people/invitations", ""},
		{"audit", o + "/audit", ""},
		{"organizations", "/console/organizations", ""},
		{"account", "/console/account", ""},
		{"second-factor", "/console/account/second-factor", ""},
		{"prove", "/console/account/prove", ""},
		{"operator", "/console/operator/organizations", ""},
		{"operator-organization", "", `/operator/organizations/[^/?]+$`},
		{"operator-people", "/console/operator/people", ""},
		{"operator-person", "", `/operator/people/[^/?]+$`},
		{"operator-audit", "/console/operator/audit", ""},
		{"not-found", o + "/nothing", ""},
	}
}

// emptyPages are those of an organization that has nothing yet.
func emptyPages(org string) []consolePage {
	var pages []consolePage
	for _, name := range []string{"overview", "works", "transactions", "transactions/calls", "integration", "integration/snippet", "integration/theme", "credits", "credits/holds", "api-keys", "webhooks", "settings", "people/invitations"} {
		pages = append(pages, consolePage{"empty-" + strings.ReplaceAll(name, "/", "-"), "/console/o/" + org + "/" + name, ""})
	}
	return pages
}

// outsidePages are the pages for people without a session.
var outsidePages = []consolePage{
	{"sign-in", "/console/sign-in", ""},
	{"second-step", "/console/sign-in/second", ""},
	{"recover", "/console/recover", ""},
	{"reset", "/console/reset?token=invalid", ""},
	{"invitation-gone", "/console/invitation?token=invalid", ""},
	{"sign-up", "/console/sign-up", ""},
	{"first-gone", "/console/first?token=invalid", ""},
	{"outside-not-found", "/console/nothing", ""},
}

// documentPages are the pages beside the console that it links to.
var documentPages = []consolePage{
	{"docs-api", "/docs/api", ""},
	{"docs-calls", "/docs/calls", ""},
	{"hooks", "/demo/hooks", ""},
}

// TestConsoleLooks goes through every page of the console of a filled demo, and of an empty
// organization: each page is accessible, is not wider than the window, has targets for fingers, is
// small, and its policy refuses nothing. Each page is held at 320 px in dark and at 1280 px in light.
// Each page of a signed-in person is held once in Arabic.
func TestConsoleLooks(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{Seeded: true})
	d := seeded(t, s)
	p := browser.Open(t)
	v := consoleViewer{t: t, p: p, site: s.URL, pictures: browser.Pictures(t), lang: "en"}
	v.visit(both, outsidePages)
	v.visit(both, documentPages)
	signIn(p, d)
	v.visit(both, consolePages(s.OrganizationID))
	p.Goto(s.URL + "/console/organizations")
	p.Type("document.querySelector('main [name=name]')", longName)
	p.Leave(func() { p.Press(browser.Enter, false) })
	empty := browser.Eval[string](p, `location.pathname.split('/')[3]`)
	v.visit(narrow, emptyPages(empty))

	// The pages behind the link of an invitation and of a new password are read without a session.
	p.Goto(s.URL + "/console/o/" + empty + "/people")
	p.Type("document.querySelector('main [name=email]')", "a-new-member-with-a-long-address@a-label-with-a-long-name.example")
	p.Leave(func() { p.Press(browser.Enter, false) })
	invited := browser.Eval[string](p, `document.querySelector('.note.secret code').textContent`)
	v.look(both, "invitation-made")
	p.Goto(s.URL + "/console/account")
	p.Run("document.querySelector('[name=language]').value = 'ar'")
	p.Leave(func() { p.Run("document.querySelector('[name=language]').form.requestSubmit()") })
	v.lang = "ar"
	v.visit(arabic, slices.Concat(consolePages(s.OrganizationID), emptyPages(empty)[:1]))
	p.Goto(s.URL + "/console/account")
	p.Leave(func() { p.Run("document.querySelector('form[action=\"/console/sign-out\"]').requestSubmit()") })
	v.lang = "en"
	v.visit(both, []consolePage{{"invitation", strings.TrimPrefix(invited, s.URL), ""}})
}

// longName is as long as a name of an organization gets without a place to break.
const longName = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft Records & Publishing"

// The looks at which pages are held.
var (
	both   = []look{looks[1], looks[3]}
	narrow = looks[1:2]
	arabic = looks[4:5]
)

// consoleViewer looks at pages. Its pictures are in the folder that TIMBRE_SCREENSHOTS names; with
// pictures, all pages are seen in all looks.
type consoleViewer struct {
	t              *testing.T
	p              *browser.Page
	site, pictures string
	lang           string
}

// visit opens pages and looks at each.
func (v *consoleViewer) visit(at []look, pages []consolePage) {
	v.t.Helper()
	for _, page := range pages {
		address := page.address
		if page.pattern != "" {
			address = browser.Eval[string](v.p, fmt.Sprintf("[...document.querySelectorAll('main a[href]')].map((a) => new URL(a.href).pathname).find((a) => /%s/.test(a)) ?? ''", strings.ReplaceAll(page.pattern, "/", `\/`)))
			if address == "" {
				v.t.Errorf("%s: no link matches %s on %s", page.name, page.pattern, browser.Eval[string](v.p, "location.pathname"))
				continue
			}
		}
		v.p.ForgetProblems()
		v.p.Goto(v.site + address)
		v.look(at, page.name)
	}
}

// look holds the page that is open to the rules.
func (v *consoleViewer) look(at []look, name string) {
	v.t.Helper()
	p := v.p
	console := browser.Eval[bool](p, "location.pathname.startsWith('/console/')")
	if got := browser.Eval[string](p, "document.documentElement.lang"); console && got != v.lang {
		v.t.Errorf("%s is in %q, want %q", name, got, v.lang)
	}
	if size := browser.Eval[int](p, "performance.getEntriesByType('navigation')[0].decodedBodySize"); console && size > 50_000 {
		v.t.Errorf("%s: the page has %d bytes", name, size)
	}
	p.LoadAxe(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
	if v.pictures != "" && v.lang == "en" {
		for _, l := range looks[:4] {
			if !slices.Contains(at, l) {
				p.Size(l.width, tall)
				p.Dark(l.dark)
				p.Screenshot(v.pictures, name+"-"+l.name)
			}
		}
	}
	for _, l := range at {
		p.Size(l.width, tall)
		p.Dark(l.dark)
		lines := append(p.Overflow(), p.Audit()...)
		if console {
			lines = append(lines, browser.Eval[[]string](p, small)...)
		}
		for _, line := range lines {
			v.t.Errorf("%s, %s: %s", name, l.name, line)
		}
		p.Screenshot(v.pictures, name+"-"+l.name)
	}
	for _, line := range p.Problems() {
		if !strings.Contains(line, "the server responded with a status of 40") { // a page that says what is missing
			v.t.Errorf("%s: console: %s", name, line)
		}
	}
	p.Size(1280, tall)
	p.Dark(false)
}

// small lists the targets that are lower than 44 px. A link in a sentence or a cell is as high as its
// line, and a copy button is that high only for fingers.
const small = `(() => {
  const found = new Set();
  for (const e of e2e.all('main button, main summary, main select, main textarea, main input:not([type=checkbox], [type=radio], [type=hidden]), main a.button, nav a, header a, main label:has(input[type=checkbox], input[type=radio])')) {
    if (!e.checkVisibility() || e.closest('.copy')) continue;
    const r = e.getBoundingClientRect();
    if (r.width > 1 && r.height < 43.5) found.add(e.outerHTML.slice(0, 140) + ' is ' + r.height + ' px high');
  }
  return [...found];
})()`
