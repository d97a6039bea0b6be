package explorer_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/explorer"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/network/substrate/substratetest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/evidence"
)

// ground is an explorer of a chain, on which the registry has one account.
type ground struct {
	house
	n     *substrate.Network
	chain *node.Node
}

func onChain(t *testing.T, db *store.DB, elsewhere string, batch int) ground {
	t.Helper()
	seed := [32]byte{9}
	c := substratetest.Start(t, seed, 1, node.Options{Auto: true})
	keys, err := sr25519.NewKeys(seed, 1)
	if err != nil {
		t.Fatal(err)
	}
	n, err := substrate.Open(db, substrate.Config{
		Network: network.Mainnet, URL: "substrate:" + c.URL, Signer: keys, Batch: batch, Poll: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	var links network.Elsewheres
	if elsewhere != "" {
		links = make(network.Elsewheres, 1)
		if err := links[0].UnmarshalText([]byte("mainnet=" + elsewhere)); err != nil {
			t.Fatal(err)
		}
	}
	srv := httptest.NewServer(explorer.New([]network.Network{n}, links, func(w http.ResponseWriter, _ *http.Request, err error) {
		var f *fault.Error
		if errors.As(err, &f) {
			http.Error(w, string(f.Code), f.Status())
			return
		}
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}))
	t.Cleanup(srv.Close)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); n.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return ground{house{t: t, db: db, url: srv.URL}, n, c}
}

// anchor registers a work, or a version, and returns its entry when it is final.
func (g ground) anchor(commitment byte, nonce string, updates int64, done func(network.Entry) bool) network.Entry {
	g.t.Helper()
	var s network.Staged
	g.eventually(func() (err error) {
		s, err = g.n.Stage(g.t.Context(), network.Call{Commitment: [32]byte{commitment}, ProtocolVersion: 1, Nonce: nonce, AtsID: updates})
		return err // until the worker has reached the chain
	})
	if err := g.n.Broadcast(g.t.Context(), []network.Staged{s}); err != nil {
		g.t.Fatal(err)
	}
	var e network.Entry
	g.eventually(func() (err error) {
		if e, err = g.n.Entry(g.t.Context(), s.Hash); err == nil && !done(e) {
			err = errors.New("it is not done")
		}
		return err
	})
	return e
}

func (g ground) eventually(f func() error) {
	g.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C: // the worker decides how long it takes
		case <-g.t.Context().Done():
			g.t.Fatal(err)
		}
	}
}

// proved reports whether an entry is final, with its proof.
func (g ground) proved(e network.Entry) bool {
	if e.Index < 0 {
		return false
	}
	p, err := g.n.Prove(g.t.Context(), e.Hash)
	return err == nil && p.Substrate.Finality != nil
}

// The works of a batch have a page each. The hash of their transaction leads to all of them.
func TestPagesOfABatch(t *testing.T) {
	db := storetest.SQLite(t)
	g := onChain(t, db, "https://chain.example/tx/{tx_hash}", 5)
	var staged []network.Staged
	for i := range 3 {
		g.eventually(func() error {
			s, err := g.n.Stage(t.Context(), network.Call{Commitment: [32]byte{byte(i + 1)}, ProtocolVersion: 1, Nonce: fmt.Sprint(i)})
			if err == nil {
				staged = append(staged, s)
			}
			return err
		})
	}
	if err := g.n.Broadcast(t.Context(), staged); err != nil {
		t.Fatal(err)
	}
	var all []network.Entry
	for _, s := range staged {
		g.eventually(func() error {
			e, err := g.n.Entry(t.Context(), s.Hash)
			if err == nil && !g.proved(e) {
				err = errors.New("it is not proved")
			}
			if err == nil {
				all = append(all, e)
			}
			return err
		})
	}
	shared := all[0].Receipt.Final()
	of := func(h [32]byte) string { return "/explorer/mainnet/tx/0x" + hex.EncodeToString(h[:]) }
	resp, list := g.ask("GET", "/explorer/mainnet?q=0x"+hex.EncodeToString(shared[:]), "Accept", browserAccept)
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, list)
	}
	for i, e := range all {
		if !e.Shared || e.Receipt.Final() != shared || !strings.Contains(list, of(e.Hash)) {
			t.Errorf("%+v", e)
		}
		resp, page := g.ask("GET", of(e.Hash), "Accept", browserAccept)
		for _, want := range []string{"This work is on the chain", "Verified", hex.EncodeToString(shared[:]), "https://chain.example/tx/0x" + hex.EncodeToString(shared[:]), of(e.Hash) + "/proof.json", fmt.Sprintf("/w/mainnet/%d", i+1)} {
			if resp.StatusCode != 200 || !strings.Contains(page, want) {
				t.Errorf("work %d: %d, %q is missing", i, resp.StatusCode, want)
			}
		}
		if _, work := g.ask("GET", fmt.Sprintf("/w/mainnet/%d", e.AtsID), "Accept", browserAccept); !strings.Contains(work, of(e.Hash)) {
			t.Errorf("the page of work %d has no link to its transaction", e.AtsID)
		}
	}
	if resp, body := g.ask("GET", of(shared), "Accept", browserAccept); !strings.Contains(body, of(all[2].Hash)) {
		t.Errorf("the shared hash: %d %s", resp.StatusCode, body)
	}
	if resp, _ := g.ask("GET", of(shared)+"/proof.json"); resp.StatusCode != 404 {
		t.Errorf("the proof of a shared hash: %d", resp.StatusCode)
	}
}

// A work on a chain with many versions has several pages, forth and back. Each page is bounded, because
// each version costs the check of a proof.
func TestManyVersionsOnAChain(t *testing.T) {
	const versions = 23
	g := onChain(t, storetest.SQLite(t), "", 0)
	first := g.anchor(1, "first", 0, g.proved)
	for i := 2; i <= versions; i++ {
		g.anchor(byte(i), fmt.Sprint("version ", i), first.AtsID, g.proved)
	}
	heads := regexp.MustCompile(`<h3 id="h(\d+)">`)
	link := func(body, rel string) string {
		m := regexp.MustCompile(`<a href="([^"]+)" rel="` + rel + `">`).FindStringSubmatch(body)
		if m == nil {
			return ""
		}
		return html.UnescapeString(m[1])
	}
	read := func(query string) (shown []string, body string) {
		resp, body := g.ask("GET", fmt.Sprintf("/w/mainnet/%d%s", first.AtsID, query), "Accept", browserAccept)
		if resp.StatusCode != 200 || !strings.Contains(body, "Verified") || !strings.Contains(body, "version 23</a>") {
			t.Fatalf("%q: %d %s", query, resp.StatusCode, body)
		}
		for _, m := range heads.FindAllStringSubmatch(body, -1) {
			shown = append(shown, m[1])
		}
		if len(shown) == 0 || len(shown) > 10 {
			t.Fatalf("%q has %d versions", query, len(shown))
		}
		return shown, body
	}
	var all, back []string
	pages, query, body := 0, "", ""
	for {
		var shown []string
		shown, body = read(query)
		all = append(all, shown...)
		if pages++; link(body, "next") == "" {
			break
		}
		query = link(body, "next")
	}
	for {
		shown, body := read(query)
		back = append(shown, back...)
		if query = link(body, "prev"); query == "" {
			break
		}
	}
	var want []string
	for i := 1; i <= versions; i++ {
		want = append(want, fmt.Sprint(i))
	}
	if pages != 3 || !slices.Equal(all, want) || !slices.Equal(back, want) {
		t.Errorf("%d pages: %v, and back: %v", pages, all, back)
	}
	if shown, body := read("?after=4"); shown[0] != "5" || link(body, "prev") != "?after=0" {
		t.Errorf("%v, %s", shown, link(body, "prev"))
	}
}

// The pages of a chain are as complete as those of a log, and never call it a log.
func TestPagesOfAChain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := onChain(t, db, "https://chain.example/block/{block}?tx={tx_hash}", 0)
		if resp, body := g.ask("GET", "/explorer/mainnet", "Accept", browserAccept); resp.StatusCode != 200 || !strings.Contains(body, "The list is still empty") {
			t.Errorf("before the first work: %d %s", resp.StatusCode, body)
		}
		first := g.anchor(1, "first", 0, g.proved)
		second := g.anchor(2, "second", first.AtsID, g.proved)
		same := g.anchor(1, "again", 0, g.proved)
		g.chain.StallFinality(true)
		isOpen := func(e network.Entry) bool { return e.Index < 0 }
		waiting := g.anchor(4, "waiting", 0, isOpen)
		refused := g.anchor(3, "refused", 0, isOpen)
		signed := refused.Receipt.Final()
		if err := db.Tx(t.Context(), func(tx *store.Tx) error { // as if the chain had refused it
			_, err := tx.DecideSubstrateTransaction(t.Context(), query.DecideSubstrateTransactionParams{
				Network: "mainnet", Hash: refused.Hash[:], SignedHash: signed[:], Now: 1, Failure: "the chain refused it: Ats.MaxVersionsReached", Block: first.BlockNumber, Position: first.Index + 1,
			})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		refused.BlockNumber = first.BlockNumber

		work := fmt.Sprintf("/w/mainnet/%d", first.AtsID)
		page := func(e network.Entry) string {
			h := e.Receipt.Final()
			return "/explorer/mainnet/tx/0x" + hex.EncodeToString(h[:])
		}
		block := func(e network.Entry) string { return fmt.Sprintf("/explorer/mainnet/block/%d", e.BlockNumber) }
		in := func(h [32]byte) string { return "0x" + hex.EncodeToString(h[:]) }
		search := func(q string) string { return "/explorer/mainnet?q=" + q }
		outside := fmt.Sprintf(`<a href="https://chain.example/block/%d?tx=%s" rel="noopener">`, first.BlockNumber, in(first.Receipt.Final()))
		genesis := g.chain.Genesis()
		for _, c := range []struct {
			path string
			want []string
		}{
			{"/explorer/mainnet", []string{block(first), block(second), block(refused), in(genesis), "no others on the chain", `role="search"`}},
			{work, []string{"A registered work", "Verified", "2 versions", in(first.Call.Commitment), in(first.BlockHash), page(first), page(second), first.Owner, outside, "registered on a public chain", "checkpoint of the chain"}},
			{page(first), []string{"This work is on the chain", "Verified", in(first.Call.Commitment), in(first.BlockHash), block(first), first.Owner, outside, "Not the newest version", page(second), "set 0", "proof.json", "Compare the set with a checkpoint"}},
			{page(second), []string{"the newest one", work}},
			{page(same), []string{"registered earlier by this registry", page(first)}},
			{page(refused), []string{"The chain refused this transaction", "Ats.MaxVersionsReached", block(refused)}},
			{page(waiting), []string{"Waiting for a final block", in(waiting.Call.Commitment)}},
			{block(first), []string{page(first), work, in(first.BlockHash), "2 transactions "}},
			{block(refused), []string{page(refused), "Refused"}},
			{search("No.+1"), []string{"A registered work"}},
			{search(in(first.Receipt.Final())), []string{"This work is on the chain"}},
			{search(in(second.Call.Commitment)), []string{"version 2"}},
			{search(in(first.Call.Commitment)), []string{"More than one result", page(first), page(same)}},
			{search(in(first.BlockHash)), []string{"Transactions of this registry"}},
			{search(fmt.Sprintf("block+%d", first.BlockNumber)), []string{"Transactions of this registry"}},
		} {
			resp, body := g.ask("GET", c.path, "Accept", browserAccept)
			body = html.UnescapeString(body)
			if resp.StatusCode != 200 {
				t.Errorf("%s: %d %s", c.path, resp.StatusCode, body)
				continue
			}
			for _, want := range c.want {
				if !strings.Contains(body, want) {
					t.Errorf("%s: no %q in\n%s", c.path, want, body)
				}
			}
			if m := regexp.MustCompile(`(?i)\blogs?\b|checkpoint\.txt|verifier key|Failed: |Not checked|ZgotmplZ|<dd></dd>|<code>0x(00)*</code>`).FindString(body); m != "" {
				t.Errorf("%s: %q in\n%s", c.path, m, body)
			}
			for _, link := range regexp.MustCompile(`href="(/(?:explorer|w)/[^"]+)"`).FindAllStringSubmatch(body, -1) {
				if resp, _ := g.ask("GET", link[1], "Accept", browserAccept); resp.StatusCode != 200 {
					t.Errorf("%s leads to %s: %d", c.path, link[1], resp.StatusCode)
				}
			}
		}
		for _, none := range []string{"/explorer/mainnet/block/999", "/explorer/mainnet/tx/" + in([32]byte{1}), "/w/mainnet/77", "/w/mainnet/0", page(first) + "/leaf.txt", page(first) + "/receipt.cose", page(waiting) + "/proof.json", block(first) + "?from=2", search("0x12")} {
			resp, body := g.ask("GET", none, "Accept", browserAccept)
			if m := regexp.MustCompile(`(?i)\blogs?\b`).FindString(body); resp.StatusCode != 404 || m != "" {
				t.Errorf("%s: %d, %q", none, resp.StatusCode, m)
			}
		}

		// The page as JSON, the badge, and the proof, which proves itself.
		_, body := g.ask("GET", work, "Accept", "application/json")
		var told struct {
			Genesis  string `json:"genesis"`
			Versions []map[string]any
		}
		if err := json.Unmarshal([]byte(body), &told); err != nil || told.Genesis != in(genesis) || len(told.Versions) != 2 || told.Versions[0]["verified"] != true ||
			told.Versions[0]["tx_hash"] != in(first.Receipt.Final()) || told.Versions[0]["extrinsic_index"] != float64(first.Index) || told.Versions[0]["owner_address"] != first.Owner || told.Versions[0]["log_index"] != nil {
			t.Errorf("%v %s", err, body)
		}
		if _, body := g.ask("GET", work+"/badge.svg"); !strings.Contains(body, "Registered with Timbre") || !strings.Contains(body, "Version 2:") {
			t.Error(body)
		}
		_, body = g.ask("GET", page(first)+"/proof.json")
		var proof struct {
			Substrate evidence.Substrate `json:"substrate"`
		}
		if err := json.Unmarshal([]byte(body), &proof); err != nil || proof.Substrate.CheckFinality() != nil || proof.Substrate.CheckExtrinsic() != nil {
			t.Errorf("%v: %.300s", err, body)
		}
	})
}

// Without its proof, a registration is neither called proved nor wrong.
func TestChainWithoutProofs(t *testing.T) {
	g := onChain(t, storetest.SQLite(t), "", 0)
	g.chain.Inject(node.Fault{Method: "state_getReadProof", Code: -32000, Message: "discarded"})
	e := g.anchor(1, "first", 0, func(e network.Entry) bool { return e.Index >= 0 })
	h := e.Receipt.Final()
	for path, want := range map[string]string{
		"/explorer/mainnet/tx/0x" + hex.EncodeToString(h[:]): "This work is on the chain",
		fmt.Sprintf("/w/mainnet/%d", e.AtsID):                "A registered work",
	} {
		resp, body := g.ask("GET", path, "Accept", browserAccept)
		for _, want := range []string{want, "Proof not complete", "Not checked: ", "The registry has no proof of this"} {
			if resp.StatusCode != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: %d, no %q in\n%s", path, resp.StatusCode, want, body)
			}
		}
		if m := regexp.MustCompile(`Failed: |Verified<|Could not|chain.example|https?://`).FindString(body); m != "" {
			t.Errorf("%s: %q in\n%s", path, m, body)
		}
	}
	if _, body := g.ask("GET", fmt.Sprintf("/w/mainnet/%d", e.AtsID), "Accept", "application/json"); !strings.Contains(body, `"verified":false`) {
		t.Error(body)
	}
	if _, body := g.ask("GET", fmt.Sprintf("/w/mainnet/%d/badge.svg", e.AtsID)); !strings.Contains(body, "Proof not complete") || strings.Contains(body, "Registered with") {
		t.Error(body)
	}
}
