package console_test

import (
	"html"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/people"
	"timbre.example/internal/store/storetest"
)

// press sends the form with an action, as its button does.
func press(p *browser.Page, action string) {
	p.Leave(func() {
		p.Run(`document.querySelector('form[action="` + action + `"] button[type="submit"]').click()`)
	})
}

// write fills a field of the form with an action.
func write(p *browser.Page, action, field, value string) {
	p.Run(`document.querySelector('form[action="` + action + `"] [name="` + field + `"]').value = "` + value + `"`)
}

// In a real browser with an authenticator: a passkey is added, signs in alone and as the second factor,
// and proves its person again. Its answer cannot be sent twice, and not from another ceremony.
func TestPasskeys(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	var at string
	s := serve(t, db, func(c *people.Config) {
		c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1) // browsers allow no passkeys on an address
		at = c.URL
	})
	token, err := s.people.FirstLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := browser.Open(t)
	p.Passkeys()
	p.Goto(s.people.LinkURL("/console/first", token))
	write(p, "/console/first", "email", "owner@label.example")
	write(p, "/console/first", "password", password)
	write(p, "/console/first", "organization", "Blue Label")
	press(p, "/console/first")
	p.Wait("location.pathname.startsWith('/console/o/')")
	p.Goto(at + "/console/account")
	p.Wait(`!document.querySelector('[data-passkey="create"]').hidden`)
	write(p, "/console/account/passkeys", "name", "This computer")
	press(p, "/console/account/passkeys")
	p.Wait("document.body.innerText.includes('The passkey was added') && document.body.innerText.includes('This computer') && document.body.innerText.includes('Recovery codes')")

	out := func() {
		t.Helper()
		p.Goto(at + "/console/account")
		press(p, "/console/sign-out")
		p.Wait("location.pathname === '/console/sign-in'")
	}
	// Alone. The answer is kept, to send it a second time.
	out()
	p.Wait(`!document.querySelector('[data-passkey="get"]').hidden`)
	p.Run(`(() => { const f = document.querySelector('form[action="/console/sign-in/passkey"]'); const send = HTMLFormElement.prototype.submit;
		HTMLFormElement.prototype.submit = function () { sessionStorage.setItem('answer', f.querySelector('[name="answer"]').value); sessionStorage.setItem('ceremony', f.querySelector('[name="ceremony"]').value); send.call(this); }; })()`)
	press(p, "/console/sign-in/passkey")
	p.Wait("location.pathname.startsWith('/console/o/')")
	answer, ceremony := browser.Eval[string](p, "sessionStorage.getItem('answer')"), browser.Eval[string](p, "sessionStorage.getItem('ceremony')")
	from := people.Client{Address: "192.0.2.1"}
	if _, err := s.people.PasskeySignIn(t.Context(), ceremony, answer, "", from); err == nil || !strings.Contains(err.Error(), people.ErrPasskey.Error()) {
		t.Errorf("the same answer a second time: %v", err)
	}
	other, err := s.people.BeginPasskeySignIn()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.people.PasskeySignIn(t.Context(), other.Sealed, answer, "", from); err == nil {
		t.Error("an answer of another ceremony signs in")
	}

	// As the second factor: the password alone does not sign in.
	out()
	write(p, "/console/sign-in", "email", "owner@label.example")
	write(p, "/console/sign-in", "password", password)
	press(p, "/console/sign-in")
	p.Wait("location.pathname === '/console/sign-in/second'")
	p.Wait(`!document.querySelector('[data-passkey="get"]').hidden`)
	press(p, "/console/sign-in/second/passkey")
	p.Wait("location.pathname.startsWith('/console/o/')")

	// Again, for a dangerous change.
	s.pass(people.Recent * 2)
	p.Goto(at + "/console/account/prove?next=" + url.QueryEscape("/console/account"))
	p.Wait(`!document.querySelector('[data-passkey="get"]').hidden`)
	press(p, "/console/account/prove/passkey")
	p.Wait("location.pathname === '/console/account'")
	press(p, "/console/account/passkeys/remove")
	p.Wait("document.body.innerText.includes('The passkey was removed')")
	if left := p.Problems(); len(left) > 0 {
		t.Errorf("console: %s", left)
	}
}

// The pages fit 320 pixels, are readable in dark and from right to left, and pass axe.
func TestLooks(t *testing.T) {
	t.Parallel()
	axe := filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js")
	if _, err := os.Stat(axe); err != nil {
		browser.Missing(t, "no axe: npm ci")
	}
	db := storetest.SQLite(t)
	s := serve(t, db, func(c *people.Config) {
		c.SignUp, c.URL = true, strings.Replace(c.URL, "127.0.0.1", "localhost", 1)
	})
	at := s.people.URL
	token, err := s.people.FirstLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := browser.Open(t)
	pictures := browser.Pictures(t)
	look := func(name, path string) {
		t.Helper()
		p.Goto(at + path)
		p.LoadAxe(axe)
		for _, l := range []struct {
			name  string
			width int64
			dark  bool
		}{{"320", 320, false}, {"1280", 1280, false}, {"1280-dark", 1280, true}} {
			p.Size(l.width, 1800)
			p.Dark(l.dark)
			for _, line := range append(p.Audit(), p.Overflow()...) {
				t.Errorf("%s, %s: %s", name, l.name, line)
			}
			p.Screenshot(pictures, name+"-"+l.name)
		}
	}
	look("first", "/console/first?token="+token)
	write(p, "/console/first", "email", "owner@label.example")
	write(p, "/console/first", "password", password)
	write(p, "/console/first", "organization", "Blue Label")
	press(p, "/console/first")
	p.Wait("location.pathname.startsWith('/console/o/')")
	org := browser.Eval[string](p, "location.pathname.split('/')[3]")
	for name, path := range map[string]string{
		"account": "/console/account", "factor": "/console/account/second-factor", "prove": "/console/account/prove", "organizations": "/console/organizations",
		"people": "/console/o/" + org + "/people", "invitations": "/console/o/" + org + "/people/invitations",
		"operator": "/console/operator/organizations", "operator-one": "/console/operator/organizations/" + html.EscapeString(org), "operator-people": "/console/operator/people",
	} {
		look(name, path)
	}
	p.Goto(at + "/console/account")
	write(p, "/console/account", "language", "ar")
	press(p, "/console/account")
	look("account-ar", "/console/account")
	p.Goto(at + "/console/account")
	press(p, "/console/sign-out")
	look("sign-in", "/console/sign-in")
	look("recover", "/console/recover")
	look("sign-up", "/console/sign-up")
}
