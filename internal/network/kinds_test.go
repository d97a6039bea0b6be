package network_test

import (
	"context"
	"strings"
	"testing"

	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
)

func TestAddress(t *testing.T) {
	for text, want := range map[string]network.Info{
		"testnet=log:":                     {Name: "testnet", Kind: "log", Test: true},
		"mainnet=log:":                     {Name: "mainnet", Kind: "log"},
		"mainnet=substrate:ws://node/?a=b": {Name: "mainnet", Kind: "substrate"},
	} {
		var a network.Address
		if err := a.UnmarshalText([]byte(text)); err != nil || a.Info() != want || a.String() != text {
			t.Errorf("%s: %v, %+v, %s", text, err, a.Info(), a)
		}
	}
	for _, text := range []string{"", "log:", "mainnet", "mainnet=", "=log:", "Mainnet=log:", "devnet=log:"} {
		a := network.Address{Name: "kept"}
		if err := a.UnmarshalText([]byte(text)); err == nil || a.Name != "kept" {
			t.Errorf("%q is accepted: %+v", text, a)
		}
	}
}

func TestInfos(t *testing.T) {
	every := network.Every()
	if got := every.MustBe(); got != "Must be testnet or mainnet." {
		t.Error(got)
	}
	both := network.InfosOf([]network.Address{{Name: "mainnet", URL: "log:"}, {Name: "testnet", URL: "fake:"}})
	if both.First() != network.Testnet || both.String() != "testnet or mainnet" || both.Tests().String() != "testnet" {
		t.Errorf("%+v", both)
	}
	one := network.InfosOf([]network.Address{{Name: "mainnet", URL: "log:"}})
	if one.Has(network.Testnet) || one.First() != network.Mainnet || one.MustBe() != "Must be mainnet." || len(one.Tests()) != 0 {
		t.Errorf("%+v", one)
	}
	if info, ok := one.Get(network.Mainnet); !ok || info != (network.Info{Name: "mainnet", Kind: "log"}) {
		t.Errorf("%+v", info)
	}
	if none := (network.Infos{}); none.First() != "" || none.Has("") {
		t.Error("an empty list has a network")
	}
}

// kept is a kind with a database.
type kept struct {
	networktest.Kind
	begun map[network.Name]bool
}

func (k kept) Begun(_ context.Context, n network.Name) (bool, error) { return k.begun[n], nil }

func TestKinds(t *testing.T) {
	fake := networktest.New(network.Testnet)
	kinds := network.Kinds{"fake": networktest.Kind{network.Testnet: fake}, "kept": kept{begun: map[network.Name]bool{network.Mainnet: true}}}
	n, err := kinds.Open(t.Context(), network.Address{Name: network.Testnet, URL: "fake:"})
	if err != nil || n != network.Network(fake) || n.Info() != (network.Info{Name: "testnet", Kind: "fake", Test: true}) {
		t.Fatalf("%v, %+v", err, n)
	}
	for _, c := range []struct{ name, url, why string }{
		{"testnet", "fake:x", `network testnet: the URL "fake:x" is not "fake:"`},
		{"testnet", "fake", "network testnet: the URL must begin with fake: or kept:"},
		{"testnet", "other:x", "must begin with fake: or kept:"},
		{"mainnet", "fake:", "network mainnet: the test made no network mainnet"},
	} {
		at := network.Address{Name: network.Name(c.name), URL: c.url}
		if _, err := kinds.Open(t.Context(), at); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", at, err)
		}
		if err := kinds.Check(at); (err == nil) != (c.name == "mainnet") {
			t.Errorf("check %s: %v", at, err)
		}
	}
	for _, c := range []struct {
		names []network.Name
		want  bool
	}{{network.Names(), true}, {[]network.Name{network.Testnet}, false}, {nil, false}} {
		if begun, err := kinds.Begun(t.Context(), c.names...); begun != c.want || err != nil {
			t.Errorf("%v begun: %t, %v", c.names, begun, err)
		}
	}
	var found []network.Finding
	for _, url := range []string{"fake:", "other:"} {
		kinds.Examine(t.Context(), network.Address{Name: network.Testnet, URL: url}, func(f network.Finding) { found = append(found, f) })
	}
	if len(found) != 2 || found[0].Err != nil || found[1].Err == nil || found[1].Check != "network testnet" {
		t.Errorf("%+v", found)
	}
}
