// Package files knows the stored files of jobs and works: the key of each, the bytes that
// unpaid jobs store, and the time after which no file can still arrive. It never removes a
// file and never reads one.
package files

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Uploads is the start of every upload's key; the job's id follows.
const Uploads = "uploads/"

// Upload returns the key of a job's upload.
func Upload(jobID string) string { return Uploads + jobID }

// JobOf returns the id of the job to which an upload belongs. ok is false for any other key.
func JobOf(key string) (jobID string, ok bool) { return strings.CutPrefix(key, Uploads) }

// NewAsset returns a new key for a copy of a job's upload. No upload URL can write it, and
// no other copy has it.
func NewAsset(organization, jobID string) string {
	return "assets/" + organization + "/" + jobID + "-" + strings.ToLower(rand.Text())
}

// Certificates is the start of every certificate's key.
const Certificates = "certificates/"

// Certificate returns the key of a version's certificate. It depends only on work and
// version, so making a certificate again leaves no second file. All certificates are in one
// folder: a new folder would cost two syncs. The query SetCertificates makes the same key.
func Certificate(workID string, version int64) string {
	return fmt.Sprintf("%s%s-%d", Certificates, workID, version)
}

// OldCertificate is the key that releases before ADR 94 gave. Rows keep it.
func OldCertificate(workID string, version int64) string {
	return fmt.Sprintf("%s%s/%d", Certificates, workID, version)
}

// Reading is the result of reading an upload. It is stored with the job, so that no process
// reads the same bytes again.
type Reading struct {
	// Upload is the object's version before the read. A PUT in between changes the version,
	// and the file is read again.
	Upload string `json:"upload"`
	// Hash is the hash of the file; nil when the file itself was refused.
	Hash []byte `json:"hash,omitempty"`
	// Media is what was read of an upload in parts while the parts came; nil: the file must
	// still be read.
	Media   *record.Media   `json:"media,omitempty"`
	Refusal *record.Refusal `json:"refusal,omitempty"`
}

// ReadingOf returns the stored reading of this version of a job's upload. A reading that is
// corrupt or of another version is not used: the file is read again.
func ReadingOf(job query.Job, upload string) (known Reading, ok bool) {
	if job.Reading == "" || upload == "" {
		return Reading{}, false
	}
	err := json.Unmarshal([]byte(job.Reading), &known)
	return known, err == nil && known.Upload == upload
}

// CountFirst is Count for the first upload of a job: one statement. It reports false if the job
// has a copy of an earlier upload, or has ended.
func CountFirst(ctx context.Context, db *store.DB, job string, size int64) (landed bool, err error) {
	defer operation.Wrap(&err, "count the bytes of job %s", job)
	err = db.One(ctx, func(tx *store.Tx) error {
		n, err := tx.LandFirstUpload(ctx, query.LandFirstUploadParams{Size: size, ID: job, Now: store.Micros(tx.Now)})
		landed = n > 0
		return err
	})
	if err != nil {
		err = fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
	}
	return landed, err
}

// Count stores how many bytes the store has for an unpaid job: an upload of size bytes, and
// the copy of the upload before it. It returns transaction.expired when the job has ended.
func Count(ctx context.Context, db *store.DB, job query.Job, size int64) (err error) {
	defer operation.Wrap(&err, "count the bytes of job %s", job.ID)
	bytes := size
	if size > job.MaxBytes { // the oversized upload is not kept, or not for long
		bytes = 1
	}
	if job.AssetKey != "" { // the copy of the previous upload is still stored
		m, err := record.JobMedia(job)
		if err != nil {
			return fmt.Errorf("count an upload: %w", err)
		}
		bytes += m.Size
	}
	var n int64
	err = db.One(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.LandUpload(ctx, query.LandUploadParams{UploadBytes: bytes, ID: job.ID, Now: store.Micros(tx.Now)})
		return err
	})
	switch {
	case err != nil:
		return fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
	case n == 0:
		return fault.TransactionExpired("upload_url")
	}
	return nil
}

// ClockSkew is longer than the clocks of instances differ. A job is kept for so long past
// its deadline.
const ClockSkew = time.Minute

// Settling returns how long after its begin an upload can still arrive, when an upload slot
// lasts so long. All else that began earlier has ended too.
func Settling(slot time.Duration) time.Duration { return slot + blob.LongestUpload + ClockSkew }

// SettledAt returns the time, in microseconds, at which everything that began by since has
// ended.
func SettledAt(since int64, slot time.Duration) int64 {
	return since + Settling(slot).Microseconds() + 1
}
