package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"timbre.example/fault"
	"timbre.example/internal/blob"
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
	// ExternalUserRef repeats the session's, or is empty.
	ExternalUserRef string
	Announced
	// Language is that of the certificate, as an Accept-Language header asks for it:
	// see [Language].
	Language string
}

// Announced is what a client says of its file beforehand. Of a file that is
// uploaded it is held against the upload; of one that is not, it is all there is.
type Announced struct {
	// SizeBytes is the file's size where the client knows it, else 0.
	SizeBytes int64
	// SHA256 is the file's hash in hex, 0x before it or not, or "".
	SHA256 string
}

// Slot is where and until when the file may be uploaded.
type Slot struct {
	JobID     string
	UploadURL string
	Expires   time.Time
	// HashOnly: there is no URL, and nothing is uploaded.
	HashOnly bool
}

// Init spends the session, checks what is known before the upload, and opens a
// job with an upload slot.
func (r *Registry) Init(ctx context.Context, c session.Caller, in InitRequest) (Slot, error) {
	named := in.Network
	if !named.Valid() { // told below, with all else that is wrong
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
		// A courtesy, before anything is uploaded: the unique row at confirm
		// is what decides.
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

// newJob is what every job has in common. The work is the caller's to name.
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

// open stores a new job, with its deadlines, and returns its first slot.
func (r *Registry) open(ctx context.Context, tx *store.Tx, job query.InsertJobParams) (Slot, error) {
	job.Now = store.Micros(tx.Now)
	job.Deadline = store.Micros(r.until(tx.Now, slotsPerJob*r.Times.UploadSlot, job.Now))
	return Slot{JobID: job.ID, Expires: r.until(tx.Now, r.Times.UploadSlot, job.Now)}, tx.InsertJob(ctx, job)
}

// errNoUpload is for a job that has no upload.
var errNoUpload = fault.CommonValidationFailed([]fault.Field{{Field: "job_id", Rule: "no_upload", Message: "Nothing is uploaded for this job."}})

// RenewUpload gives a job another upload slot, within the lifetime of the job. An update that keeps the recording
// has none: what was uploaded would take the recording's place. Nor has a job of
// which only the hash is taken.
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
			return overtaken(ctx, tx, jobID)
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

// retryStore is how long a client is asked to wait for a dependency.
const retryStore = 2 * time.Second

// The kinds of transaction, as the wire names them: one makes a work, the other
// adds a version to one.
const (
	KindRegister = "register"
	KindUpdate   = "add_version"
)

// ownJob reads a job that the caller may go on with. Anybody else's does not
// exist, as far as the caller is told. The token that began it may be expired:
// an upload can outlast one.
func ownJob(ctx context.Context, q *query.Queries, c session.Caller, jobID string) (query.Job, error) {
	job, err := q.GetJob(ctx, jobID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !mayGoOn(c, job) {
		if c.Expired { // it can begin nothing, and this is not something it began
			return query.Job{}, fault.CommonAuthExpired()
		}
		return query.Job{}, fault.TransactionNotFound()
	}
	return job, err
}

// mayGoOn reports whether the session began the job, or is a fresh one for the
// same end-user: a host may renew its token while a job is under way. Who has no
// reference is known by the job's id alone, which only the one who began it was
// told. What a test key began is nothing for a live key to go on with, nor the other way round.
func mayGoOn(c session.Caller, job query.Job) bool {
	if job.OrganizationID != c.Organization || !about(c, job) || job.Test != c.Test {
		return false
	}
	return job.SessionJti == c.SessionID || !c.Expired && string(c.Network) == job.Network && c.ExternalUserRef == job.ExternalUserRef
}

// about reports whether a job is of the kind that the caller's session is for,
// and of the work whose access code the caller showed.
func about(c session.Caller, job query.Job) bool {
	if job.Kind == KindUpdate {
		return c.Action == session.UpdateVersion && c.WorkID == job.WorkID
	}
	return c.Action == session.Register
}

// openJob is ownJob for the steps before confirm: it refuses a job that has
// been confirmed or has run out of time.
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
