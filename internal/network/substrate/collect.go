package substrate

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// A proof that needs no node is made of what nodes keep only for some time: the state of the
// block, and a justification near it. It is collected when the block is read, and again with
// each step while that can succeed. Evidence without it says how far it reaches.

// provable is for how many blocks nodes keep the state of a block by default. maxCollect is how
// many proofs are collected in one step.
const (
	provable   = 256
	maxCollect = 256
)

// collected are the members of evidence.Substrate that a node gives.
type collected struct {
	ExtrinsicProof []evidence.Bytes   `json:"extrinsic_proof,omitempty"`
	StateProof     []evidence.Bytes   `json:"state_proof,omitempty"`
	Finality       *evidence.Finality `json:"finality,omitempty"`
	// Begins is the set from which hand-offs lead to that of Finality. They are in the table of
	// sets (sets.go), once for all proofs. nil: none do.
	Begins *int64 `json:"begins,omitempty"`
}

// checkState returns an error if the proof of the state does not hold for the version that the
// block registered. The answer of a node is kept only after this check: evidence with a wrong
// part fails for ever.
func (c collected) checkState(b block, row query.ListUnprovedSubstrateTransactionsRow) error {
	state, err := (evidence.Substrate{Header: b.header, StateProof: c.StateProof}).State(row.AtsID, row.Version)
	switch {
	case errors.Is(err, evidence.ErrLayout):
	case err != nil:
		return err
	case state.CreatedAt != b.number:
		return fmt.Errorf("the state says that block %d registered the version", state.CreatedAt)
	}
	return nil
}

// final is a block with its proof of finality, which all of its works share.
type final struct {
	block
	finality *evidence.Finality // nil: the node does not have it any more
	begins   *int64
}

// collect collects the proofs that are missing. If a node lacks a part, the next step
// asks again.
func (n *Network) collect(ctx context.Context, at int64) error {
	var last final
	for {
		if more, err := n.collectSome(ctx, at, &last); err != nil || !more {
			return err
		}
	}
}

// collectSome collects at most maxCollect proofs. more reports that it collected so many. last
// is the block of which it collected some last.
func (n *Network) collectSome(ctx context.Context, at int64, last *final) (more bool, err error) {
	rows, err := n.db.Read().ListUnprovedSubstrateTransactions(ctx, query.ListUnprovedSubstrateTransactionsParams{Network: n.name(), Since: max(1, at-provable), Lim: maxCollect})
	if err != nil {
		return false, err
	}
	done := 0
	for len(rows) > 0 { // rows of one block follow one another
		end := slices.IndexFunc(rows, func(r query.ListUnprovedSubstrateTransactionsRow) bool { return r.Block != rows[0].Block })
		if end < 0 {
			end = len(rows)
		}
		of := rows[:min(end, maxProofs)]
		if last.number != of[0].Block {
			f, err := n.finalBlock(ctx, at, of[0].Block)
			if lacks(err) {
				rows = rows[end:]
				continue
			} else if err != nil {
				return false, err
			}
			*last = f
		}
		kept, err := n.collectOf(ctx, *last, of)
		if lacks(err) {
			rows = rows[end:]
			continue
		} else if err != nil {
			return false, err
		}
		done += kept
		rows = rows[len(of):]
	}
	return done == maxCollect, nil
}

// finalBlock reads a block and its proof of finality, and checks the proof. The error is one of lacks if
// the node does not have it, and later can have it.
func (n *Network) finalBlock(ctx context.Context, at, number int64) (final, error) {
	kept, err := n.db.Read().GetSubstrateBlock(ctx, query.GetSubstrateBlockParams{Network: n.name(), Number: number})
	if err != nil {
		return final{}, err
	}
	b, err := n.chain.read(ctx, [32]byte(kept.Hash))
	if err != nil {
		return final{}, err
	}
	f := final{block: b}
	if f.finality, err = n.chain.finality(ctx, b); err == nil {
		if wrong := f.check(); wrong != nil {
			n.wrongProof(ctx, b, 1, wrong)
			f.finality, err = nil, errNotYet
		} else {
			f.begins, err = n.begins(ctx, f.finality, b.number)
		}
	}
	if errors.Is(err, errUnknownSet) && at-number > waitBlocks { // rather without hand-offs
		err = nil
	}
	if lacks(err) && at-number > provable/2 { // rather without finality than with nothing
		err = nil
	}
	return f, err
}

// check returns an error if the proof of finality does not hold for the block.
func (f final) check() error {
	return evidence.Substrate{Header: f.header, Finality: f.finality}.CheckFinality()
}

func (n *Network) wrongProof(ctx context.Context, b block, proofs int, err error) {
	n.config.Logger.WarnContext(ctx, "a node gave a proof that does not hold: it is not kept, and asked for again", "network", n.config.Network, "block", b.number, "proofs", proofs, "error", err)
}

// collectOf collects the proofs of versions in one block. It returns how many it kept. Each is
// checked by itself: one that does not hold does not keep the others from theirs.
func (n *Network) collectOf(ctx context.Context, f final, rows []query.ListUnprovedSubstrateTransactionsRow) (kept int, err error) {
	proofs, err := n.chain.prove(ctx, f.block, rows)
	if err != nil {
		return 0, err
	}
	texts := make([][]byte, len(rows))
	var wrong error
	for i, proof := range proofs {
		if proof.err != nil {
			wrong = proof.err
			continue
		}
		proof.Finality, proof.Begins = f.finality, f.begins
		if texts[i], err = json.Marshal(proof.collected); err != nil {
			return 0, err
		}
		kept++
	}
	if wrong != nil {
		n.wrongProof(ctx, f.block, len(rows)-kept, wrong)
	}
	return kept, n.db.Tx(ctx, func(tx *store.Tx) error {
		return tx.Each(len(rows), func(tx *store.Tx, i int) error {
			if texts[i] == nil {
				return nil
			}
			if err := tx.InsertSubstrateProof(ctx, query.InsertSubstrateProofParams{Network: n.name(), Hash: rows[i].Hash, Proof: texts[i]}); err != nil {
				return err
			}
			return tx.ProvenSubstrateTransaction(ctx, query.ProvenSubstrateTransactionParams{Network: n.name(), Hash: rows[i].Hash})
		})
	})
}

// Proving implements network.Proving.
func (n *Network) Proving(ctx context.Context) (network.ProofCount, error) {
	at, err := n.db.Read().GetSubstrateChain(ctx, n.name())
	if errors.Is(err, sql.ErrNoRows) {
		return network.ProofCount{}, nil
	} else if err != nil {
		return network.ProofCount{}, n.fail("count proofs", err)
	}
	row, err := n.db.Read().CountUnprovedSubstrateTransactions(ctx, query.CountUnprovedSubstrateTransactionsParams{Network: n.name(), Since: max(1, at.Number-provable)})
	if err != nil {
		return network.ProofCount{}, n.fail("count proofs", err)
	}
	count := network.ProofCount{Waiting: row.Waiting, Missed: row.Missed}
	if row.Waiting > 0 {
		count.Oldest = store.Time(row.Oldest)
	}
	return count, nil
}

// Prove implements network.Network. hash is either the first hash of the transaction, or the one
// that the chain knows.
func (n *Network) Prove(ctx context.Context, hash [32]byte) (network.Proof, error) {
	name := n.name()
	row, err := n.db.Read().GetSubstrateTransactionBySignedHash(ctx, query.GetSubstrateTransactionBySignedHashParams{Network: name, Hash: hash[:]})
	if errors.Is(err, sql.ErrNoRows) {
		row, err = n.db.Read().GetSubstrateTransactionByHash(ctx, query.GetSubstrateTransactionByHashParams{Network: name, Hash: hash[:]})
	}
	return n.proofOf(ctx, hash, row, err)
}

// ProveVersion implements network.Sharing.
func (n *Network) ProveVersion(ctx context.Context, hash [32]byte, atsID, version int64) (network.Proof, error) {
	row, err := n.db.Read().GetSubstrateTransactionOfVersion(ctx, query.GetSubstrateTransactionOfVersionParams{Network: n.name(), Hash: hash[:], AtsID: atsID, Version: version})
	return n.proofOf(ctx, hash, row, err)
}

// proofOf returns the proof of a row, which err says if it was not read.
func (n *Network) proofOf(ctx context.Context, hash [32]byte, row query.SubstrateTransaction, err error) (network.Proof, error) {
	name := n.name()
	if errors.Is(err, sql.ErrNoRows) || err == nil && row.Version == 0 {
		err = network.ErrNotFinal
	}
	if err != nil {
		return network.Proof{}, n.fail(fmt.Sprintf("prove transaction %x", hash), err)
	}
	b, err := n.db.Read().GetSubstrateBlock(ctx, query.GetSubstrateBlockParams{Network: name, Number: row.Block})
	if err != nil {
		return network.Proof{}, n.fail(fmt.Sprintf("prove: block %d", row.Block), err)
	}
	at, err := n.db.Read().GetSubstrateChain(ctx, name)
	if err != nil {
		return network.Proof{}, n.fail("prove", err)
	}
	p := &evidence.Substrate{Genesis: [32]byte(at.Genesis), Header: b.Header, Index: row.Position, Extrinsic: row.Signed}
	if err := n.addProof(ctx, row.Hash, p); err != nil {
		return network.Proof{}, n.fail(fmt.Sprintf("prove transaction %x", hash), err)
	}
	return network.Proof{Substrate: p}, nil
}

// addProof adds what was collected for a transaction.
func (n *Network) addProof(ctx context.Context, hash []byte, to *evidence.Substrate) error {
	text, err := n.db.Read().GetSubstrateProof(ctx, query.GetSubstrateProofParams{Network: n.name(), Hash: hash})
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	var c collected
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err == nil && c.Begins != nil && c.Finality != nil {
		err = n.lead(ctx, *c.Begins, c.Finality)
	}
	to.ExtrinsicProof, to.StateProof, to.Finality = c.ExtrinsicProof, c.StateProof, c.Finality
	return err
}

// maxProofs is for how many works one request asks for proofs of the state.
const maxProofs = maxKeys / 4

// proved is what a node gave for a version, or why that is not kept.
type proved struct {
	collected
	err error
}

// prove returns the proofs of at most maxProofs versions in their block, in the order of rows. One
// request asks for the state of all. Each version keeps only the nodes on its own paths, and
// its proof is checked.
func (c *chain) prove(ctx context.Context, b block, rows []query.ListUnprovedSubstrateTransactionsRow) ([]proved, error) {
	var indexes []int64
	var keys [][]byte
	known := map[string]bool{} // all share three keys
	for _, row := range rows {
		indexes = append(indexes, row.Position)
		for _, k := range evidence.StateKeys(row.AtsID, row.Version) {
			if !known[string(k)] {
				known[string(k)] = true
				keys = append(keys, k)
			}
		}
	}
	extrinsics, err := evidence.ProveExtrinsics(b.header, b.extrinsics, indexes...)
	if err != nil {
		return nil, fmt.Errorf("prove the extrinsics of block %d: %w", b.number, err)
	}
	var answer struct {
		Proof []string `json:"proof"`
	}
	if err := c.client.Call(ctx, &answer, "state_getReadProof", hexes(keys), rpc.Hex(b.hash[:])); err != nil {
		return nil, err
	}
	var nodes []evidence.Bytes
	for _, text := range answer.Proof {
		node, err := rpc.Unhex(text)
		if err != nil {
			return nil, fmt.Errorf("state_getReadProof: %w", err)
		}
		nodes = append(nodes, node)
	}
	state, err := evidence.NewStateProver(b.header, nodes)
	if err != nil {
		return nil, err
	}
	all := make([]proved, len(rows))
	for i, row := range rows {
		p := &all[i]
		p.ExtrinsicProof = extrinsics[i]
		if p.StateProof, p.err = state.Prove(row.AtsID, row.Version); p.err == nil {
			p.err = p.checkState(b, row)
		}
	}
	return all, nil
}

// maxHeaders is how many headers may lie between a block and its justification.
const maxHeaders = 512

// finality returns the proof that a block is final. The set of authorities is that of the state
// before the block: the block itself may hand over to the next set.
func (c *chain) finality(ctx context.Context, b block) (*evidence.Finality, error) {
	set, err := c.setAfter(ctx, b.parent)
	if err != nil {
		return nil, err
	}
	authorities, err := c.client.Bytes(ctx, "state_call", "GrandpaApi_grandpa_authorities", "0x", b.parent)
	if err != nil {
		return nil, err
	}
	_, f, err := c.justification(ctx, b.number)
	if err != nil {
		return nil, err
	}
	f.SetID, f.Authorities = set, authorities
	if len(f.Headers) > maxHeaders {
		return nil, errNotYet
	}
	return f, nil
}
