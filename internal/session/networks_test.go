package session_test

import (
	"errors"
	"fmt"
	"math/big"
	"testing"

	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// A server refuses sessions for a network that it does not serve, also those that it minted
// when it still served it.
func TestNetworksOfTheServer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHouse(t, db)
		ctx := t.Context()
		token := h.mint()
		if _, err := h.Authorize(ctx, "Bearer "+token, h.keys.SiteKey, site); err != nil {
			t.Fatal(err)
		}
		h.Networks = network.InfosOf([]network.Address{{Name: network.Mainnet, URL: "log:"}})
		_, err := h.Authorize(ctx, "Bearer "+token, h.keys.SiteKey, site)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.CodeSessionInvalidToken || f.Details["reason"] != "network" {
			t.Errorf("a token for a network that is not served: %v", err)
		}
		_, err = h.mints(h.request())
		if !errors.As(err, &f) {
			t.Fatal(err)
		}
		if fields, _ := f.Details["fields"].([]fault.Field); f.Code != fault.CodeCommonValidationFailed || len(fields) != 1 || fields[0].Message != "Must be mainnet." {
			t.Errorf("%v", err)
		}
		h.Networks = nil // every network of the wire contract
		if _, err := h.Authorize(ctx, "Bearer "+token, h.keys.SiteKey, site); err != nil {
			t.Error(err)
		}
	})
}

func TestMinimum(t *testing.T) {
	t.Parallel()
	least := session.Minimum(map[network.Name]credits.Prices{network.Testnet: credits.TestnetPrices(), network.Mainnet: credits.MainnetPrices()})
	for _, c := range []struct {
		action session.Action
		on     network.Name
		want   int64
	}{
		{session.Register, network.Mainnet, 87}, {session.UpdateVersion, network.Mainnet, 34}, {session.Access, network.Mainnet, 0},
		{session.Register, network.Testnet, 0}, {session.Register, "devnet", 0},
	} {
		if got := least(c.action, c.on); got != c.want {
			t.Errorf("%s on %s: %d, want %d", c.action, c.on, got, c.want)
		}
	}
}

// Where the network fee follows a chain, a session needs the credits for the highest one. Then
// every quote of the smallest registration is covered. One credit less is refused.
func TestMinimumFollowsAChain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		prices, err := credits.ParsePrices("token=25,network-most=40", credits.MainnetPrices())
		if err != nil {
			t.Fatal(err)
		}
		h := newHouse(t, db)
		h.MinimumCredits = session.Minimum(map[network.Name]credits.Prices{network.Mainnet: prices})
		huge := new(big.Int).Lsh(big.NewInt(1), 127)
		for i, c := range []struct {
			action session.Action
			quote  credits.Quote
			want   int64
		}{
			{session.Register, prices.Following(huge, 12).Register(1), 116},
			{session.UpdateVersion, prices.Following(huge, 12).Update(0), 63},
		} {
			if c.quote.Total != c.want || h.MinimumCredits(c.action, network.Mainnet) != c.want {
				t.Fatalf("the quote has %d, the minimum is %d, want %d", c.quote.Total, h.MinimumCredits(c.action, network.Mainnet), c.want)
			}
			r := h.request()
			r.Action, r.Network = c.action, network.Mainnet
			job := fmt.Sprint("job ", i)
			left := func(n int64) {
				h.must(db.Tx(t.Context(), func(tx *store.Tx) error {
					available, err := credits.Available(t.Context(), db.Read(), h.org)
					if err != nil {
						return err
					}
					return credits.Hold(t.Context(), tx, h.org, job, available-n)
				}))
			}
			left(c.want)
			if _, err := h.mints(r); err != nil {
				t.Errorf("%s with %d credits: %v", c.action, c.want, err)
			}
			job += " and one more"
			left(c.want - 1)
			if _, err := h.mints(r); !errors.Is(err, fault.CodeRegistrationInsufficientCredits) {
				t.Errorf("%s with %d credits: %v", c.action, c.want-1, err)
			}
		}
	})
}
