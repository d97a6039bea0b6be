package anchoring

import (
	"context"
	"fmt"

	"timbre.example/internal/accesscode"
	"timbre.example/internal/claims"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/outbox"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// settle ends one transaction as its receipt says.
func (s *Service) settle(ctx context.Context, tx *store.Tx, row query.Transaction, receipt network.Receipt) error {
	if receipt.Failure != "" {
		return s.fail(ctx, tx, row, receipt.Failure)
	}
	before, err := record.TransactionSteps(row)
	if err != nil {
		return err
	}
	changed, err := tx.FinishTransaction(ctx, query.FinishTransactionParams{
		AtsID: receipt.AtsID, Version: receipt.Version, BlockNumber: receipt.BlockNumber, BlockHash: receipt.BlockHash[:],
		Steps: record.AppendSteps(before, tx.Now, record.StepCompleted), Now: store.Micros(tx.Now), ID: row.ID,
	})
	if err != nil || changed == 0 { // 0: another instance was first
		return err
	}
	job, err := tx.GetJob(ctx, row.ID)
	if err != nil {
		return err
	}
	if err := s.settleWork(ctx, tx, job, receipt); err != nil {
		return err
	}
	var until int64
	if s.StampWithin > 0 {
		until = store.Micros(tx.Now.Add(s.StampWithin))
	}
	if err := tx.InsertVersion(ctx, query.InsertVersionParams{
		TransactionID: row.ID, Version: receipt.Version, TxHash: row.TxHash, BlockNumber: receipt.BlockNumber, BlockHash: receipt.BlockHash[:], Now: store.Micros(receipt.At),
		TimestampUntil: until,
	}); err != nil {
		return err
	}
	if until == 0 { // otherwise the decision about the time stamp enqueues it
		if err := outbox.Enqueue(ctx, tx, outbox.Delivery{Kind: outbox.Certificate, Subject: row.ID, Work: job.WorkID, Organization: job.OrganizationID}); err != nil {
			return err
		}
	}
	if row.TotalCredits == 0 {
		return nil
	}
	return credits.Capture(ctx, tx, row.OrganizationID, row.ID)
}

// settleWork creates the work for a first version, or moves an existing work to its next
// version.
func (s *Service) settleWork(ctx context.Context, tx *store.Tx, job query.Job, receipt network.Receipt) error {
	if job.Kind == record.KindUpdate {
		n, err := tx.SetWorkVersion(ctx, query.SetWorkVersionParams{Version: receipt.Version, Now: store.Micros(tx.Now), ID: job.WorkID})
		if err == nil && n == 0 {
			err = fmt.Errorf("version %d of work %s does not follow its latest", receipt.Version, job.WorkID)
		}
		return err
	}
	w := query.InsertWorkParams{
		ID: job.WorkID, OrganizationID: job.OrganizationID, Network: job.Network, AtsID: receipt.AtsID, Owner: receipt.Owner,
		Title: job.Title, TitleKey: job.TitleKey, ExternalUserRef: job.ExternalUserRef, Test: job.Test, Now: store.Micros(tx.Now),
	}
	if job.ExternalUserRef == "" {
		w.AccessCodeHash = accesscode.Hash(s.Codes.Code(job.WorkID, 0))
	}
	return tx.InsertWork(ctx, w)
}

// fail ends a transaction that the network will never accept. The same commit stores the
// reason and gives back all that confirm reserved and held.
func (s *Service) fail(ctx context.Context, tx *store.Tx, row query.Transaction, reason string) error {
	before, err := record.TransactionSteps(row)
	if err != nil {
		return err
	}
	changed, err := tx.FailTransaction(ctx, query.FailTransactionParams{
		Failure: record.Encode(record.RefusalOf(fault.TransactionFailed(reason))), Steps: record.AppendSteps(before, tx.Now, record.StepFailed), Now: store.Micros(tx.Now), ID: row.ID, Seen: row.State,
	})
	if err != nil || changed == 0 { // 0: another instance took it further
		return err
	}
	job, err := tx.GetJob(ctx, row.ID)
	if err != nil {
		return err
	}
	if err := claims.Release(ctx, tx, job); err != nil {
		return err
	}
	return credits.Release(ctx, tx, row.OrganizationID, row.ID)
}
