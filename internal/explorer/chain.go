package explorer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/paths"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// The pages of a chain of others show what the registry has on it: its own transactions, and the
// blocks with one of them. They ask no node. Whether the authorities of a proof are the chain's
// own, only a reader can decide who has the chain's checkpoint: the pages say so.

// chain shows the newest blocks with transactions of the registry. With a query it answers the
// search form.
func (x *explorer) chain(w http.ResponseWriter, r *http.Request, l network.Chained) error {
	if search := strings.TrimSpace(r.URL.Query().Get("q")); search != "" {
		return x.answer(w, r, l, search)
	}
	blocks, older, err := recent(r, l)
	if err != nil {
		return err
	}
	genesis, err := l.Chain(r.Context())
	if err != nil {
		return err
	}
	return x.render(w, r, "chain", struct {
		base
		Blocks  []network.Block
		Older   int64
		Genesis [32]byte
		Begun   bool
	}{x.base(l, "The chain"), blocks, older, genesis, genesis != [32]byte{}})
}

// recent returns a page of the newest blocks, and where the next page begins; 0: it is the last page.
func recent(r *http.Request, l network.Browsable) (blocks []network.Block, older int64, err error) {
	newest := int64(1<<63 - 1)
	if s := r.URL.Query().Get("before"); s != "" {
		n, ok := parseNumber(s)
		if !ok {
			return nil, 0, fault.CommonNotFound()
		}
		newest = n - 1
	}
	blocks, err = l.Blocks(r.Context(), newest, perPage+1)
	if err == nil && len(blocks) > perPage {
		blocks = blocks[:perPage]
		older = blocks[perPage-1].Number
	}
	return blocks, older, err
}

// chainBlock shows a block of the chain with the transactions of the registry.
func (x *explorer) chainBlock(w http.ResponseWriter, r *http.Request, l network.Chained) error {
	b, err := x.findBlock(r, l)
	if err != nil {
		return err
	}
	from := int64(0)
	if s := r.URL.Query().Get("from"); s != "" {
		n, ok := parseNumber(s)
		if !ok || n >= b.Size {
			return fault.CommonNotFound()
		}
		from = n
	}
	entries, err := l.Inside(r.Context(), b.Number, from, perPage)
	if err != nil {
		return err
	}
	more := int64(0)
	if n := from + perPage; n < b.Size {
		more = n
	}
	return x.render(w, r, "chainblock", struct {
		base
		network.Block
		Entries   []network.Entry
		More      int64
		OnItsPage string // the block on the chain's own explorer, or ""
	}{x.base(l, "Block "+count(b.Number)), b, entries, more, x.elsewhere.Of(l.Name()).Block(b.Number, b.Hash)})
}

// chainTransaction shows a transaction of the registry.
func (x *explorer) chainTransaction(w http.ResponseWriter, r *http.Request, l network.Chained) error {
	e, err := x.find(r, l)
	if err != nil {
		return err
	}
	switch asked, _ := parseHash(r.PathValue("hash")); {
	case e.Shared && asked != e.Hash: // several works have it
		http.Redirect(w, r, paths.Network(l.Name())+"?q="+prefixed(asked), http.StatusSeeOther)
		return nil
	case asked != e.Receipt.Own(): // it was signed again
		http.Redirect(w, r, paths.Transaction(l.Name(), prefixed(e.Receipt.Own())), http.StatusSeeOther)
		return nil
	}
	v, err := examine(r.Context(), l, e)
	if err != nil {
		return err
	}
	if v.Earlier, err = earlier(r.Context(), l, v); err != nil {
		return err
	}
	last, newer, err := newerThan(r.Context(), l, v)
	if err != nil {
		return err
	}
	title := "Waiting for a final block"
	switch {
	case v.Failure != "":
		title = "Refused"
	case v.Index >= 0:
		title = fmt.Sprintf("Registration number %d, version %d", v.AtsID, v.Version)
	}
	return x.render(w, r, "chaintx", struct {
		base
		proven
		Last   int64          // the newest version of the work
		Newest *network.Entry // its entry; nil if it is this one
	}{x.base(l, title), v, last, newer})
}

// publicProof is the proof of a version on a chain, without the work's data. Its members are
// those of evidence.
type publicProof struct {
	Network    network.Name        `json:"network"`
	AtsID      int64               `json:"ats_id"`
	Version    int64               `json:"version"`
	Commitment commitment.Hash     `json:"commitment"`
	Protocol   uint8               `json:"protocol_version"`
	TxHash     commitment.Hash     `json:"tx_hash"`
	Block      evidence.Block      `json:"block"`
	Substrate  *evidence.Substrate `json:"substrate"`
}

// chainProofFile answers with the proof of a version.
func (x *explorer) chainProofFile(w http.ResponseWriter, r *http.Request, l network.Chained) error {
	e, err := x.find(r, l)
	if err != nil {
		return err
	}
	if asked, _ := parseHash(r.PathValue("hash")); e.Index < 0 || e.Shared && asked != e.Hash {
		return fault.CommonNotFound()
	}
	p, err := l.Prove(r.Context(), e.Hash)
	if err != nil {
		return err
	}
	if p.Substrate == nil {
		return fault.CommonNotFound()
	}
	b, err := json.MarshalIndent(publicProof{
		l.Name(), e.AtsID, e.Version, e.Call.Commitment, e.Call.ProtocolVersion, e.Receipt.Final(),
		evidence.Block{Number: e.BlockNumber, Hash: e.BlockHash, Time: e.At}, p.Substrate,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("explorer: %w", err)
	}
	return send(w, r, "application/json", append(b, '\n'))
}
