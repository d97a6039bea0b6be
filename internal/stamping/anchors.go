package stamping

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// DefaultAnchorEvery is the pause between two anchors of a log.
const DefaultAnchorEvery = time.Hour

// AnchorDue anchors the newest block of each log on its chain, at most once in AnchorEvery, and
// follows the anchor that is on its way. The chain gets the block's hash. All anchors of a log
// are versions of one work on the chain, until that is full: another version has a smaller
// deposit than another work.
//
// Each step is in a row before the next one begins. The nonce of the transaction is made of the
// row, so the chain has one transaction for it, whatever happens.
func (s *Service) AnchorDue(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "anchor blocks")
	var all []network.Name
	for n := range s.Chains {
		all = append(all, n)
	}
	slices.Sort(all)
	var failed []error
	for _, n := range all {
		if err := s.anchor(ctx, n, s.Chains[n]); err != nil {
			failed = append(failed, fmt.Errorf("log %s: %w", n, err))
		}
	}
	return errors.Join(failed...)
}

// anchor makes one step for one log.
func (s *Service) anchor(ctx context.Context, of network.Name, chain network.Network) error {
	row, err := s.DB.Read().NewestLogAnchor(ctx, string(of))
	if errors.Is(err, sql.ErrNoRows) || err == nil && row.DecidedAt > 0 {
		begun, err := s.beginAnchor(ctx, of, row)
		if err != nil || !begun {
			return err
		}
		s.Reached("anchor.begun")
		row, err = s.DB.Read().NewestLogAnchor(ctx, string(of))
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if len(row.Hash) == 0 {
		if row, err = s.stageAnchor(ctx, of, chain, row); err != nil {
			return err
		}
		s.Reached("anchor.staged")
	}
	hash := [32]byte(row.Hash)
	if s.sent[of] != hash { // once in each process: it can have died before
		if err := chain.Broadcast(ctx, []network.Staged{{Bytes: row.Staged, Hash: hash}}); err != nil {
			return err
		}
		s.sent[of] = hash
		s.Reached("anchor.sent")
	}
	found, err := chain.Find(ctx, [][32]byte{hash})
	if err != nil {
		return err
	}
	receipt, ok := found[hash]
	if !ok {
		return nil
	}
	s.Reached("anchor.found")
	if receipt.Failure != "" {
		s.Log.WarnContext(ctx, "the chain refused a block of a log: a later block follows", "network", of, "block", row.Block, "failure", receipt.Failure)
	}
	if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		_, err := tx.DecideLogAnchor(ctx, query.DecideLogAnchorParams{
			Network: string(of), Block: row.Block, Now: store.Micros(tx.Now), Failure: receipt.Failure, AtsID: receipt.AtsID, Version: receipt.Version,
		})
		return err
	}); err != nil {
		return err
	}
	s.Reached("anchor.decided")
	return nil
}

// beginAnchor adds a row for the newest block of the log if it is time for one. last is the
// newest row, or empty.
func (s *Service) beginAnchor(ctx context.Context, of network.Name, last query.NewestLogAnchorRow) (begun bool, err error) {
	every := s.AnchorEvery
	if every == 0 {
		every = DefaultAnchorEvery
	}
	if last.Block > 0 && s.DB.Now().Before(store.Time(last.BegunAt).Add(every)) {
		return false, nil
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		// After a refusal, and where there is no work yet, AtsID is 0: a new work.
		n, err := tx.BeginLogAnchor(ctx, query.BeginLogAnchorParams{Network: string(of), Updates: last.AtsID, Now: store.Micros(tx.Now), After: last.Block})
		begun = n > 0
		return err
	})
	return begun, err
}

// stageAnchor stores the signed transaction of a row.
func (s *Service) stageAnchor(ctx context.Context, of network.Name, chain network.Network, row query.NewestLogAnchorRow) (query.NewestLogAnchorRow, error) {
	// A nonce belongs to one call.
	call := func(updates int64) network.Call {
		return network.Call{
			Commitment: [32]byte(row.Digest), ProtocolVersion: commitment.Version, AtsID: updates,
			Nonce: fmt.Sprintf("anchor of %s block %d updates %d", of, row.Block, updates),
		}
	}
	if row.Updates != 0 {
		err := chain.DryRun(ctx, call(row.Updates))
		if errors.Is(err, network.ErrRefused) { // the work is full
			row.Updates = 0
			err = s.DB.Tx(ctx, func(tx *store.Tx) error {
				_, err := tx.RenewLogAnchor(ctx, query.RenewLogAnchorParams{Network: string(of), Block: row.Block})
				return err
			})
		}
		if err != nil { // also a chain that is silent: it does not say whether the work is full
			return row, err
		}
	}
	staged, err := chain.Stage(ctx, call(row.Updates))
	if err != nil {
		return row, err
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		_, err := tx.StageLogAnchor(ctx, query.StageLogAnchorParams{Network: string(of), Block: row.Block, Hash: staged.Hash[:], Staged: staged.Bytes})
		return err
	})
	if err != nil {
		return row, err
	}
	return s.DB.Read().NewestLogAnchor(ctx, string(of)) // another process can have been first
}

// Logged is a log that can prove that it only grows.
type Logged interface {
	// Block returns the block with this number.
	Block(ctx context.Context, number int64) (network.Block, error)
	// ConsistencyProof proves that the first size entries continue the first old.
	ConsistencyProof(ctx context.Context, old, size int64) (tlog.TreeProof, error)
}

// Anchored is an anchor that covers a block.
type Anchored struct {
	Anchor evidence.Anchor
	// Checkpoint is of the block that the chain has, with the log's signature alone. Consistency
	// proves that its tree continues that of the block.
	Checkpoint  string
	Consistency tlog.TreeProof
}

// Attestations returns what evidence of the block with this hash gets: the anchor, and before it
// the checkpoint that it is about, if that is a later one.
func (a Anchored) Attestations(block [32]byte) ([]evidence.Attestation, error) {
	own, _, err := evidence.Split(a.Checkpoint)
	if err != nil {
		return nil, err
	}
	anchor := evidence.Attestation{Kind: evidence.KindAnchor, Of: evidence.OfBlock, Anchor: &a.Anchor}
	if sha256.Sum256([]byte(own)) == block {
		return []evidence.Attestation{anchor}, nil
	}
	anchor.Of = evidence.OfAttestation(0)
	return []evidence.Attestation{{Kind: evidence.KindCheckpoint, Checkpoint: own, Consistency: a.Consistency}, anchor}, nil
}

// maxUnproved is how many anchors without a proof AnchorOf passes over.
const maxUnproved = 8

// AnchorOf returns the first anchor that covers a block of a log, and whose proof is collected.
// Before that it returns nil.
func AnchorOf(ctx context.Context, db *store.DB, of network.Name, log Logged, chain network.Network, block int64) (_ *Anchored, err error) {
	defer operation.Wrap(&err, "read the anchor of block %d of the log %s", block, of)
	from := block
	for range maxUnproved {
		row, err := db.Read().FinalLogAnchor(ctx, query.FinalLogAnchorParams{Network: string(of), Block: from})
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		proof, err := chain.Prove(ctx, [32]byte(row.Hash))
		if err != nil {
			return nil, err
		}
		at := proof.Substrate
		if at == nil || len(at.StateProof) == 0 || at.Finality == nil {
			from = row.Block + 1 // no node had a part of it
			continue
		}
		mine, err := log.Block(ctx, block)
		if err != nil {
			return nil, err
		}
		later, err := log.Block(ctx, row.Block)
		if err != nil {
			return nil, err
		}
		out := &Anchored{Checkpoint: later.Checkpoint, Anchor: evidence.Anchor{
			AtsID: row.AtsID, Version: row.Version, Genesis: at.Genesis, Header: at.Header, StateProof: at.StateProof, Finality: at.Finality,
		}}
		out.Consistency, err = log.ConsistencyProof(ctx, mine.Size, later.Size)
		return out, err
	}
	return nil, nil
}
