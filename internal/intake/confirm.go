package intake

import (
	"context"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/claims"
	"timbre.example/internal/credits"
	"timbre.example/internal/events"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/quota"
	"timbre.example/internal/record"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Confirmed is a registration that will be anchored.
type Confirmed struct {
	TransactionID string
	// AccessCode opens the work once the transaction is final. It is empty for a work of an
	// end-user of the host. It is also empty for an update, since the work already has its
	// code.
	AccessCode string
}

// Confirm accepts a quote. One transaction confirms the job (once), reserves title and
// audio, holds the price and queues the job's transaction for the network. requestID is kept
// for a failure that comes later.
//
// While the network is stopped, Confirm returns common.service_unavailable and holds
// nothing.
func (s *Service) Confirm(ctx context.Context, m access.Maker, jobID, requestID string) (_ Confirmed, err error) {
	defer operation.Wrap(&err, "confirm job %s", jobID)
	if err := s.stopped(ctx, m, jobID); err != nil {
		return Confirmed{}, err
	}
	var job query.Job
	err = s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		if job, err = openJob(ctx, tx.Queries, m, jobID, tx.Now); err != nil {
			return err
		}
		switch {
		case job.State != state.JobPrepared:
			return fault.RegistrationUploadMissing().With("reason", "not_prepared")
		case job.QuoteUntil <= store.Micros(tx.Now):
			return fault.TransactionExpired("quote")
		}
		n, err := tx.ConfirmJob(ctx, query.ConfirmJobParams{Now: store.Micros(tx.Now), ID: jobID})
		if err != nil {
			return err
		}
		if n == 0 {
			return changedMeanwhile(ctx, tx, jobID)
		}
		// From here on this transaction has the row locked. A prepare may have changed it
		// since it was read; anchor and charge what it contains now.
		if job, err = tx.GetJob(ctx, jobID); err != nil {
			return err
		}
		if err := quota.Claim(ctx, tx, quotaOf(m.Caller())); err != nil {
			return err
		}
		if n, err = tx.InsertTransaction(ctx, query.InsertTransactionParams{
			ID: jobID, OrganizationID: job.OrganizationID, Network: job.Network, Kind: job.Kind, WorkID: job.WorkID, AtsID: job.AtsID,
			Commitment: job.Commitment, TotalCredits: job.TotalCredits, Steps: record.AppendSteps(nil, tx.Now, record.StepValidating), RequestID: requestID, ApiKeyID: job.ApiKeyID, Rehearse: job.Rehearse, Test: job.Test, Now: store.Micros(tx.Now),
		}); err != nil {
			return err
		}
		if n == 0 { // another transaction of this work is in flight
			return fault.VersionAlreadyInProgress("in_flight")
		}
		if err := claims.Make(ctx, tx, job, m.Caller().DuplicateTitles); err != nil {
			return err
		}
		return credits.Hold(ctx, tx, job.OrganizationID, jobID, job.TotalCredits)
	})
	if err != nil {
		return Confirmed{}, err
	}
	s.Events.Confirmed(ctx, events.Transaction{Job: jobID, Network: job.Network, Kind: job.Kind, Organization: job.OrganizationID, Credits: job.TotalCredits, Request: requestID})
	s.Reached("confirm.committed")
	s.Confirmed(network.Name(job.Network))
	out := Confirmed{TransactionID: jobID}
	if job.ExternalUserRef == "" && job.Kind == record.KindRegister {
		out.AccessCode = s.Codes.Code(job.WorkID, 0)
	}
	return out, nil
}

// retryStopped is the retry time that clients receive while the network is stopped: an
// operator has to act first.
const retryStopped = time.Minute

// stopped refuses a job that could be confirmed if its network were not stopped. Every other
// error of a job is left to Confirm.
func (s *Service) stopped(ctx context.Context, m access.Maker, jobID string) error {
	job, err := openJob(ctx, s.DB.Read(), m, jobID, s.DB.Now())
	if err != nil || job.State != state.JobPrepared {
		return nil
	}
	n, err := s.Networks.Get(network.Name(job.Network))
	if err != nil {
		return err
	}
	if err := n.Stopped(ctx); err != nil {
		return fault.CommonServiceUnavailable(retryStopped).With("reason", "log_stopped").Because(err)
	}
	return nil
}
