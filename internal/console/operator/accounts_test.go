package operator_test

import (
	"context"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"timbre.example/internal/console/operator"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/people"
	"timbre.example/internal/store/storetest"
)

// paid is a network with accounts.
type paid struct {
	network.Network
	accounts []network.Account
}

func (p paid) Accounts(context.Context) ([]network.Account, error) { return p.accounts, nil }
func (p paid) Fees(context.Context) (network.Fees, error)          { return network.Fees{}, nil }

var _ network.Funded = paid{}

func site(t *testing.T, networks ...network.Network) *shelltest.Site {
	t.Helper()
	db := storetest.SQLite(t)
	persons, err := people.New(people.Config{DB: db, Key: make([]byte, 32), URL: shelltest.PublicURL})
	if err != nil {
		t.Fatal(err)
	}
	return shelltest.OpenPeople(t, db, persons, operator.Area(db, persons, networks))
}

// The page warns about accounts that cannot pay, and about those that are full.
func TestAccounts(t *testing.T) {
	t.Parallel()
	decimals := 12
	token := network.Token{Symbol: "MEL", Decimals: &decimals}
	huge := new(big.Int).Exp(big.NewInt(10), big.NewInt(30), nil)
	good := network.Account{Address: "5Fgood", Free: network.Amount{Units: big.NewInt(9_985_250_000_000_000), Token: token}, Reserved: network.Amount{Units: big.NewInt(11_000_000_000_000), Token: token}, Works: 1, Capacity: 1000, Open: 2}
	low := network.Account{Address: "5Flow", Free: network.Amount{Units: huge}, Works: 7, Capacity: 1000, Low: true}
	full := network.Account{Address: "5Ffull", Works: 1000, Capacity: 1000, Low: true}
	const isLow, isFull, none = "An account cannot pay for another work.", "as many works as the chain allows", "No worker has reached this chain yet."
	for name, c := range map[string]struct {
		accounts []network.Account
		want     []string
		not      []string
	}{
		"good": {[]network.Account{good}, []string{"5Fgood", `<bdi>9,985.25` + "\u00a0" + `MEL</bdi>`, `<bdi>11` + "\u00a0" + `MEL</bdi>`, "1 of 1,000", "can pay"}, []string{isLow, isFull, none}},
		"low":  {[]network.Account{good, low}, []string{"5Flow", isLow, "Send funds to its address", "too low", "1,000,000,000,000,000,000,000,000,000,000 of the smallest unit"}, []string{isFull}},
		"full": {[]network.Account{full}, []string{"5Ffull", isFull, "--substrate-accounts"}, []string{isLow, "too low"}},
		"none": {nil, []string{none}, []string{isLow, isFull}},
	} {
		a := site(t, paid{networktest.New(network.Mainnet), c.accounts}).As(shelltest.Operator).Get("/operator/accounts")
		for _, want := range append(c.want, "Main network", "Accounts on chains") {
			if a.Status != http.StatusOK || !strings.Contains(a.Body, want) {
				t.Errorf("%s: %d, no %q in\n%s", name, a.Status, want, a.Body)
			}
		}
		for _, not := range c.not {
			if strings.Contains(a.Body, not) {
				t.Errorf("%s: %q in\n%s", name, not, a.Body)
			}
		}
	}
	// Without such a network, there is no page, and no link to it.
	s := site(t, networktest.New(network.Mainnet)).As(shelltest.Operator)
	if a := s.Get("/operator/accounts"); a.Status != http.StatusNotFound {
		t.Errorf("%d", a.Status)
	}
	if a := s.Get("/operator/organizations"); a.Status != http.StatusOK || strings.Contains(a.Body, "Accounts on chains") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
