package intake

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Uploading returns the owner of an upload, before a byte of it is accepted. An upload for
// an expired or confirmed job is refused: no step would use it.
func (s *Service) Uploading(ctx context.Context, key string) (_ blob.Owner, err error) {
	defer operation.Wrap(&err, "admit upload %s", key)
	id, ok := files.JobOf(key)
	if !ok {
		return blob.Owner{}, fault.CommonForbidden("signature")
	}
	var job query.Job
	var sum query.StagedBytesRow
	if err := s.DB.Together(ctx, func(q *query.Queries) (err error) {
		job, err = s.uploadJob(ctx, q, id)
		return err
	}, func(q *query.Queries) (err error) {
		if sum, err = q.StagedBytes(ctx, id); err != nil {
			return fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
		}
		return nil
	}); err != nil {
		return blob.Owner{}, err
	}
	return blob.Owner{Group: job.OrganizationID, GroupStaged: sum.Own, Staged: sum.Staged}, nil
}

// Uploaded is called when all bytes of an upload have arrived, before the upload is visible.
func (s *Service) Uploaded(ctx context.Context, key string, size int64) (err error) {
	defer operation.Wrap(&err, "record upload %s", key)
	id, ok := files.JobOf(key)
	if !ok {
		return fault.CommonForbidden("signature")
	}
	if landed, err := files.CountFirst(ctx, s.DB, id, size); err != nil || landed {
		return err
	}
	job, err := s.uploadJob(ctx, s.DB.Read(), id)
	if err != nil {
		return err
	}
	return files.Count(ctx, s.DB, job, size)
}

func (s *Service) uploadJob(ctx context.Context, q *query.Queries, id string) (query.Job, error) {
	job, err := q.GetJob(ctx, id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return job, fault.TransactionExpired("upload_url")
	case err != nil:
		return job, fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
	case !job.State.Unpaid() || job.Deadline <= store.Micros(s.DB.Now()):
		return job, fault.TransactionExpired("upload_url")
	}
	return job, nil
}
