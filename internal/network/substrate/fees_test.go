package substrate

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/network/substrate/substratetest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// kept returns the rows of staged transactions.
func kept(t testing.TB, n *Network, staged ...network.Staged) (all []query.SubstrateTransaction) {
	t.Helper()
	for _, s := range staged {
		row, err := n.db.Read().GetSubstrateTransactionByHash(t.Context(), query.GetSubstrateTransactionByHashParams{Network: n.name(), Hash: s.Hash[:]})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}

// gone is what the chain took from the accounts beside deposits.
func gone(t testing.TB, c *node.Node, accounts int) *big.Int {
	t.Helper()
	sum := new(big.Int)
	for i := range accounts {
		b := c.Balance(substratetest.Account(t, seed, i))
		sum.Add(sum, new(big.Int).SetUint64(substratetest.Funds-b.Free-b.Held))
	}
	return sum
}

// chainRow reads the row of the chain.
func chainRow(t testing.TB, n *Network) query.SubstrateChain {
	t.Helper()
	row, err := n.db.Read().GetSubstrateChain(t.Context(), n.name())
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// The fee of each transaction is that of the chain's own event, also of a refused one. The sum is
// what the accounts lost beside deposits.
func TestFeesAreTheChains(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := node.Options{Runtime: node.Melodie()}
		o.Runtime.Rules.MaxVersionsPerAts = 2
		c := start(t, o)
		n := open(t, db, c)
		if fees, err := n.Fees(t.Context()); err != nil || fees != (network.Fees{}) {
			t.Errorf("before the first block: %+v, %v", fees, err)
		}
		steps(t, n)
		staged := stage(t, n, calls(5)...)
		broadcast(t, n, staged...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		update, full := call(5), call(6) // the second one is a version too many
		update.AtsID, full.AtsID = 1, 1
		staged = append(staged, stage(t, n, update, full)...)
		broadcast(t, n, staged[5:]...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		if r := find(t, n, staged...); r[5].Failure != "" || r[6].Failure == "" {
			t.Fatalf("%+v", r)
		}
		chain := substratetest.Fees(t, c.URL, 0, int64(c.Final()))
		sum := new(big.Int)
		for i, row := range kept(t, n, staged...) {
			want := chain[[32]byte(row.SignedHash)]
			if want == nil || row.Fee != want.String() || row.Tip != "0" || amount(row.Fee).Sign() <= 0 {
				t.Errorf("transaction %d: fee %q, tip %q, the chain's %v", i, row.Fee, row.Tip, want)
			}
			sum.Add(sum, amount(row.Fee))
		}
		row := chainRow(t, n)
		if took := gone(t, c, 2); row.Fees != sum.String() || took.Cmp(sum) != 0 || row.LastFee != kept(t, n, staged[6])[0].Fee {
			t.Errorf("fees %s, newest %s, rows %s, the accounts lost %s", row.Fees, row.LastFee, sum, took)
		}
		if fees, err := n.Fees(t.Context()); err != nil || fees.Total.Units.String() != sum.String() || fees.Last.Units.String() != row.LastFee || !strings.HasSuffix(fees.Total.String(), " MEL") {
			t.Errorf("%+v, %v", fees, err)
		}
	})
}

// A refusal whose call is signed again by another account costs a fee, which is in the sum.
func TestFeesOfFullAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := node.Options{Runtime: node.Melodie()}
		o.Runtime.Rules.MaxAtsPerAccount = 3
		c := start(t, o)
		n := open(t, db, c, func(c *Config) { c.Signer = keys(t, 1) })
		steps(t, n)
		staged := stage(t, n, calls(3)...) // with the nonces 0, 1 and 2
		// Another program registers two works in one transaction, with the nonce of the second.
		rt := n.current.Load()
		batch, _, err := rt.metadata.Call("Utility", "batch_all")
		if err != nil {
			t.Fatal(err)
		}
		one, err := rt.call(0, [32]byte{7}, 1)
		if err != nil {
			t.Fatal(err)
		}
		at := chainRow(t, n)
		x, err := n.signBy(t.Context(), rt, [32]byte(at.Genesis), n.accounts[0], append(scale.AppendCompact(batch, 2), append(one, one...)...),
			extrinsic.Era{Period: 64, Born: uint64(at.Number), Hash: [32]byte(at.Hash)}, 1)
		if err != nil {
			t.Fatal(err)
		}
		var hash string
		if err := n.chain.client.Call(t.Context(), &hash, "author_submitExtrinsic", rpc.Hex(x)); err != nil {
			t.Fatal(err)
		}
		broadcast(t, n, staged[0], staged[2])
		steps(t, n)
		c.Step(1)
		steps(t, n)
		foreign := substratetest.Fees(t, c.URL, 0, int64(c.Final()))[extrinsic.Hash(x)]
		if foreign == nil || len(c.Works()) != 4 {
			t.Fatalf("the chain has %d works", len(c.Works()))
		}
		if row := kept(t, n, staged[2])[0]; row.DecidedAt != 0 || row.Fee != "" {
			t.Fatalf("%+v", row)
		}
		if row, want := chainRow(t, n), new(big.Int).Sub(gone(t, c, 1), foreign); row.Fees != want.String() || row.Failures != 0 {
			t.Errorf("fees %s, want %s; failures %d", row.Fees, want, row.Failures)
		}
		more := open(t, db, c, func(c *Config) { c.Signer = keys(t, 2) })
		for range 3 {
			later(db, time.Minute)
			steps(t, more)
			c.Step(1)
		}
		steps(t, more)
		find(t, more, staged[0], staged[2])
		if row, want := chainRow(t, more), new(big.Int).Sub(gone(t, c, 2), foreign); row.Fees != want.String() {
			t.Errorf("fees %s, want %s", row.Fees, want)
		}
	})
}

// An event in another form, and one of another extrinsic, say nothing.
func TestPaidFor(t *testing.T) {
	value := func(name string, b ...byte) metadata.Value {
		return metadata.Value{Field: metadata.Field{Name: name}, Bytes: b}
	}
	u128 := func(v uint64) []byte { return append(binary.LittleEndian.AppendUint64(nil, v), make([]byte, 8)...) }
	event := func(at int, pallet, name string, values ...metadata.Value) metadata.Event {
		return metadata.Event{Extrinsic: at, Pallet: pallet, Name: name, Values: values}
	}
	const of, name = "TransactionPayment", "TransactionFeePaid"
	fee, tip := value("actual_fee", u128(900)...), value("tip", u128(7)...)
	for _, x := range []struct {
		events   []metadata.Event
		fee, tip string
	}{
		{nil, "", ""},
		{[]metadata.Event{event(2, of, name, fee, tip)}, "", ""},
		{[]metadata.Event{event(-1, of, name, fee, tip)}, "", ""},
		{[]metadata.Event{event(3, "Balances", name, fee, tip)}, "", ""},
		{[]metadata.Event{event(3, of, "Another", fee, tip)}, "", ""},
		{[]metadata.Event{event(2, of, name, value("actual_fee", u128(1)...), tip), event(3, of, name, fee, tip)}, "900", "7"},
		{[]metadata.Event{event(3, of, name, value("fee", u128(1)...), tip)}, "", "7"},
		{[]metadata.Event{event(3, of, name, value("actual_fee", 1, 2), tip)}, "", "7"},
		{[]metadata.Event{event(3, of, name, fee)}, "900", ""},
		{[]metadata.Event{event(3, of, name, value("actual_fee", slices.Repeat([]byte{255}, 16)...), tip)}, "340282366920938463463374607431768211455", "7"},
	} {
		if p := paidFor(x.events, 3); decimal(p.fee) != x.fee || decimal(p.tip) != x.tip {
			t.Errorf("%+v: %s, %s", x.events, decimal(p.fee), decimal(p.tip))
		}
	}
}

// A quote reads the runtime's own fee of a new work and of another version.
func TestFeeOfAQuote(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := start(t, node.Options{})
		n := open(t, db, c)
		api := open(t, db, c, func(c *Config) { c.Signer = nil }) // connects to no node
		if fee, err := api.Fee(t.Context(), false); err != nil || fee.Amount != nil {
			t.Errorf("before the first block: %+v, %v", fee, err)
		}
		steps(t, n)
		create, err := api.Fee(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		update, err := api.Fee(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		staged := stage(t, n, call(0))
		broadcast(t, n, staged...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		second := call(1)
		second.AtsID = 1
		staged = append(staged, stage(t, n, second)...)
		broadcast(t, n, staged[1:]...)
		steps(t, n)
		c.Step(1)
		steps(t, n)
		find(t, n, staged...)
		for i, said := range []network.Fee{create, update} {
			if row := kept(t, n, staged[i])[0]; said.Amount == nil || said.Decimals != 12 || row.Fee != said.Amount.String() {
				t.Errorf("transaction %d: the quote says %+v, the chain took %s", i, said, row.Fee)
			}
		}
		if create.Amount.Cmp(update.Amount) <= 0 {
			t.Errorf("%s, %s", create.Amount, update.Amount)
		}
	})
}

// A symbol that could disturb a text is not known.
func TestSymbol(t *testing.T) {
	for said, want := range map[string]string{
		`"ALFT"`: "ALFT", `["MEL","DOT"]`: "MEL", `"x1"`: "x1", `"ABCDEFGHIJKLMNOP"`: "ABCDEFGHIJKLMNOP", `"ABCDEFGHIJKLMNOPQ"`: "", `""`: "", `[]`: "", `null`: "", `[null]`: "", `7`: "",
		`"A B"`: "", `"<b>"`: "", `"\u202eTFLA"`: "", `"\u05d0"`: "", `"A\n"`: "",
	} {
		c := newChain([]string{answering(t, `{"tokenSymbol":`+said+`,"tokenDecimals":3}`)}, time.Minute)
		if got, err := c.token(t.Context()); err != nil || got != (token{3, want}) {
			t.Errorf("%s: %+v, %v", said, got, err)
		}
		c.client.Close()
	}
}

// A node that does not say the decimals of its token, or something absurd, gives no fee for
// quotes; registering goes on.
func TestDecimals(t *testing.T) {
	for said, want := range map[string]int64{
		`{"tokenDecimals":12}`: 12, `{"tokenDecimals":[18,6]}`: 18, `{"tokenDecimals":0}`: 0, `{"tokenDecimals":38}`: 38,
		`{"tokenDecimals":39}`: -1, `{"tokenDecimals":-1}`: -1, `{"tokenDecimals":[]}`: -1, `{"tokenDecimals":null}`: -1, `{"tokenDecimals":"12"}`: -1, `{"tokenDecimals":1.5}`: -1, `{}`: -1,
	} {
		c := newChain([]string{answering(t, said)}, time.Minute)
		if got, err := c.token(t.Context()); err != nil || got.decimals != want || got.symbol != "" {
			t.Errorf("%s: %+v, %v", said, got, err)
		}
		c.client.Close()
	}
	db := storetest.SQLite(t)
	c := start(t, node.Options{})
	n := open(t, db, c)
	c.Inject(node.Fault{Method: "system_properties", Code: -32601, Message: "Method not found"})
	steps(t, n)
	if fee, err := n.Fee(t.Context(), false); err != nil || fee.Amount != nil {
		t.Errorf("%+v, %v", fee, err)
	}
	staged := stage(t, n, call(0))
	broadcast(t, n, staged...)
	steps(t, n)
	c.Step(1)
	steps(t, n)
	find(t, n, staged...)
}

// answering is a node that answers each call with one result.
func answering(t *testing.T, result string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		for {
			_, b, err := ws.Read(r.Context())
			if err != nil {
				return
			}
			var q struct{ ID json.RawMessage }
			if json.Unmarshal(b, &q) != nil || ws.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":%s}`, q.ID, result)) != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}
