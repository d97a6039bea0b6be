package e2e_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"timbre.example/docs"
	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/fault"
	"timbre.example/widget"
)

var listing = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// listings are the blocks of a document in one language.
func listings(t *testing.T, document, language string) (out []string) {
	t.Helper()
	text, err := fs.ReadFile(docs.Files, document)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range listing.FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			out = append(out, m[2])
		}
	}
	return out
}

// guides are the documents with examples for a page.
var guides = []string{"quick-start.md", "authentication.md", "attributes.md", "events.md", "theming.md", "access-codes.md", "error-handling.md", "widget.md", "embedding.md"}

// ears stand before an example's own script: what it calls is kept, and each of
// its handlers is watched.
const ears = `globalThis.seen = { handlers: [], messages: [], tracked: [], logged: [] };
globalThis.showMessage = (text) => seen.messages.push(text);
globalThis.analytics = { track: (name, what) => seen.tracked.push({ name, ...what }) };
console.log = (...what) => seen.logged.push(what.map(String).join(' '));
const add = EventTarget.prototype.addEventListener;
EventTarget.prototype.addEventListener = function (type, handler, options) {
  if (!String(type).startsWith('allfeat:')) return add.call(this, type, handler, options);
  const one = { type, done: 0 };
  seen.handlers.push(one);
  return add.call(this, type, async (e) => { await handler.call(this, e); one.done++; }, options);
};
`

// details are what each event brings, as the contract has it.
const details = `({
  'allfeat:ready': { mode: 'register' },
  'allfeat:upload-start': { filename: 'a.wav', size: 3 },
  'allfeat:upload-progress': { progress: 50, loaded: 1, total: 2 },
  'allfeat:upload-complete': { filename: 'a.wav' },
  'allfeat:confirmed': { transactionId: '0192f3a0-5b1c-7c3e-9d2a-6f1e8b4c7a10' },
  'allfeat:step': { step: 'signing', progress: 40 },
  'allfeat:complete': { atsId: 7, txHash: '0x' + '0'.repeat(64), blockNumber: 1, explorerUrl: location.href },
  'allfeat:failed': { code: 'common.internal', message: 'An unexpected error occurred.', requestId: 'req_01J9Z3NDEKTSV4RRFFQ69G5FAV' },
  'allfeat:token-expired': { pendingAction: 'submit' },
  'allfeat:error': { code: 'registration.duplicate_title', message: 'A work with this title already exists.', requestId: 'req_01J9Z3NDEKTSV4RRFFQ69G5FAV', stage: 'title' },
})`

// example puts a script on a page with the widget and opens it.
func example(p *browser.Page, x *site, name, script string) {
	if !strings.Contains(script, "const widget =") && strings.Contains(script, "widget.") {
		script = "const widget = document.querySelector('ats-widget');\n" + script
	}
	x.host.Page("ears.js", ears)
	x.host.Page(name+".js", script)
	p.Goto(x.host.Page(name+".html", x.element("")+`<script src="/ears.js"></script><script type="module" src="/`+name+`.js"></script><script type="module" src="/ats-widget.esm.js"></script>`))
	p.Wait(browser.Hook("form-song"))
}

// TestDocumentedScripts runs each script of the guides on a page: it loads, and
// every handler that it adds is called by its event and comes to its end.
func TestDocumentedScripts(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	handlers := 0
	for _, guide := range guides {
		for i, script := range listings(t, guide, "js") {
			name := fmt.Sprintf("%s-%d", strings.TrimSuffix(guide, ".md"), i)
			example(p, x, name, script)
			p.Wait("seen.handlers.length > 0")
			p.Run(`(() => {
			  const details = ` + details + `;
			  for (const type of new Set(seen.handlers.map((one) => one.type)))
			    document.querySelector('ats-widget').dispatchEvent(new CustomEvent(type, { detail: details[type], bubbles: true, composed: true }));
			})()`)
			p.Wait("seen.handlers.every((one) => one.done > 0)")
			handlers += browser.Eval[int](p, "seen.handlers.length")
			for _, line := range p.Problems() {
				if !strings.HasPrefix(line, "console.error: [ATS ") && !strings.HasPrefix(line, `console.error: "[ATS `) { // what the example is for
					t.Errorf("%s: %s", name, line)
				}
			}
			p.ForgetProblems()
		}
	}
	if handlers < 20 {
		t.Errorf("only %d handlers were seen", handlers)
	}
}

// TestDocumentedMarkup puts each piece of HTML of the guides on a page: the
// widget is there, and ready.
func TestDocumentedMarkup(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	const file = "ats-widget.iife.js"
	pinned := "src=\"" + x.server.URL + "/widget/" + widget.Version + "/"
	fill := strings.NewReplacer("cpk_…", x.siteKey, "https://ats.example", x.server.URL, "src=\"…/widget/1.2.3/", pinned, "src=\"…/", pinned, "sha384-…", widget.Integrity(file))
	for _, guide := range guides {
		if guide == "embedding.md" {
			continue // whose pages are tried one by one: TestEmbedding
		}
		for i, markup := range listings(t, guide, "html") {
			name := fmt.Sprintf("%s-%d", strings.TrimSuffix(guide, ".md"), i)
			page := fill.Replace(markup)
			if strings.Contains(page, "…") {
				t.Errorf("%s: there is no value for what is left out in\n%s", name, page)
			}
			if !strings.Contains(page, "<ats-widget") {
				page = x.element("") + page
			}
			if !strings.Contains(page, "<script") {
				page += `<script src="/ats-widget.iife.js" defer></script>`
			}
			p.Goto(x.host.Page(name+".html", page))
			p.Wait("e2e.events.some((e) => e.name === 'ready') && e2e.state().screen === 'FORM'")
			quiet(t, p)
			p.ForgetProblems()
		}
	}
}

// TestDocumentedStyles puts each style of the guides on a page: what it sets
// reaches the widget and its parts.
func TestDocumentedStyles(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	set := 0
	for _, guide := range guides {
		for i, style := range listings(t, guide, "css") {
			name := fmt.Sprintf("%s-%d", strings.TrimSuffix(guide, ".md"), i)
			x.host.Page(name+".css", style)
			p.Goto(x.host.Page(name+".html", `<link rel="stylesheet" href="/`+name+`.css">`+x.element("")+scripts))
			p.Wait(browser.Hook("form-song"))
			for _, line := range browser.Eval[[]string](p, `[...document.styleSheets].at(-1).cssRules.length ? [...[...document.styleSheets].at(-1).cssRules].flatMap((rule) => {
			  const part = /::part\((.*)\)/.exec(rule.selectorText)?.[1];
			  const of = part ? e2e.widget().shadowRoot.querySelector('[part~="' + part + '"]') : e2e.widget();
			  return [...rule.style].map((name) => {
			    const want = rule.style.getPropertyValue(name).trim();
			    const got = of ? getComputedStyle(of).getPropertyValue(name).trim() : 'nothing: there is no such part';
			    return got === want ? 'set' : rule.selectorText + ' { ' + name + ' } is ' + got + ', want ' + want;
			  });
			}) : ['no rule']`) {
				if line != "set" {
					t.Errorf("%s: %s", name, line)
				}
				set++
			}
			quiet(t, p)
		}
	}
	if set < 6 {
		t.Errorf("only %d properties", set)
	}
}

// TestQuickStart follows the quick start to its end: its backend serves its page,
// and a song is registered there.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	markup := listings(t, "quick-start.md", "html")
	if len(markup) != 1 {
		t.Fatalf("%d pieces of markup", len(markup))
	}
	b := startBackend(t, "quick-start.md", "mjs", s.URL, s.SecretKey, strings.NewReplacer("cpk_…", s.SiteKey, "https://ats.example", s.URL).Replace(markup[0]))
	p := browser.Open(t)
	p.Goto(b.url + "/")
	p.Run("globalThis.said = []; console.log = (...what) => said.push(what.map(String).join(' '))")
	p.Wait(browser.Hook("file"))
	fill(p, 0, noise(t, "quick.wav", 20_000), "Quick")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	p.Wait("said.some((line) => line.startsWith('Registered as number 1 http'))")
	for _, line := range p.Problems() {
		if !strings.Contains(line, "/favicon.ico") {
			t.Error(line)
		}
	}

	// A typing error is named.
	p.ForgetProblems()
	p.Run("e2e.widget().reset()")
	p.Run("e2e.widget().setAttribute('network', 'tetsnet')")
	p.Wait("e2e.events.some((e) => e.name === 'failed')")
	if said := strings.Join(p.Problems(), "\n"); !strings.Contains(said, "widget.configuration_error") {
		t.Errorf("the console says %q", said)
	}
}

// TestDocumentedTypes compiles the TypeScript of the guides against the published types.
func TestDocumentedTypes(t *testing.T) {
	t.Parallel()
	tsc := typescript(t)
	dir := t.TempDir()
	types, err := fs.ReadFile(widget.Files, "ats-widget.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ats-widget.d.ts"), types, 0o644); err != nil {
		t.Fatal(err)
	}
	compile := func(code string) (string, error) {
		if err := os.WriteFile(filepath.Join(dir, "example.ts"), []byte(code), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(tsc, "--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2022,dom", "example.ts")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	n := 0
	for _, guide := range guides {
		for _, code := range listings(t, guide, "ts") {
			n++
			if out, err := compile(code); err != nil {
				t.Errorf("%s: %v\n%s", guide, err, out)
			}
			if _, err := compile(strings.Replace(code, "size_bytes", "size_octets", 1)); err == nil {
				t.Errorf("%s: a detail that does not exist is not noticed", guide)
			}
		}
	}
	if n == 0 {
		t.Error("no TypeScript was found")
	}
}

// TestDocumentedGo compiles the Go of the guides.
func TestDocumentedGo(t *testing.T) {
	t.Parallel()
	n := 0
	for _, guide := range guides {
		for _, code := range listings(t, guide, "go") {
			n++
			file := write(t, "main.go", []byte("package main\n\nimport \"log\"\n\nfunc main() {\n\tvar answer struct{ Error struct{ Code, Message string } }\n"+code+"}\n"))
			cmd := exec.Command("go", "build", "-o", os.DevNull, file)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", guide, err, out)
			}
		}
	}
	if n == 0 {
		t.Error("no Go was found")
	}
}

// TestErrorHandlingAsPublished runs a page with the two snippets of the first published
// documentation, unchanged, as integrators copied them. The page receives every code that
// a browser can receive, and then one real error.
func TestErrorHandlingAsPublished(t *testing.T) {
	t.Parallel()
	published, err := os.ReadFile("../demo/assets/error-handling.js")
	if err != nil {
		t.Fatal(err)
	}
	snippets := listings(t, "error-handling.md", "js")
	if len(snippets) != 2 || strings.Join(snippets, "") != string(published)+"\n" && strings.Join(snippets, "") != string(published) {
		t.Fatalf("docs/error-handling.md does not have the two snippets as they were published")
	}
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	example(p, x, "published", strings.Join(snippets, ""))

	type report struct{ Event, Code, Message, RequestID string }
	tracked := func() (out []report) {
		for _, one := range browser.Eval[[]struct {
			Name, Event, Code, Message string
			RequestID                  *string `json:"requestId"`
		}](p, "seen.tracked") {
			id := "null"
			if one.RequestID != nil {
				id = *one.RequestID
			}
			if one.Name != "ats_error" {
				t.Errorf("tracked as %s", one.Name)
			}
			out = append(out, report{one.Event, one.Code, one.Message, id})
		}
		return out
	}
	codes := 0
	for _, e := range fault.All() {
		if e.Class == fault.ClassNone {
			continue
		}
		codes++
		// A code of the class refresh reaches the page as a failure only when no token came.
		event, id := "allfeat:failed", "req_01J9Z3NDEKTSV4RRFFQ69G5FAV"
		detail := map[string]any{"code": e.Code, "message": e.Message, "requestId": id}
		switch e.Class {
		case fault.ClassInline:
			event, detail["stage"] = "allfeat:error", e.Stage
		case fault.ClassClient:
			id, detail["requestId"] = "null", nil
		case fault.ClassRefresh, fault.ClassDisabled, fault.ClassFailed, fault.ClassNone:
		}
		text, err := json.Marshal(detail)
		if err != nil {
			t.Fatal(err)
		}
		p.Run("seen.tracked.length = seen.messages.length = 0")
		p.Run(fmt.Sprintf("document.querySelector('ats-widget').dispatchEvent(new CustomEvent(%q, { detail: %s, bubbles: true, composed: true }))", event, text))
		if got, want := tracked(), []report{{event, string(e.Code), e.Message, id}}; !slices.Equal(got, want) {
			t.Errorf("%s was reported as %v", e.Code, got)
		}
		var want []string
		switch section, _, _ := strings.Cut(string(e.Code), "."); {
		case event == "allfeat:error", section == "session", e.Section == "common.auth":
		case section == "organization":
			want = []string{"Please contact your administrator. Reference: " + id}
		case e.Code == fault.CodeCommonRateLimited:
			want = []string{"Please wait a moment and try again."}
		default:
			want = []string{"An error occurred. Please try again."}
		}
		if got := browser.Eval[[]string](p, "seen.messages"); !slices.Equal(got, want) {
			t.Errorf("%s: the page says %q, want %q", e.Code, got, want)
		}
	}
	if codes < 45 {
		t.Errorf("only %d codes", codes)
	}

	// The organization is suspended while somebody fills in the form.
	p.Run("seen.tracked.length = seen.messages.length = 0")
	token := browser.Eval[string](p, "import('/token.js').then((m) => m.default)")
	p.Run(fmt.Sprintf("e2e.widget().setToken(%q)", token))
	x.server.CLI(nil, "org", "suspend", x.org)
	fill(p, 0, noise(t, "suspended.wav", 20_000), "Suspended")
	p.Wait(onScreen(0, "DISABLED"))
	failed := named(p.Events(), "failed")
	id := member[string](t, failed[len(failed)-1], "requestId")
	if got := tracked(); len(got) != 1 || got[0] != (report{"allfeat:failed", "organization.inactive", "Organization inactive.", id}) {
		t.Errorf("for real: %v", got)
	}
	if got := browser.Eval[[]string](p, "seen.messages"); len(got) != 1 || got[0] != "Please contact your administrator. Reference: "+id {
		t.Errorf("for real the page says %q", got)
	}
}

// TestDocsLook checks the documentation by the rules for all our pages, on a phone and a
// desktop, light and dark. TIMBRE_SCREENSHOTS is the folder for pictures.
func TestDocsLook(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	var pages []string
	for _, pattern := range []string{"*.md", "adr/README.md"} {
		names, err := fs.Glob(docs.Files, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			pages = append(pages, strings.TrimSuffix(strings.TrimSuffix(name, ".md"), "README"))
		}
	}
	pages = append(pages, "search?q=token", "search?q=zzyzx", "search", "nope")
	all := map[string]bool{"": true, "error-handling": true, "search?q=token": true, "nope": true}
	for _, page := range pages {
		p.Goto(s.URL + "/docs/" + page)
		p.LoadAxe(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
		for i, l := range looks[:4] {
			if !all[page] && i%2 == 1 {
				continue
			}
			p.Size(l.width, 900)
			p.Dark(l.dark)
			// A box is a stop of the Tab key exactly when it scrolls.
			p.Wait("[...document.querySelectorAll('pre, .scroll')].every((e) => (e.tabIndex === 0) === (e.scrollWidth > e.clientWidth))")
			for _, line := range append(p.Audit(), p.Overflow()...) {
				t.Errorf("/docs/%s, %s: %s", page, l.name, line)
			}
			if dir := browser.Pictures(t); dir != "" {
				p.Screenshot(dir, "docs-"+regexp.MustCompile(`[^a-z]+`).ReplaceAllString(page, "-")+"-"+l.name)
			}
		}
		for _, line := range p.Problems() {
			if page != "nope" || !strings.Contains(line, "404") {
				t.Errorf("/docs/%s: %s", page, line)
			}
		}
		p.ForgetProblems()
	}
}

// TestDocsByKeyboard finds a code by typing a part of it, goes there with the
// keys, and finds it again without a script's help.
func TestDocsByKeyboard(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.Size(1280, 900)
	p.Goto(s.URL + "/docs/")
	p.Press(browser.Tab, false) // the skip link
	if at := browser.Eval[string](p, "document.activeElement.textContent"); at != "Skip to content" {
		t.Errorf("the first stop is %q", at)
	}
	p.Press(browser.Tab, false)
	p.Press(browser.Tab, false)
	if at := browser.Eval[string](p, "document.activeElement.id"); at != "q" {
		t.Fatalf("the third stop is %q", at)
	}
	p.Keys("duplicate_title")
	p.Wait("document.querySelector('#matches a')?.textContent.startsWith('registration.duplicate_title')")
	if told := browser.Eval[string](p, "document.getElementById('matches-count').textContent"); !regexp.MustCompile(`^[0-9]+ match(es)?$`).MatchString(told) {
		t.Errorf("a screen reader is told %q", told)
	}
	p.Press(browser.Escape, false)
	p.Wait("document.getElementById('matches').hidden && document.activeElement.id === 'q'")
	p.Keys("xzqk")
	p.Wait("document.getElementById('matches-count').textContent === '0 matches'")
	p.Run("document.getElementById('q').value = ''")
	p.Keys("duplicate_title")
	p.Wait("document.querySelector('#matches a')?.textContent.startsWith('registration.duplicate_title') && !document.getElementById('matches').hidden")
	p.Run("document.getElementById('q').value = ''")
	p.Keys("duplicate_titl")
	p.Wait("document.querySelector('#matches a')?.textContent.startsWith('registration.duplicate_title')")
	late := p.Hold("GET", "search.json?q=duplicate_title")
	p.Keys("e")
	held := late.Await()
	p.Press(browser.Down, false)
	p.Wait("document.activeElement.matches('#matches a')")
	p.Run("performance.clearResourceTimings()")
	held.Go()
	late.Release()
	// The answer comes when the focus is on a match already. The match keeps the focus.
	p.Wait("performance.getEntriesByName(new URL('/docs/search.json?q=duplicate_title', location).href).length > 0")
	p.Leave(func() { p.Press(browser.Enter, false) })
	p.Wait("location.pathname + location.hash === '/docs/errors#registration.duplicate_title'")
	p.Wait("(({top}) => top >= 0 && top < 200)(document.getElementById('registration.duplicate_title').getBoundingClientRect())")

	p.Run("document.getElementById('q').focus()")
	p.Keys("duplicate_title")
	p.Leave(func() { p.Press(browser.Enter, false) })
	p.Wait("location.search === '?q=duplicate_title' && document.querySelector('.results a').getAttribute('href') === '/docs/errors#registration.duplicate_title'")
	p.AllowClipboard(s.URL)
	p.Goto(s.URL + "/docs/theming")
	p.Click("document.querySelector('.code button')")
	p.Wait("document.querySelector('.code button').textContent === 'Copied'")
	if got, want := browser.Eval[string](p, "navigator.clipboard.readText()"), listings(t, "theming.md", "css")[0]; got != want {
		t.Errorf("copied %q, want %q", got, want)
	}
	// Of a terminal what is typed, so that it can be pasted.
	p.Goto(s.URL + "/docs/certificate")
	const terminal = "[...document.querySelectorAll('.code')].filter((f) => f.querySelector('figcaption').textContent === 'Terminal' && f.textContent.includes('timbre demo')).at(-1).querySelector('button')"
	p.Click(terminal)
	p.Wait(terminal + ".textContent === 'Copied'")
	commands := 0
	for line := range strings.Lines(browser.Eval[string](p, "navigator.clipboard.readText()")) {
		commands++
		if first, _, _ := strings.Cut(line, " "); first != "openssl" && first != "timbre" && first != "pdfsig" {
			t.Errorf("copied %q, which is no command", line)
		}
	}
	if commands != 3 {
		t.Errorf("copied %d commands", commands)
	}

	// The key for the search works outside of text fields, unless it is switched off.
	p.Run("document.activeElement.blur()")
	p.Press(browser.Slash, false)
	p.Wait("document.activeElement.id === 'q' && document.activeElement.value === ''")
	p.Keys("a/b")
	p.Wait("document.activeElement.value === 'a/b'")
	p.Click("document.getElementById('slash-key')")
	p.Goto(s.URL + "/docs/theming")
	p.Wait("!document.getElementById('slash-key').checked && !document.getElementById('q').hasAttribute('aria-keyshortcuts')")
	p.Run("document.activeElement.blur()")
	p.Press(browser.Slash, false)
	p.Wait("document.activeElement.id !== 'q'")
	p.Click("document.getElementById('slash-key')")
	p.Run("document.activeElement.blur()")
	p.Press(browser.Slash, false)
	p.Wait("document.activeElement.id === 'q'")

	// A word that is nowhere leads to the nearest.
	p.Keys("rehersal")
	p.Wait("document.querySelector('#matches a')?.getAttribute('href') === '/docs/authentication#rehearsal'")
	for _, line := range p.Problems() {
		t.Error(line)
	}
}

// TestDocsChoice chooses a framework and a language once. Links and pages with a section for each language then lead to
// them, at the same heading. A link to another language's section still shows this one.
func TestDocsChoice(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	const visible = "[...document.querySelectorAll('article h3')].filter((h) => ['Node.js', 'Python', 'Go'].includes(h.textContent) && h.checkVisibility()).map((h) => h.textContent).join()"
	p.Goto(s.URL + "/docs/webhooks")
	p.Wait("document.querySelector('div.choice:not([hidden])')")
	if all := browser.Eval[string](p, visible); all != "Node.js,Python,Go" {
		t.Errorf("without a choice: %s", all)
	}
	p.Click("[...document.querySelectorAll('div.choice button')].find((b) => b.textContent === 'Python')")
	if one := browser.Eval[string](p, visible); one != "Python" {
		t.Errorf("after a choice: %s", one)
	}
	p.Goto(s.URL + "/docs/quick-start")
	p.Wait("document.querySelector('article a[href=\"/docs/python\"]') && !document.querySelector('article a[href=\"/docs/backends\"]')")
	p.Goto(s.URL + "/docs/webhooks#go")
	p.Wait(visible + " === 'Go'")

	p.Goto(s.URL + "/docs/python")
	second := browser.Eval[string](p, "document.querySelectorAll('article h2')[1].id")
	p.Run("location.hash = '" + second + "'")
	p.Wait("document.querySelector('nav.choice a[href*=\"/docs/ruby#\"]')")
	p.Leave(func() { p.Click("document.querySelector('nav.choice a[href*=\"/docs/ruby\"]')") })
	p.Wait("location.pathname === '/docs/ruby' && document.querySelector('nav.choice [aria-current]').textContent === 'Ruby' && document.getElementById('" + second + "')")
	p.Goto(s.URL + "/docs/quick-start")
	p.Wait("document.querySelector('article a[href=\"/docs/ruby\"]')")
	const links = "[...document.querySelectorAll('article a')].map((a) => a.getAttribute('href') + ' ' + a.textContent)"
	p.Goto(s.URL + "/docs/vue")
	p.Goto(s.URL + "/docs/npm")
	p.Wait(links + ".some((l) => l === '/docs/ruby your backend (Ruby)')")
	if !browser.Eval[bool](p, links+".includes('/docs/frameworks Frameworks')") {
		t.Error("reading a page has set the choice")
	}
	p.Goto(s.URL + "/docs/vue")
	p.Leave(func() { p.Click("document.querySelector('nav.choice a[href*=\"/docs/svelte\"]')") })
	p.Goto(s.URL + "/docs/npm")
	p.Wait(links + ".includes('/docs/svelte Frameworks (Svelte)')")
	p.Goto(s.URL + "/docs/svelte")
	p.Leave(func() { p.Click("document.querySelector('nav.choice a[data-index]')") })
	p.Goto(s.URL + "/docs/npm")
	p.Wait(links + ".includes('/docs/frameworks Frameworks')")
	for _, line := range p.Problems() {
		t.Error(line)
	}
}

// TestDocsLinks follows every link of the documentation on the real server:
// what it leads to is there, and has the place that is meant.
func TestDocsLinks(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	reference := regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)
	id := regexp.MustCompile(`\sid="([^"]+)"`)
	places := map[string]map[string]bool{} // of each address, its anchors
	pages := 0
	var visit func(from, to string)
	visit = func(from, to string) {
		to = html.UnescapeString(to)
		if strings.HasPrefix(to, "https://") && !strings.HasPrefix(to, s.URL) {
			return // somebody else's
		}
		path, anchor, _ := strings.Cut(to, "#")
		if path == "" {
			path = from
		}
		found, seen := places[path]
		if !seen {
			res, err := http.Get(s.URL + path)
			if err != nil {
				t.Fatalf("%s leads to %s: %v", from, to, err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != 200 {
				t.Errorf("%s leads to %s: %d, %v", from, to, res.StatusCode, err)
			}
			found = map[string]bool{}
			places[path] = found
			if strings.HasPrefix(path, "/docs/") && strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
				pages++
				for _, m := range id.FindAllStringSubmatch(string(body), -1) {
					if found[m[1]] {
						t.Errorf("%s has %q twice", path, m[1])
					}
					found[m[1]] = true
				}
				for _, m := range reference.FindAllStringSubmatch(string(body), -1) {
					visit(path, m[1])
				}
			}
		}
		if anchor != "" && !found[anchor] {
			t.Errorf("%s leads to %s, and there is no such place", from, to)
		}
	}
	visit("", "/docs/")
	for _, e := range fault.All() {
		visit("", "/docs/errors#"+string(e.Code))
	}
	if pages < 25 {
		t.Errorf("only %d pages were reached", pages)
	}
}

// The reference of the API has the address that its story had. An old link to a heading of the story
// arrives there, and a link to a heading of the reference stays.
func TestOldLinksToTheAPI(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := browser.Open(t)
	p.Goto(s.URL + "/docs/api")
	own := browser.Eval[[]string](p, "[...document.querySelectorAll('main h2[id]')].map((h) => h.id)")
	p.Goto(s.URL + "/docs/calls")
	old := ""
	for _, id := range browser.Eval[[]string](p, "[...document.querySelectorAll('main h2[id]')].map((h) => h.id)") {
		if !slices.Contains(own, id) {
			old = id
			break
		}
	}
	if old == "" || len(own) == 0 {
		t.Fatalf("no heading tells the pages apart: %q", own)
	}
	for from, to := range map[string]string{"/docs/api#" + old: "/docs/calls#" + old, "/docs/api#" + own[0]: "/docs/api#" + own[0]} {
		p.Goto("about:blank")
		p.Goto(s.URL + from)
		at := ""
		if !harness.Eventually(func() bool {
			at = browser.Eval[string](p, "location.pathname + location.hash")
			return at == to && browser.Eval[bool](p, "document.querySelector(':target') !== null")
		}) {
			t.Errorf("%s leads to %s, want %s", from, at, to)
		}
	}
}
