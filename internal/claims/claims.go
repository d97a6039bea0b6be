// Package claims reserves titles and recordings for works. A title is unique for one
// end-user of an organization, a recording for the organization. A claim is made when a job
// is confirmed, and given back when its transaction fails. Checks before that only save
// work: the unique row decides.
package claims

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Scope returns the value of the column network in which claims are unique. Claims of test
// keys never conflict with claims of live keys. The queries that claim have the same rule.
func Scope(network string, test bool) string {
	if test {
		return network + "/test"
	}
	return network
}

// Make reserves the title and the recording of a stored job for its work. An update already
// has its title. job may be read in the same round trip, before: see [store.Tx.Together].
func Make(ctx context.Context, tx *store.Tx, id string, job *query.Job, duplicateTitles bool) (err error) {
	defer operation.Wrap(&err, "claim title and recording of job %s", id)
	return tx.Together(
		func(tx *store.Tx) error {
			if duplicateTitles {
				return nil
			}
			n, err := tx.ClaimTitle(ctx, id)
			if err == nil && n == 0 && job.Kind == record.KindRegister {
				err = fault.RegistrationDuplicateTitle()
			}
			return err
		},
		func(tx *store.Tx) error { return makeRecording(ctx, tx, id, job) },
	)
}

// Newest refuses an update when the work has a newer version than the one on which the update
// began: the end-user agreed to a change of that version.
func Newest(ctx context.Context, tx *store.Tx, job query.Job) (err error) {
	defer operation.Wrap(&err, "look up the version of the work of job %s", job.ID)
	if job.Kind != record.KindUpdate {
		return nil
	}
	w, err := tx.GetWork(ctx, job.WorkID)
	if err == nil && w.LatestVersion != job.BaseVersion {
		err = fault.VersionAlreadyInProgress("newer_version")
	}
	return err
}

func makeRecording(ctx context.Context, tx *store.Tx, id string, job *query.Job) error {
	for {
		n, err := tx.ClaimMedia(ctx, id)
		if err != nil || n == 1 {
			return err
		}
		owner, err := Recording(ctx, tx.Queries, *job, job.MediaHash)
		if err != nil || owner == job.WorkID {
			return err
		}
		// Freed between the two statements: claim it again.
	}
}

// Release gives back what Make reserved, except the recording of a final version.
func Release(ctx context.Context, tx *store.Tx, job query.Job) (err error) {
	defer operation.Wrap(&err, "release the claims of work %s", job.WorkID)
	if job.Kind == record.KindRegister {
		if err := tx.FreeTitle(ctx, query.FreeTitleParams{
			OrganizationID: job.OrganizationID, Network: Scope(job.Network, job.Test), ExternalUserRef: job.ExternalUserRef, TitleKey: job.TitleKey, WorkID: job.WorkID,
		}); err != nil {
			return err
		}
	}
	return tx.FreeMedia(ctx, query.FreeMediaParams{OrganizationID: job.OrganizationID, Network: Scope(job.Network, job.Test), MediaHash: job.MediaHash, WorkID: job.WorkID})
}

// Title refuses a title that another work of the same end-user has claimed.
func Title(ctx context.Context, q *query.Queries, job query.Job) (err error) {
	defer operation.Wrap(&err, "look up the title of job %s", job.ID)
	_, err = q.TitleClaim(ctx, query.TitleClaimParams{
		OrganizationID: job.OrganizationID, Network: Scope(job.Network, job.Test), ExternalUserRef: job.ExternalUserRef, TitleKey: job.TitleKey,
	})
	if err == nil {
		return fault.RegistrationDuplicateTitle()
	} else if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// Recording refuses a recording that belongs to another work of the job's organization.
// Otherwise it returns the work that has claimed the recording: the job's own, or "". The
// refusal names the other work only to its own end-user, and to the organization's API keys.
func Recording(ctx context.Context, q *query.Queries, job query.Job, hash []byte) (_ string, err error) {
	defer operation.Wrap(&err, "look up the owner of the recording of job %s", job.ID)
	workID, err := q.MediaClaim(ctx, query.MediaClaimParams{OrganizationID: job.OrganizationID, Network: Scope(job.Network, job.Test), MediaHash: hash})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	} else if err != nil || workID == job.WorkID {
		return workID, err
	}
	refusal := fault.WorkAlreadyRegistered()
	if w, err := q.GetWork(ctx, workID); err == nil && (job.ApiKeyID != "" || job.ExternalUserRef != "" && w.ExternalUserRef == job.ExternalUserRef) {
		refusal = refusal.With("ats_id", w.AtsID)
	} else if err != nil && !errors.Is(err, sql.ErrNoRows) { // the work of the claim is not final yet
		return "", err
	}
	return "", refusal
}
