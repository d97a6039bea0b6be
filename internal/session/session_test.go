package session_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

const site = "https://songs.example"

// house is an organization with a key pair, an origin and 1,000 credits.
type house struct {
	*session.Service
	t    *testing.T
	at   *clock
	org  string
	keys account.KeyPair
}

func newHouse(t *testing.T, db *store.DB) *house {
	t.Helper()
	at := &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	db.Now = at.now
	h := &house{t: t, at: at, Service: &session.Service{
		DB: db, Tokens: newTokens(t, secret, issuer, at.now), MaxFileSize: 1000,
		Lifetime:       session.DefaultLifetime,
		MinimumCredits: func(_ session.Action, n network.Name) int64 { return map[network.Name]int64{network.Mainnet: 87}[n] },
	}}
	h.org, h.keys = h.organization("Songs")
	h.must(db.Tx(t.Context(), func(tx *store.Tx) error { return credits.Grant(t.Context(), tx, audit.CommandLine(), h.org, 1000, "") }))
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) organization(name string) (string, account.KeyPair) {
	h.t.Helper()
	o, err := account.CreateOrganization(h.t.Context(), h.DB, audit.CommandLine(), name)
	h.must(err)
	k, err := account.CreateKeys(h.t.Context(), h.DB, audit.CommandLine(), o.ID, "", false)
	h.must(err)
	_, err = account.AddOrigin(h.t.Context(), h.DB, audit.CommandLine(), o.ID, site)
	h.must(err)
	return o.ID, k
}

// request is a mint: what a backend shows, and what it asks for.
type request struct {
	secretKey, origin string
	session.MintRequest
}

func (h *house) request() request {
	return request{h.keys.SecretKey, site, session.MintRequest{Action: session.Register, Network: network.Testnet}}
}

// mints checks the backend, and mints.
func (h *house) mints(r request) (string, error) {
	m, err := h.Minter(h.t.Context(), r.secretKey, r.origin)
	if err != nil {
		return "", err
	}
	return h.Mint(h.t.Context(), m, r.MintRequest)
}

func (h *house) mint() string {
	h.t.Helper()
	token, err := h.mints(h.request())
	h.must(err)
	return token
}

func (h *house) change(f func(*account.Organization)) {
	h.t.Helper()
	_, err := account.ChangeOrganization(h.t.Context(), h.DB, audit.CommandLine(), h.org, 0, f)
	h.must(err)
}

// revoke ends a session that is active, or was revoked before.
func (h *house) revoke(id string) {
	h.t.Helper()
	_, err := session.Revoke(h.t.Context(), h.DB, session.Which{ID: id})
	h.must(err)
}

func ptr[T any](v T) *T { return &v }

// The test starts with everything wrong, and corrects one thing after the other. The
// error is always the first one in the order of the wire contract.
func TestMintOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		r := request{"csk_short", "https://evil.example", session.MintRequest{Action: "delete", Network: network.Mainnet, ExternalUserRef: ptr("")}}
		h.must(account.EnableKey(ctx, db, audit.CommandLine(), h.org, h.keys.SiteKey, false))
		h.change(func(o *account.Organization) { o.Suspended, o.WidgetEnabled = true, false })
		h.must(db.Tx(ctx, func(tx *store.Tx) error { return credits.Hold(ctx, tx, h.org, "t", 914) })) // 86 are left
		for _, step := range []struct {
			want fault.Code
			then func()
		}{
			{fault.CodeCommonAuthInvalidAPIKey, func() { r.secretKey = "csk_" + strings.Repeat("0", 64) }},
			{fault.CodeCommonAuthInvalidAPIKey, func() { r.secretKey = strings.ToUpper(h.keys.SecretKey) }},
			{fault.CodeCommonAuthInvalidAPIKey, func() { r.secretKey = h.keys.SiteKey }},
			{fault.CodeCommonAuthInvalidAPIKey, func() { r.secretKey = h.keys.SecretKey }},
			{fault.CodeOrganizationInactive, func() { h.change(func(o *account.Organization) { o.Suspended = false }) }},
			{fault.CodeSessionKeyInactive, func() { h.must(account.EnableKey(ctx, db, audit.CommandLine(), h.org, h.keys.SiteKey, true)) }},
			{fault.CodeSessionWidgetNotEnabled, func() { h.change(func(o *account.Organization) { o.WidgetEnabled = true }) }},
			{fault.CodeSessionOriginNotAllowed, func() { r.origin = "" }},
			{fault.CodeSessionOriginNotAllowed, func() { r.origin = site }},
			{fault.CodeCommonValidationFailed, func() { r.Action = session.Register; r.AtsID = ptr[int64](0) }},
			{fault.CodeCommonValidationFailed, func() { r.AtsID = ptr[int64](1); r.MaxFileSize = ptr[int64](0) }},
			{fault.CodeCommonValidationFailed, func() { r.MaxFileSize = nil }},
			{fault.CodeSessionInvalidExternalUserRef, func() { r.ExternalUserRef = ptr(strings.Repeat("é", 128)) }},
			{fault.CodeSessionInvalidExternalUserRef, func() { r.ExternalUserRef = ptr("a\x00b") }},
			{fault.CodeSessionInvalidExternalUserRef, func() { r.ExternalUserRef = ptr(strings.Repeat("x", 255)) }},
			{fault.CodeRegistrationInsufficientCredits, func() {
				h.must(db.Tx(ctx, func(tx *store.Tx) error { return credits.Grant(ctx, tx, audit.CommandLine(), h.org, 1, "") }))
			}},
		} {
			if _, err := h.mints(r); !errors.Is(err, step.want) {
				t.Fatalf("got %v, want %s", err, step.want)
			}
			step.then()
		}
		if _, err := h.mints(r); err != nil {
			t.Fatalf("nothing is wrong, and yet: %v", err)
		}
		// A deleted key is reported before all errors of its organization.
		h.change(func(o *account.Organization) { o.Suspended = true })
		h.must(account.DeleteKey(ctx, db, audit.CommandLine(), h.org, h.keys.SiteKey))
		if _, err := h.mints(r); !errors.Is(err, fault.CodeOrganizationNoIntegration) {
			t.Errorf("deleted key: %v", err)
		}
	})
}

func TestMintFields(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	_, err := h.mints(request{h.keys.SecretKey, site, session.MintRequest{AtsID: ptr[int64](-1), MaxFileSize: ptr[int64](1 << 60)}})
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatal(err)
	}
	var got []string
	for _, x := range f.Details["fields"].([]fault.Field) {
		got = append(got, x.Field+" "+x.Rule)
	}
	if want := "action_type one_of, allowed_network one_of, allowed_ats_id range, max_file_size_bytes range"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestAuthorize(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		token := h.mint()
		_, other := h.organization("Others")
		second, err := account.CreateKeys(ctx, db, audit.CommandLine(), h.org, "", true)
		h.must(err)
		for name, c := range map[string]struct {
			auth, key, origin string
			want              error
		}{
			"good":                             {"Bearer " + token, h.keys.SiteKey, site, nil},
			"good, no browser":                 {"Bearer " + token, h.keys.SiteKey, "", nil},
			"scheme in lower case":             {"bearer " + token, h.keys.SiteKey, site, nil},
			"no header":                        {"", h.keys.SiteKey, site, fault.CodeCommonAuthMissingToken},
			"no header nor key":                {"", "", "", fault.CodeCommonAuthMissingToken},
			"no token":                         {"Bearer ", h.keys.SiteKey, site, fault.CodeCommonAuthInvalidToken},
			"no scheme":                        {token, h.keys.SiteKey, site, fault.CodeCommonAuthInvalidToken},
			"other scheme":                     {"Basic " + token, h.keys.SiteKey, site, fault.CodeCommonAuthInvalidToken},
			"bad token before bad key":         {"Bearer x", "x", "x", fault.CodeCommonAuthInvalidToken},
			"no site key":                      {"Bearer " + token, "", site, fault.CodeCommonAuthInvalidAPIKey},
			"malformed site key":               {"Bearer " + token, "cpk_xyz", site, fault.CodeCommonAuthInvalidAPIKey},
			"unknown site key":                 {"Bearer " + token, "cpk_" + strings.Repeat("0", 64), site, fault.CodeOrganizationNotFound},
			"another organization's key":       {"Bearer " + token, other.SiteKey, site, fault.CodeSessionInvalidToken},
			"another key of this organization": {"Bearer " + token, second.SiteKey, site, fault.CodeSessionInvalidToken},
			"another site":                     {"Bearer " + token, h.keys.SiteKey, "https://evil.example", fault.CodeSessionOriginNotAllowed},
			"opaque origin":                    {"Bearer " + token, h.keys.SiteKey, "null", fault.CodeSessionOriginNotAllowed},
		} {
			if _, err := h.Authorize(ctx, c.auth, c.key, c.origin); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
		}
		authorize := func() error {
			_, err := h.Authorize(ctx, "Bearer "+token, h.keys.SiteKey, site)
			return err
		}
		// Disabling after the mint takes effect at once, and so does enabling again.
		for _, c := range []struct {
			want    fault.Code
			off, on func()
		}{
			{fault.CodeSessionKeyInactive, func() { h.must(account.EnableKey(ctx, db, audit.CommandLine(), h.org, h.keys.SiteKey, false)) }, func() { h.must(account.EnableKey(ctx, db, audit.CommandLine(), h.org, h.keys.SiteKey, true)) }},
			{fault.CodeSessionWidgetNotEnabled, func() { h.change(func(o *account.Organization) { o.WidgetEnabled = false }) }, func() { h.change(func(o *account.Organization) { o.WidgetEnabled = true }) }},
			{fault.CodeOrganizationInactive, func() { h.change(func(o *account.Organization) { o.Suspended = true }) }, func() { h.change(func(o *account.Organization) { o.Suspended = false }) }},
			{fault.CodeSessionOriginNotAllowed, func() { h.must(account.RemoveOrigin(ctx, db, audit.CommandLine(), h.org, site)) }, func() { _, err := account.AddOrigin(ctx, db, audit.CommandLine(), h.org, site); h.must(err) }},
		} {
			c.off()
			if err := authorize(); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			c.on()
			if err := authorize(); err != nil {
				t.Errorf("after %s was undone: %v", c.want, err)
			}
		}
		claims, err := h.Tokens.Verify(token)
		h.must(err)
		h.revoke(claims.ID)
		h.revoke(claims.ID)
		if err := authorize(); !errors.Is(err, fault.CodeSessionInvalidToken) {
			t.Errorf("revoked: %v", err)
		}
		token = h.mint()
		h.must(account.DeleteKey(ctx, db, audit.CommandLine(), h.org, h.keys.SiteKey))
		if err := authorize(); !errors.Is(err, fault.CodeOrganizationNoIntegration) {
			t.Errorf("deleted key: %v", err)
		}
		if err := account.EnableKey(ctx, db, audit.CommandLine(), h.org, h.keys.SiteKey, true); !errors.Is(err, fault.CodeCommonNotFound) {
			t.Errorf("a deleted key was enabled: %v", err)
		}
	})
}

func TestCaller(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.change(func(o *account.Organization) { o.MaxFileSize, o.DuplicateTitles = 500, true })
	r := h.request()
	r.Action, r.Network, r.AtsID, r.ExternalUserRef, r.MaxFileSize = session.UpdateVersion, network.Mainnet, ptr[int64](9), ptr("u"), ptr[int64](400)
	token, err := h.mints(r)
	h.must(err)
	c, err := h.Authorize(t.Context(), "Bearer "+token, h.keys.SiteKey, site)
	h.must(err)
	if c.Organization != h.org || c.Action != session.UpdateVersion || c.Network != network.Mainnet || c.AtsID != 9 || c.ExternalUserRef != "u" || c.MaxFileSize != 400 || !c.DuplicateTitles || c.Expired {
		t.Errorf("%+v", c)
	}
	for name, got := range map[string]struct{ err, want error }{
		"its own":         {c.May(session.UpdateVersion, network.Mainnet, true), nil},
		"any network":     {c.May(session.UpdateVersion, "", true), nil},
		"another action":  {c.May(session.Register, network.Mainnet, true), fault.CodeSessionInvalidToken},
		"another network": {c.May(session.UpdateVersion, network.Testnet, false), fault.CodeSessionInvalidToken},
	} {
		if !errors.Is(got.err, got.want) {
			t.Errorf("%s: %v", name, got.err)
		}
	}
	// A session cannot raise a limit that the organization lowered.
	r.MaxFileSize = ptr[int64](600)
	token, err = h.mints(r)
	h.must(err)
	if c, err = h.Authorize(t.Context(), "Bearer "+token, h.keys.SiteKey, site); err != nil || c.MaxFileSize != 500 {
		t.Errorf("cap %d, %v", c.MaxFileSize, err)
	}
	h.at.at = h.at.at.Add(session.DefaultLifetime)
	c, err = h.Authorize(t.Context(), "Bearer "+token, h.keys.SiteKey, site)
	if err != nil || !c.Expired {
		t.Errorf("at its exp: %v, %v", c.Expired, err)
	}
	if err := c.May(session.UpdateVersion, "", true); !errors.Is(err, fault.CodeCommonAuthExpired) {
		t.Errorf("begins something: %v", err)
	}
	if err := c.May(session.UpdateVersion, "", false); err != nil {
		t.Errorf("goes on: %v", err)
	}
}

func TestSpend(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		c, err := h.Authorize(ctx, "Bearer "+h.mint(), h.keys.SiteKey, site)
		h.must(err)
		spend := func(c session.Caller, job string) error {
			return db.Tx(ctx, func(tx *store.Tx) error { return c.Spend(ctx, tx, job) })
		}
		// Of 16 inits at the same time, one succeeds.
		var wg sync.WaitGroup
		results := make([]error, 16)
		for i := range results {
			wg.Go(func() { results[i] = spend(c, string(rune('a'+i))) })
		}
		wg.Wait()
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else if !errors.Is(err, fault.CodeSessionInvalidToken) {
				t.Errorf("a later init returned %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d of 16 spent the session", won)
		}
		// A failed init leaves the session unspent.
		c, err = h.Authorize(ctx, "Bearer "+h.mint(), h.keys.SiteKey, site)
		h.must(err)
		boom := errors.New("boom")
		if err := db.Tx(ctx, func(tx *store.Tx) error { return errors.Join(c.Spend(ctx, tx, "x"), boom) }); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		h.must(spend(c, "y"))
		// The session expires between the check and the transaction.
		c, err = h.Authorize(ctx, "Bearer "+h.mint(), h.keys.SiteKey, site)
		h.must(err)
		h.at.at = h.at.at.Add(session.DefaultLifetime)
		if err := spend(c, "z"); !errors.Is(err, fault.CodeCommonAuthExpired) {
			t.Errorf("expired: %v", err)
		}
		// Sweep keeps sessions that expired less than a day ago.
		for _, step := range []struct {
			after time.Duration
			want  int64
		}{{23 * time.Hour, 0}, {2 * time.Hour, 3}, {0, 0}} {
			h.at.at = h.at.at.Add(step.after)
			if n, err := h.Sweep(ctx); err != nil || n != step.want {
				t.Errorf("swept %d, %v; want %d", n, err, step.want)
			}
		}
		if err := spend(c, "z"); !errors.Is(err, fault.CodeCommonAuthExpired) {
			t.Errorf("swept: %v", err)
		}
	})
}

// Secret keys are nowhere in the database's files.
func TestSecretsAreNotStored(t *testing.T) {
	dir := t.TempDir()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "timbre.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, db)
	token := h.mint()
	h.must(db.Close())
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		h.must(err)
		all = append(all, b...)
	}
	if !bytes.Contains(all, []byte(h.keys.SiteKey)) {
		t.Fatal("the site key is not where this test looks")
	}
	for _, s := range []string{strings.TrimPrefix(h.keys.SecretKey, "csk_"), token} {
		if bytes.Contains(all, []byte(s)) {
			t.Error("the database holds a secret")
		}
	}
}

// An invalid entry that was written directly to the database matches nothing.
func TestOriginOfAnotherHand(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.must(h.DB.Tx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddOrigin(context.Background(), query.AddOriginParams{OrganizationID: h.org, Pattern: "*", CreatedAt: 1})
		return err
	}))
	for _, origin := range []string{"https://evil.example", "null", "*"} {
		if account.Allowed([]string{"*"}, origin) {
			t.Errorf("* matches %s", origin)
		}
		r := h.request()
		r.origin = origin
		if _, err := h.mints(r); !errors.Is(err, fault.CodeSessionOriginNotAllowed) {
			t.Errorf("mint from %s: %v", origin, err)
		}
	}
}
