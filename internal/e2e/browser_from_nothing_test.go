package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// visitor is a person who reads the pages: everything is found by the text that the page shows.
type visitor struct {
	*browser.Page
	t *testing.T
	// keys: without a mouse.
	keys bool
}

// button is what can be pressed and has this text, or this name for screen readers.
func button(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('a,button,summary')].find((e) => e.checkVisibility() && (e.ariaLabel || e.textContent).trim() === %q)`, text)
}

// labelled is the field with this label.
func labelled(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('label')].find((l) => l.checkVisibility() && l.textContent.trim().replace(/\s*\(optional\)$/, '') === %q)?.control`, text)
}

// reach puts the focus on an element, with Tab alone.
func (v visitor) reach(element string) {
	v.t.Helper()
	v.Wait(element + " != null")
	var path []string
	for range far {
		v.Press(browser.Tab, false)
		if browser.Eval[bool](v.Page, "e2e.active() === ("+element+")") {
			if !browser.Eval[bool](v.Page, `[e2e.active(), e2e.active().closest('label')].filter(Boolean).some((x) => { const s = getComputedStyle(x); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2; })`) {
				v.t.Errorf("the focus on %s cannot be seen", element)
			}
			return
		}
		path = append(path, browser.Eval[string](v.Page, "(e2e.active()?.textContent.trim() || e2e.focus()).slice(0, 30)"))
	}
	v.t.Fatalf("Tab never gets to %s: %q", element, path)
}

// press presses a button.
func (v visitor) press(text string) {
	v.t.Helper()
	if v.keys {
		v.reach(button(text))
		v.Press(browser.Enter, false)
		return
	}
	v.Click(button(text))
}

// follow presses what loads another page.
func (v visitor) follow(text string) {
	v.t.Helper()
	v.Leave(func() { v.press(text) })
}

// write fills a field.
func (v visitor) write(label, text string) {
	v.t.Helper()
	if v.keys {
		v.reach(labelled(label))
		v.Keys(text)
		return
	}
	v.Type(labelled(label), text)
}

// tick checks a box.
func (v visitor) tick(label string) {
	v.t.Helper()
	if v.keys {
		v.reach(labelled(label))
		v.Press(browser.Space, false)
		return
	}
	v.Click(labelled(label))
}

// choose selects an option. A menu of the system opens outside of the page, so without keys the
// choice is made by script.
func (v visitor) choose(label, option string) {
	v.t.Helper()
	if v.keys {
		v.reach(labelled(label))
		v.Keys(option)
	} else {
		v.Run(fmt.Sprintf(`(() => { const s = %s; s.value = [...s.options].find((o) => o.text.startsWith(%q)).value; s.dispatchEvent(new Event('change', { bubbles: true })); })()`, labelled(label), option))
	}
	if got := browser.Eval[string](v.Page, labelled(label)+".selectedOptions[0].text"); !strings.HasPrefix(got, option) {
		v.t.Fatalf("%s is %q, want %q", label, got, option)
	}
}

// shown is whether the page has a text. The options of a menu are no text of the page: each state
// of a list is always in them.
func shown(text string) string {
	return fmt.Sprintf("[...document.querySelectorAll('main *')].some((e) => !e.childElementCount && !e.closest('select') && e.checkVisibility() && e.textContent.includes(%q))", text)
}

// reads waits until the page has a text.
func (v visitor) reads(text string) {
	v.t.Helper()
	v.Wait(shown(text))
}

// finds loads the page again until it has a text: for pages that do not change by themselves.
func (v visitor) finds(text string) {
	v.t.Helper()
	if !harness.Eventually(func() bool {
		v.Leave(func() { v.Run("location.reload()") })
		return browser.Eval[bool](v.Page, shown(text))
	}) {
		v.reads(text)
	}
}

// secrets are the values that a page shows once.
func (v visitor) secrets() []string {
	v.t.Helper()
	v.Wait("document.querySelector('.note.secret')")
	return browser.Eval[[]string](v.Page, "[...document.querySelectorAll('.note.secret dd code')].map((e) => e.textContent)")
}

// song registers a song in the widget, up to the price.
func (v visitor) song(title, file string) {
	v.t.Helper()
	if !v.keys {
		fill(v.Page, 0, file, title)
		v.Wait(browser.Hook("confirm"))
		return
	}
	k := keyboard{v.t, v.Page}
	v.Wait(browser.Hook("file"))
	k.to("file")
	v.Press(browser.Space, false)
	v.ChooseFile(file)
	v.Wait("e2e.text('file-name') !== ''")
	k.to("title")
	v.Keys(title)
	k.to("next")
	v.Press(browser.Enter, false)
	v.Wait(browser.Hook("creator-0-fullName"))
	k.to("creator-0-fullName")
	v.Keys("Ana Writer")
	k.to("creator-0-email")
	v.Keys("ana@writers.example")
	k.to("creator-0-author")
	v.Press(browser.Space, false)
	k.to("submit")
	v.Press(browser.Enter, false)
	v.Wait(browser.Hook("confirm"))
}

// hook presses a button of the widget.
func (v visitor) hook(name string) {
	v.t.Helper()
	v.Wait(browser.Hook(name))
	if v.keys {
		keyboard{v.t, v.Page}.to(name)
		v.Press(browser.Enter, false)
		return
	}
	v.Click(browser.Hook(name))
}

// receiver is the integrator's endpoint of webhooks.
type receiver struct {
	URL string

	mu     sync.Mutex
	status int
	got    []string // webhook-id, and what was answered
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusNoContent}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		io.Copy(io.Discard, q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, fmt.Sprint(q.Header.Get("webhook-id"), " ", r.status))
		w.WriteHeader(r.status)
	}))
	t.Cleanup(s.Close)
	r.URL = s.URL + "/hooks"
	return r
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.got...)
}

// An organization is made from nothing and registers its first songs, with what the pages say
// alone: by mouse, and by keyboard.
func TestConsoleFromNothing(t *testing.T) {
	t.Parallel()
	for _, with := range []struct {
		name string
		keys bool
	}{{"mouse", false}, {"keyboard", true}} {
		t.Run(with.name, func(t *testing.T) {
			t.Parallel()
			fromNothing(t, with.keys)
		})
	}
}

func fromNothing(t *testing.T, keys bool) {
	s := harness.Start(t, harness.Options{Roles: "organizations,ats,worker", Args: []string{"--webhooks-allow", "127.0.0.0/8", "--prices-testnet", "network=1,base=9,storage=1:0/:10"}})
	host, hooks := browser.NewHost(t), newReceiver(t)
	p := browser.Open(t)
	p.AllowClipboard(s.URL)
	v := visitor{p, t, keys}

	// The first owner, by the link that the server prints.
	p.Goto(s.Printed("/console/first?token="))
	v.write("E-mail address", "ana@label.example")
	v.write("Your name", "Ana Owner")
	v.write("Password", "correct horse battery")
	v.write("Name of the organization", "Late Ferry Records")
	v.follow("Make the owner")
	v.reads("First steps")
	v.reads("0 of 6 done")
	home := browser.Eval[string](p, "location.pathname")

	// A key pair, whose secret key is shown once.
	v.follow("Create keys")
	v.write("Label", "Our site")
	v.choose("Kind", "Live")
	v.follow("Create")
	secret := v.secrets()
	if len(secret) != 2 || !strings.HasPrefix(secret[0], "cpk_") || !strings.HasPrefix(secret[1], "csk_") {
		t.Fatalf("the page shows %q once", secret)
	}
	host.Connect(s.URL, secret[1])

	// The origin of the site.
	v.follow("Overview")
	v.follow("Add an origin")
	v.write("New origin", host.URL)
	v.follow("Add the origin")
	v.reads(host.URL + " is allowed.")
	if body := browser.Eval[string](p, "document.documentElement.outerHTML"); strings.Contains(body, secret[1]) {
		t.Error("the secret key is shown again")
	}

	// Credits: the first owner runs the server, and grants them.
	grant := func(amount string) {
		t.Helper()
		v.follow("Grant credits")
		v.write("Credits", amount)
		v.write("Note", "Invoice 1")
		v.follow("Grant")
		v.reads("The credits were granted.")
	}
	v.follow("Overview")
	v.follow("See credits")
	grant("25")

	// A webhook endpoint.
	p.Goto(s.URL + home)
	v.follow("Add an endpoint")
	v.write("URL", hooks.URL)
	v.follow("Create endpoint")
	if secret := v.secrets(); len(secret) != 1 || !strings.HasPrefix(secret[0], "whsec_") {
		t.Fatalf("the page shows %q once", secret)
	}
	endpoint := browser.Eval[string](p, "location.href")

	// The snippet, as the page copies it.
	v.follow("Overview")
	v.follow("Get the snippet")
	v.press("Copy")
	v.Wait(button("Copied"))
	snippet := browser.Eval[string](p, "navigator.clipboard.readText()")
	page := host.Page("song", snippet)

	// The song on the foreign page.
	console := v
	v.follow("Transactions")
	v.Wait("!document.querySelector('[data-live-on]').hidden")
	foreign := visitor{p.Another(), t, keys}
	if keys {
		foreign.InterceptChooser()
	}
	foreign.Goto(page)
	foreign.song("First ferry", fixtures+"pcm16.wav")
	if price := browser.Eval[string](foreign.Page, "e2e.text('price')"); !strings.Contains(price, "10") {
		t.Errorf("the price is %q", price)
	}
	foreign.hook("confirm")
	foreign.Wait(onScreen(0, "COMPLETE"))

	// It arrives by itself, and is on all pages.
	console.Front()
	console.Wait("document.querySelector('#attempts tbody tr')?.textContent.includes('First ferry')")
	console.Wait("document.querySelector('#attempts .badge.good') !== null")
	console.follow("Works")
	console.reads("First ferry")
	console.follow("Overview")
	console.reads("First ferry")

	// The webhook was delivered. A failed one is sent again.
	if !harness.Eventually(func() bool { return len(hooks.seen()) == 1 }) {
		t.Fatal("no webhook arrives")
	}
	p.Goto(endpoint)
	console.finds("Delivered")
	hooks.answers(http.StatusInternalServerError)
	console.follow("Send a test event")
	console.finds("The answer was 500")
	hooks.answers(http.StatusNoContent)
	console.follow("Send again now")
	console.finds("Delivered")
	if got := hooks.seen(); len(got) < 3 || strings.Fields(got[1])[0] != strings.Fields(got[len(got)-1])[0] {
		t.Errorf("the webhooks: %q", got)
	}

	// The credits are used up: the session was granted, the larger song costs more than is left.
	foreign.Front()
	foreign.hook("again")
	if browser.Eval[bool](foreign.Page, "!!"+browser.Hook("unsaved")) {
		foreign.hook("again")
	}
	foreign.Wait(onScreen(0, "FORM"))
	foreign.song("Second ferry", noise(t, "second.wav", 2<<20))
	foreign.hook("confirm")
	foreign.Wait(onScreen(0, "FAILED"))
	if failed := named(foreign.Events(), "failed"); len(failed) != 1 || member[string](t, failed[0], "code") != "registration.insufficient_credits" {
		t.Errorf("failed: %v", failed)
	}
	foreign.ForgetProblems() // the browser reports the refusal

	// The operator grants more, and the end-user goes on.
	console.Front()
	p.Goto(s.URL + home)
	console.follow("Credits")
	grant("100")
	foreign.Front()
	foreign.hook("retry")
	foreign.Wait(browser.Hook("confirm") + " || " + onScreen(0, "COMPLETE"))
	if browser.Eval[bool](foreign.Page, "!!"+browser.Hook("confirm")) {
		foreign.hook("confirm")
	}
	foreign.Wait(onScreen(0, "COMPLETE"))
	quiet(t, foreign.Page)

	// A backend registers with an API key, without a widget.
	console.Front()
	p.Goto(s.URL + home)
	console.follow("API keys")
	console.write("Name", "Catalogue import")
	console.tick("Register works")
	console.follow("Create API key")
	key := console.secrets()
	if len(key) != 1 || !strings.HasPrefix(key[0], "afo_sk_") {
		t.Fatalf("the page shows %q once", key)
	}
	song := &harness.Song{Server: s, Key: key[0], Title: "Third ferry", Audio: harness.WAV(3)}
	for _, step := range []func(context.Context) error{song.Mint, song.Init, song.Put, song.Prepare, song.Confirm} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	console.follow("Works")
	console.finds("Third ferry")

	// A second owner joins by the link of the invitation.
	console.follow("People")
	console.write("E-mail address", "bo@label.example")
	console.choose("Role", "Owner")
	console.follow("Invite")
	link := console.secrets()
	if len(link) != 1 || !strings.HasPrefix(link[0], s.URL+"/console/invitation?token=") {
		t.Fatalf("the page shows %q once", link)
	}
	console.follow("Ana Owner")
	console.follow("Sign out")
	p.Goto(link[0])
	console.write("Your name", "Bo Owner")
	console.write("Password", "four other long words")
	console.follow("Accept")
	console.reads("Third ferry")
	quiet(t, p)
}
