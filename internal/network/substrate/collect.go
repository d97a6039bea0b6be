package substrate

import (
	"bytes"
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

// check returns an error if the proof does not hold for the version that the block registered. The answer of a node
// is kept only after this check: evidence with a wrong part fails for ever.
func (c collected) check(b block, row query.ListUnprovedSubstrateTransactionsRow) error {
	s := evidence.Substrate{Header: b.header, StateProof: c.StateProof, Finality: c.Finality}
	state, err := s.State(row.AtsID, row.Version)
	switch {
	case errors.Is(err, evidence.ErrLayout):
	case err != nil:
		return err
	case state.CreatedAt != b.number:
		return fmt.Errorf("the state says that block %d registered the version", state.CreatedAt)
	}
	if c.Finality == nil {
		return nil
	}
	return s.CheckFinality()
}

// collect collects the proofs that are missing. If a node lacks a part, the next step
// asks again.
func (n *Network) collect(ctx context.Context, at int64) error {
	for {
		if more, err := n.collectSome(ctx, at); err != nil || !more {
			return err
		}
	}
}

// collectSome collects at most maxCollect proofs. more reports that it collected so many.
func (n *Network) collectSome(ctx context.Context, at int64) (more bool, err error) {
	rows, err := n.db.Read().ListUnprovedSubstrateTransactions(ctx, query.ListUnprovedSubstrateTransactionsParams{Network: n.name(), Since: max(1, at-provable), Lim: maxCollect})
	if err != nil {
		return false, err
	}
	var b block
	var finality *evidence.Finality
	var begins *int64
	missing, done := int64(0), 0 // a block of which the node lacks a part
	for _, row := range rows {
		if row.Block == missing {
			continue
		}
		if b.number != row.Block {
			kept, err := n.db.Read().GetSubstrateBlock(ctx, query.GetSubstrateBlockParams{Network: n.name(), Number: row.Block})
			if err != nil {
				return false, err
			}
			if b, err = n.chain.read(ctx, [32]byte(kept.Hash)); err != nil {
				return false, err
			}
			begins = nil
			if finality, err = n.chain.finality(ctx, b); err == nil {
				begins, err = n.begins(ctx, finality, b.number)
			}
			if errors.Is(err, errUnknownSet) && at-row.Block > waitBlocks { // rather without hand-offs
				err = nil
			}
			if lacks(err) && at-row.Block > provable/2 { // rather without finality than with nothing
				err = nil
			}
			if lacks(err) {
				missing = row.Block
				continue
			} else if err != nil {
				return false, err
			}
		}
		proof, err := n.chain.prove(ctx, b, row.AtsID, row.Version, row.Position)
		if lacks(err) {
			missing = row.Block
			continue
		} else if err != nil {
			return false, err
		}
		proof.Finality, proof.Begins = finality, begins
		if err := proof.check(b, row); err != nil {
			n.config.Logger.WarnContext(ctx, "a node gave a proof that does not hold: it is not kept, and asked for again", "network", n.config.Network, "block", b.number, "error", err)
			missing = row.Block
			continue
		}
		text, err := json.Marshal(proof)
		if err != nil {
			return false, err
		}
		if err := n.db.Tx(ctx, func(tx *store.Tx) error {
			if err := tx.InsertSubstrateProof(ctx, query.InsertSubstrateProofParams{Network: n.name(), SignedHash: row.SignedHash, Proof: text}); err != nil {
				return err
			}
			return tx.ProvenSubstrateTransaction(ctx, query.ProvenSubstrateTransactionParams{Network: n.name(), SignedHash: row.SignedHash})
		}); err != nil {
			return false, err
		}
		done++
	}
	return done == maxCollect, nil
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
	if err := n.addProof(ctx, row.SignedHash, p); err != nil {
		return network.Proof{}, n.fail(fmt.Sprintf("prove transaction %x", hash), err)
	}
	return network.Proof{Substrate: p}, nil
}

// addProof adds what was collected for a transaction.
func (n *Network) addProof(ctx context.Context, signedHash []byte, to *evidence.Substrate) error {
	text, err := n.db.Read().GetSubstrateProof(ctx, query.GetSubstrateProofParams{Network: n.name(), SignedHash: signedHash})
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

// prove returns the proofs of a version in its block.
func (c *chain) prove(ctx context.Context, b block, atsID, version, position int64) (collected, error) {
	extrinsic, err := evidence.ProveExtrinsic(b.header, b.extrinsics, position)
	if err != nil {
		return collected{}, fmt.Errorf("prove extrinsic %d of block %d: %w", position, b.number, err)
	}
	var keys []string
	for _, k := range evidence.StateKeys(atsID, version) {
		keys = append(keys, rpc.Hex(k))
	}
	var answer struct {
		Proof []string `json:"proof"`
	}
	if err := c.client.Call(ctx, &answer, "state_getReadProof", keys, rpc.Hex(b.hash[:])); err != nil {
		return collected{}, err
	}
	var state []evidence.Bytes
	for _, text := range answer.Proof {
		node, err := rpc.Unhex(text)
		if err != nil {
			return collected{}, fmt.Errorf("state_getReadProof: %w", err)
		}
		state = append(state, node)
	}
	slices.SortFunc(state, func(a, b evidence.Bytes) int { return bytes.Compare(a, b) })
	return collected{ExtrinsicProof: extrinsic, StateProof: slices.CompactFunc(state, func(a, b evidence.Bytes) bool { return bytes.Equal(a, b) })}, nil
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
