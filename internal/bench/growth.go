package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/store"
)

// benchGrowth measures the calls and the pages of the console on a database with many works
// against one with few: one client, calls in turns. A twentieth of the works belongs to one
// end-user, and the organization has a quota. The log holds only what the bench registers.
func benchGrowth(ctx context.Context, b *bench) error {
	few, many := sized(b, 10_000, 100), sized(b, b.many, 500)
	if err := os.Setenv("TIMBRE_TEST_FSYNC", "1"); err != nil {
		return err
	}
	var failed []error
	for _, e := range engines {
		if err := b.growthOn(ctx, e, few, many); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", e.name, err))
		}
	}
	return errors.Join(failed...)
}

func (b *bench) growthOn(ctx context.Context, e engine, few, many int) (err error) {
	sites, done, err := b.sites(ctx, "growth", e, few, many, 1)
	defer func() { err = errors.Join(err, done()) }()
	if err != nil || sites == nil {
		return err
	}
	n := sized(b, 200, 3)
	var names []string
	took := map[string][2][]float64{} // by call: few, many
	var callers []*caller
	for _, s := range sites {
		c, err := newCaller(ctx, s)
		if err != nil {
			return err
		}
		callers = append(callers, c)
	}
	for k := range n + 5 {
		for i, c := range callers {
			for _, one := range c.round(ctx) {
				seconds, err := timed(one.call)
				if err != nil {
					return fmt.Errorf("%s: %w: %s", one.name, err, sites[i].said())
				}
				if k == 0 && i == 0 && one.name != "" {
					names = append(names, one.name)
				}
				if k >= 5 { // before: to warm up
					both := took[one.name]
					both[i] = append(both[i], seconds*1000)
					took[one.name] = both
				}
			}
		}
	}
	for _, name := range names {
		floor, ours := took[name][0], took[name][1]
		b.add(row{
			What: fmt.Sprintf("growth, %s: %s", name, e.name), Unit: "ms", Ours: quantile(ours, 0.99), Floor: quantile(floor, 0.99), Goal: ratioAtMost(1.5),
			Note: fmt.Sprintf("p99; p50 %s and %s ms; %d works, floor: %d", number(median(ours)), number(median(floor)), many, few),
		})
	}
	return b.pagesOf(ctx, e, sites, sized(b, 100, 3))
}

// caller calls one site.
type caller struct {
	*client
	site               *site
	big, small, apiKey string // tokens
	deep               string // a cursor in the middle of the works of the large end-user
	file               []byte
}

// timedCall is one call of a round; without a name it is not reported.
type timedCall struct {
	name string
	call func() error
}

func newCaller(ctx context.Context, s *site) (*caller, error) {
	c := &caller{client: s.client("testnet"), site: s, file: wav(4 << 10)}
	for ref, token := range map[string]*string{"big": &c.big, "user-5": &c.small} {
		var minted struct{ Token string }
		if err := c.call(ctx, "/v1/sessions", "", map[string]string{"secret_key": c.SecretKey, "action_type": "access", "allowed_network": c.network, "external_user_ref": ref}, &minted); err != nil {
			return nil, err
		}
		*token = minted.Token
	}
	db, err := store.Open(ctx, s.DatabaseURL)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	key, err := (&apikey.Service{DB: db, MaxFileSize: 500 * mib}).Create(ctx, audit.CommandLine(), s.Org, apikey.Request{Name: "bench", Scopes: []string{"works:register", "works:read"}})
	if err != nil {
		return nil, err
	}
	c.apiKey = key.Token
	c.deep = s.cursor(s.works / 40 * 20)
	return c, nil
}

// round is every call once. A registration goes on from call to call.
func (c *caller) round(ctx context.Context) []timedCall {
	var (
		token, transaction string
		upload             slot
	)
	get := func(path, token string) func() error {
		return func() error { return c.read(ctx, path, token, http.StatusOK) }
	}
	work := fmt.Sprintf("/v1/works/%d", firstNumber+c.site.works/20*20)
	unique(c.file)
	return []timedCall{
		{"mint", func() (err error) { token, err = c.mint(ctx); return err }},
		{"init", func() (err error) { upload, err = c.init(ctx, token); return err }},
		{"", func() error { return c.put(ctx, upload.URL, strings.NewReader(string(c.file)), int64(len(c.file))) }},
		{"prepare of 4 KB", func() error { return c.prepare(ctx, token, upload.JobID) }},
		{"confirm", func() error {
			var out struct {
				TransactionID string `json:"transaction_id"`
			}
			err := c.call(ctx, "/v1/works/confirm", token, map[string]string{"job_id": upload.JobID}, &out)
			transaction = out.TransactionID
			return err
		}},
		{"a transaction", func() error { return get("/v1/transactions/"+transaction, "")() }},
		{"", func() error { return c.final(ctx, transaction) }},
		{"works of an end-user with ten", get("/v1/works?network=testnet", c.small)},
		{"works of the large end-user", get("/v1/works?network=testnet", c.big)},
		{"works of the large end-user, a page in the middle", get("/v1/works?network=testnet&after="+c.deep, c.big)},
		{"works of the large end-user, a search that many match", get("/v1/works?network=testnet&search=tune4", c.big)},
		{"works of the large end-user, a search that none matches", get("/v1/works?network=testnet&search=zanzibar", c.big)},
		{"a work of the large end-user", get(work, c.big)},
		{"its versions", get(work+"/versions", c.big)},
		{"works of the organization", get("/v1/works?network=testnet", c.apiKey)},
		{"works of the organization, a search that none matches", get("/v1/works?network=testnet&search=zanzibar", c.apiKey)},
		{"stats", get("/v1/stats?network=testnet", "")},
	}
}
