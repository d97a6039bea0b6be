package session_test

import (
	"errors"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// reason returns the detail "reason" of a refusal.
func reason(err error) any {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Details["reason"]
	}
	return nil
}

func (h *house) authorize(token string, k account.KeyPair) error {
	_, err := h.Authorize(h.t.Context(), "Bearer "+token, k.SiteKey, site)
	return err
}

// revokes checks the backend, and ends sessions.
func (h *house) revokes(secretKey string, r session.RevokeRequest) (int64, error) {
	by, err := h.Revoker(h.t.Context(), secretKey)
	if err != nil {
		return 0, err
	}
	return h.RevokeOwn(h.t.Context(), by, r)
}

// Each way of selecting sessions ends exactly those, at once.
func TestRevoke(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		second, err := account.CreateKeys(ctx, db, audit.CommandLine(), h.org, "", false)
		h.must(err)
		_, stranger := h.organization("Strangers")
		type one struct {
			token string
			keys  account.KeyPair
		}
		mint := func(k account.KeyPair, ref *string) one {
			t.Helper()
			r := h.request()
			r.secretKey, r.ExternalUserRef = k.SecretKey, ref
			token, err := h.mints(r)
			h.must(err)
			return one{token, k}
		}
		ada, ben := ptr("ada"), ptr("ben")
		for name, c := range map[string]struct {
			revoke func(all []one) (int64, error)
			ended  []int
		}{
			"by id": {func(all []one) (int64, error) {
				return session.Revoke(ctx, db, session.Which{ID: session.TokenID(all[0].token)})
			}, []int{0}},
			"by end-user": {func([]one) (int64, error) {
				return session.Revoke(ctx, db, session.Which{Organization: h.org, ExternalUserRef: "ada"})
			}, []int{0, 2}},
			"by key": {func([]one) (int64, error) {
				return session.Revoke(ctx, db, session.Which{SiteKey: second.SiteKey})
			}, []int{2}},
			"by organization": {func([]one) (int64, error) {
				return session.Revoke(ctx, db, session.Which{Organization: h.org})
			}, []int{0, 1, 2, 3}},
			"by a backend, the token": {func(all []one) (int64, error) {
				return h.revokes(h.keys.SecretKey, session.RevokeRequest{Token: &all[0].token})
			}, []int{0}},
			"by a backend, an end-user of its key pair": {func([]one) (int64, error) {
				return h.revokes(h.keys.SecretKey, session.RevokeRequest{ExternalUserRef: ada})
			}, []int{0}},
			"by a backend, another key pair's": {func(all []one) (int64, error) {
				return h.revokes(second.SecretKey, session.RevokeRequest{ID: ptr(session.TokenID(all[0].token))})
			}, nil},
			"by a backend, another organization's": {func(all []one) (int64, error) {
				return h.revokes(stranger.SecretKey, session.RevokeRequest{Token: &all[0].token})
			}, nil},
		} {
			all := []one{mint(h.keys, ada), mint(h.keys, ben), mint(second, ada), mint(h.keys, nil), mint(stranger, ada)}
			n, err := c.revoke(all)
			if err != nil || n != int64(len(c.ended)) {
				t.Errorf("%s: %d ended, %v; want %d", name, n, err, len(c.ended))
			}
			for i, s := range all {
				ended := false
				for _, e := range c.ended {
					ended = ended || e == i
				}
				if err := h.authorize(s.token, s.keys); ended != errors.Is(err, fault.CodeSessionInvalidToken) || ended && reason(err) != "revoked" {
					t.Errorf("%s: session %d: %v", name, i, err)
				}
			}
			if n, err := c.revoke(all); err != nil || n != 0 {
				t.Errorf("%s, again: %d ended, %v", name, n, err)
			}
			_, err = session.Revoke(ctx, db, session.Which{Organization: h.org})
			h.must(err)
		}
		if _, err := session.Revoke(ctx, db, session.Which{}); err == nil {
			t.Error("nothing was named, and that was no error")
		}
		for name, r := range map[string]session.RevokeRequest{
			"nothing":    {},
			"two":        {ID: ptr("x"), ExternalUserRef: ada},
			"no token":   {Token: ptr("x")},
			"empty ones": {ID: ptr(""), ExternalUserRef: ptr("")},
		} {
			if _, err := h.revokes(h.keys.SecretKey, r); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := h.revokes(h.keys.SiteKey, session.RevokeRequest{ID: ptr("x")}); !errors.Is(err, fault.CodeCommonAuthInvalidAPIKey) {
			t.Errorf("without the secret key: %v", err)
		}
		// After a stolen key was disabled, its sessions can still be ended.
		s := mint(h.keys, ada)
		h.must(account.EnableKey(ctx, db, audit.CommandLine(), h.org, h.keys.SiteKey, false))
		if n, err := h.revokes(h.keys.SecretKey, session.RevokeRequest{Token: &s.token}); err != nil || n != 1 {
			t.Errorf("with a key that is switched off: %d, %v", n, err)
		}
	})
}

// A token without a row is invalid, also with a valid signature. A row outlives every key
// that verifies its token.
func TestTokenWithoutRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		now := h.at.now()
		token := h.mint()
		claims, err := h.Tokens.Verify(token)
		h.must(err)
		forge := func(change func(*session.Claims)) string {
			c := claims
			c.ID = "0198c0de-0000-7000-8000-000000000001"
			change(&c)
			token, err := h.Tokens.Sign(c)
			h.must(err)
			return token
		}
		for name, c := range map[string]struct {
			token, reason string
			code          fault.Code
		}{
			"made with the signing key alone": {forge(func(*session.Claims) {}), "unknown", fault.CodeSessionInvalidToken},
			"without an id":                   {forge(func(c *session.Claims) { c.ID = "" }), "unknown", fault.CodeSessionInvalidToken},
			"expired and forgotten":           {forge(func(c *session.Claims) { c.Expires = now }), "", fault.CodeCommonAuthExpired},
		} {
			if err := h.authorize(c.token, h.keys); !errors.Is(err, c.code) || c.reason != "" && reason(err) != c.reason {
				t.Errorf("%s: %v, want %s %s", name, err, c.code, c.reason)
			}
		}
		// A key pair cannot end the sessions of another key pair.
		second, err := account.CreateKeys(t.Context(), db, audit.CommandLine(), h.org, "", false)
		h.must(err)
		r := h.request()
		r.secretKey = second.SecretKey
		other, err := h.mints(r)
		h.must(err)
		if err := h.authorize(forge(func(c *session.Claims) { c.ID = session.TokenID(other) }), h.keys); reason(err) != "unknown" {
			t.Errorf("with the id of another key pair's session: %v", err)
		}
		// The row has what was minted, and nothing that only the signed token claims.
		for name, change := range map[string]func(*session.Claims){
			"another action":   func(c *session.Claims) { c.Action = session.Access },
			"another network":  func(c *session.Claims) { c.Network = network.Mainnet },
			"another end-user": func(c *session.Claims) { c.ExternalUserRef += "x" },
		} {
			if err := h.authorize(forge(func(c *session.Claims) { c.ID = claims.ID; change(c) }), h.keys); !errors.Is(err, fault.CodeSessionInvalidToken) || reason(err) != "unknown" {
				t.Errorf("with the id of a session, for %s: %v", name, err)
			}
		}
		if err := h.authorize(forge(func(c *session.Claims) { c.ID = claims.ID }), h.keys); err != nil {
			t.Errorf("as it was minted: %v", err)
		}
		h.at.at = h.at.at.Add(26 * time.Hour)
		_, err = h.Sweep(t.Context())
		h.must(err)
		if _, err := h.Tokens.Verify(token); err != nil {
			t.Errorf("its key is to verify still: %v", err)
		}
		if err := h.authorize(token, h.keys); !errors.Is(err, fault.CodeCommonAuthExpired) {
			t.Errorf("swept: %v", err)
		}
		if _, err := db.Read().GetSession(t.Context(), claims.ID); err == nil {
			t.Error("the row is never swept")
		}
	})
}

// A test key mints for the test network only, and spends no credits. A token for another
// network from before that rule allows nothing.
func TestTestKeyMintsForTestnetOnly(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		keys, err := account.CreateKeys(ctx, db, audit.CommandLine(), h.org, "", true)
		h.must(err)
		h.MinimumCredits = func(session.Action, network.Name) int64 { return 5000 } // more than the balance
		for _, action := range []session.Action{session.Register, session.UpdateVersion, session.Access} {
			r := h.request()
			r.secretKey, r.Action, r.Network = keys.SecretKey, action, network.Mainnet
			_, err := h.mints(r)
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != fault.CodeCommonValidationFailed {
				t.Fatalf("%s on mainnet: %v", action, err)
			}
			if fields, _ := f.Details["fields"].([]fault.Field); len(fields) != 1 || fields[0].Field != "allowed_network" || fields[0].Rule != "test_key" {
				t.Errorf("%s on mainnet: %v", action, f.Details)
			}
			r.Network = network.Testnet
			token, err := h.mints(r)
			if err != nil {
				t.Fatalf("%s on testnet, without credits: %v", action, err)
			}
			c, err := h.Authorize(ctx, "Bearer "+token, keys.SiteKey, site)
			if err != nil || !c.Test {
				t.Errorf("%s: %+v, %v", action, c, err)
			}
			claims, err := h.Tokens.Verify(token)
			h.must(err)
			claims.Network = network.Mainnet
			old, err := h.Tokens.Sign(claims)
			h.must(err)
			if err := h.authorize(old, keys); !errors.Is(err, fault.CodeSessionInvalidToken) || reason(err) != "network" {
				t.Errorf("a token of before, for mainnet: %v", err)
			}
		}
	})
}
