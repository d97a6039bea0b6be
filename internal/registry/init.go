package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// InitRequest begins a registration.
type InitRequest struct {
	Description
	Network network.Name
	// ExternalUserRef is the session's, or empty.
	ExternalUserRef string
	Announced
	// Language is the language of the certificate, as an Accept-Language header: see
	// [Language].
	Language string
}

// Announced is a client's description of its file before the upload. The upload is compared
// with it. In a hash-only job it is all that is known.
type Announced struct {
	// SizeBytes is the file's size, or 0 when the client does not know it.
	SizeBytes int64
	// SHA256 is the file's hash in hex, with or without 0x, or "".
	SHA256 string
}

// Slot says where the file may be uploaded, and until when.
type Slot struct {
	JobID     string
	UploadURL string
	Expires   time.Time
	// HashOnly: UploadURL is empty, and nothing is uploaded.
	HashOnly bool
}

// Init spends the session, checks all that is known before the upload, and opens a job with
// an upload slot.
func (r *Registry) Init(ctx context.Context, c session.Caller, in InitRequest) (Slot, error) {
	named := in.Network
	if !named.Valid() { // reported below, together with all other errors
		named = ""
	}
	if err := c.May(session.Register, named, true); err != nil {
		return Slot{}, err
	}
	if in.ExternalUserRef != "" && in.ExternalUserRef != c.ExternalUserRef {
		return Slot{}, fault.CommonForbidden("other_external_user_ref")
	}
	d, err := describe(in.Description, in.Network)
	if err != nil {
		return Slot{}, err
	}
	job, err := newJob(c, KindRegister, d, in.Language)
	if err != nil {
		return Slot{}, err
	}
	if err := announce(&job, c, in.Announced); err != nil {
		return Slot{}, err
	}
	workID, err := uuid.NewV7()
	if err != nil {
		return Slot{}, err
	}
	job.WorkID, job.Title, job.TitleKey = workID.String(), d.title, legible.Key(d.title)
	if err := r.room(in.SizeBytes); err != nil {
		return Slot{}, err
	}
	var slot Slot
	err = r.DB.Tx(ctx, func(tx *store.Tx) error {
		if err := c.Spend(ctx, tx, job.ID); err != nil {
			return err
		}
		if err := r.checkQuota(ctx, tx, c); err != nil {
			return err
		}
		// This check only saves an upload: the unique row at confirm decides.
		if !c.DuplicateTitles {
			_, err := tx.TitleClaim(ctx, query.TitleClaimParams{
				OrganizationID: c.Organization, Network: claimScope(job.Network, job.Test), ExternalUserRef: job.ExternalUserRef, TitleKey: job.TitleKey,
			})
			if err == nil {
				return fault.RegistrationDuplicateTitle()
			} else if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		if err := announcedOwner(ctx, tx, job); err != nil {
			return err
		}
		slot, err = r.open(ctx, tx, job)
		return err
	})
	if err != nil {
		return Slot{}, err
	}
	r.reached("init.committed")
	if job.HashOnly {
		return Slot{JobID: slot.JobID, HashOnly: true}, nil
	}
	return r.sign(ctx, slot, job.UploadKey, job.MaxBytes)
}

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
		Creators: string(list), Filename: d.filename, MaxBytes: c.MaxFileSize, UploadKey: uploads + id.String(), Media: "{}", Rehearse: string(c.Rehearse), Language: Language(language), Test: c.Test,
	}, nil
}

// open stores a new job with its deadlines, and returns its first slot.
func (r *Registry) open(ctx context.Context, tx *store.Tx, job query.InsertJobParams) (Slot, error) {
	job.Now = store.Micros(tx.Now)
	job.Deadline = store.Micros(r.until(tx.Now, slotsPerJob*r.Times.UploadSlot, job.Now))
	return Slot{JobID: job.ID, Expires: r.until(tx.Now, r.Times.UploadSlot, job.Now)}, tx.InsertJob(ctx, job)
}

// errNoUpload is the refusal of an upload slot for a job without an upload.
var errNoUpload = fault.CommonValidationFailed([]fault.Field{{Field: "job_id", Rule: "no_upload", Message: "This job takes no upload."}})

// RenewUpload gives a job another upload slot, within the lifetime of the job. It refuses an
// update that keeps the recording, since an upload would replace that recording. It also
// refuses a hash-only job.
func (r *Registry) RenewUpload(ctx context.Context, c session.Caller, jobID string) (Slot, error) {
	slot := Slot{JobID: jobID}
	var job query.Job
	err := r.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		if job, err = openJob(ctx, tx.Queries, c, jobID, tx.Now); err != nil {
			return err
		}
		if job.HashOnly || len(job.MediaHash) > 0 && job.AssetKey == "" {
			return errNoUpload
		}
		slot.Expires = r.until(tx.Now, r.Times.UploadSlot, job.CreatedAt)
		n, err := tx.SetJobUpload(ctx, query.SetJobUploadParams{
			Deadline: store.Micros(r.until(tx.Now, slotsPerJob*r.Times.UploadSlot, job.CreatedAt)), UploadKey: job.UploadKey, Now: store.Micros(tx.Now), ID: jobID,
		})
		if err == nil && n == 0 {
			return changedMeanwhile(ctx, tx, jobID)
		}
		return err
	})
	if err != nil {
		return Slot{}, err
	}
	return r.sign(ctx, slot, job.UploadKey, job.MaxBytes)
}

func (r *Registry) sign(ctx context.Context, slot Slot, key string, most int64) (Slot, error) {
	url, err := r.Blobs.PresignPut(ctx, blob.Upload{Key: key, MaxBytes: most, Expires: slot.Expires})
	if err != nil {
		return Slot{}, fault.CommonServiceUnavailable(retryStore).Because(err)
	}
	slot.UploadURL = url
	return slot, nil
}

// retryStore is the retry time that clients receive while a dependency is unavailable.
const retryStore = 2 * time.Second

// The kinds of transaction, by their wire names: KindRegister makes a work, KindUpdate adds
// a version to one.
const (
	KindRegister = "register"
	KindUpdate   = "add_version"
)

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
	if job.Kind == KindUpdate {
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
	case job.State == "confirmed":
		return query.Job{}, fault.TransactionAlreadyConfirmed(job.ID)
	case job.State == "expired" || job.Deadline <= store.Micros(now):
		return query.Job{}, fault.TransactionExpired("job")
	}
	return job, nil
}
