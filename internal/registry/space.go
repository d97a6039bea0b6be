package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/blob"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// uploads begins the key of every upload; the job's id follows.
const uploads = "uploads/"

// room refuses to begin a job of which the file, of so many bytes as far as is
// known, would touch the reserve of space.
func (r *Registry) room(size int64) error {
	if err := r.Space.Low(size); err != nil {
		return blob.Full(err)
	}
	return nil
}

// storeFailed is the refusal when the store does not do what it is asked.
func storeFailed(err error) error {
	if errors.Is(err, blob.ErrFull) {
		return blob.Full(err)
	}
	return fault.CommonServiceUnavailable(retryStore).Because(err)
}

// end is the moment after which a job that was begun then cannot go on, whatever
// is renewed.
func (r *Registry) end(created int64) time.Time { return store.Time(created).Add(r.Times.Job) }

// until is d from now, but not beyond the end of the job.
func (r *Registry) until(now time.Time, d time.Duration, created int64) time.Time {
	t := now.Add(d)
	if end := r.end(created); end.Before(t) {
		return end
	}
	return t
}

// Uploading says on whose account an upload is, before a byte of it is taken. An
// upload for a job that is over, or confirmed, is refused: nobody would use it.
func (r *Registry) Uploading(ctx context.Context, key string) (blob.Owner, error) {
	job, err := r.uploadJob(ctx, key)
	if err != nil {
		return blob.Owner{}, err
	}
	sum, err := r.DB.Read().StagedBytes(ctx, job.OrganizationID)
	if err != nil {
		return blob.Owner{}, fault.CommonServiceUnavailable(retryStore).Because(err)
	}
	return blob.Owner{Group: job.OrganizationID, GroupStaged: sum.Own, Staged: sum.Staged}, nil
}

// Uploaded is told that all bytes of an upload are there, before it is visible.
func (r *Registry) Uploaded(ctx context.Context, key string, size int64) error {
	job, err := r.uploadJob(ctx, key)
	if err != nil {
		return err
	}
	return r.landed(ctx, job, size)
}

func (r *Registry) uploadJob(ctx context.Context, key string) (query.Job, error) {
	id, ok := strings.CutPrefix(key, uploads)
	if !ok {
		return query.Job{}, fault.CommonForbidden("signature")
	}
	job, err := r.DB.Read().GetJob(ctx, id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return job, fault.TransactionExpired("upload_url")
	case err != nil:
		return job, fault.CommonServiceUnavailable(retryStore).Because(err)
	case job.State != "open" && job.State != "prepared" || job.Deadline <= store.Micros(r.DB.Now()):
		return job, fault.TransactionExpired("upload_url")
	}
	return job, nil
}

// landed notes how many bytes lie in the store for a job that nobody has paid for.
func (r *Registry) landed(ctx context.Context, job query.Job, size int64) error {
	bytes := size
	if size > job.MaxBytes { // of which nothing is kept, or not for long
		bytes = 1
	}
	if job.AssetKey != "" { // the copy of what was uploaded before stays beside it
		var m Media
		if err := json.Unmarshal([]byte(job.Media), &m); err != nil {
			return err
		}
		bytes += m.Size
	}
	var n int64
	err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.LandUpload(ctx, query.LandUploadParams{UploadBytes: bytes, ID: job.ID, Now: store.Micros(tx.Now)})
		return err
	})
	switch {
	case err != nil:
		return fault.CommonServiceUnavailable(retryStore).Because(err)
	case n == 0:
		return fault.TransactionExpired("upload_url")
	}
	return nil
}

// StagedBytes is how many bytes lie in the store for jobs that nobody has paid for.
func (r *Registry) StagedBytes(ctx context.Context) (int64, error) {
	sum, err := r.DB.Read().StagedBytes(ctx, "")
	return sum.Staged, err
}
