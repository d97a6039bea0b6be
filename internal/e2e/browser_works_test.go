package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// works is a page with one widget for the end-user's own works.
func (x *site) works(mode, user string) string {
	return x.host.Page(mode+"-"+user+".html", x.element(fmt.Sprintf("mode=%q external-user-id=%q", mode, user))+scripts)
}

// songOf registers a song of an end-user without a browser, or a version of
// one, and returns its number.
func (x *site) songOf(t *testing.T, user, title string, seed int, version int64) int64 {
	t.Helper()
	s := &harness.Song{
		Server: &harness.Server{URL: x.server.URL, SiteKey: x.siteKey, SecretKey: x.secret},
		Title:  title, Audio: harness.WAV(seed), User: user, AtsID: version,
	}
	for _, step := range []func(context.Context) error{s.Mint, s.Init, s.Put, s.Prepare, s.Confirm, s.Follow} {
		if err := step(t.Context()); err != nil {
			t.Errorf("%s: %v", title, err)
			return 0
		}
	}
	if s.Result == nil || !s.Result.Success || s.AccessCode != "" {
		t.Errorf("%s: %+v, access code %q", title, s.Result, s.AccessCode)
		return 0
	}
	return s.Result.AtsID
}

// newOwnSite is a site whose end-users have songs already.
func newOwnSite(t *testing.T, songs map[string][]string) *site {
	t.Helper()
	x := newSite(t, harness.Start(t, harness.Options{Settings: []string{"TIMBRE_LIMITS_ADDRESS=off"}}))
	x.server.CLI(nil, "origins", "add", x.org, "http://localhost:3000")
	var wait sync.WaitGroup
	free := make(chan struct{}, 8)
	seed := 0
	for user, titles := range songs {
		for _, title := range titles {
			seed++
			n := seed
			free <- struct{}{}
			wait.Go(func() {
				defer func() { <-free }()
				x.songOf(t, user, title, n, 0)
			})
		}
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return x
}

// TestOwnUpdateByMouse has an end-user choose a song of theirs and update it:
// nobody asks for an access code.
func TestOwnUpdateByMouse(t *testing.T) {
	t.Parallel()
	x := newOwnSite(t, map[string][]string{"ada": {"Blue Morning"}, "ben": {"Red Evening"}})
	p := browser.Open(t)
	x.host.Policy(x.host.StrictPolicy())
	p.Goto(x.works("update", "ada"))
	p.Wait(browser.Hook("works"))
	if got := browser.Eval[string](p, "e2e.text('count') + ' ' + e2e.hook('works').querySelectorAll('label').length"); got != "1 song 1" {
		t.Errorf("the list says %q", got)
	}
	p.Click("e2e.hook('works').querySelector('label')")
	p.Click(browser.Hook("next"))
	p.Wait(browser.Hook("work"))
	if got := browser.Eval[string](p, "['work-title', 'work-version', 'work-file'].map((h) => e2e.text(h)).join(' ')"); got != "Blue Morning 1 take.wav" {
		t.Errorf("the song: %s", got)
	}
	p.Click(browser.Hook("next"))
	retype(p, "creator-0-fullName", "Ada Maria Example")
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	if got := reviewed(p); got != "Ada Maria Example changed" {
		t.Errorf("the review says %q", got)
	}
	confirm(p, 0)
	if got := browser.Eval[string](p, "e2e.text('version') + ' ' + !!e2e.hook('code-stays') + ' ' + !!e2e.hook('access-code')"); got != "2 false false" {
		t.Errorf("the end says %q", got)
	}
	checkShapes(t, p.Events())
	if got := course(p.Events()); got != "ready confirmed step complete" {
		t.Errorf("events %s", got)
	}
	if n := len(p.Requests("", "/v1/access/")); n != 0 {
		t.Errorf("%d calls by access code", n)
	}
	// Another one: the list shows what is new first.
	p.Click(browser.Hook("again"))
	p.Wait(browser.Hook("works"))
	if got := browser.Eval[string](p, "e2e.hook('works').querySelector('label').innerText"); !strings.Contains(got, "Version 2") {
		t.Errorf("the list says %q", got)
	}
	quiet(t, p)
}
