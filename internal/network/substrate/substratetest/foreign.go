package substratetest

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/network/substrate/storagekey"
)

// Prepare makes the chain of another program ready for tests. It gives funds to the first
// accounts of a seed, by dev_setStorage: only development nodes have that call. It registers the
// chain's first work if that is missing.
func Prepare(t testing.TB, url string, seed [sr25519.SeedSize]byte, accounts int) {
	t.Helper()
	client, m := connect(t, url)
	other, err := sr25519.Named(seed, "somebody else")
	if err != nil {
		t.Fatal(err)
	}
	var set [][2]string
	for i := range accounts {
		set = append(set, funded(t, m, Account(t, seed, i)))
	}
	set = append(set, funded(t, m, node.Account(other.Public())))
	var at any
	if err := client.Call(t.Context(), &at, "dev_setStorage", set); err != nil {
		t.Fatal(err)
	}
	if next(t, client, m) > 0 {
		return
	}
	submit(t, client, m, other, 0)
	for late := time.After(time.Minute); next(t, client, m) == 0; {
		select {
		case <-late:
			t.Fatal("the first work was not registered")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// funded is the entry of System.Account for an account that has sent nothing.
func funded(t testing.TB, m *metadata.Metadata, a node.Account) [2]string {
	t.Helper()
	k, err := storagekey.Key(m, "System", "Account", a[:])
	if err != nil {
		t.Fatal(err)
	}
	amount := new(big.Int).Mul(big.NewInt(1_000_000), new(big.Int).SetUint64(node.Coin))
	value := make([]byte, 4*4+4*16)
	binary.LittleEndian.PutUint32(value[8:], 1) // one provider
	for i, b := range amount.Bytes() {
		value[16+len(amount.Bytes())-1-i] = b
	}
	value[len(value)-1] = 0x80 // the flags of the new logic
	return [2]string{rpc.Hex(k), rpc.Hex(value)}
}

// next is the number of the chain's next work.
func next(t testing.TB, client *rpc.Client, m *metadata.Metadata) uint64 {
	t.Helper()
	b := value(t, client, m, "NextAtsId")
	if len(b) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// value reads an entry of the pallet in the best block. A missing entry is nil.
func value(t testing.TB, client *rpc.Client, m *metadata.Metadata, entry string, keys ...[]byte) []byte {
	t.Helper()
	k, err := storagekey.Key(m, "Ats", entry, keys...)
	if err != nil {
		t.Fatal(err)
	}
	b, err := client.Bytes(t.Context(), "state_getStorage", rpc.Hex(k))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Works reads the chain's works from its storage, in the order of their numbers.
func Works(t testing.TB, url string) (works []node.Work) {
	t.Helper()
	client, m := connect(t, url)
	for id := range next(t, client, m) {
		number := binary.LittleEndian.AppendUint64(nil, id)
		of := value(t, client, m, "AtsRegistry", number)
		if len(of) < 40 {
			t.Fatalf("work %d is not in the chain's storage: %x", id, of)
		}
		w := node.Work{ID: id, Owner: node.Account(of)}
		for v := range binary.LittleEndian.Uint32(of[36:]) {
			b := value(t, client, m, "AtsVersions", number, binary.LittleEndian.AppendUint32(nil, v))
			if len(b) < 37 {
				t.Fatalf("version %d of work %d is not in the chain's storage: %x", v, id, b)
			}
			w.Versions = append(w.Versions, node.Version{Commitment: [32]byte(b), Protocol: b[32], Block: binary.LittleEndian.Uint32(b[33:])})
		}
		works = append(works, w)
	}
	return works
}

// Block reads a block: its hash, and its extrinsics by their own hashes.
func Block(t testing.TB, url string, number int64) (hash string, extrinsics map[string]bool) {
	t.Helper()
	client, _ := connect(t, url)
	if err := client.Call(t.Context(), &hash, "chain_getBlockHash", number); err != nil {
		t.Fatal(err)
	}
	var at struct {
		Block struct{ Extrinsics []string }
	}
	if err := client.Call(t.Context(), &at, "chain_getBlock", hash); err != nil {
		t.Fatal(err)
	}
	extrinsics = map[string]bool{}
	for _, text := range at.Block.Extrinsics {
		b, err := rpc.Unhex(text)
		if err != nil {
			t.Fatal(err)
		}
		extrinsics[fmt.Sprintf("0x%x", extrinsic.Hash(b))] = true
	}
	return hash, extrinsics
}

// Fees reads what a chain took for each transaction of its blocks from one number to another, by
// their hashes: the chain's own events.
func Fees(t testing.TB, url string, from, to int64) map[[32]byte]*big.Int {
	t.Helper()
	client, m := connect(t, url)
	key, err := storagekey.Key(m, "System", "Events")
	if err != nil {
		t.Fatal(err)
	}
	fees := map[[32]byte]*big.Int{}
	for number := from; number <= to; number++ {
		var hash string
		if err := client.Call(t.Context(), &hash, "chain_getBlockHash", number); err != nil {
			t.Fatal(err)
		}
		var at struct {
			Block struct{ Extrinsics []string }
		}
		if err := client.Call(t.Context(), &at, "chain_getBlock", hash); err != nil {
			t.Fatal(err)
		}
		coded, err := client.Bytes(t.Context(), "state_getStorage", rpc.Hex(key), hash)
		if err != nil {
			t.Fatal(err)
		}
		if coded == nil {
			continue // the first block
		}
		events, err := m.Events(coded)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Extrinsic < 0 || e.Extrinsic >= len(at.Block.Extrinsics) || e.Name != "TransactionFeePaid" {
				continue
			}
			b, err := rpc.Unhex(at.Block.Extrinsics[e.Extrinsic])
			if err != nil {
				t.Fatal(err)
			}
			fee, err := e.Value("actual_fee")
			if err != nil {
				t.Fatal(err)
			}
			slices.Reverse(fee)
			fees[extrinsic.Hash(b)] = new(big.Int).SetBytes(fee)
		}
	}
	return fees
}

// Proves says whether a chain gives read proofs.
func Proves(t testing.TB, url string) bool {
	t.Helper()
	client, _ := connect(t, url)
	var hash string
	if err := client.Call(t.Context(), &hash, "chain_getFinalizedHead"); err != nil {
		t.Fatal(err)
	}
	var proof struct{ Proof []string }
	return client.Call(t.Context(), &proof, "state_getReadProof", []string{rpc.Hex([]byte(":extrinsic_index"))}, hash) == nil
}
