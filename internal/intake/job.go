package intake

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/access"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/operation"
	"timbre.example/internal/quota"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// newJob returns the fields that every job has. The caller sets the work.
func newJob(c access.Caller, kind string, d described, language string) (query.InsertJobParams, error) {
	list, err := json.Marshal(d.creators)
	if err != nil {
		return query.InsertJobParams{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return query.InsertJobParams{}, err
	}
	return query.InsertJobParams{
		ID: id.String(), OrganizationID: c.Organization, SessionJti: c.SessionID, ApiKeyID: c.APIKeyID, Kind: kind, Network: string(c.Network), ExternalUserRef: c.ExternalUserRef,
		Creators: string(list), Filename: d.filename, MaxBytes: c.MaxFileSize, UploadKey: files.Upload(id.String()), Media: "{}", Rehearse: string(c.Rehearse), Language: Language(language), Test: c.Test,
	}, nil
}

// asJob returns what a new job has in common with a stored one, for the checks before it is
// stored.
func asJob(job query.InsertJobParams) query.Job {
	return query.Job{OrganizationID: job.OrganizationID, Network: job.Network, WorkID: job.WorkID, ExternalUserRef: job.ExternalUserRef, TitleKey: job.TitleKey, ApiKeyID: job.ApiKeyID, Test: job.Test}
}

// ownJob reads a job that the caller may continue. A job of another caller is reported as
// not found. The token that began the job may be expired, since an upload can take longer
// than a token lives.
func ownJob(ctx context.Context, q *query.Queries, m access.Maker, jobID string) (query.Job, error) {
	c := m.Caller()
	row, err := q.OwnJob(ctx, query.OwnJobParams{Jti: c.SessionID, ID: jobID})
	job := row.Job
	if row.Revoked { // since its token was checked
		return query.Job{}, fault.SessionInvalidToken("revoked")
	}
	if errors.Is(err, sql.ErrNoRows) || err == nil && !mayGoOn(m, job) {
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
// cannot continue jobs of test keys. A job of an API key is its organization's: every key of
// the organization continues it, also after the first key was revoked, and no session does.
func mayGoOn(m access.Maker, job query.Job) bool {
	c := m.Caller()
	if job.OrganizationID != c.Organization || !m.Makes(job) || job.Test != c.Test {
		return false
	}
	if c.APIKeyID != "" || job.ApiKeyID != "" {
		return c.APIKeyID != "" && job.ApiKeyID != ""
	}
	return job.SessionJti == c.SessionID || !c.Expired && string(c.Network) == job.Network && c.ExternalUserRef == job.ExternalUserRef
}

// Rehearsal returns the code that a job rehearses, or "".
func (s *Service) Rehearsal(ctx context.Context, m access.Maker, jobID string) (_ fault.Code, err error) {
	defer operation.Wrap(&err, "read the rehearsal of job %s", jobID)
	job, err := ownJob(ctx, s.DB.Read(), m, jobID)
	return fault.Code(job.Rehearse), err
}

// openJob is ownJob for the steps before confirm: it refuses a job that is confirmed or
// expired.
func openJob(ctx context.Context, q *query.Queries, m access.Maker, jobID string, now time.Time) (query.Job, error) {
	job, err := ownJob(ctx, q, m, jobID)
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

// madeEarlier reports whether an earlier run of an init was committed after all.
func madeEarlier(ctx context.Context, tx *store.Tx, jobID string) (bool, error) {
	if !tx.Again {
		return false, nil
	}
	_, err := tx.GetJob(ctx, jobID)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
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

// quotaOf is the quota that a caller's registrations count for.
func quotaOf(c access.Caller) quota.Of {
	return quota.Of{Organization: c.Organization, Test: c.Test, Limit: c.Quota}
}
