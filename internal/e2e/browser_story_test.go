package e2e_test

import (
	"crypto/sha256"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// asMember opens a page of the console's site with the session of a new member of the demo's
// organization.
func asMember(t *testing.T, s *harness.Server, role string) *browser.Page {
	t.Helper()
	db, err := store.Open(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	newID := func() string {
		id, err := uuid.NewV7()
		if err != nil {
			t.Fatal(err)
		}
		return id.String()
	}
	person, email := newID(), role+"@members.example"
	token := base64.RawURLEncoding.EncodeToString([]byte((role + strings.Repeat(".", 32))[:32]))
	hash := sha256.Sum256([]byte(token))
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		now := store.Micros(tx.Now)
		if err := tx.InsertPerson(t.Context(), query.InsertPersonParams{ID: person, Email: email, CreatedAt: now}); err != nil {
			return err
		}
		if err := tx.InsertMembership(t.Context(), query.InsertMembershipParams{OrganizationID: s.OrganizationID, PersonID: person, Email: email, Role: role, CreatedAt: now}); err != nil {
			return err
		}
		return tx.InsertPersonSession(t.Context(), query.InsertPersonSessionParams{Hash: hash[:], ID: newID(), PersonID: person, CreatedAt: now, ExpiresAt: now + 86400_000_000, ProvedAt: now})
	}); err != nil {
		t.Fatal(err)
	}
	p := browser.Open(t)
	p.Goto(s.URL + "/verify")
	p.Run("document.cookie = 'timbre_session=" + token + "; path=/; SameSite=Lax'")
	return p
}

// look checks a page of the console at each size: accessible, nothing cut off, no refusal of its policy.
func lookAt(t *testing.T, p *browser.Page, name string) {
	t.Helper()
	dir := browser.Pictures(t)
	p.LoadAxe(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
	for _, l := range looks[:4] {
		p.Size(l.width, 900)
		p.Dark(l.dark)
		for _, line := range append(p.Audit(), p.Overflow()...) {
			t.Errorf("%s %s: %s", name, l.name, line)
		}
		p.Screenshot(dir, name+"-"+l.name)
	}
	p.Dark(false)
	p.Size(1280, 900)
	for _, line := range p.Problems() {
		t.Errorf("%s: %s", name, line)
	}
}

// A registration arrives live in the list, and its whole story is one click away.
func TestConsoleShowsTransactionsLive(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := asMember(t, s, "viewer")
	p.Goto(s.URL + "/console/o/" + s.OrganizationID + "/transactions")
	p.Wait("!document.querySelector('[data-live-on]').hidden")
	song := &harness.Song{Server: s, Title: "Arrives <live>", Audio: harness.WAV(1)}
	for _, step := range []func() error{
		func() error { return song.Mint(t.Context()) }, func() error { return song.Init(t.Context()) }, func() error { return song.Put(t.Context()) },
		func() error { return song.Prepare(t.Context()) }, func() error { return song.Confirm(t.Context()) }, func() error { return song.Follow(t.Context()) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	p.Wait("document.querySelector('#attempts tbody tr')?.textContent.includes('Arrives <live>')")
	p.Wait("document.querySelector('#attempts .badge.good') !== null")
	p.Wait("document.getElementById('live-said').textContent.includes('Arrives <live>: Registered')")
	lookAt(t, p, "list")
	p.Leave(func() { p.Click("document.querySelector('#attempts tbody a')") })
	p.Wait("document.querySelector('#story h1').textContent === 'Arrives <live>'")
	// The request log is written once a second.
	if !harness.Eventually(func() bool {
		p.Goto(browser.Eval[string](p, "location.href"))
		return browser.Eval[int](p, "document.querySelectorAll('#story tbody tr').length") >= 11
	}) {
		t.Error("the story has no calls")
	}
	text := browser.Eval[string](p, "document.querySelector('main').textContent")
	for _, want := range []string{"Session created", "Begin", "Upload", "Quote", "Confirm", "Sent to the network", "Registered", "req_", "Nothing. The registration is complete."} {
		if !strings.Contains(text, want) {
			t.Errorf("the story has no %q", want)
		}
	}
	for _, secret := range []string{song.AccessCode, song.Token, song.TransactionID} {
		if strings.Contains(browser.Eval[string](p, "document.documentElement.outerHTML"), secret) {
			t.Errorf("a viewer sees %.12s…", secret)
		}
	}
	lookAt(t, p, "story")
}

// An origin that would be refused is allowed by one click. The theme shows on the real widget at
// once. A rehearsal shows what an end-user sees.
func TestConsoleIntegration(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	p := asMember(t, s, "developer")
	at := s.URL + "/console/o/" + s.OrganizationID + "/integration"
	p.Goto(at)
	p.Type("document.getElementById('filter-test')", "https://songs.example/a/page")
	p.Leave(func() { p.Press(browser.Enter, false) })
	p.Wait("document.querySelector('.note.bad')?.textContent.includes('https://songs.example would be refused')")
	lookAt(t, p, "tester")
	p.Leave(func() { p.Click("document.querySelector('.note.bad button')") })
	p.Wait("document.querySelector('.note.good').textContent.includes('https://songs.example is allowed.')")

	p.Goto(at + "/snippet")
	if code := browser.Eval[string](p, "document.getElementById('code-page').textContent"); !strings.Contains(code, `ats-url="`+s.URL+`"`) || !strings.Contains(code, "cpk_") || strings.Contains(code, "cpk_…") {
		t.Errorf("snippet:\n%s", code)
	}
	lookAt(t, p, "snippet")

	p.Goto(at + "/theme")
	p.Wait(onScreen(0, "FORM"))
	p.Run(`(() => { const c = document.getElementById('c-primary'); c.value = '#17663c'; c.dispatchEvent(new Event('input', {bubbles: true})); })()`)
	p.Wait("document.getElementById('css').textContent === 'ats-widget {\\n  --ats-primary: #17663c;\\n}\\n'")
	p.Wait("getComputedStyle(e2e.widget(0)).getPropertyValue('--ats-primary') === '#17663c'")
	lookAt(t, p, "theme")

	p.Goto(at + "/rehearsal?code=registration.insufficient_credits")
	p.Wait(onScreen(0, "FORM"))
	fill(p, 0, fixtures+"adpcm.wav", "A rehearsed song")
	p.Click(browser.HookIn(0, "confirm"))
	p.Wait(onScreen(0, "FAILED"))
	p.Wait("document.getElementById('events').textContent.includes('registration.insufficient_credits')")
	p.ForgetProblems() // the browser reports the refusal, which is rehearsed
	lookAt(t, p, "rehearsal")
}
