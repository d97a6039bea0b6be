package substrate

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/scale"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// Sets of authorities hand over to each other. The worker keeps each hand-off from an early set
// on, so that evidence can begin at a set that people have pinned long before. Nodes keep the
// justification of each hand-off, but those that discard old blocks lose it.
//
// The first set is the chain's set 0, if few have followed and a node still has the state of the
// first block. Otherwise it is the set of the newest final block. A hand-off that no node gives
// is a gap: the table begins again at the newest set. So does a change by force, which the set
// before has not signed.

const (
	// maxHandOffs, maxVotes and maxLead bound the hand-offs of one document: their number and the
	// votes as verifiers do, and their bytes, which take 384 KiB of the 1 MiB of a document.
	maxHandOffs, maxVotes, maxLead = 64, 1024, 3 << 16
	// perStep is how many hand-offs are read in one step.
	perStep = 16
	// waitBlocks is for how many blocks a hand-off is asked for that a node does not give. A
	// certificate waits for its proof only a little longer.
	waitBlocks = 3
	// seenEach is after how many blocks a set is seen again.
	seenEach = 128
	// maxAsked is the longest way to a hand-off that a node is asked for: its answer has all
	// headers, and nodes refuse answers of 15 MB. A longer way takes states of old blocks.
	maxAsked = 8192
)

// errNoHandOff is wrapped by the error of an answer that is not the hand-off.
var errNoHandOff = errors.New("the node gave no hand-off that holds")

// followSets brings the table to the set after head, by at most perStep hand-offs.
func (n *Network) followSets(ctx context.Context, genesis [32]byte, head block) error {
	current, err := n.chain.setAfter(ctx, rpc.Hex(head.hash[:]))
	for i := 0; err == nil && i < perStep; i++ {
		var newest []query.SubstrateSet
		if newest, err = n.db.Read().ListSubstrateSets(ctx, query.ListSubstrateSetsParams{Network: n.name(), Newest: current, Lim: 1}); err != nil {
			return err
		}
		if len(newest) == 0 {
			err = errNotYet
			if current <= maxHandOffs {
				err = n.beginSets(ctx, 0, 0, genesis)
			}
			if lacks(err) {
				err = n.beginSets(ctx, current, head.number, head.hash)
			}
			continue
		}
		at := newest[0]
		if at.SetID == current {
			if n.lacking = 0; head.number < at.Seen+seenEach {
				return nil
			}
			return n.db.Tx(ctx, func(tx *store.Tx) error {
				return tx.SeeSubstrateSet(ctx, query.SeeSubstrateSetParams{Network: n.name(), SetID: at.SetID, Block: head.number})
			})
		}
		next, failed := n.chain.handOff(ctx, at, head)
		switch {
		case failed == nil:
			n.lacking = 0
			err = n.insertSet(ctx, next)
		case !lacks(failed) && !errors.Is(failed, errNoHandOff):
			return failed
		case n.lacking == 0:
			n.lacking = head.number
			return nil
		case head.number-n.lacking < waitBlocks:
			return nil
		default:
			n.config.Logger.WarnContext(ctx, "a hand-off between sets of authorities is missing: later evidence begins at a newer set", "network", n.config.Network, "from", at.SetID, "begins", current, "error", failed)
			err = n.beginSets(ctx, current, head.number, head.hash)
		}
	}
	if lacks(err) { // it has no states, or no GRANDPA
		return nil
	}
	return err
}

// beginSets keeps the set in the state of a block, without a hand-off.
func (n *Network) beginSets(ctx context.Context, id, number int64, hash [32]byte) error {
	authorities, err := n.chain.client.Bytes(ctx, "state_call", "GrandpaApi_grandpa_authorities", "0x", rpc.Hex(hash[:]))
	if err != nil {
		return err
	}
	return n.insertSet(ctx, query.InsertSubstrateSetParams{SetID: id, Authorities: authorities, Block: number, Header: []byte{}, Justification: []byte{}})
}

// insertSet keeps a set, unless another process was first.
func (n *Network) insertSet(ctx context.Context, set query.InsertSubstrateSetParams) error {
	set.Network = n.name()
	return n.db.Tx(ctx, func(tx *store.Tx) error { return tx.InsertSubstrateSet(ctx, set) })
}

// handOff reads how a set handed over to the next one, and checks it. The state of head has a
// later set. The error wraps errNoHandOff if the answer does not hold.
func (c *chain) handOff(ctx context.Context, at query.SubstrateSet, head block) (next query.InsertSubstrateSetParams, err error) {
	from := at.Seen + 1
	if head.number-from > maxAsked {
		if from, err = c.lastOf(ctx, at, head.number); err != nil {
			return next, err
		}
	}
	hash, f, err := c.justification(ctx, from)
	if err != nil {
		return next, err
	}
	var h *header
	if err := c.client.Call(ctx, &h, "chain_getHeader", rpc.Hex(hash[:])); err != nil {
		return next, err
	}
	if h == nil {
		return next, fmt.Errorf("%w: it has no block %x", errNoHandOff, hash)
	}
	b, err := h.block(rpc.Hex(hash[:]))
	if err != nil {
		return next, fmt.Errorf("%w: %w", errNoHandOff, err)
	}
	authorities, err := evidence.HandOff{Header: b.header, Justification: f.Justification}.Next(at.SetID, at.Authorities)
	if err == nil && b.number <= at.Block {
		err = errors.New("it is not after the one before")
	}
	if err != nil {
		return next, fmt.Errorf("%w: set %d, block %d: %w", errNoHandOff, at.SetID, b.number, err)
	}
	return query.InsertSubstrateSetParams{
		SetID: at.SetID + 1, Authorities: authorities, Block: b.number, Header: b.header, Justification: f.Justification, Votes: votesIn(f.Justification),
	}, nil
}

// lastOf returns the number of the block in which a set handed over, from the states of old
// blocks. The state of block number has a later set.
func (c *chain) lastOf(ctx context.Context, at query.SubstrateSet, number int64) (int64, error) {
	for low := at.Seen; number-low > 1; {
		middle := low + (number-low)/2
		hash, err := c.hashAt(ctx, middle)
		if err != nil {
			return 0, err
		}
		set, err := c.setAfter(ctx, rpc.Hex(hash[:]))
		if err != nil {
			return 0, err
		}
		if set > at.SetID {
			number = middle
		} else {
			low = middle
		}
	}
	return number, nil
}

// begins returns the earliest set from which known hand-offs lead to the set of a block, as far
// as verifiers accept them. Without a known set that has the same members, the result is nil.
func (n *Network) begins(ctx context.Context, f *evidence.Finality, number int64) (*int64, error) {
	rows, err := n.db.Read().ListSubstrateSets(ctx, query.ListSubstrateSetsParams{Network: n.name(), Newest: f.SetID, Lim: maxHandOffs + 1})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0].SetID != f.SetID {
		return nil, errUnknownSet
	}
	if !bytes.Equal(rows[0].Authorities, f.Authorities) || len(rows[0].Header) > 0 && rows[0].Block >= number {
		return nil, nil
	}
	first := earliest(rows, votesIn(f.Justification))
	return &first, nil
}

// earliest returns the earliest set from which hand-offs lead to the first of rows, which are in
// falling order. votes are those that a document has besides.
func earliest(rows []query.SubstrateSet, votes int64) int64 {
	first, size := rows[0].SetID, 0
	for i, r := range rows {
		votes, size = votes+r.Votes, size+len(r.Header)+len(r.Justification)
		if len(r.Header) == 0 || i+1 == len(rows) || rows[i+1].SetID != r.SetID-1 || votes > maxVotes || size > maxLead {
			break
		}
		first--
	}
	return first
}

// lead puts the hand-offs from a set on in front of a proof of finality.
func (n *Network) lead(ctx context.Context, begins int64, f *evidence.Finality) error {
	rows, err := n.db.Read().ListSubstrateSets(ctx, query.ListSubstrateSetsParams{Network: n.name(), Newest: f.SetID, Lim: int32(f.SetID - begins + 1)})
	if err != nil {
		return err
	}
	if int64(len(rows)) != f.SetID-begins+1 || rows[len(rows)-1].SetID != begins {
		return fmt.Errorf("the hand-offs from set %d to set %d are not in the database", begins, f.SetID)
	}
	f.Authorities, f.SetID = rows[len(rows)-1].Authorities, begins
	for i := len(rows) - 2; i >= 0; i-- {
		f.HandOffs = append(f.HandOffs, evidence.HandOff{Header: rows[i].Header, Justification: rows[i].Justification})
	}
	return nil
}

// maxPinned is the most sets in a file of checkpoints.
const maxPinned = 64

// Checkpoint returns the file that people pin to check the evidence of a network: so many sets
// that all evidence until now meets one, and the newest set, for later evidence. A network that
// has not read its sets has none. The file is of the network of, or else of the chain on which
// this log is anchored; it names the network in both cases.
func Checkpoint(ctx context.Context, db *store.DB, of network.Name) (string, error) {
	chain := of
	at, err := db.Read().GetSubstrateChain(ctx, string(of))
	if errors.Is(err, sql.ErrNoRows) {
		chain = network.ChainOf(of)
		at, err = db.Read().GetSubstrateChain(ctx, string(chain))
	}
	if errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("checkpoint: network %s is not a Substrate chain, or its worker has not started yet", of)
	} else if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	var pinned []query.SubstrateSet
	for next := int64(math.MaxInt64); len(pinned) < maxPinned; {
		rows, err := db.Read().ListSubstrateSets(ctx, query.ListSubstrateSetsParams{Network: string(chain), Newest: next, Lim: maxHandOffs + 1})
		if err != nil {
			return "", fmt.Errorf("checkpoint: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		if len(pinned) == 0 {
			pinned = append(pinned, rows[0])
		}
		// The votes for a block are no more than those for a hand-off, in most sets.
		first := rows[rows[0].SetID-earliest(rows, rows[0].Votes)]
		if first.SetID != pinned[len(pinned)-1].SetID {
			pinned = append(pinned, first)
		}
		if next = first.SetID; next == rows[0].SetID {
			next--
		}
	}
	if len(pinned) == 0 {
		return "", fmt.Errorf("checkpoint: the worker of network %s has read no set of authorities yet", of)
	}
	slices.Reverse(pinned)
	text := fmt.Appendf(nil, "network %s\ngenesis %x\n", of, at.Genesis)
	for _, set := range pinned {
		text = fmt.Appendf(text, "set %d\n", set.SetID)
		r := scale.NewReader(set.Authorities)
		for range r.Count(40) {
			text = fmt.Appendf(text, "authority %x %d\n", r.Hash(), r.U64())
		}
		if err := r.End(); err != nil {
			return "", fmt.Errorf("checkpoint: set %d: %w", set.SetID, err)
		}
	}
	if _, err := evidence.ParseChainCheckpoints(text); err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	return string(text), nil
}
