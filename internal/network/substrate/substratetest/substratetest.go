// Package substratetest gives tests a chain on which a registry can anchor: its accounts have
// funds, and somebody else has registered the chain's first work. It is for tests only, and
// reaches no other chain.
package substratetest

import (
	"testing"

	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/sr25519"
)

// Funds is what each account of the seed has at the beginning.
const Funds = 10_000 * node.Coin

// Start runs a chain on which the first accounts of a seed have funds. Options.Endowed adds
// others, or other amounts.
func Start(t testing.TB, seed [sr25519.SeedSize]byte, accounts int, o node.Options) *node.Node {
	t.Helper()
	other, err := sr25519.Named(seed, "somebody else")
	if err != nil {
		t.Fatal(err)
	}
	funds := map[node.Account]uint64{node.Account(other.Public()): 100 * node.Coin}
	for i := range accounts {
		funds[Account(t, seed, i)] = Funds
	}
	for a, amount := range o.Endowed {
		funds[a] = amount
	}
	o.Endowed = funds
	c := node.Start(t, o)
	Submit(t, c, other, 0)
	if !o.Auto {
		c.Step(1)
	}
	if len(c.Works()) != 1 {
		t.Fatal("the first work was not registered")
	}
	return c
}

// Account returns the account of a seed with a number.
func Account(t testing.TB, seed [sr25519.SeedSize]byte, number int) node.Account {
	t.Helper()
	p, err := sr25519.Numbered(seed, uint64(number))
	if err != nil {
		t.Fatal(err)
	}
	return node.Account(p.Public())
}

// Submit sends the registration of a work beside a registry.
func Submit(t testing.TB, c *node.Node, by sr25519.Pair, nonce uint64) {
	t.Helper()
	client, m := connect(t, c.URL)
	submit(t, client, m, by, nonce)
}

// Call sends a call of the pallet beside a registry, such as revoke with the bytes of a work's number.
func Call(t testing.TB, c *node.Node, by sr25519.Pair, nonce uint64, name string, arguments []byte) {
	t.Helper()
	client, m := connect(t, c.URL)
	send(t, client, m, by, nonce, name, arguments)
}

// connect opens a connection to a node for the length of the test, and reads its metadata.
func connect(t testing.TB, url string) (*rpc.Client, *metadata.Metadata) {
	t.Helper()
	client := rpc.New(rpc.Config{Endpoints: []string{url}})
	t.Cleanup(client.Close)
	described, err := client.Bytes(t.Context(), "state_getMetadata")
	if err != nil {
		t.Fatal(err)
	}
	m, err := metadata.Parse(described)
	if err != nil {
		t.Fatal(err)
	}
	return client, m
}

func submit(t testing.TB, client *rpc.Client, m *metadata.Metadata, by sr25519.Pair, nonce uint64) {
	t.Helper()
	send(t, client, m, by, nonce, "create", append(make([]byte, 30), 9, byte(nonce), 1))
}

func send(t testing.TB, client *rpc.Client, m *metadata.Metadata, by sr25519.Pair, nonce uint64, name string, arguments []byte) {
	t.Helper()
	var version struct{ SpecVersion, TransactionVersion uint32 }
	if err := client.Call(t.Context(), &version, "state_getRuntimeVersion"); err != nil {
		t.Fatal(err)
	}
	genesis, err := client.Bytes(t.Context(), "chain_getBlockHash", 0)
	if err != nil {
		t.Fatal(err)
	}
	call, _, err := m.Call("Ats", name)
	if err != nil {
		t.Fatal(err)
	}
	call = append(call, arguments...)
	signing := extrinsic.Chain{Genesis: [32]byte(genesis), SpecVersion: version.SpecVersion, TransactionVersion: version.TransactionVersion, Metadata: m}
	x, err := signing.Sign(by, call, extrinsic.Era{Period: 64, Hash: [32]byte(genesis)}, nonce)
	if err != nil {
		t.Fatal(err)
	}
	var hash string
	if err := client.Call(t.Context(), &hash, "author_submitExtrinsic", rpc.Hex(x)); err != nil {
		t.Fatal(err)
	}
}
