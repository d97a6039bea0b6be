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
	keys session.KeyPair
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
	h.must(db.Tx(t.Context(), func(tx *store.Tx) error { return credits.Grant(t.Context(), tx, h.org, 1000, "") }))
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) organization(name string) (string, session.KeyPair) {
	h.t.Helper()
	o, err := session.CreateOrganization(h.t.Context(), h.DB, name)
	h.must(err)
	k, err := session.CreateKeys(h.t.Context(), h.DB, o.ID, false)
	h.must(err)
	_, err = session.AddOrigin(h.t.Context(), h.DB, o.ID, site)
	h.must(err)
	return o.ID, k
}

func (h *house) request() session.MintRequest {
	return session.MintRequest{SecretKey: h.keys.SecretKey, Origin: site, Action: session.Register, Network: network.Testnet}
}

func (h *house) mint() string {
	h.t.Helper()
	token, err := h.Mint(h.t.Context(), h.request())
	h.must(err)
	return token
}

func (h *house) change(f func(*session.Organization)) {
	h.t.Helper()
	_, err := session.ChangeOrganization(h.t.Context(), h.DB, h.org, f)
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
		r := session.MintRequest{SecretKey: "csk_short", Origin: "https://evil.example", Action: "delete", Network: network.Mainnet, ExternalUserRef: ptr("")}
		h.must(session.EnableKey(ctx, db, h.keys.SiteKey, false))
		h.change(func(o *session.Organization) { o.Suspended, o.WidgetEnabled = true, false })
		h.must(db.Tx(ctx, func(tx *store.Tx) error { return credits.Hold(ctx, tx, h.org, "t", 914) })) // 86 are left
		for _, step := range []struct {
			want fault.Code
			then func()
		}{
			{fault.CodeCommonAuthInvalidAPIKey, func() { r.SecretKey = "csk_" + strings.Repeat("0", 64) }},
			{fault.CodeCommonAuthInvalidAPIKey, func() { r.SecretKey = strings.ToUpper(h.keys.SecretKey) }},
			{fault.CodeCommonAuthInvalidAPIKey, func() { r.SecretKey = h.keys.SiteKey }},
			{fault.CodeCommonAuthInvalidAPIKey, func() { r.SecretKey = h.keys.SecretKey }},
			{fault.CodeOrganizationInactive, func() { h.change(func(o *session.Organization) { o.Suspended = false }) }},
			{fault.CodeSessionKeyInactive, func() { h.must(session.EnableKey(ctx, db, h.keys.SiteKey, true)) }},
			{fault.CodeSessionWidgetNotEnabled, func() { h.change(func(o *session.Organization) { o.WidgetEnabled = true }) }},
			{fault.CodeSessionOriginNotAllowed, func() { r.Origin = "" }},
			{fault.CodeSessionOriginNotAllowed, func() { r.Origin = site }},
			{fault.CodeCommonValidationFailed, func() { r.Action = session.Register; r.AtsID = ptr[int64](0) }},
			{fault.CodeCommonValidationFailed, func() { r.AtsID = ptr[int64](1); r.MaxFileSize = ptr[int64](0) }},
			{fault.CodeCommonValidationFailed, func() { r.MaxFileSize = nil }},
			{fault.CodeSessionInvalidExternalUserRef, func() { r.ExternalUserRef = ptr(strings.Repeat("é", 128)) }},
			{fault.CodeSessionInvalidExternalUserRef, func() { r.ExternalUserRef = ptr("a\x00b") }},
			{fault.CodeSessionInvalidExternalUserRef, func() { r.ExternalUserRef = ptr(strings.Repeat("x", 255)) }},
			{fault.CodeRegistrationInsufficientCredits, func() {
				h.must(db.Tx(ctx, func(tx *store.Tx) error { return credits.Grant(ctx, tx, h.org, 1, "") }))
			}},
		} {
			if _, err := h.Mint(ctx, r); !errors.Is(err, step.want) {
				t.Fatalf("got %v, want %s", err, step.want)
			}
			step.then()
		}
		if _, err := h.Mint(ctx, r); err != nil {
			t.Fatalf("nothing is wrong, and yet: %v", err)
		}
		// A deleted key is reported before all errors of its organization.
		h.change(func(o *session.Organization) { o.Suspended = true })
		h.must(session.DeleteKey(ctx, db, h.keys.SiteKey))
		if _, err := h.Mint(ctx, r); !errors.Is(err, fault.CodeOrganizationNoIntegration) {
			t.Errorf("deleted key: %v", err)
		}
	})
}

func TestMintFields(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	_, err := h.Mint(t.Context(), session.MintRequest{SecretKey: h.keys.SecretKey, Origin: site, AtsID: ptr[int64](-1), MaxFileSize: ptr[int64](1 << 60)})
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
		second, err := session.CreateKeys(ctx, db, h.org, true)
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
			{fault.CodeSessionKeyInactive, func() { h.must(session.EnableKey(ctx, db, h.keys.SiteKey, false)) }, func() { h.must(session.EnableKey(ctx, db, h.keys.SiteKey, true)) }},
			{fault.CodeSessionWidgetNotEnabled, func() { h.change(func(o *session.Organization) { o.WidgetEnabled = false }) }, func() { h.change(func(o *session.Organization) { o.WidgetEnabled = true }) }},
			{fault.CodeOrganizationInactive, func() { h.change(func(o *session.Organization) { o.Suspended = true }) }, func() { h.change(func(o *session.Organization) { o.Suspended = false }) }},
			{fault.CodeSessionOriginNotAllowed, func() { h.must(session.RemoveOrigin(ctx, db, h.org, site)) }, func() { _, err := session.AddOrigin(ctx, db, h.org, site); h.must(err) }},
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
		h.must(session.DeleteKey(ctx, db, h.keys.SiteKey))
		if err := authorize(); !errors.Is(err, fault.CodeOrganizationNoIntegration) {
			t.Errorf("deleted key: %v", err)
		}
		if err := session.EnableKey(ctx, db, h.keys.SiteKey, true); !errors.Is(err, fault.CodeCommonNotFound) {
			t.Errorf("a deleted key was enabled: %v", err)
		}
	})
}

func TestCaller(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.change(func(o *session.Organization) { o.MaxFileSize, o.DuplicateTitles = 500, true })
	r := h.request()
	r.Action, r.Network, r.AtsID, r.ExternalUserRef, r.MaxFileSize = session.UpdateVersion, network.Mainnet, ptr[int64](9), ptr("u"), ptr[int64](400)
	token, err := h.Mint(t.Context(), r)
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
	token, err = h.Mint(t.Context(), r)
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

func TestOrganizations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		for _, name := range []string{"", "  ", strings.Repeat("é", 201)} {
			if _, err := session.CreateOrganization(ctx, db, name); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("name %q: %v", name, err)
			}
		}
		o, err := session.CreateOrganization(ctx, db, " "+strings.Repeat("é", 200)+" ")
		if err != nil || o.Name != strings.Repeat("é", 200) || !o.WidgetEnabled || o.Suspended {
			t.Fatalf("%+v, %v", o, err)
		}
		set := o
		set.MaxFileSize, set.AccessCodeTTL, set.Quota, set.Suspended, set.WidgetEnabled, set.DuplicateTitles = 5, time.Hour, 7, true, false, true
		set.Imprint = strings.Repeat("ß", 200)
		if _, err := session.ChangeOrganization(ctx, db, o.ID, func(x *session.Organization) { *x = set }); err != nil {
			t.Fatal(err)
		}
		if got, err := session.GetOrganization(ctx, db, o.ID); err != nil || got != set {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := session.ChangeOrganization(ctx, db, o.ID, func(x *session.Organization) { x.Quota = -1 }); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Errorf("negative quota: %v", err)
		}
		for _, bad := range []string{strings.Repeat("x", 201), "two\nlines", "turned \u202e", "\xff"} {
			if _, err := session.ChangeOrganization(ctx, db, o.ID, func(x *session.Organization) { x.Imprint = bad }); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("imprint %q: %v", bad, err)
			}
		}
		if all, err := session.ListOrganizations(ctx, db); err != nil || len(all) != 1 || all[0] != set {
			t.Errorf("%+v, %v", all, err)
		}
		unknown := "0190a0e6-0000-7000-8000-00000000dead"
		_, create := session.CreateKeys(ctx, db, unknown, false)
		_, add := session.AddOrigin(ctx, db, unknown, site)
		_, list := session.ListOrigins(ctx, db, unknown)
		_, change := session.ChangeOrganization(ctx, db, unknown, func(*session.Organization) {})
		for _, err := range []error{create, add, list, change} {
			if !errors.Is(err, fault.CodeOrganizationNotFound) {
				t.Errorf("unknown organization: %v", err)
			}
		}
		if _, err := session.AddOrigin(ctx, db, o.ID, "*"); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Errorf("origin *: %v", err)
		}
		for range 2 {
			if got, err := session.AddOrigin(ctx, db, o.ID, "HTTPS://Songs.Example:443/"); err != nil || got != site {
				t.Errorf("%q, %v", got, err)
			}
		}
		if got, err := session.ListOrigins(ctx, db, o.ID); err != nil || len(got) != 1 {
			t.Errorf("%v, %v", got, err)
		}
		if err := session.RemoveOrigin(ctx, db, o.ID, "https://songs.example:443"); err != nil {
			t.Error(err)
		}
		if err := session.RemoveOrigin(ctx, db, o.ID, site); !errors.Is(err, fault.CodeCommonNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		live, err := session.CreateKeys(ctx, db, o.ID, false)
		if err != nil {
			t.Fatal(err)
		}
		test, err := session.CreateKeys(ctx, db, o.ID, true)
		if err != nil || len(live.SiteKey) != 68 || len(live.SecretKey) != 68 || !strings.HasPrefix(test.SiteKey, "cpk_test_") || !strings.HasPrefix(test.SecretKey, "csk_test_") {
			t.Errorf("%+v %+v %v", live, test, err)
		}
		if err := session.EnableKey(ctx, db, test.SiteKey, false); err != nil {
			t.Error(err)
		}
		if err := session.DeleteKey(ctx, db, live.SiteKey); err != nil {
			t.Error(err)
		}
		keys, err := session.ListKeys(ctx, db, o.ID)
		states := map[string]string{}
		for _, k := range keys {
			states[k.SiteKey] = k.Status + k.SecretKey
		}
		if err != nil || states[live.SiteKey] != "deleted" || states[test.SiteKey] != "disabled" {
			t.Errorf("%v, %v", states, err)
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
		return tx.AddOrigin(context.Background(), query.AddOriginParams{OrganizationID: h.org, Pattern: "*", CreatedAt: 1})
	}))
	for _, origin := range []string{"https://evil.example", "null", "*"} {
		if session.Allowed([]string{"*"}, origin) {
			t.Errorf("* matches %s", origin)
		}
		r := h.request()
		r.Origin = origin
		if _, err := h.Mint(t.Context(), r); !errors.Is(err, fault.CodeSessionOriginNotAllowed) {
			t.Errorf("mint from %s: %v", origin, err)
		}
	}
}
