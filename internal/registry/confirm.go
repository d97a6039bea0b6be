package registry

import (
	"context"
	"errors"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/credits"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Confirmed is a registration that will now be anchored.
type Confirmed struct {
	TransactionID string
	// AccessCode opens the work later; empty when it belongs to an end-user of
	// the host, and for an update: the work has its code. It is good once the
	// transaction is final.
	AccessCode string
}

// Confirm accepts a quote. In one transaction the job is confirmed (once), its
// title and audio are reserved, its price is held, and its transaction is
// queued for the network. requestID is kept for a failure that comes later. While the
// network is stopped it is common.service_unavailable, and nothing is held.
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
			return overtaken(ctx, tx, jobID)
		}
		// From here on the row is ours. A prepare may have changed it since it
		// was read, and what is anchored and paid must be what it says now.
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

// retryStopped is when a client may ask again whose network is stopped: an operator
// has to act first.
const retryStopped = time.Minute

// stopped refuses a job that could be confirmed while its network is stopped. What
// else is wrong with a job Confirm says.
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

// Stopped is the reason why a network takes nothing until its operator acts; nil when
// all networks go on.
func (r *Registry) Stopped(ctx context.Context) error {
	var all []error
	for _, n := range r.Networks {
		all = append(all, n.Stopped(ctx))
	}
	return errors.Join(all...)
}

// overtaken is why a job that was good when it was read could not be changed a
// moment later: what somebody else made of it in between.
func overtaken(ctx context.Context, tx *store.Tx, jobID string) error {
	job, err := tx.GetJob(ctx, jobID)
	switch {
	case err != nil:
		return err
	case job.State == "confirmed":
		return fault.TransactionAlreadyConfirmed(jobID)
	case job.State == "open": // another upload slot took the quote back
		return fault.RegistrationUploadMissing().With("reason", "not_prepared")
	}
	return fault.TransactionExpired("job")
}

// claimScope is where claims are unique, in the column network: those of test keys
// stand in no live key's way, nor the other way round.
func claimScope(network string, test bool) string {
	if test {
		return network + "/test"
	}
	return network
}

// claim reserves the title and the audio for the work. An update has its title
// already, and is refused when the work is not what it was when the update began:
// what the end-user agreed to was a change of something else.
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
		// Freed between the two statements: nobody's, so ours to claim.
	}
}

// free gives back what claim reserved, but not the audio of a version that is
// final.
func free(ctx context.Context, tx *store.Tx, job query.Job) error {
	if job.Kind == KindRegister {
		if err := tx.FreeTitle(ctx, query.FreeTitleParams{
			OrganizationID: job.OrganizationID, Network: claimScope(job.Network, job.Test), ExternalUserRef: job.ExternalUserRef, TitleKey: job.TitleKey, WorkID: job.WorkID,
		}); err != nil {
			return err
		}
	}
	return tx.FreeMedia(ctx, query.FreeMediaParams{OrganizationID: job.OrganizationID, Network: claimScope(job.Network, job.Test), MediaHash: job.MediaHash, WorkID: job.WorkID})
}
