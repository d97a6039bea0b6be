package api_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// few is a budget that a test can use up: one call a minute after the burst.
func few(burst int) limit.Rate { return limit.Rate{Count: 1, Per: time.Minute, Burst: burst} }

func (b tab) upload() answer { return b.post("/v1/works/upload", map[string]string{"job_id": "x"}) }

// A refusal by a limit has its code, its time and the remaining budget. A call after that
// time is accepted, and a call before it is refused.
func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		rates  limit.Rates
		call   func(*world) func() answer
		first  fault.Code // of an accepted call
		want   fault.Code
		policy string
	}{
		"mint": {
			limit.Rates{Mint: limit.Rate{Count: 2, Per: time.Minute, Burst: 2}},
			func(w *world) func() answer { return func() answer { return w.tryMint(nil) } },
			"", fault.CodeSessionRateLimited, `"mint";q=2;w=60;timbre-burst=2`,
		},
		"session": {
			limit.Rates{Session: limit.Rate{Count: 2, Per: time.Minute, Burst: 2}},
			func(w *world) func() answer { return w.mint(nil).upload },
			fault.CodeCommonValidationFailed, fault.CodeSessionRateLimited, `"session";q=2;w=60;timbre-burst=2`,
		},
		"address": {
			limit.Rates{Address: limit.Rate{Count: 2, Per: time.Minute, Burst: 2}},
			func(w *world) func() answer {
				return func() answer { return w.call("GET", "/v1/stats", map[string]string{"Origin": site}, nil) }
			},
			"", fault.CodeCommonRateLimited, `"address";q=2;w=60;timbre-burst=2`,
		},
		"organization": {
			limit.Rates{Organization: limit.Rate{Count: 2, Per: time.Minute, Burst: 2}},
			func(w *world) func() answer { return func() answer { return w.tryMint(nil) } },
			"", fault.CodeCommonRateLimited, `"organization";q=2;w=60;timbre-burst=2`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				w := newWorld(t, db, options{limits: c.rates})
				w.stopClock()
				call := c.call(w)
				wantLimit := func(a answer, left int, whole string) {
					t.Helper()
					policy, standing := c.policy, strings.Split(c.policy, ";")[0]+";r="+strconv.Itoa(left)+";t="+whole
					if name == "organization" && a.code != c.want { // the usage of other callers is not shown
						policy, standing = "", ""
					}
					if a.header.Get("RateLimit-Policy") != policy || a.header.Get("RateLimit") != standing {
						t.Errorf("%s and %s, want %s and %s", a.header.Get("RateLimit-Policy"), a.header.Get("RateLimit"), policy, standing)
					}
				}
				for i := range 2 {
					a := call()
					if a.code != c.first {
						t.Fatalf("call %d: %s", i, a.body)
					}
					wantLimit(a, 1-i, strconv.Itoa(30*(i+1)))
				}
				a := call()
				if a.code != c.want || a.status != 429 || a.header.Get("Retry-After") != "30" {
					t.Fatalf("%d %s, Retry-After %s", a.status, a.body, a.header.Get("Retry-After"))
				}
				wantLimit(a, 0, "60")
				if origin := a.header.Get("Access-Control-Allow-Origin"); (origin == site) != (name == "session" || name == "address") {
					t.Errorf("readable by %q", origin)
				}
				w.ahead.Add(int64(30*time.Second - time.Microsecond))
				if a := call(); a.code != c.want || a.header.Get("Retry-After") != "1" {
					t.Errorf("too early: %s, Retry-After %s", a.body, a.header.Get("Retry-After"))
				}
				w.ahead.Add(int64(time.Microsecond))
				if a := call(); a.code != c.first {
					t.Errorf("in time: %s", a.body)
				}
			})
		})
	}
}

// A call that everything would refuse is corrected one cause at a time. Each refusal is the
// first in the documented order.
func TestOrderOfRefusals(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{limits: limit.Rates{Address: few(3), Session: few(1), Organization: few(3)}, proxies: loopback})
	b := w.mint(map[string]any{"action_type": "access"}) // uses the organization's first call
	w.must(account.EnableKey(t.Context(), w.db, audit.CommandLine(), w.org, w.keys.SiteKey, false))
	other := "https://other.example"
	head := map[string]string{"Content-Type": "application/json", "X-Forwarded-For": "192.0.2.1"}
	init := func() answer { return w.call("POST", "/v1/works/init", head, strings.NewReader("{")) }
	for range 3 {
		if a := init(); a.code != fault.CodeCommonAuthMissingToken {
			t.Fatalf("%s", a.body)
		}
	}
	for i, step := range []struct {
		want fault.Code
		then func()
	}{
		// The address.
		{fault.CodeCommonRateLimited, func() { head["X-Forwarded-For"] = "192.0.2.2" }},
		// The caller.
		{fault.CodeCommonAuthMissingToken, func() {
			head["Authorization"] = "Bearer " + b.token
			head["X-Site-Key"] = w.keys.SiteKey
			head["Origin"] = other
		}},
		// The state of its key.
		{fault.CodeSessionKeyInactive, func() { w.must(account.EnableKey(t.Context(), w.db, audit.CommandLine(), w.org, w.keys.SiteKey, true)) }},
		{fault.CodeSessionOriginNotAllowed, func() { head["Origin"] = site; head["X-Forwarded-For"] = "192.0.2.3" }},
		// The action: this uses up the session's budget, and the organization's second call.
		{fault.CodeSessionInvalidToken, func() {}},
		// The rate. A session's refusals cost its organization nothing.
		{fault.CodeSessionRateLimited, func() { head["X-Forwarded-For"] = "192.0.2.4" }},
		{fault.CodeSessionRateLimited, func() { head["Authorization"] = "Bearer " + w.mint(nil).token }}, // uses the organization's third call
		{fault.CodeCommonRateLimited, func() { w.ahead.Add(int64(time.Minute)) }},
		// The body. The token is valid for five minutes.
		{fault.CodeCommonValidationFailed, func() {}},
	} {
		if a := init(); a.code != step.want {
			t.Fatalf("step %d: %s, want %s", i, a.body, step.want)
		}
		step.then()
	}
	// A mint has the same order: the key, the origin, the budgets, the body.
	w = newWorld(t, storetest.SQLite(t), options{limits: limit.Rates{Mint: few(1), Organization: few(2)}})
	for i, c := range []struct {
		change map[string]any
		want   fault.Code
	}{
		{map[string]any{"secret_key": "csk_x", "action_type": "x"}, fault.CodeCommonAuthInvalidAPIKey},
		{map[string]any{"action_type": "x"}, fault.CodeCommonValidationFailed},
		{map[string]any{"action_type": "x"}, fault.CodeSessionRateLimited},
		{map[string]any{"secret_key": "csk_x", "action_type": "x"}, fault.CodeCommonAuthInvalidAPIKey},
	} {
		if a := w.tryMint(c.change); a.code != c.want {
			t.Errorf("mint %d: %s, want %s", i, a.body, c.want)
		}
	}
	keys, err := account.CreateKeys(t.Context(), w.db, audit.CommandLine(), w.org, "", false)
	w.must(err)
	w.keys = keys
	if a := w.tryMint(nil); a.code != "" { // the second: the refusal of the first key did not count
		t.Errorf("another key: %s", a.body)
	}
	keys, err = account.CreateKeys(t.Context(), w.db, audit.CommandLine(), w.org, "", false)
	w.must(err)
	w.keys = keys
	if a := w.tryMint(map[string]any{"action_type": "x"}); a.code != fault.CodeCommonRateLimited {
		t.Errorf("the organization's third: %s", a.body)
	}
}

// Every call below /v1/ counts once, whatever its result, and so does every page that is
// proved, packed or searched for each call. Nothing else counts.
func TestCountedPaths(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		head         map[string]string
		counts       bool
	}{
		"public":         {"GET", "/v1/stats", nil, true},
		"document":       {"GET", "/v1/openapi.json", nil, true},
		"unknown":        {"GET", "/v1/nope", nil, true},
		"socket":         {"GET", "/v1/ws/transactions/x", nil, true},
		"events":         {"GET", "/v1/transactions/x/events", nil, true},
		"mint":           {"POST", "/v1/sessions", nil, true},
		"only OPTIONS":   {"OPTIONS", "/v1/stats", nil, true},
		"preflight":      {"OPTIONS", "/v1/stats", map[string]string{"Origin": site, "Access-Control-Request-Method": "GET"}, false},
		"a work":         {"GET", "/w/testnet/1", nil, true},
		"a transaction":  {"GET", "/explorer/testnet/tx/x", nil, true},
		"a tile":         {"GET", "/log/testnet/tile/entries/000", nil, true},
		"a search":       {"GET", "/docs/search?q=x", nil, true},
		"its script":     {"GET", "/docs/search.json?q=x", nil, true},
		"a page of docs": {"GET", "/docs/api", nil, false},
		"health":         {"GET", "/healthz", nil, false},
		"keys":           {"GET", "/.well-known/jwks.json", nil, false},
		"an upload":      {"PUT", "/blob/x", nil, false},
		"somewhere else": {"GET", "/v1", nil, false},
	} {
		w := newWorld(t, storetest.SQLite(t), options{limits: limit.Rates{Address: few(2)}})
		w.stopClock()
		for range 2 {
			w.fetch(c.method, c.path, c.head, nil)
		}
		if a := w.call("GET", "/v1/stats", nil, nil); (a.code == fault.CodeCommonRateLimited) != c.counts {
			t.Errorf("%s: %d", name, a.status)
		}
	}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
