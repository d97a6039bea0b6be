package substrate

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"timbre.example/internal/network/substrate/extrinsic"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/store/query"
)

// recorded answers requests as a real runtime did in a recorded conversation. A request with
// other parameters gets a refusal.
func recorded(t *testing.T) string {
	t.Helper()
	f, err := os.Open("testdata/melodie-100.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	type frame struct {
		ID     uint64          `json:"id,omitempty"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	asked, answers := map[uint64]string{}, map[string]frame{}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			From    string `json:"from"`
			Message frame  `json:"message"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		switch m := line.Message; {
		case line.From == "client":
			asked[m.ID] = m.Method + string(m.Params)
		case m.ID != 0:
			answers[asked[m.ID]] = m
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
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
			var q frame
			if err := json.Unmarshal(b, &q); err != nil {
				t.Error(err)
				return
			}
			params := string(q.Params)
			if q.Method == "state_getRuntimeVersion" { // asked for the best block alone
				params = "[]"
			}
			if q.Method == "state_getMetadata" {
				params = "[]"
			}
			a, ok := answers[q.Method+params]
			a.ID = q.ID
			text, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": a.ID, "result": a.Result})
			if !ok || a.Error != nil {
				text, _ = json.Marshal(map[string]any{"jsonrpc": "2.0", "id": q.ID, "error": map[string]any{"code": -32601, "message": "not recorded: " + q.Method + params}})
			}
			if ws.Write(r.Context(), websocket.MessageText, text) != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// The recorded blocks are read as the chain wrote them: their hashes, times and results.
func TestRecordedBlocks(t *testing.T) {
	c := newChain([]string{recorded(t)}, time.Minute)
	t.Cleanup(func() { c.client.Close() })
	rt, err := c.runtimeAt(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if rt.SpecVersion != 100 || rt.works != 1000 || rt.versions != 100 || rt.prefix != 42 || rt.deposit(0).Int64() != 11e12 || rt.deposit(7).Int64() != 1e12 || rt.existential.Int64() != 1e11 {
		t.Errorf("%+v", rt)
	}
	if again, err := c.runtimeAt(t.Context(), ""); err != nil || again != rt {
		t.Errorf("the runtime was read again: %v", err)
	}
	n := &Network{chain: c}
	var got, fees []string
	for _, at := range []string{
		"c09eb50def3e38abbf897a2748cfbcb106656015a58ac9e91a2c689c9a90c6dd", "cdb8b10f3a04e68fbce92848989f20b42b704fa709a7e5e5bce4471dc4c62843",
		"e8f187d65b37a295cde3923baa81174b90e263d424f96b688e20a3b56f461d21", "d35f088b961d502e5582f5fe29b0322aaa7f83ac5cc173a3aab2eb396a160fe7",
	} {
		hash, err := hex.DecodeString(at)
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.read(t.Context(), [32]byte(hash))
		if err != nil {
			t.Fatal(err)
		}
		when, err := c.time(t.Context(), rt.metadata, b)
		if err != nil || when.Year() != 2026 {
			t.Errorf("block %d: %s, %v", b.number, when, err)
		}
		ours := b.extrinsics[1]
		of := query.SubstrateTransaction{Item: alone, Commitment: ours[len(ours)-33 : len(ours)-1]}
		results, err := n.results(t.Context(), b, map[[32]byte][]query.SubstrateTransaction{extrinsic.Hash(ours): {of}})
		switch {
		case err != nil:
			got = append(got, err.Error())
		case len(results) == 1 && results[0].position == 1:
			got = append(got, fmt.Sprintf("work %d version %d %s", results[0].atsID, results[0].version, results[0].failure))
		default:
			t.Errorf("block %d: %+v", b.number, results)
		}
		if _, events, err := c.events(t.Context(), b); err != nil {
			t.Error(err)
		} else { // the chain took it also for the refused ones
			p := paidFor(events, 1)
			fees = append(fees, decimal(p.fee)+" "+decimal(p.tip))
		}
		if none, err := n.results(t.Context(), b, nil); err != nil || none != nil {
			t.Errorf("%+v, %v", none, err)
		}
	}
	want := []string{
		"extrinsic 1 of block 2: its work has the number 0, which this registry cannot name", "extrinsic 1 of block 3: its work has the number 0, which this registry cannot name",
		"work 0 version 0 the chain refused it: Ats.InvalidProtocolVersion", "work 0 version 0 the chain refused it: Ats.AtsNotFound",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if want := []string{"79273220835 0", "64836559826 0", "79270681194 0", "64834563442 0"}; !slices.Equal(fees, want) {
		t.Errorf("%q", fees)
	}
}

// The answers of the real runtime about transactions that were not sent.
func TestRecordedAnswers(t *testing.T) {
	c := newChain([]string{recorded(t)}, time.Minute)
	t.Cleanup(func() { c.client.Close() })
	b, err := c.client.Bytes(t.Context(), "state_call", "TaggedTransactionQueue_validate_transaction", "0x022d02840036ca027df8870a6375f382125adf4c227c08211b84150684d68af1d72e17bd75015ae786e090551b3ff7ae4d370e60ddd14d967b1fbecb2247c477be87366ded10f26170e4d0422173af2893403dac391413005309873c31cabaac0e5b3b7e158a550000000069002de6126be3598501cd31aaa05858e0b3297a6211d0d58cec3861927417a7f87401d35f088b961d502e5582f5fe29b0322aaa7f83ac5cc173a3aab2eb396a160fe7")
	if err != nil {
		t.Fatal(err)
	}
	if err := validity(b); err != noFunds {
		t.Errorf("%v", err)
	}
	good, err := rpc.Unhex("0x00a40a0000000000000004908eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48000000003f0000000000000001")
	if err != nil || validity(good) != nil {
		t.Error(err, validity(good))
	}
	for _, wrong := range [][]byte{nil, {1}, {1, 1, 0}, {1, 0, 99}} {
		if validity(wrong) == nil {
			t.Errorf("%x is a valid transaction", wrong)
		}
	}
	unfunded, err := rpc.Unhex("0x2d02840036ca027df8870a6375f382125adf4c227c08211b84150684d68af1d72e17bd75015ae786e090551b3ff7ae4d370e60ddd14d967b1fbecb2247c477be87366ded10f26170e4d0422173af2893403dac391413005309873c31cabaac0e5b3b7e158a550000000069002de6126be3598501cd31aaa05858e0b3297a6211d0d58cec3861927417a7f87401")
	if err != nil {
		t.Fatal(err)
	}
	if fee, err := c.fee(t.Context(), unfunded); err != nil || fee.Int64() != 0x1274bfda51 {
		t.Errorf("%s, %v", fee, err)
	}
}

// A header whose hash is another one is refused.
func TestHeader(t *testing.T) {
	h := header{ParentHash: "0x" + strings.Repeat("01", 32), Number: "0x5", StateRoot: "0x" + strings.Repeat("02", 32), ExtrinsicsRoot: "0x" + strings.Repeat("03", 32)}
	coded, sum, err := h.encode()
	if err != nil || len(coded) != 98 {
		t.Fatalf("%x, %v", coded, err)
	}
	if b, err := h.block(rpc.Hex(sum[:])); err != nil || b.number != 5 || b.hash != sum {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := h.block(h.ParentHash); err == nil {
		t.Error("a header with another hash is accepted")
	}
	for _, change := range []func(*header){
		func(h *header) { h.Number = "five" }, func(h *header) { h.Number = "-0x1" }, func(h *header) { h.ParentHash = "0x01" }, func(h *header) { h.StateRoot = "02" },
		func(h *header) { h.Digest.Logs = []string{"0xz"} }, func(h *header) { h.Digest.Logs = make([]string, maxLogs+1) },
	} {
		changed := h
		change(&changed)
		if _, _, err := changed.encode(); err == nil {
			t.Errorf("%+v is accepted", changed.Number)
		}
	}
}
