package e2e_test

import (
	"fmt"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/store/storetest"
)

// TestBrowserApart registers where the page's ats-url is one process, its backend
// mints at another, and a third anchors; and takes away what each step needs. The
// widget says what is the matter, and goes on when it is mended.
func TestBrowserApart(t *testing.T) {
	t.Parallel()
	p := browser.Open(t)
	host := browser.NewHost(t)
	x := newApart(t, storetest.PostgresURL(t), host.URL)
	host.Connect(x.organizations.URL, x.organizations.SecretKey)
	page := (&site{server: x.ats, host: host, siteKey: x.organizations.SiteKey}).plain()

	price := func(title string, size int) {
		p.Goto(page)
		fill(p, 0, noise(t, title+".wav", size), title)
		p.Wait(browser.Hook("confirm"))
	}
	// fails waits for the screen, and holds its code and its one event.
	fails := func(code string) {
		t.Helper()
		p.Wait(onScreen(0, "FAILED"))
		if got := browser.Eval[string](p, "e2e.text('code')"); got != code {
			t.Errorf("the screen says %s, want %s", got, code)
		}
		failed := named(p.Events(), "failed")
		if len(failed) != 1 || member[string](t, failed[0], "code") != code {
			t.Errorf("failed: %v, want one with %s", failed, code)
		}
	}
	completes := func(failures int) {
		t.Helper()
		p.Wait(onScreen(0, "COMPLETE"))
		defer p.Run("e2e.widget().reset()") // an access code that was not saved would come back with the page
		events := p.Events()
		checkShapes(t, events)
		if n, m := len(named(events, "complete")), len(named(events, "failed")); n != 1 || m != failures {
			t.Errorf("%d complete and %d failed, want 1 and %d: %s", n, m, failures, course(events))
		}
	}

	price("Nothing is away", 20_000)
	p.Click(browser.Hook("confirm"))
	completes(0)

	// The issuer, until its keys are too old.
	other := x.song("Somebody else's", 1)
	x.do(other.Mint, other.Init, other.Put)
	price("No issuer", 22_000)
	x.organizations.Kill()
	x.until("common.auth.jwks_unavailable", other.Prepare)
	p.Click(browser.Hook("confirm"))
	fails("common.auth.jwks_unavailable")
	x.organizations.Restart()
	x.until("", other.Prepare, "common.auth.jwks_unavailable")
	p.Click(browser.Hook("retry"))
	completes(1)

	// The database, when the price is agreed to.
	price("No database", 24_000)
	x.front.Refuse()
	x.front.Cut()
	p.Click(browser.Hook("confirm"))
	fails("common.auth.backend_unavailable")
	x.front.Pass()
	x.until("", other.Prepare, "common.auth.backend_unavailable")
	p.Click(browser.Hook("retry"))
	completes(1)

	// The database, while the transaction is followed: by socket, and where the
	// page's policy lets no socket out, by asking.
	for i, policy := range []string{"", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src " + x.ats.URL + "; require-trusted-types-for 'script'"} {
		host.Policy(policy)
		price(fmt.Sprint("Followed ", i), 26_000+2000*i)
		x.back.Refuse() // so that something is still to come
		x.back.Cut()
		p.Click(browser.Hook("confirm"))
		p.Wait(onScreen(0, "TRACKING") + " && e2e.events.some((e) => e.name === 'step')")
		x.front.Refuse()
		x.front.Cut()
		asked := func() int { return len(p.Requests("GET", "/v1/transactions/")) }
		if before := asked(); policy != "" && !harness.Eventually(func() bool { return asked() >= before+2 }) {
			t.Fatal("it stopped asking")
		}
		x.until("transaction.store_unavailable", (&harness.Song{Server: x.ats, TransactionID: stateOf(p, 0).TransactionID}).Status)
		if screen := stateOf(p, 0).Screen; screen != "TRACKING" {
			t.Errorf("the screen became %s", screen)
		}
		x.front.Pass()
		x.back.Pass()
		completes(0)
	}
	x.check(5)
}
