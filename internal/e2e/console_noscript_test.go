package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// plain is a person with a keyboard, whose browser runs no script.
type plain struct {
	*browser.Page
	t *testing.T
}

// focus puts the focus on an element.
func (v plain) focus(what, element string) {
	v.t.Helper()
	if !browser.Eval[bool](v.Page, fmt.Sprintf("(() => { const e = %s; e?.focus(); return e != null && document.activeElement === e; })()", element)) {
		v.t.Fatalf("%q is not on %s:\n%s", what, browser.Eval[string](v.Page, "location.pathname"), v.text())
	}
}

func (v plain) text() string {
	return browser.Eval[string](v.Page, "document.querySelector('main').innerText")
}

func (v plain) write(label, text string) {
	v.t.Helper()
	v.focus(label, labelled(label))
	v.Run("document.activeElement.select?.()")
	v.Keys(text)
}

func (v plain) tick(label string) {
	v.t.Helper()
	v.focus(label, labelled(label))
	if !browser.Eval[bool](v.Page, labelled(label)+".checked") {
		v.Press(browser.Space, false)
	}
}

// follow activates a link or a button, and waits for the next page.
func (v plain) follow(text string) {
	v.t.Helper()
	v.focus(text, button(text))
	v.Leave(func() { v.Press(browser.Enter, false) })
}

func (v plain) reads(text string) {
	v.t.Helper()
	if !strings.Contains(v.text(), text) {
		v.t.Fatalf("%s does not say %q:\n%s", browser.Eval[string](v.Page, "location.pathname"), text, v.text())
	}
}

// shownOnce returns what the page shows once.
func (v plain) shownOnce() []string {
	v.t.Helper()
	return browser.Eval[[]string](v.Page, "[...document.querySelectorAll('.note.secret dd code')].map((e) => e.textContent)")
}

// TestConsoleWithoutScript sets up an organization with scripts switched off: every form of the way works.
func TestConsoleWithoutScript(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{Roles: "organizations,ats,worker", Args: []string{"--webhooks-allow", "127.0.0.0/8"}})
	p := browser.Open(t)
	p.Scripts(false)
	v := plain{p, t}
	const email, password = "ana@label.example", "correct horse battery"

	p.Goto(s.Printed("/console/first?token="))
	v.write("E-mail address", email)
	v.write("Your name", "Ana Owner")
	v.write("Password", password)
	v.write("Name of the organization", "Late Ferry Records")
	v.follow("Make the owner")
	v.reads("First steps")

	// Out and in again.
	signOut := func() {
		t.Helper()
		p.Goto(s.URL + "/console/account")
		v.follow("Sign out")
		p.Goto(s.URL + "/console/account")
		if at := browser.Eval[string](p, "location.pathname"); at != "/console/sign-in" {
			t.Fatalf("signed out, the account is at %s", at)
		}
	}
	signOut()
	v.write("E-mail address", email)
	v.write("Password", password)
	v.follow("Sign in")

	p.Goto(s.URL + "/console/organizations")
	v.write("Name", "Second Ferry Records")
	v.follow("Make")
	home := strings.TrimSuffix(browser.Eval[string](p, "location.href"), "/overview")
	if !strings.Contains(home, "/console/o/") {
		t.Fatalf("the new organization is at %s", home)
	}

	p.Goto(home + "/integration")
	v.write("Label", "Our site")
	v.follow("Create")
	if got := v.shownOnce(); len(got) != 2 || !strings.HasPrefix(got[0], "cpk_") || !strings.HasPrefix(got[1], "csk_") {
		t.Fatalf("a new key pair shows %q", got)
	}
	// The script would show the button that copies.
	if !browser.Eval[bool](p, "document.querySelector('[data-copy]').hidden") {
		t.Error("a script ran")
	}
	p.Goto(home + "/integration")
	if len(v.shownOnce()) != 0 {
		t.Error("the secret key is shown twice")
	}

	v.write("New origin", "https://songs.example")
	v.follow("Add the origin")
	v.reads("https://songs.example is allowed.")
	v.write("Address of a page", "https://other.example/a")
	v.follow("Show")
	v.reads("https://other.example would be refused")

	p.Goto(home + "/api-keys")
	v.write("Name", "Backend")
	v.tick("Read works")
	v.follow("Create API key")
	if got := v.shownOnce(); len(got) != 1 || !strings.HasPrefix(got[0], "afo_sk_") {
		t.Fatalf("a new API key shows %q", got)
	}

	p.Goto(home + "/webhooks")
	v.write("URL", "http://127.0.0.1:9/hooks")
	v.tick("A work is registered")
	v.follow("Create endpoint")
	if got := v.shownOnce(); len(got) != 1 || !strings.HasPrefix(got[0], "whsec_") {
		t.Fatalf("a new endpoint shows %q", got)
	}

	p.Goto(home + "/settings")
	v.write("Name of the organization", "Third Ferry Records")
	v.follow("Save")
	if got := browser.Eval[string](p, labelled("Name of the organization")+".value"); got != "Third Ferry Records" {
		t.Errorf("the organization is named %q", got)
	}

	p.Goto(home + "/credits")
	v.reads("Available")
	v.write("Level, in credits", "25")
	v.follow("Save the level")
	if got := browser.Eval[string](p, labelled("Level, in credits")+".value"); got != "25" {
		t.Errorf("the level is %q", got)
	}

	p.Goto(home + "/audit")
	for _, action := range []string{"key_pair.created", "origin.added", "api_key.created", "webhook.created"} {
		v.reads(action)
	}
	signOut()
}
