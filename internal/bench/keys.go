package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/store"
)

// benchKeys measures calls by API key against the same calls by session token: a list of one
// end-user's works, and a work that is not there, which costs little more than the caller's
// check.
func benchKeys(ctx context.Context, b *bench) error {
	return b.onEach(ctx, "keys", func(s *server, engine string) error {
		db, err := store.Open(ctx, s.DatabaseURL)
		if err != nil {
			return err
		}
		defer db.Close()
		keys := &apikey.Service{DB: db, MaxFileSize: 500 * mib}
		key, err := keys.Create(ctx, audit.CommandLine(), s.Org, apikey.Request{Name: "bench", Scopes: []string{"works:register", "works:read"}})
		if err != nil {
			return err
		}
		c := s.client("testnet")
		c.user = "bench"
		for range 5 {
			transaction, err := c.registerWith(ctx, key.Token, wav(4<<10))
			if err == nil {
				err = c.final(ctx, transaction)
			}
			if err != nil {
				return err
			}
		}
		var minted struct{ Token string }
		if err := c.call(ctx, "/v1/sessions", "", map[string]string{"secret_key": c.SecretKey, "action_type": "access", "allowed_network": c.network, "external_user_ref": c.user}, &minted); err != nil {
			return err
		}
		turn, rounds := sized(b, 2*time.Second, 200*time.Millisecond), sized(b, 9, 1)
		for _, call := range []struct {
			what, path, query string
			status            int
		}{
			{"a list of 5 works by API key", "/v1/works", "&external_user_ref=" + c.user, http.StatusOK},
			{"a missing work by API key", "/v1/works/999999999", "", http.StatusNotFound},
		} {
			each := func(token, query string) func() (float64, error) {
				return func() (float64, error) {
					perSecond, err := rate(ctx, clients, turn, func(ctx context.Context, _ int) error {
						return c.read(ctx, call.path+"?network=testnet"+query, token, call.status)
					})
					return clients / perSecond * 1000, err
				}
			}
			o, f, ratio, err := pairs(rounds, each(key.Token, call.query), each(minted.Token, ""))
			if err != nil {
				return fmt.Errorf("%s: %w", call.what, err)
			}
			b.add(row{What: call.what + ", " + engine, Unit: "ms", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtMost(1.1), Note: "16 clients; floor: the same call by session token"})
		}
		return nil
	})
}

// read makes a GET and checks the status of its answer.
func (c *client) read(ctx context.Context, path, token string, status int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if !apikey.Like(token) {
		req.Header.Set("X-Site-Key", c.SiteKey)
		req.Header.Set("Origin", origin)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(new(json.RawMessage)); err != nil {
		return err
	}
	if res.StatusCode != status {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return nil
}
