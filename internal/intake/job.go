package intake

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"timbre.example/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// newJob returns the fields that every job has. The caller sets the work.
func newJob(c session.Caller, kind string, d described, language string) (query.InsertJobParams, error) {
	list, err := json.Marshal(d.creators)
	if err != nil {
		return query.InsertJobParams{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return query.InsertJobParams{}, err
	}
	return query.InsertJobParams{
		ID: id.String(), OrganizationID: c.Organization, SessionJti: c.SessionID, Kind: kind, Network: string(c.Network), ExternalUserRef: c.ExternalUserRef,
		Creators: string(list), Filename: d.filename, MaxBytes: c.MaxFileSize, UploadKey: files.Upload(id.String()), Media: "{}", Rehearse: string(c.Rehearse), Language: Language(language), Test: c.Test,
	}, nil
}

// asJob returns what a new job has in common with a stored one, for the checks before it is
// stored.
func asJob(job query.InsertJobParams) query.Job {
	return query.Job{OrganizationID: job.OrganizationID, Network: job.Network, WorkID: job.WorkID, ExternalUserRef: job.ExternalUserRef, TitleKey: job.TitleKey, Test: job.Test}
}

// ownJob reads a job that the caller may continue. A job of another caller is reported as
// not found. The token that began the job may be expired, since an upload can take longer
// than a token lives.
func ownJob(ctx context.Context, q *query.Queries, c session.Caller, jobID string) (query.Job, error) {
	job, err := q.GetJob(ctx, jobID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !mayGoOn(c, job) {
		if c.Expired { // it can begin nothing, and it did not begin this job
			return query.Job{}, fault.CommonAuthExpired()
		}
		return query.Job{}, fault.TransactionNotFound()
	}
	return job, err
}

// mayGoOn reports whether the session began the job, or is a valid one for the same
// end-user: a host may renew its token during a job. Without an external_user_ref, knowing
// the job id is the permission. Test keys cannot continue jobs of live keys, and live keys
// cannot continue jobs of test keys.
func mayGoOn(c session.Caller, job query.Job) bool {
	if job.OrganizationID != c.Organization || !allowsKind(c, job) || job.Test != c.Test {
		return false
	}
	return job.SessionJti == c.SessionID || !c.Expired && string(c.Network) == job.Network && c.ExternalUserRef == job.ExternalUserRef
}

// allowsKind reports whether the job's kind is the one that the session allows. An update must
// also be of the work whose access code the caller showed.
func allowsKind(c session.Caller, job query.Job) bool {
	if job.Kind == record.KindUpdate {
		return c.Action == session.UpdateVersion && c.WorkID == job.WorkID
	}
	return c.Action == session.Register
}

// openJob is ownJob for the steps before confirm: it refuses a job that is confirmed or
// expired.
func openJob(ctx context.Context, q *query.Queries, c session.Caller, jobID string, now time.Time) (query.Job, error) {
	job, err := ownJob(ctx, q, c, jobID)
	switch {
	case err != nil:
		return query.Job{}, err
	case job.State == state.JobConfirmed:
		return query.Job{}, fault.TransactionAlreadyConfirmed(job.ID)
	case job.State == state.JobExpired || job.Deadline <= store.Micros(now):
		return query.Job{}, fault.TransactionExpired("job")
	}
	return job, nil
}

// changedMeanwhile returns why a job could not be changed although it was valid when it was read:
// another call changed it in between.
func changedMeanwhile(ctx context.Context, tx *store.Tx, jobID string) error {
	job, err := tx.GetJob(ctx, jobID)
	switch {
	case err != nil:
		return err
	case job.State == state.JobConfirmed:
		return fault.TransactionAlreadyConfirmed(jobID)
	case job.State == state.JobOpen: // a new upload slot withdrew the quote
		return fault.RegistrationUploadMissing().With("reason", "not_prepared")
	}
	return fault.TransactionExpired("job")
}
