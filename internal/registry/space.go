package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// uploads is the start of every upload's key; the job's id follows.
const uploads = "uploads/"

// room refuses to begin a job if its file would use the reserved space. size is the file's
// size in bytes, or 0 if it is unknown.
func (r *Registry) room(size int64) error {
	if err := r.Space.Low(size); err != nil {
		return blob.Full(err)
	}
	return nil
}

// storeFailed is the refusal for a failed operation of the store.
func storeFailed(err error) error {
	if errors.Is(err, blob.ErrFull) {
		return blob.Full(err)
	}
	return fault.CommonServiceUnavailable(retryStore).Because(err)
}

// end returns the latest time at which a job can continue, whatever is renewed. created is
// the job's start.
func (r *Registry) end(created int64) time.Time { return store.Time(created).Add(r.Times.Job) }

// until returns the time d after now, but not after the end of the job.
func (r *Registry) until(now time.Time, d time.Duration, created int64) time.Time {
	t := now.Add(d)
	if end := r.end(created); end.Before(t) {
		return end
	}
	return t
}

// Uploading returns the owner of an upload, before a byte of it is accepted. An upload for
// an expired or confirmed job is refused: no step would use it.
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

// Uploaded is called when all bytes of an upload have arrived, before the upload is visible.
func (r *Registry) Uploaded(ctx context.Context, key string, size int64) error {
	job, err := r.uploadJob(ctx, key)
	if err != nil {
		return err
	}
	return r.recordUpload(ctx, job, size)
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

// recordUpload stores how many bytes the store holds for an unpaid job.
func (r *Registry) recordUpload(ctx context.Context, job query.Job, size int64) error {
	bytes := size
	if size > job.MaxBytes { // the oversized upload is not kept, or not for long
		bytes = 1
	}
	if job.AssetKey != "" { // the copy of the previous upload is still stored
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

// StagedBytes returns how many bytes the store holds for unpaid jobs.
func (r *Registry) StagedBytes(ctx context.Context) (int64, error) {
	sum, err := r.DB.Read().StagedBytes(ctx, "")
	return sum.Staged, err
}
