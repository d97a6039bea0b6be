package anchoring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// stage builds and signs the transactions. It stores the exact bytes and their hash before
// anything is sent.
func (s *Service) stage(ctx context.Context, n network.Network, rows []query.Transaction) error {
	begun := time.Now()
	var (
		answered []query.Transaction
		staged   []network.Staged
		refused  []error
		silent   []error
	)
	for _, row := range rows {
		if row.Rehearse == string(fault.CodeTransactionFailed) {
			answered, staged, refused = append(answered, row), append(staged, network.Staged{}), append(refused, errRehearsed)
			continue
		}
		s, err := n.Stage(ctx, network.Call{Commitment: [32]byte(row.Commitment), ProtocolVersion: commitment.Version, AtsID: row.AtsID, Nonce: row.ID})
		if err != nil && !errors.Is(err, network.ErrRefused) {
			silent = append(silent, fmt.Errorf("transaction %s: %w", row.ID, err))
			continue
		}
		answered, staged, refused = append(answered, row), append(staged, s), append(refused, err)
	}
	if len(answered) == 0 {
		return errors.Join(silent...)
	}
	rows = answered
	err := s.each(ctx, rows, func(tx *store.Tx, i int) (func(), error) {
		if refused[i] != nil {
			return s.fail(ctx, tx, rows[i], refused[i].Error())
		}
		before, err := record.TransactionSteps(rows[i])
		if err != nil {
			return nil, err
		}
		_, err = tx.StageTransaction(ctx, query.StageTransactionParams{
			Staged: staged[i].Bytes, TxHash: staged[i].Hash[:], Steps: record.AppendSteps(before, tx.Now, record.StepPreparing, record.StepSigning), Now: store.Micros(tx.Now), ID: rows[i].ID,
		})
		return func() { s.Events.Step(described(rows[i]), "stage", begun, nil) }, err
	})
	s.Reached("stage.committed")
	return errors.Join(append(silent, err)...)
}

// broadcast sends the staged transactions. After a crash between sending and the commit, the
// same bytes are sent again.
func (s *Service) broadcast(ctx context.Context, n network.Network, rows []query.Transaction) error {
	begun := time.Now()
	staged := make([]network.Staged, len(rows))
	for i, row := range rows {
		staged[i] = network.Staged{Bytes: row.Staged, Hash: [32]byte(row.TxHash)}
	}
	if err := n.Broadcast(ctx, staged); errors.Is(err, network.ErrRefused) && len(rows) > 1 {
		// One of the rows is refused; the others must not wait for it.
		var all []error
		for i := range rows {
			all = append(all, s.broadcast(ctx, n, rows[i:i+1]))
		}
		return errors.Join(all...)
	} else if err != nil {
		return err
	}
	s.Reached("broadcast.sent")
	err := s.each(ctx, rows, func(tx *store.Tx, i int) (func(), error) {
		before, err := record.TransactionSteps(rows[i])
		if err != nil {
			return nil, err
		}
		_, err = tx.BroadcastTransaction(ctx, query.BroadcastTransactionParams{
			Steps: record.AppendSteps(before, tx.Now, record.StepSubmitting, record.StepConfirming), Now: store.Micros(tx.Now), ID: rows[i].ID,
		})
		return func() { s.Events.Step(described(rows[i]), "broadcast", begun, nil) }, err
	})
	s.Reached("broadcast.committed")
	return err
}

// finish makes works and versions from receipts.
func (s *Service) finish(ctx context.Context, n network.Network, rows []query.Transaction) error {
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
