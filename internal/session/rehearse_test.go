package session_test

import (
	"errors"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

const console = "https://timbre.example"

// A rehearsal of the console is valid at the console's origin alone, whatever the allowlist
// says, and gives no other session that origin.
func TestRehearsalOrigins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		test, err := account.CreateKeys(ctx, db, audit.CommandLine(), h.org, "", true)
		h.must(err)
		request := session.MintRequest{Action: session.Register, Network: network.Testnet, Rehearse: ptr("registration.duplicate_title")}
		rehearsal, err := h.Rehearsal(ctx, h.org, test.SiteKey, console, request)
		h.must(err)
		other := h.request()
		other.secretKey = test.SecretKey
		minted, err := h.mints(other)
		h.must(err)
		check := func(token, origin string, want error) {
			t.Helper()
			c, err := h.Authorize(ctx, "Bearer "+token, test.SiteKey, origin)
			if !errors.Is(err, want) {
				t.Errorf("at %q: %+v, %v, want %v", origin, c, err, want)
			}
			if err == nil && (c.Organization != h.org || !c.Test) {
				t.Errorf("at %q: %+v", origin, c)
			}
		}
		check(rehearsal, console, nil)
		check(rehearsal, "", nil) // a GET of the console's own page has no origin
		for _, origin := range []string{site, console + ":8443", "http://timbre.example", "https://x.timbre.example", console + "/", "null", strings.ToUpper(console)} {
			check(rehearsal, origin, fault.CodeSessionOriginNotAllowed)
		}
		check(minted, site, nil)
		check(minted, console, fault.CodeSessionOriginNotAllowed)
		if c, err := h.Authorize(ctx, "Bearer "+rehearsal, test.SiteKey, console); err != nil || c.Rehearse != fault.CodeRegistrationDuplicateTitle {
			t.Errorf("%+v, %v", c, err)
		}
		list, err := account.ListOrigins(ctx, db, h.org)
		if err != nil || len(list) != 1 || list[0].Origin != site {
			t.Errorf("the allowlist is %v, %v", list, err)
		}
		h.must(account.EnableKey(ctx, db, audit.CommandLine(), h.org, test.SiteKey, false))
		check(rehearsal, console, fault.CodeSessionKeyInactive)
	})
}

func TestRehearsalRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		test, err := account.CreateKeys(ctx, db, audit.CommandLine(), h.org, "", true)
		h.must(err)
		foreign, _ := h.organization("Others")
		request := session.MintRequest{Action: session.Register, Network: network.Testnet}
		for what, c := range map[string]struct {
			organization, key string
			change            func(*session.MintRequest)
			want              error
		}{
			"a live key":                      {h.org, h.keys.SiteKey, nil, fault.CodeCommonValidationFailed},
			"the key of another":              {foreign, test.SiteKey, nil, fault.CodeCommonNotFound},
			"an unknown key":                  {h.org, "cpk_test_" + strings.Repeat("0", 64), nil, fault.CodeCommonNotFound},
			"no key":                          {h.org, "x\x00", nil, fault.CodeCommonNotFound},
			"the mainnet":                     {h.org, test.SiteKey, func(r *session.MintRequest) { r.Network = network.Mainnet }, fault.CodeCommonValidationFailed},
			"a code that cannot be rehearsed": {h.org, test.SiteKey, func(r *session.MintRequest) { r.Rehearse = ptr("common.internal.x") }, fault.CodeCommonValidationFailed},
		} {
			r := request
			if c.change != nil {
				c.change(&r)
			}
			if token, err := h.Rehearsal(ctx, c.organization, c.key, console, r); !errors.Is(err, c.want) || token != "" {
				t.Errorf("%s: %q, %v", what, token, err)
			}
		}
		h.change(func(o *account.Organization) { o.WidgetEnabled = false })
		if _, err := h.Rehearsal(ctx, h.org, test.SiteKey, console, request); !errors.Is(err, fault.CodeSessionWidgetNotEnabled) {
			t.Errorf("without the widget: %v", err)
		}
	})
}
