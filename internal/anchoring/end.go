package anchoring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/accesscode"
	"timbre.example/internal/claims"
	"timbre.example/internal/credits"
	"timbre.example/internal/events"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/outbox"
	"timbre.example/internal/quota"
	"timbre.example/internal/record"
	"timbre.example/internal/search"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/tally"
	"timbre.example/internal/webhook"
)

// succeeded is the event of each kind of transaction.
var succeeded = map[string]webhook.Event{record.KindRegister: webhook.WorkRegistered, record.KindUpdate: webhook.WorkUpdated}

// described is a transaction as events name it.
func described(row query.Transaction) events.Transaction {
	return events.Transaction{Job: row.ID, Network: row.Network, Kind: row.Kind, Organization: row.OrganizationID, Credits: row.TotalCredits, Request: row.RequestID}
}

// settle ends one transaction as its receipt says. committed records that end.
func (s *Service) settle(ctx context.Context, tx *store.Tx, row query.Transaction, receipt network.Receipt) (committed func(), err error) {
	begun := time.Now()
	if receipt.Failure != "" {
		return s.fail(ctx, tx, row, receipt.Failure)
	}
	before, err := record.TransactionSteps(row)
	if err != nil {
		return nil, err
	}
	final := receipt.Final() // the staged bytes can have been signed again
	row.TxHash = final[:]
	set := query.FinishTransactionParams{
		TxHash: row.TxHash, AtsID: receipt.AtsID, Version: receipt.Version, BlockNumber: receipt.BlockNumber, BlockHash: receipt.BlockHash[:],
		Steps: record.AppendSteps(before, tx.Now, record.StepCompleted), Now: store.Micros(tx.Now), ID: row.ID,
	}
	var changed int64
	var job query.Job
	if err := tx.Together(func(tx *store.Tx) (err error) {
		changed, err = tx.FinishTransaction(ctx, set)
		return err
	}, func(tx *store.Tx) (err error) {
		job, err = tx.GetJob(ctx, row.ID)
		return err
	}); err != nil || changed == 0 { // 0: another instance was first
		return nil, err
	}
	if err := s.settleWork(ctx, tx, job, receipt); err != nil {
		return nil, err
	}
	var until int64
	if s.StampWithin > 0 {
		until = store.Micros(tx.Now.Add(s.StampWithin))
	}
	if err := tx.InsertVersion(ctx, query.InsertVersionParams{
		TransactionID: row.ID, Version: receipt.Version, TxHash: row.TxHash, BlockNumber: receipt.BlockNumber, BlockHash: receipt.BlockHash[:], Now: store.Micros(receipt.At),
		TimestampUntil: until, Words: search.Rule,
	}); err != nil {
		return nil, err
	}
	creators, err := record.JobCreators(job)
	if err != nil {
		return nil, err
	}
	if err := search.Add(ctx, tx, search.Entry{
		Organization: job.OrganizationID, Work: job.WorkID, Scope: search.Scope{Network: job.Network, Test: job.Test}, Version: receipt.Version,
		Title: job.Title, Reference: job.ExternalUserRef, Creators: creators, Hashes: [][]byte{job.MediaHash, job.Commitment, row.TxHash},
	}); err != nil {
		return nil, err
	}
	if until == 0 { // otherwise the decision about the time stamp enqueues it
		if err := outbox.Enqueue(ctx, tx, outbox.Delivery{Kind: outbox.Certificate, Subject: row.ID, Work: job.WorkID, Organization: job.OrganizationID}); err != nil {
			return nil, err
		}
	}
	hash := record.Hex(row.TxHash)
	if err := tx.Together(func(tx *store.Tx) error {
		if row.TotalCredits == 0 {
			return nil
		}
		return credits.Capture(ctx, tx, row.OrganizationID, row.ID)
	}, func(tx *store.Tx) error {
		return tally.Final(ctx, tx, row, tx.Now)
	}, func(tx *store.Tx) error {
		return webhook.TransactionEnded(ctx, tx, webhook.Ended{
			Event: succeeded[row.Kind], Transaction: row.ID, Organization: row.OrganizationID, Work: row.WorkID, APIKey: row.ApiKeyID, ExternalUserRef: job.ExternalUserRef, Network: row.Network,
			At: receipt.At, AtsID: receipt.AtsID, TxHash: row.TxHash, BlockHash: receipt.BlockHash[:], BlockNumber: receipt.BlockNumber, ExplorerURL: s.ExplorerURL(network.Name(row.Network), hash),
			AccessCode: row.Kind == record.KindRegister && job.ExternalUserRef == "",
		})
	}); err != nil {
		return nil, err
	}
	took := tx.Now.Sub(store.Time(row.CreatedAt))
	ended := query.TransactionForViewRow{Transaction: row, ExternalUserRef: job.ExternalUserRef, RegisteredAt: store.Micros(receipt.At)}
	t := &ended.Transaction
	t.State, t.AtsID, t.Version, t.BlockNumber, t.BlockHash, t.Steps, t.UpdatedAt = state.TransactionFinal, set.AtsID, set.Version, set.BlockNumber, set.BlockHash, set.Steps, set.Now
	return func() {
		s.Changed(ended)
		s.Events.Step(described(row), "final", begun, nil)
		s.Events.Final(ctx, described(row), row.WorkID, receipt.Version, receipt.BlockNumber, took)
	}, nil
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
// committed records the failure.
func (s *Service) fail(ctx context.Context, tx *store.Tx, row query.Transaction, reason string) (committed func(), err error) {
	before, err := record.TransactionSteps(row)
	if err != nil {
		return nil, err
	}
	set := query.FailTransactionParams{
		Failure: record.Encode(record.RefusalOf(fault.TransactionFailed(reason))), Steps: record.AppendSteps(before, tx.Now, record.StepFailed), Now: store.Micros(tx.Now), ID: row.ID, Seen: row.State,
	}
	changed, err := tx.FailTransaction(ctx, set)
	if err != nil || changed == 0 { // 0: another instance took it further
		return nil, err
	}
	if err := quota.Return(ctx, tx, row.OrganizationID, row.Test, store.Time(row.CreatedAt)); err != nil {
		return nil, err
	}
	job, err := tx.GetJob(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	if err := claims.Release(ctx, tx, job); err != nil {
		return nil, err
	}
	if err := credits.Release(ctx, tx, row.OrganizationID, row.ID); err != nil {
		return nil, err
	}
	if err := tally.Failed(ctx, tx, row, tx.Now, reason); err != nil {
		return nil, err
	}
	if err := webhook.TransactionEnded(ctx, tx, webhook.Ended{
		Event: webhook.WorkFailed, Transaction: row.ID, Organization: row.OrganizationID, Work: row.WorkID, APIKey: row.ApiKeyID, ExternalUserRef: job.ExternalUserRef, Network: row.Network,
		At: tx.Now, Reason: reason,
	}); err != nil {
		return nil, err
	}
	failed := query.TransactionForViewRow{Transaction: row}
	t := &failed.Transaction
	t.State, t.Failure, t.Steps, t.UpdatedAt = state.TransactionFailed, set.Failure, set.Steps, set.Now
	return func() {
		s.Changed(failed)
		s.Finished()
		s.Events.Step(described(row), "refused", store.Time(row.UpdatedAt), errors.New(reason))
		s.Events.Failed(ctx, described(row), string(fault.CodeTransactionFailed), reason)
	}, nil
}
