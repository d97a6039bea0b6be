package registry

import (
	"context"
	"errors"
	"time"

	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
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
func (r *Registry) Confirm(ctx context.Context, c session.Caller, jobID, requestID string) (Confirmed, error) {
	if err := r.stopped(ctx, c, jobID); err != nil {
		return Confirmed{}, err
	}
	var job query.Job
	err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		if job, err = openJob(ctx, tx.Queries, c, jobID, tx.Now); err != nil {
			return err
		}
		switch {
		case job.State != "prepared":
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
		if err := r.claimQuota(ctx, tx, c); err != nil {
			return err
		}
		if n, err = tx.InsertTransaction(ctx, query.InsertTransactionParams{
			ID: jobID, OrganizationID: job.OrganizationID, Network: job.Network, Kind: job.Kind, WorkID: job.WorkID, AtsID: job.AtsID,
			Commitment: job.Commitment, TotalCredits: job.TotalCredits, Steps: steps(nil, tx.Now, stepValidating), RequestID: requestID, Rehearse: job.Rehearse, Test: job.Test, Now: store.Micros(tx.Now),
		}); err != nil {
			return err
		}
		if n == 0 { // another transaction of this work is in flight
			return fault.VersionAlreadyInProgress("in_flight")
		}
		if err := claim(ctx, tx, job, c.DuplicateTitles); err != nil {
			return err
		}
		return credits.Hold(ctx, tx, job.OrganizationID, jobID, job.TotalCredits)
	})
	if err != nil {
		return Confirmed{}, err
	}
	r.reached("confirm.committed")
	r.Wake(network.Name(job.Network))
	out := Confirmed{TransactionID: jobID}
	if job.ExternalUserRef == "" && job.Kind == KindRegister {
		out.AccessCode = r.accessCode(job.WorkID, 0)
	}
	return out, nil
}

// retryStopped is the retry time that clients receive while the network is stopped: an
// operator has to act first.
const retryStopped = time.Minute

// stopped refuses a job that could be confirmed if its network were not stopped. Every other
// error of a job is left to Confirm.
func (r *Registry) stopped(ctx context.Context, c session.Caller, jobID string) error {
	job, err := openJob(ctx, r.DB.Read(), c, jobID, r.DB.Now())
	if err != nil || job.State != "prepared" {
		return nil
	}
	n, err := r.network(network.Name(job.Network))
	if err != nil {
		return err
	}
	if err := n.Stopped(ctx); err != nil {
		return fault.CommonServiceUnavailable(retryStopped).With("reason", "log_stopped").Because(err)
	}
	return nil
}

// Stopped returns why a network accepts nothing until its operator acts; nil when no network
// is stopped.
func (r *Registry) Stopped(ctx context.Context) error {
	var all []error
	for _, n := range r.Networks {
		all = append(all, n.Stopped(ctx))
	}
	return errors.Join(all...)
}

// changedMeanwhile returns why a job could not be changed although it was valid when it was read:
// another call changed it in between.
func changedMeanwhile(ctx context.Context, tx *store.Tx, jobID string) error {
	job, err := tx.GetJob(ctx, jobID)
	switch {
	case err != nil:
		return err
	case job.State == "confirmed":
		return fault.TransactionAlreadyConfirmed(jobID)
	case job.State == "open": // a new upload slot withdrew the quote
		return fault.RegistrationUploadMissing().With("reason", "not_prepared")
	}
	return fault.TransactionExpired("job")
}

// claimScope returns the value of the column network in which claims are unique. Claims of
// test keys never conflict with claims of live keys.
func claimScope(network string, test bool) string {
	if test {
		return network + "/test"
	}
	return network
}

// claim reserves the title and the audio for the work. An update already has its title. It
// is refused when the work has a newer version than the one on which the update began: the
// end-user agreed to a change of that version.
func claim(ctx context.Context, tx *store.Tx, job query.Job, duplicateTitles bool) error {
	if job.Kind == KindUpdate {
		w, err := tx.GetWork(ctx, job.WorkID)
		if err != nil {
			return err
		}
		if w.LatestVersion != job.BaseVersion {
			return fault.VersionAlreadyInProgress("newer_version")
		}
	} else if !duplicateTitles {
		n, err := tx.ClaimTitle(ctx, query.ClaimTitleParams{
			OrganizationID: job.OrganizationID, Network: claimScope(job.Network, job.Test), ExternalUserRef: job.ExternalUserRef, TitleKey: job.TitleKey, WorkID: job.WorkID,
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.RegistrationDuplicateTitle()
		}
	}
	for {
		n, err := tx.ClaimMedia(ctx, query.ClaimMediaParams{OrganizationID: job.OrganizationID, Network: claimScope(job.Network, job.Test), MediaHash: job.MediaHash, WorkID: job.WorkID})
		if err != nil || n == 1 {
			return err
		}
		owner, err := mediaOwner(ctx, tx.Queries, job, job.MediaHash)
		if err != nil || owner == job.WorkID {
			return err
		}
		// Freed between the two statements: claim it again.
	}
}

// releaseClaims gives back what claim reserved, except the audio of a final version.
func releaseClaims(ctx context.Context, tx *store.Tx, job query.Job) error {
	if job.Kind == KindRegister {
		if err := tx.FreeTitle(ctx, query.FreeTitleParams{
			OrganizationID: job.OrganizationID, Network: claimScope(job.Network, job.Test), ExternalUserRef: job.ExternalUserRef, TitleKey: job.TitleKey, WorkID: job.WorkID,
		}); err != nil {
			return err
		}
	}
	return tx.FreeMedia(ctx, query.FreeMediaParams{OrganizationID: job.OrganizationID, Network: claimScope(job.Network, job.Test), MediaHash: job.MediaHash, WorkID: job.WorkID})
}
