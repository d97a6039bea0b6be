package intake

import (
	"context"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Slot says where the file may be uploaded, and until when.
type Slot struct {
	JobID     string
	UploadURL string
	Expires   time.Time
	// HashOnly: UploadURL is empty, and nothing is uploaded.
	HashOnly bool
}

// room refuses to begin a job if its file would use the reserved space. size is the file's
// size in bytes, or 0 if it is unknown.
func (s *Service) room(size int64) error {
	if err := s.Space.Low(size); err != nil {
		return blob.Full(err)
	}
	return nil
}

// end returns the latest time at which a job can continue, whatever is renewed. created is
// the job's start.
func (s *Service) end(created int64) time.Time { return store.Time(created).Add(s.Times.Job) }

// until returns the time d after now, but not after the end of the job.
func (s *Service) until(now time.Time, d time.Duration, created int64) time.Time {
	t := now.Add(d)
	if end := s.end(created); end.Before(t) {
		return end
	}
	return t
}

// Opened is called with the slot of a new job, in the transaction of the job. Its error undoes
// the job. It may be called again if the transaction runs again. May be nil.
type Opened func(context.Context, *store.Tx, Slot) error

// open stores a new job with its deadlines, and returns its first slot. The slot has a URL
// if the job takes an upload.
func (s *Service) open(ctx context.Context, tx *store.Tx, job query.InsertJobParams, upload bool, opened Opened) (Slot, error) {
	job.Now = store.Micros(tx.Now)
	job.Deadline = store.Micros(s.until(tx.Now, SlotsPerJob*s.Times.UploadSlot, job.Now))
	if err := tx.InsertJob(ctx, job); err != nil {
		return Slot{}, err
	}
	slot := Slot{JobID: job.ID, HashOnly: job.HashOnly}
	if upload && !job.HashOnly {
		var err error
		if slot, err = s.sign(ctx, Slot{JobID: job.ID, Expires: s.until(tx.Now, s.Times.UploadSlot, job.Now)}, job.UploadKey, job.MaxBytes); err != nil {
			return Slot{}, err
		}
	}
	if opened == nil {
		return slot, nil
	}
	return slot, opened(ctx, tx, slot)
}

// errNoUpload is the refusal of an upload slot for a job without an upload.
var errNoUpload = fault.CommonValidationFailed([]fault.Field{{Field: "job_id", Rule: "no_upload", Message: "This job takes no upload."}})

// RenewUpload gives a job another upload slot, within the lifetime of the job. It refuses an
// update that keeps the recording, since an upload would replace that recording. It also
// refuses a hash-only job.
func (s *Service) RenewUpload(ctx context.Context, m access.Maker, jobID string) (_ Slot, err error) {
	defer operation.Wrap(&err, "renew the upload slot of job %s", jobID)
	job, expires, err := s.renew(ctx, m, jobID)
	if err != nil {
		return Slot{}, err
	}
	return s.sign(ctx, Slot{JobID: jobID, Expires: expires}, job.UploadKey, job.MaxBytes)
}

// renew restarts the deadlines of a job that takes an upload, within the lifetime of the job.
// It returns when a new upload URL expires.
func (s *Service) renew(ctx context.Context, m access.Maker, jobID string) (job query.Job, expires time.Time, err error) {
	err = s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		if job, err = openJob(ctx, tx.Queries, m, jobID, tx.Now); err != nil {
			return err
		}
		if !takesUpload(job) {
			return errNoUpload
		}
		expires = s.until(tx.Now, s.Times.UploadSlot, job.CreatedAt)
		n, err := tx.SetJobUpload(ctx, query.SetJobUploadParams{
			Deadline: store.Micros(s.until(tx.Now, SlotsPerJob*s.Times.UploadSlot, job.CreatedAt)), UploadKey: job.UploadKey, Now: store.Micros(tx.Now), ID: jobID,
		})
		if err == nil && n == 0 {
			return changedMeanwhile(ctx, tx, jobID)
		}
		return err
	})
	return job, expires, err
}

// takesUpload reports whether the file of a job is uploaded: an update may keep the
// registered recording, and a hash-only job has no file.
func takesUpload(job query.Job) bool {
	return !job.HashOnly && (len(job.MediaHash) == 0 || job.AssetKey != "")
}

func (s *Service) sign(ctx context.Context, slot Slot, key string, most int64) (Slot, error) {
	url, err := s.Blobs.PresignPut(ctx, blob.Upload{Key: key, MaxBytes: most, Expires: slot.Expires})
	if err != nil {
		return Slot{}, fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
	}
	slot.UploadURL = url
	return slot, nil
}
