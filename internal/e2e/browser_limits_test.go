package e2e_test

import (
	"net/http"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// drain uses up what is left of this address's calls.
func drain(t *testing.T, s *harness.Server) {
	t.Helper()
	for range 1000 {
		res, err := http.Get(s.URL + "/v1/stats")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == http.StatusTooManyRequests {
			return
		}
	}
	t.Fatal("this address has no limit")
}

// TestLimitWaitedFor registers with a session that may call once in two seconds. The
// widget waits as Retry-After says, and the user sees only the wait.
func TestLimitWaitedFor(t *testing.T) {
	t.Parallel()
	x := newSite(t, harness.Start(t, harness.Options{Args: []string{"--limits-session", "30/1m,burst=1"}}))
	p := browser.Open(t)
	p.Goto(x.plain())
	p.Wait("e2e.events.some((e) => e.name === 'ready')")
	fill(p, 0, fixtures+"pcm16.wav", "Patience")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	p.Wait(onScreen(0, "COMPLETE"))
	prepares := p.Requests("POST", "/v1/works/prepare")
	if len(prepares) < 2 {
		t.Errorf("%d prepares: the limit was never met", len(prepares))
	}
	if e := append(named(p.Events(), "error"), named(p.Events(), "failed")...); len(e) > 0 {
		t.Errorf("events: %v", e)
	}
	checkShapes(t, p.Events())
}

// TestLimitNotWaitedForLonger keeps the budget empty for every try of the widget. The
// widget waits twice, as Retry-After says, and then shows the server's code. When the user
// retries, the widget waits for the budget and continues.
func TestLimitNotWaitedForLonger(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{Args: []string{"--limits-address", "20/1m,burst=20"}})
	x := newSite(t, s)
	p := browser.Open(t)
	p.Goto(x.plain())
	p.Wait("e2e.events.some((e) => e.name === 'ready')")
	held := p.Hold("POST", "/v1/works/init")
	fill(p, 0, fixtures+"pcm16.wav", "No patience")
	for range 3 {
		one := held.Await()
		drain(t, s) // the next call is allowed in three seconds
		one.Go()
	}
	p.Wait(onScreen(0, "FAILED"))
	held.Release()
	if n := len(p.Requests("POST", "/v1/works/init")); n != 3 {
		t.Errorf("%d tries, want 3", n)
	}
	failed := named(p.Events(), "failed")
	if len(failed) != 1 || member[string](t, failed[0], "code") != "common.rate_limited" || member[string](t, failed[0], "requestId") == "" {
		t.Fatalf("events: %v", p.Events())
	}
	checkShapes(t, p.Events())
	p.Click(browser.Hook("retry"))
	p.Wait(browser.Hook("confirm"))
}
