package anchoring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/record"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// stage builds and signs the transactions. It stores the exact bytes and their hash before
// anything is sent. It returns the rows that it has staged.
func (s *Service) stage(ctx context.Context, n network.Network, rows []query.Transaction) (staged []query.Transaction, err error) {
	begun := time.Now()
	var (
		answered []query.Transaction
		made     []network.Staged
		rejected []refusal
		silent   []error
	)
	for _, row := range rows {
		if row.Rehearse == string(fault.CodeTransactionFailed) {
			rejected = append(rejected, refusal{row, errRehearsed})
			continue
		}
		m, err := n.Stage(ctx, network.Call{Commitment: [32]byte(row.Commitment), ProtocolVersion: commitment.Version, AtsID: row.AtsID, Nonce: row.ID})
		switch {
		case err == nil:
			answered, made = append(answered, row), append(made, m)
		case errors.Is(err, network.ErrRefused):
			rejected = append(rejected, refusal{row, err})
		default:
			silent = append(silent, fmt.Errorf("transaction %s: %w", row.ID, err))
		}
	}
	rows = answered
	mine := make([]bool, len(rows))
	err = s.eachAtOnce(ctx, rows, func(tx *store.Tx, i int) (func(), error) {
		before, err := record.TransactionSteps(rows[i])
		if err != nil {
			return nil, err
		}
		set := query.StageTransactionParams{
			Staged: made[i].Bytes, TxHash: made[i].Hash[:], Steps: record.AppendSteps(before, tx.Now, record.StepPreparing, record.StepSigning), Now: store.Micros(tx.Now), ID: rows[i].ID,
		}
		n, err := tx.StageTransaction(ctx, set)
		if err != nil || n == 0 { // 0: another instance was first
			return nil, err
		}
		return func() {
			mine[i] = true
			rows[i].State, rows[i].Staged, rows[i].TxHash, rows[i].Steps, rows[i].UpdatedAt = state.TransactionStaged, set.Staged, set.TxHash, set.Steps, set.Now
			s.Events.Step(described(rows[i]), "stage", begun, nil)
		}, nil
	})
	s.Reached("stage.committed")
	return only(rows, mine), errors.Join(append(silent, err, s.refuse(ctx, rejected))...)
}

// refusal is a transaction that its network will never accept.
type refusal struct {
	row query.Transaction
	why error
}

// refuse ends transactions that were refused before they were sent.
func (s *Service) refuse(ctx context.Context, all []refusal) error {
	rows := make([]query.Transaction, len(all))
	for i, r := range all {
		rows[i] = r.row
	}
	return s.each(ctx, rows, func(tx *store.Tx, i int) (func(), error) {
		return s.fail(ctx, tx, rows[i], all[i].why.Error())
	})
}

// broadcast sends the staged transactions. After a crash between sending and the commit, the
// same bytes are sent again. It returns the rows that it has sent.
func (s *Service) broadcast(ctx context.Context, n network.Network, rows []query.Transaction) (sent []query.Transaction, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	begun := time.Now()
	staged := make([]network.Staged, len(rows))
	for i, row := range rows {
		staged[i] = network.Staged{Bytes: row.Staged, Hash: [32]byte(row.TxHash)}
	}
	if err := n.Broadcast(ctx, staged); errors.Is(err, network.ErrRefused) && len(rows) > 1 {
		// One of the rows is refused; the others must not wait for it.
		var all []error
		for i := range rows {
			one, err := s.broadcast(ctx, n, rows[i:i+1])
			sent, all = append(sent, one...), append(all, err)
		}
		return sent, errors.Join(all...)
	} else if err != nil {
		return nil, err
	}
	s.Reached("broadcast.sent")
	mine := make([]bool, len(rows))
	err = s.eachAtOnce(ctx, rows, func(tx *store.Tx, i int) (func(), error) {
		before, err := record.TransactionSteps(rows[i])
		if err != nil {
			return nil, err
		}
		set := query.BroadcastTransactionParams{
			Steps: record.AppendSteps(before, tx.Now, record.StepSubmitting, record.StepConfirming), Now: store.Micros(tx.Now), ID: rows[i].ID,
		}
		n, err := tx.BroadcastTransaction(ctx, set)
		if err != nil || n == 0 { // 0: another instance was first
			return nil, err
		}
		return func() {
			mine[i] = true
			rows[i].State, rows[i].Steps, rows[i].UpdatedAt = state.TransactionBroadcast, set.Steps, set.Now
			s.Events.Step(described(rows[i]), "broadcast", begun, nil)
			s.Changed(query.TransactionForViewRow{Transaction: rows[i]})
		}, nil
	})
	s.Reached("broadcast.committed")
	return only(rows, mine), err
}

// only returns the rows that are marked.
func only(rows []query.Transaction, marked []bool) (some []query.Transaction) {
	for i, row := range rows {
		if marked[i] {
			some = append(some, row)
		}
	}
	return some
}

// finish makes works and versions from receipts.
func (s *Service) finish(ctx context.Context, n network.Network, rows []query.Transaction) error {
	if len(rows) == 0 {
		return nil
	}
	hashes := make([][32]byte, len(rows))
	for i, row := range rows {
		hashes[i] = [32]byte(row.TxHash)
	}
	receipts, err := n.Find(ctx, hashes)
	if err != nil {
		return err
	}
	final := rows[:0]
	for i, row := range rows {
		if _, ok := receipts[hashes[i]]; ok {
			final = append(final, row)
		}
	}
	if len(final) == 0 {
		return nil
	}
	for _, row := range final { // since the broadcast
		s.Events.Step(described(row), "block", store.Time(row.UpdatedAt), nil)
	}
	s.Reached("final.found")
	err = s.each(ctx, final, func(tx *store.Tx, i int) (func(), error) {
		return s.settle(ctx, tx, final[i], receipts[[32]byte(final[i].TxHash)])
	})
	s.Reached("final.committed")
	s.Finished()
	return err
}
