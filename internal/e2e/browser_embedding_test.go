package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// driver fills in the widget from inside of its page, and reports its progress to the
// outer page. A test cannot reach into a frame without an origin from outside.
const driver = `const say = (what) => parent.postMessage(what, '*');
for (const name of ['failed', 'complete']) document.addEventListener('allfeat:' + name, (e) => say(name + ' ' + (e.detail.code ?? '')));
const write = async (name, value) => {
  const field = e2e.hook(name);
  field.value = value;
  field.dispatchEvent(new Event('input', { bubbles: true, composed: true }));
  await e2e.widget().updateComplete; // a person is no faster
};
const there = (name, ms = 15000) => e2e.until(() => e2e.hook(name), ms);
(async () => {
  say('origin ' + origin);
  await there('file');
  const song = new DataView(new ArrayBuffer(20044));
  'RIFF'.split('').forEach((c, i) => song.setUint8(i, c.charCodeAt(0)));
  song.setUint32(4, 20036, true);
  'WAVEfmt '.split('').forEach((c, i) => song.setUint8(8 + i, c.charCodeAt(0)));
  [16, 0, 1, 1].forEach((n, i) => song.setUint16(16 + 2 * i, n, true));
  song.setUint32(24, 44100, true);
  song.setUint32(28, 88200, true);
  song.setUint16(32, 2, true);
  song.setUint16(34, 16, true);
  'data'.split('').forEach((c, i) => song.setUint8(36 + i, c.charCodeAt(0)));
  song.setUint32(40, 20000, true);
  crypto.getRandomValues(new Uint8Array(song.buffer, 44));
  const given = new DataTransfer();
  given.items.add(new File([song], 'framed.wav', { type: 'audio/wav' }));
  e2e.hook('file').files = given.files;
  e2e.hook('file').dispatchEvent(new Event('change', { bubbles: true, composed: true }));
  await write('title', document.title);
  e2e.hook('next').click();
  if (!(await there('creator-0-fullName', 2000))) return;
  await write('creator-0-fullName', 'Ana Writer');
  await write('creator-0-email', 'ana@writers.example');
  e2e.hook('creator-0-author').click();
  await e2e.widget().updateComplete;
  e2e.hook('submit').click();
  if (!(await there('confirm'))) return;
  e2e.hook('confirm').click();
  if (!(await there('save-access-code'))) return;
  e2e.hook('save-access-code').click();
  e2e.hook('explorer').click();
  say('saved');
})();
`

// TestEmbedding puts the widget where docs/embedding.md says that it can stand.
func TestEmbedding(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	pages := listings(t, "embedding.md", "html")
	if len(pages) != 4 {
		t.Fatalf("%d pages", len(pages))
	}
	fill := strings.NewReplacer("cpk_…", x.siteKey, "https://ats.example", x.server.URL, "…/register.html", "/register.html")
	ready := "e2e.events.some((e) => e.name === 'ready') && e2e.state().screen === 'FORM'"

	// Before the script has loaded.
	free := fill.Replace(pages[0])
	p.Goto(x.host.Page("unready.html", regexp.MustCompile(`<script.*`).ReplaceAllString(free, "")))
	if height := browser.Eval[float64](p, "document.querySelector('ats-widget').offsetHeight"); height < 380 {
		t.Errorf("the free space is %v px high", height)
	}
	loading := strings.Replace(free, "></ats-widget>", ">Loading…</ats-widget>", 1)
	const visible = "(() => { const r = document.createRange(); r.selectNodeContents(document.querySelector('ats-widget')); return r.getBoundingClientRect().width > 0; })()"
	p.Goto(x.host.Page("loading.html", regexp.MustCompile(`<script.*`).ReplaceAllString(loading, "")))
	if !browser.Eval[bool](p, visible) {
		t.Error("text in the element is not shown before the script runs")
	}
	p.Goto(x.host.Page("loaded.html", loading))
	p.Wait(ready)
	if browser.Eval[bool](p, visible) {
		t.Error("text in the element is shown after the script ran")
	}
	quiet(t, p)

	// In a dialog.
	ask := listings(t, "embedding.md", "js")[0]
	x.host.Page("ask.js", ask)
	p.Goto(x.host.Page("dialog.html", fill.Replace(pages[1])+`<script type="module" src="/host.js"></script><script type="module" src="/ask.js"></script>`))
	p.Wait("e2e.events.some((e) => e.name === 'ready')")
	for _, c := range []struct{ window, least int64 }{{1280, 500}, {320, 230}} {
		p.Size(c.window, 2600)
		p.Click("document.getElementById('register')")
		p.Wait(fmt.Sprintf("e2e.widget().shadowRoot.querySelector('[part~=card]').offsetWidth >= %d", c.least))
		if wide := browser.Eval[int64](p, "document.documentElement.scrollWidth"); wide > c.window {
			t.Errorf("in a dialog the page is %d px wide, in a window of %d", wide, c.window)
		}
		p.Press("Escape", false)
		p.Wait("!document.querySelector('dialog').open")
	}
	p.Size(1280, 2600)
	// Esc, with an access code that was not saved.
	p.Run("globalThis.asked = []; globalThis.confirm = (text) => (asked.push(text), false)")
	p.Click("document.getElementById('register')")
	p.Run("e2e.widget().dispatchEvent(new CustomEvent('allfeat:complete', { detail: { atsId: 1, accessCode: 'atc_' }, bubbles: true, composed: true }))")
	p.Press("Escape", false)
	p.Wait("asked.length === 1 && document.querySelector('dialog').open")
	quiet(t, p)

	// The answer to a frame without an origin.
	req, err := http.NewRequest("POST", x.server.URL+"/v1/sessions", strings.NewReader(fmt.Sprintf(`{"secret_key": %q, "action_type": "register", "allowed_network": "testnet"}`, x.secret)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", "null")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || !strings.Contains(string(body), `"session.origin_not_allowed"`) {
		t.Errorf("an origin of null is answered with %s, %v", body, err)
	}

	// In an iframe, with all that the page grants and with each of it taken away.
	token := func() string {
		p.Goto(x.plain())
		return browser.Eval[string](p, "import('/token.js?' + crypto.randomUUID()).then((m) => m.default)")
	}
	saved := p.Downloads()
	sandbox := regexp.MustCompile(`sandbox="([^"]*)"`).FindStringSubmatch(pages[3])
	if sandbox == nil {
		t.Fatal("there is no sandbox")
	}
	x.host.Page("driver.js", driver)
	framed := func(frame, song string) {
		t.Helper()
		p.ForgetProblems()
		x.host.Page("register.html", "<script>document.title = '"+song+"'; try { sessionStorage.clear() } catch {}</script>"+x.element(fmt.Sprintf("token=%q", token()))+
			`<script defer src="`+x.server.URL+`/widget/v1/ats-widget.iife.js"></script><script defer src="/driver.js"></script>`)
		p.Goto(x.host.Page("frame.html", `<script>globalThis.said = []; addEventListener('message', (e) => said.push(e.data))</script>`+fill.Replace(frame)))
	}
	for i, frame := range pages[2:] {
		framed(frame, fmt.Sprint("Framed ", i))
		p.Wait("said.includes('saved')")
		if name, code := saved.Await(); !strings.HasPrefix(name, "access-code-") || !strings.Contains(string(code), "atc_") {
			t.Errorf("%s: %s", name, code)
		}
		quiet(t, p)
	}
	for _, c := range []struct{ permission, until, because string }{
		{"allow-same-origin", "said.includes('origin null')", ""},
		{"allow-downloads", "said.includes('saved')", ""}, // the page does not name this permission
		{"allow-popups", "said.includes('saved')", "'allow-popups'"},
	} {
		kept := strings.Join(strings.Fields(strings.ReplaceAll(" "+sandbox[1]+" ", " "+c.permission+" ", " ")), " ")
		if kept == sandbox[1] {
			t.Fatalf("the page does not grant %s", c.permission)
		}
		framed(strings.Replace(pages[3], sandbox[1], kept, 1), "Without "+c.permission)
		p.Wait(c.until)
		if c.because != "" {
			p.WaitForProblem(c.because)
		}
		p.ForgetProblems()
	}
	// Of the two that were registered last only one was saved.
	if name, _ := saved.Await(); name != "access-code-4.txt" {
		t.Errorf("without allow-downloads or with it %s was saved", name)
	}
}

// TestDocumentedPolicy registers a song under the policy of docs/embedding.md, with
// the script from the server, and finds each part of it needed.
func TestDocumentedPolicy(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{}))
	p := browser.Open(t)
	text := listings(t, "embedding.md", "text")
	if len(text) != 1 {
		t.Fatalf("%d policies", len(text))
	}
	policy := strings.NewReplacer("https://ats.example", x.server.URL, "wss://ats.example", "ws"+strings.TrimPrefix(x.server.URL, "http"), " https://store.example", "", "\n", " ").Replace(text[0])
	x.host.Policy(policy)
	page := x.host.Page("policy.html", x.element("")+`<script type="module" src="/host.js"></script><script src="`+x.server.URL+`/widget/v1/ats-widget.iife.js" defer></script>`)
	p.Goto(page)
	p.Wait(browser.Hook("file"))
	fill(p, 0, noise(t, "policy.wav", 20_000), "Under a policy")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	quiet(t, p)
	for _, part := range []string{x.server.URL + " ws", "lit-html ", " " + x.server.URL + "; style-src"} {
		less := strings.Replace(policy, part, map[string]string{x.server.URL + " ws": "ws", "lit-html ": "", " " + x.server.URL + "; style-src": "; style-src"}[part], 1)
		if less == policy {
			t.Fatalf("%q has no %q", policy, part)
		}
		x.host.Policy(less)
		p.ForgetProblems()
		p.Goto(page)
		p.WaitForProblem("policy: ")
	}
	p.ForgetProblems()
}
