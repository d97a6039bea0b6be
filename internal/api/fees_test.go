package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"

	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// charging is a network whose fee tests change. Another version costs half of it.
type charging struct {
	network.Network
	fee *atomic.Pointer[big.Int]
	err *atomic.Pointer[error]
}

func (c charging) Fee(_ context.Context, update bool) (network.Fee, error) {
	if err := c.err.Load(); err != nil {
		return network.Fee{}, *err
	}
	fee := c.fee.Load()
	if fee != nil && update {
		fee = new(big.Int).Rsh(fee, 1)
	}
	return network.Fee{Amount: fee, Decimals: 12}, nil
}

// A quote has the fee that the chain takes while it is made. It stays what it is, and confirm
// takes nothing else.
func TestFeeBetweenQuoteAndConfirm(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var fee atomic.Pointer[big.Int]
		var fails atomic.Pointer[error]
		prices, err := credits.ParsePrices("token=25,network-most=40", credits.TestnetPrices())
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, db, options{
			networks: func(n network.Network) network.Network { return charging{n, &fee, &fails} },
			prices:   map[network.Name]credits.Prices{network.Testnet: prices, network.Mainnet: credits.MainnetPrices()},
		})
		w.work()
		quote := func(a answer) int64 {
			t.Helper()
			var q struct {
				Fee   int64 `json:"network_fee_credits"`
				Total int64 `json:"total_price_credits"`
			}
			if err := json.Unmarshal(a.body, &q); err != nil || a.status != 200 || q.Fee != q.Total {
				t.Fatalf("%v: %s", err, a.body)
			}
			return q.Fee
		}
		held := func(want int64) {
			t.Helper()
			if b := w.balance(); b.Held+b.Spent != want {
				t.Fatalf("%+v, want %d", b, want)
			}
		}
		b := w.mint(nil)
		job := b.prepared("Toll", nil)
		prepare := func() int64 { return quote(b.post("/v1/works/prepare", map[string]string{"job_id": job})) }
		if got := prepare(); got != 0 {
			t.Errorf("a fee that is not known: %d, want the fixed fee", got)
		}
		for _, c := range []struct {
			fee  string
			want int64
		}{{"1", 1}, {"80000000000", 2}, {"1600000000001", 40}, {"340282366920938463463374607431768211455", 40}, {"120000000001", 4}} {
			v, _ := new(big.Int).SetString(c.fee, 10)
			fee.Store(v)
			if got := prepare(); got != c.want {
				t.Errorf("%s: %d, want %d", c.fee, got, c.want)
			}
		}
		away := errors.New("the database does not answer")
		fails.Store(&away)
		if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.status < 500 || a.code == fault.CodeRegistrationDryRunFailed {
			t.Errorf("without an answer: %s", a.body)
		}
		fails.Store(nil)
		held(0)
		fee.Store(big.NewInt(1_000_000_000_000)) // after the quote of 4
		a := b.post("/v1/works/confirm", map[string]string{"job_id": job})
		if a.code != "" {
			t.Fatalf("confirm: %s", a.body)
		}
		held(4)
		code := w.done(a.get("transaction_id")).Done.AccessCode
		if held(4); w.balance().Spent != 4 {
			t.Errorf("%+v", w.balance())
		}

		// Another version has its own fee.
		b = w.mint(forUpdate)
		at := "/v1/access/" + code + "/versions/"
		other := creator()
		other["full_name"] = "Ben Example"
		a = b.post(at+"init", map[string]any{"creators": []any{other}})
		id := map[string]string{"job_id": a.get("job_id")}
		if got := quote(b.post(at+"prepare", id)); got != 13 {
			t.Errorf("another version: %d, want 13", got)
		}
		fee.Store(big.NewInt(0))
		a = b.post(at+"confirm", id)
		if a.code != "" {
			t.Fatalf("confirm: %s", a.body)
		}
		w.done(a.get("transaction_id"))
		held(17)

		// A network without a rate keeps its fixed fee.
		fee.Store(big.NewInt(1_000_000_000_000))
		b = w.mint(map[string]any{"allowed_network": "mainnet"})
		job = b.prepared("Toll, again", map[string]any{"network": "mainnet"})
		if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); !strings.Contains(string(a.body), `"network_fee_credits":12`) {
			t.Errorf("%s", a.body)
		}
	})
}
