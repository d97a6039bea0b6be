package intake

import (
	"context"
	"database/sql"
	"errors"
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
	stopped := s.stopped(ctx)
	var job query.Job
	earlier := false // an earlier run was committed after all
	err = s.DB.Repeat(ctx, func(tx *store.Tx) (err error) {
		if earlier, err = confirmedEarlier(ctx, tx, m, jobID, requestID, &job); err != nil || earlier {
			return err
		}
		confirm := []func(*store.Tx) error{func(tx *store.Tx) (err error) {
			job, err = s.confirmJob(ctx, tx, m, jobID, stopped)
			return err
		}}
		if of := quotaOf(m.Caller()); of.Limit > 0 {
			// The first claim of a month counts its transactions, and this one must not be there.
			if err := tx.Together(append(confirm, func(tx *store.Tx) error { return quota.Claim(ctx, tx, of) })...); err != nil {
				return err
			}
			confirm = nil
		}
		if err := tx.Together(append(confirm,
			func(tx *store.Tx) error {
				n, err := tx.InsertTransaction(ctx, query.InsertTransactionParams{
					JobID: jobID, Steps: record.AppendSteps(nil, tx.Now, record.StepValidating), RequestID: requestID, Now: store.Micros(tx.Now),
				})
				if err == nil && n == 0 { // another transaction of this work is in flight
					err = fault.VersionAlreadyInProgress("in_flight")
				}
				return err
			},
			func(tx *store.Tx) error { return claims.Make(ctx, tx, jobID, &job, m.Caller().DuplicateTitles) },
		)...); err != nil {
			return err
		}
		return tx.Together(
			func(tx *store.Tx) error { return claims.Newest(ctx, tx, job) },
			func(tx *store.Tx) error {
				return credits.Hold(ctx, tx, job.OrganizationID, jobID, job.TotalCredits)
			},
		)
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

// confirmJob confirms the job and returns it. From then on the transaction has the row locked:
// a prepare may have changed it since it was read, and what it contains now is anchored and
// charged.
func (s *Service) confirmJob(ctx context.Context, tx *store.Tx, m access.Maker, jobID string, stopped map[string]error) (job query.Job, err error) {
	var changed int64
	if err := tx.Together(func(tx *store.Tx) error {
		before, err := openJob(ctx, tx.Queries, m, jobID, tx.Now)
		switch {
		case err != nil:
			return err
		case before.State != state.JobPrepared:
			return fault.RegistrationUploadMissing().With("reason", "not_prepared")
		case stopped[before.Network] != nil:
			return stopped[before.Network]
		case before.QuoteUntil <= store.Micros(tx.Now):
			return fault.TransactionExpired("quote")
		}
		return nil
	}, func(tx *store.Tx) (err error) {
		changed, err = tx.ConfirmJob(ctx, query.ConfirmJobParams{Now: store.Micros(tx.Now), ID: jobID})
		return err
	}, func(tx *store.Tx) (err error) {
		job, err = tx.GetJob(ctx, jobID)
		return err
	}); err != nil {
		return job, err
	}
	if changed == 0 {
		return job, changedMeanwhile(ctx, tx, jobID)
	}
	return job, nil
}

// confirmedEarlier reports whether an earlier run of this confirm was committed, and reads its
// job. Another confirm of the job has another request id.
func confirmedEarlier(ctx context.Context, tx *store.Tx, m access.Maker, jobID, requestID string, job *query.Job) (bool, error) {
	if !tx.Again {
		return false, nil
	}
	t, err := tx.GetTransaction(ctx, jobID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && t.RequestID != requestID {
		return false, nil
	} else if err != nil {
		return false, err
	}
	*job, err = ownJob(ctx, tx.Queries, m, jobID)
	return true, err
}

// retryStopped is the retry time that clients receive while the network is stopped: an
// operator has to act first.
const retryStopped = time.Minute

// stopped returns the refusals of the networks that are stopped, by their names. It reads before
// the transaction begins: a transaction that waits for a second connection could wait for itself.
func (s *Service) stopped(ctx context.Context) map[string]error {
	refusals := map[string]error{}
	for name, n := range s.Networks {
		if err := n.Stopped(ctx); err != nil {
			refusals[string(name)] = fault.CommonServiceUnavailable(retryStopped).With("reason", "log_stopped").Because(err)
		}
	}
	return refusals
}
