package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

const (
	one     = "01890000-0000-7000-8000-000000000001"
	two     = "01890000-0000-7000-8000-000000000002"
	unknown = "01890000-0000-7000-8000-0000000000ff"
)

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// newService makes a service with two organizations.
func newService(t *testing.T, db *store.DB) (*apikey.Service, *clock) {
	t.Helper()
	c := &clock{at: time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)}
	db.Now = c.now
	for _, id := range []string{one, two} {
		err := db.Tx(t.Context(), func(tx *store.Tx) error {
			return tx.InsertOrganization(t.Context(), query.InsertOrganizationParams{ID: id, Name: "Songs", CreatedAt: store.Micros(tx.Now)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return &apikey.Service{DB: db, MaxFileSize: 1000, Log: slog.New(slog.DiscardHandler)}, c
}

var by = audit.Actor{Kind: audit.Person, ID: "p1", Name: "ada@songs.example", RequestID: "req_1"}

func create(t *testing.T, s *apikey.Service, organization string, change func(*apikey.Request)) apikey.Created {
	t.Helper()
	r := apikey.Request{Name: "Backend", Scopes: []string{"works:register"}}
	if change != nil {
		change(&r)
	}
	k, err := s.Create(t.Context(), by, organization, r)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func refused(t *testing.T, what string, err error, want fault.Code) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	// The checksum of forty zeros is what zlib computes.
	const good = "afo_sk_live_" + "0000000000000000000000000000000000000000" + "963fbb8e"
	if !apikey.WellFormed(good) {
		t.Errorf("%s is refused", good)
	}
	for _, bad := range []string{
		"", "afo_", "afo_sk_live_", good + "0", good[:len(good)-1], strings.ToUpper(good), strings.Replace(good, "live", "prod", 1), "afo_sk_live_" + strings.Repeat("0", 48),
		strings.Replace(good, "963fbb8e", "963FBB8E", 1), strings.Replace(good, "_0", "_1", 1), " " + good, good + "\n", strings.Replace(good, "sk", "ѕk", 1),
	} {
		if apikey.WellFormed(bad) {
			t.Errorf("%q is accepted", bad)
		}
	}
	for header, want := range map[string]bool{"Bearer " + good: true, "bearer   " + good: true, "Bearer afo_x": true, "Basic " + good: false, good: false, "Bearer x": false, "": false} {
		if _, ok := apikey.Bearer(header); ok != want {
			t.Errorf("%q: %v", header, ok)
		}
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, now := newService(t, db)
		most, until := int64(10), now.now().Add(time.Hour)
		k := create(t, s, one, func(r *apikey.Request) {
			r.Name, r.Scopes = "  Nightly import ", []string{"works:read", "works:register", "works:read"}
			r.Test, r.MaxFileSize, r.ExpiresAt = true, &most, &until
		})
		if !apikey.WellFormed(k.Token) || !strings.HasPrefix(k.Token, "afo_sk_test_") || k.Name != "Nightly import" || len(k.Scopes) != 2 || k.Scopes[0] != permission.ScopeRegister ||
			k.LastFour != k.Token[len(k.Token)-4:] || k.Prefix != "afo_sk_test_" || k.CreatedBy != by.Name || *k.MaxFileSize != 10 || !k.ExpiresAt.Equal(until) || k.WebhookURL != nil {
			t.Errorf("%+v", k)
		}
		kept, _, err := s.List(t.Context(), one, apikey.Page{First: 10})
		if err != nil || len(kept) != 1 || kept[0].ID != k.ID {
			t.Errorf("%+v, %v", kept, err)
		}
		if other, _, err := s.List(t.Context(), two, apikey.Page{First: 10}); err != nil || len(other) != 0 {
			t.Errorf("another organization sees %+v, %v", other, err)
		}
		for what, c := range map[string]struct {
			change func(*apikey.Request)
			want   fault.Code
		}{
			"no name":           {func(r *apikey.Request) { r.Name = " \t" }, fault.CodeAPIKeyInvalidName},
			"a long name":       {func(r *apikey.Request) { r.Name = strings.Repeat("é", 101) }, fault.CodeAPIKeyInvalidName},
			"two lines":         {func(r *apikey.Request) { r.Name = "a\nb" }, fault.CodeAPIKeyInvalidName},
			"NUL":               {func(r *apikey.Request) { r.Name = "a\x00" }, fault.CodeAPIKeyInvalidName},
			"bidi":              {func(r *apikey.Request) { r.Name = "a\u202eb" }, fault.CodeAPIKeyInvalidName},
			"invisible":         {func(r *apikey.Request) { r.Name = "\u200b" }, fault.CodeAPIKeyInvalidName},
			"no UTF-8":          {func(r *apikey.Request) { r.Name = "a\xff" }, fault.CodeAPIKeyInvalidName},
			"no scope":          {func(r *apikey.Request) { r.Scopes = nil }, fault.CodeAPIKeyScopesRequired},
			"an unknown scope":  {func(r *apikey.Request) { r.Scopes = []string{"works:read", "works:delete"} }, fault.CodeAPIKeyUnknownScope},
			"an odd scope":      {func(r *apikey.Request) { r.Scopes = []string{"\xff\x00" + strings.Repeat("é", 1000)} }, fault.CodeAPIKeyUnknownScope},
			"a size of 0":       {func(r *apikey.Request) { r.MaxFileSize = new(int64) }, fault.CodeCommonValidationFailed},
			"a past expiry":     {func(r *apikey.Request) { at := now.now(); r.ExpiresAt = &at }, fault.CodeCommonValidationFailed},
			"no time to expire": {func(r *apikey.Request) { r.ExpiresAt = &time.Time{} }, fault.CodeCommonValidationFailed},
			"a webhook URL":     {func(r *apikey.Request) { r.WebhookURL = "https://hooks.songs.example" }, fault.CodeAPIKeyWebhookURLInvalid},
		} {
			r := apikey.Request{Name: "n", Scopes: []string{"works:read"}}
			c.change(&r)
			_, err := s.Create(t.Context(), by, one, r)
			refused(t, what, err, c.want)
		}
		create(t, s, one, func(r *apikey.Request) { r.Name = strings.Repeat("é", 100) })
		_, err = s.Create(t.Context(), by, unknown, apikey.Request{Name: "n", Scopes: []string{"works:read"}})
		refused(t, "an unknown organization", err, fault.CodeOrganizationNotFound)
	})
}

// A key and its endpoint are made together or not at all.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, _ := newService(t, db)
		boom := errors.New("no endpoint")
		var got apikey.Endpoint
		s.CheckURL = func(url string) error {
			if url != "https://hooks.songs.example/a?key=hush" {
				return fault.APIKeyWebhookURLInvalid("private")
			}
			return nil
		}
		s.Endpoint = func(_ context.Context, _ *store.Tx, e apikey.Endpoint) (string, error) {
			got = e
			return "c2VjcmV0", boom
		}
		r := apikey.Request{Name: "n", Scopes: []string{"works:read"}, WebhookURL: "https://10.0.0.1"}
		_, err := s.Create(t.Context(), by, one, r)
		refused(t, "a private address", err, fault.CodeAPIKeyWebhookURLInvalid)
		r.WebhookURL = "https://hooks.songs.example/a?key=hush"
		if _, err = s.Create(t.Context(), by, one, r); !errors.Is(err, boom) {
			t.Errorf("%v", err)
		}
		if kept, _, err := s.List(t.Context(), one, apikey.Page{First: 10}); err != nil || len(kept) != 0 {
			t.Errorf("a key without its endpoint: %+v, %v", kept, err)
		}
		boom = nil
		k, err := s.Create(t.Context(), by, one, r)
		if err != nil || k.WebhookSecret != "c2VjcmV0" || *k.WebhookURL != r.WebhookURL || got.KeyID != k.ID || got.Organization != one || got.URL != r.WebhookURL || got.Actor != by {
			t.Errorf("%+v %+v %v", k, got, err)
		}
		// The query may be a secret of the receiver.
		log, err := audit.List(t.Context(), db, audit.Filter{Organization: one, Action: "api_key.created"}, "", 1)
		if err != nil || len(log.Entries) != 1 || strings.Contains(fmt.Sprint(log.Entries), "hush") || !strings.Contains(fmt.Sprint(log.Entries), "https://hooks.songs.example/a?…") {
			t.Errorf("%+v, %v", log, err)
		}
	})
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, now := newService(t, db)
		s.Networks = network.Every()
		most, until := int64(10), now.now().Add(time.Hour)
		k := create(t, s, one, func(r *apikey.Request) { r.ExpiresAt, r.MaxFileSize = &until, &most })
		c, err := s.Authenticate(t.Context(), k.Token, "192.0.2.1")
		if err != nil || c.KeyID != k.ID || c.Organization != one || c.Test || c.MaxFileSize != 10 || len(c.Networks()) != len(network.Every()) {
			t.Fatalf("%+v, %v", c, err)
		}
		if err := c.May(permission.WorksRegister); err != nil {
			t.Error(err)
		}
		err = c.May(permission.WorksRead)
		refused(t, "another scope", err, fault.CodeAPIKeyScopeDenied)
		if f := fault.From(err); f.Details["required"] != "works:read" {
			t.Errorf("%+v", f)
		}
		for org, want := range map[string]bool{one: true, strings.ToUpper(one): true, two: false, "": false, "x": false} {
			if err := c.In(org); (err == nil) != want {
				t.Errorf("%q: %v", org, err)
			}
		}
		if a := c.Actor("req_2"); a.Kind != audit.APIKey || a.ID != k.ID || a.Name != "Backend" || a.RequestID != "req_2" {
			t.Errorf("%+v", a)
		}
		test := create(t, s, one, func(r *apikey.Request) { r.Test = true })
		if c, err := s.Authenticate(t.Context(), test.Token, ""); err != nil || !c.Test || c.Networks().Has(network.Mainnet) || !c.Networks().Has(network.Testnet) {
			t.Errorf("%+v, %v", c, err)
		}
		suspend := func(on bool) {
			t.Helper()
			row, err := db.Read().GetOrganization(t.Context(), one)
			if err == nil {
				row.SuspendedAt.Int64, row.SuspendedAt.Valid = 1, on
				err = db.Tx(t.Context(), func(tx *store.Tx) error {
					return tx.SetOrganization(t.Context(), query.SetOrganizationParams{ID: one, SuspendedAt: row.SuspendedAt, AssetStorage: row.AssetStorage})
				})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		check := func(what, token string, want fault.Code) {
			t.Helper()
			_, err := s.Authenticate(t.Context(), token, "")
			refused(t, what, err, want)
		}
		check("a typing error", k.Token[:20]+"x"+k.Token[21:], fault.CodeAPIKeyInvalidFormat)
		check("an unknown key", "afo_sk_live_0000000000000000000000000000000000000000963fbb8e", fault.CodeAPIKeyNotFound)
		suspend(true)
		check("a suspended organization", k.Token, fault.CodeAPIKeyOrgInactive)
		suspend(false)
		now.add(time.Hour)
		check("after its end", k.Token, fault.CodeAPIKeyExpired)

		_, err = s.Revoke(t.Context(), by, two, test.ID)
		refused(t, "another organization's key", err, fault.CodeCommonNotFound)
		if _, err := s.Authenticate(t.Context(), test.Token, ""); err != nil {
			t.Error(err)
		}
		first, err := s.Revoke(t.Context(), by, one, test.ID)
		if err != nil || !first.RevokedAt.Equal(now.now()) {
			t.Errorf("%+v, %v", first, err)
		}
		check("after its revocation", test.Token, fault.CodeAPIKeyRevoked)
		now.add(time.Hour)
		if again, err := s.Revoke(t.Context(), by, one, test.ID); err != nil || !again.RevokedAt.Equal(*first.RevokedAt) {
			t.Errorf("%+v, %v", again, err)
		}
		if _, err := s.Get(t.Context(), two, k.ID); !errors.Is(err, fault.CodeCommonNotFound) {
			t.Error(err)
		}
		if got, err := s.Get(t.Context(), one, test.ID); err != nil || got.RevokedAt == nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// A malformed key is refused without the database.
func TestMalformedNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	s, _ := newService(t, db)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Authenticate(gone, "afo_sk_live_x", "")
	refused(t, "a malformed key", err, fault.CodeAPIKeyInvalidFormat)
	if _, err := s.Authenticate(gone, "afo_sk_live_0000000000000000000000000000000000000000963fbb8e", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a well-formed key was not looked up: %v", err)
	}
}

// However many are created at once, an organization has at most ten live keys.
func TestLimit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, now := newService(t, db)
		until := now.now().Add(time.Hour)
		at := func(organization string, n int, expires *time.Time) (made []apikey.Created) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					k, err := s.Create(t.Context(), by, organization, apikey.Request{Name: "n", Scopes: []string{"works:read"}, ExpiresAt: expires})
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						made = append(made, k)
					} else if f := fault.From(err); f.Code != fault.CodeAPIKeyLimitReached || f.Details["max"] != int64(apikey.MaxLive) {
						t.Errorf("%v %+v", err, f)
					}
				})
			}
			wg.Wait()
			return made
		}
		made := at(one, 25, &until)
		if len(made) != apikey.MaxLive {
			t.Fatalf("%d keys", len(made))
		}
		if other := at(two, 1, nil); len(other) != 1 {
			t.Error("another organization's keys count")
		}
		for range 2 { // the second revocation frees nothing
			if _, err := s.Revoke(t.Context(), by, one, made[0].ID); err != nil {
				t.Fatal(err)
			}
		}
		if more := at(one, 5, nil); len(more) != 1 {
			t.Errorf("%d after one revocation", len(more))
		}
		now.add(time.Hour)
		if more := at(one, 20, nil); len(more) != 9 {
			t.Errorf("%d after nine keys expired", len(more))
		}
		all, more, err := s.List(t.Context(), one, apikey.Page{First: 15})
		if err != nil || len(all) != 15 || !more {
			t.Fatalf("%d, %v, %v", len(all), more, err)
		}
		rest, more, err := s.List(t.Context(), one, apikey.Page{First: 15, After: all[14].ID})
		if err != nil || len(rest) != 5 || more || rest[0].ID >= all[14].ID {
			t.Errorf("%d, %v, %v", len(rest), more, err)
		}
	})
}

// Many calls are one write a minute, and the last one is not lost.
func TestLastUse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, now := newService(t, db)
		k := create(t, s, one, nil)
		ctx, stop := context.WithCancel(t.Context())
		worker := s.Worker()
		var wg sync.WaitGroup
		wg.Go(func() { worker.Run(ctx) })
		use := func(from string) {
			t.Helper()
			if _, err := s.Authenticate(t.Context(), k.Token, from); err != nil {
				t.Fatal(err)
			}
		}
		stored := func() (int64, string) {
			t.Helper()
			row, err := db.Read().GetAPIKey(t.Context(), query.GetAPIKeyParams{ID: k.ID, OrganizationID: one})
			if err != nil {
				t.Fatal(err)
			}
			return row.LastUsedAt.Int64, row.LastUsedFrom
		}
		shown := func(at time.Time, from string) {
			t.Helper()
			got, err := s.Get(t.Context(), one, k.ID)
			if err != nil || got.LastUsedAt == nil || !got.LastUsedAt.Equal(at) || *got.LastUsedFrom != from {
				t.Errorf("%+v, %v, want %s from %s", got, err, at, from)
			}
		}
		first := now.now()
		use("192.0.2.1")
		shown(first, "192.0.2.1")
		for at, _ := stored(); at == 0; at, _ = stored() { // the worker was woken
			if t.Context().Err() != nil {
				t.Fatal("the first use was not written")
			}
		}
		before := db.Counts().Transactions
		for range 100 {
			now.add(100 * time.Millisecond)
			use("192.0.2.2")
		}
		if wrote := db.Counts().Transactions - before; wrote > 1 { // the first use's commit may be counted here
			t.Errorf("%d writes for 100 calls", wrote)
		}
		if at, from := stored(); at != store.Micros(first) || from != "192.0.2.1" {
			t.Errorf("stored: %d from %s", at, from)
		}
		shown(now.now(), "192.0.2.2")
		stop()
		wg.Wait()
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		last := now.now()
		if at, from := stored(); at != store.Micros(last) || from != "192.0.2.2" {
			t.Errorf("stored after the end: %d from %s", at, from)
		}
		// An earlier use that another process writes later changes nothing.
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			return tx.UseAPIKey(t.Context(), query.UseAPIKeyParams{ID: k.ID, UsedAt: store.Micros(first), UsedFrom: "192.0.2.3"})
		}); err != nil {
			t.Fatal(err)
		}
		shown(last, "192.0.2.2")
		// A failed write is repeated.
		now.add(time.Second)
		use("192.0.2.4")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Flush(gone); err == nil {
			t.Error("a write without a database")
		}
		shown(now.now(), "192.0.2.4")
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if at, _ := stored(); at != store.Micros(now.now()) {
			t.Error("the failed write was not repeated")
		}
	})
}
