package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/media"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/commitment"
)

// Media is the stored result of inspecting a file.
type Media struct {
	Size       int64         `json:"size"`
	Format     string        `json:"format,omitempty"`
	Duration   time.Duration `json:"duration_ns,omitempty"`
	SampleRate int           `json:"sample_rate,omitempty"`
	Channels   int           `json:"channels,omitempty"`
	Incomplete bool          `json:"incomplete_last_frame,omitempty"` // see media.Info
}

// Prepared is a quote: what will be anchored, its price, and the time until which the price
// is valid.
type Prepared struct {
	JobID      string
	WorkID     string
	Commitment []byte
	MediaHash  []byte
	Price      credits.Quote
	Media      Media
	Expires    time.Time
}

// prepareWait is how long a prepare waits for a slot before it is refused.
const prepareWait = 10 * time.Second

// Prepare reads the uploaded file once, computes the commitment, asks the network whether it
// would accept it, and returns a quote. Preparing again renews the quote, and reads a file
// that was uploaded since.
func (r *Registry) Prepare(ctx context.Context, c session.Caller, jobID string) (Prepared, error) {
	if _, err := openJob(ctx, r.DB.Read(), c, jobID, r.DB.Now()); err != nil {
		return Prepared{}, err
	}
	return r.shared.prepare(ctx, jobID, func() (Prepared, error) {
		for {
			job, err := openJob(ctx, r.DB.Read(), c, jobID, r.DB.Now())
			if err != nil {
				return Prepared{}, err
			}
			p, again, err := r.prepare(ctx, job)
			if err != nil || !again {
				return p, err
			}
		}
	})
}

// reading is the result of reading an upload. It is stored with the job, so that no process
// reads the same bytes again.
type reading struct {
	// Upload is the object's version before the read. A PUT in between changes the version,
	// and the file is read again.
	Upload string `json:"upload"`
	// Hash is the hash of the file; nil when the file itself was refused.
	Hash    []byte      `json:"hash,omitempty"`
	Refusal *fault.Body `json:"refusal,omitempty"`
}

// readingOf returns the stored reading of this version of a job's upload.
func readingOf(job query.Job, upload string) (known reading, ok bool) {
	if job.Reading == "" || upload == "" {
		return reading{}, false
	}
	err := json.Unmarshal([]byte(job.Reading), &known)
	return known, err == nil && known.Upload == upload
}

// prepare works on the job as it was read. again is true when another call changed the job
// in the meantime.
func (r *Registry) prepare(ctx context.Context, job query.Job) (p Prepared, again bool, err error) {
	set := query.PrepareJobParams{ID: job.ID, Seen: job.UpdatedAt, AssetKey: job.AssetKey, MediaHash: job.MediaHash, Reading: job.Reading}
	upload, err := r.uploaded(ctx, job)
	if err != nil {
		return p, false, err
	}
	known, wasRead := readingOf(job, upload)
	if wasRead && known.Refusal != nil {
		return p, false, &fault.Error{Code: known.Refusal.Code, Details: known.Refusal.Details}
	}
	if wasRead { // a refusal that depends on other works does not need the file either
		if _, err := r.acceptable(ctx, job, known.Hash); err != nil {
			return p, false, err
		}
		if _, err := mediaOwner(ctx, r.DB.Read(), job, known.Hash); err != nil {
			return p, false, err
		}
	}
	var m Media
	copied, tried := "", false
	fresh := upload != "" && !(wasRead && job.AssetKey != "" && bytes.Equal(known.Hash, job.MediaHash))
	if fresh {
		// Delete a copy that no row will name. After the commit was attempted, delete it
		// only if a refusal shows that the commit failed.
		defer func() {
			var refused *fault.Error
			if copied != "" && (again || err != nil && (!tried || errors.As(err, &refused))) {
				r.discard(ctx, job.ID, copied)
			}
		}()
		var info media.Info
		if copied, info, err = r.take(ctx, job); err != nil {
			r.refused(ctx, job, upload, err)
			return p, false, err
		}
		m = Media{Size: info.Size, Format: string(info.Format), Duration: info.Duration, SampleRate: info.SampleRate, Channels: info.Channels, Incomplete: info.IncompleteLastFrame}
		set.AssetKey, set.MediaHash = copied, info.SHA256[:]
		set.Reading = mustJSON(reading{Upload: upload, Hash: set.MediaHash})
		defer func() {
			if err != nil { // the rest may be retried; reading the file was the costly part
				r.note(ctx, job.ID, set.Reading)
			}
		}()
	} else if err := json.Unmarshal([]byte(job.Media), &m); err != nil {
		return p, false, err
	}
	sum, err := r.acceptable(ctx, job, set.MediaHash)
	if err != nil {
		return p, false, err
	}
	stored := m.Size
	if set.AssetKey == "" { // the registered recording stays, or no file is stored
		stored = 0
	}
	price := r.price(job, stored)
	set.Commitment, set.MerkleRoot, set.TotalCredits = sum.Hash[:], sum.Root[:], price.Total
	set.Media, set.Quote = mustJSON(m), mustJSON(price)
	var changed int64
	tried = true
	err = r.DB.Tx(ctx, func(tx *store.Tx) error {
		// A sweep may have removed the file of an earlier prepare without writing a row: see
		// sweepExpired. It cannot know a copy that was just made.
		if !fresh && set.AssetKey != "" && job.Deadline <= store.Micros(tx.Now) {
			return fault.TransactionExpired("job")
		}
		// Checked here so that a duplicate is found before payment; confirm decides.
		if _, err := mediaOwner(ctx, tx.Queries, job, set.MediaHash); err != nil {
			return err
		}
		p = Prepared{JobID: job.ID, WorkID: job.WorkID, Commitment: set.Commitment, MediaHash: set.MediaHash, Price: price, Media: m, Expires: r.until(tx.Now, r.Times.Quote, job.CreatedAt)}
		set.QuoteUntil, set.Now = store.Micros(p.Expires), store.Micros(tx.Now)
		set.Deadline = max(job.Deadline, set.QuoteUntil) // an expired price needs no second upload
		if changed, err = tx.PrepareJob(ctx, set); err != nil || changed == 0 || !fresh {
			return err
		}
		if job.AssetKey != "" {
			if err := r.orphan(ctx, tx, job.OrganizationID, job.AssetKey); err != nil {
				return err
			}
		}
		adopted, err := tx.AdoptOrphan(ctx, copied)
		if err == nil && adopted == 0 { // the prepare took so long that the copy was swept
			err = fault.CommonServiceUnavailable(retryStore).Because(errors.New("the copy was swept before the commit"))
		}
		return err
	})
	if err != nil || changed == 0 {
		return p, err == nil, err
	}
	r.reached("prepare.committed")
	if fresh {
		// The upload stays until the sweep: a PUT may have replaced it during the read of
		// the copy, and the next prepare must find the new file.
		if job.AssetKey != "" {
			r.discard(ctx, job.ID, job.AssetKey)
		}
	}
	return p, false, nil
}

// uploaded returns the version of the job's upload. It is "" where the job has no upload and
// needs none: after an earlier prepare, for an update that keeps the recording, or for a
// hash-only job.
func (r *Registry) uploaded(ctx context.Context, job query.Job) (version string, err error) {
	switch {
	case job.HashOnly && len(job.MediaHash) == 0:
		_, _, err = declared(Announced{}, job.MaxBytes)
		return "", err
	case len(job.MediaHash) > 0 && job.AssetKey == "": // the job needs no upload
		return "", nil
	}
	info, err := r.Blobs.Stat(ctx, job.UploadKey)
	switch {
	case err == nil:
		return info.Version, nil
	case !errors.Is(err, blob.ErrNotFound):
		return "", storeFailed(err)
	case len(job.MediaHash) > 0:
		return "", nil
	}
	return "", fault.RegistrationUploadMissing().With("reason", "not_uploaded")
}

// take copies the upload and reads the copy, a bounded number of files at a time.
// Organizations take turns. Within one organization its end-users take turns, or its
// sessions if they have no end-user.
func (r *Registry) take(ctx context.Context, job query.Job) (copied string, info media.Info, err error) {
	member := "session " + job.SessionJti
	if job.ExternalUserRef != "" {
		member = "end-user " + job.ExternalUserRef
	}
	waiting, cancel := context.WithTimeout(ctx, prepareWait)
	leave, err := r.slots.Enter(waiting, job.OrganizationID, member)
	cancel()
	if ctx.Err() != nil && err != nil {
		return "", media.Info{}, ctx.Err()
	} else if err != nil {
		return "", media.Info{}, fault.CommonServiceUnavailable(prepareWait).Because(err)
	}
	defer leave()
	if copied, err = r.freeze(ctx, job); err != nil {
		return "", media.Info{}, err
	}
	r.reached("prepare.copied")
	info, err = r.read(ctx, copied, job.MaxBytes)
	return copied, info, err
}

// freeze copies the upload to a key that its upload URL cannot write and that no other
// prepare uses. Until this prepare commits, a confirm would register the asset of an earlier
// prepare, which must not change.
func (r *Registry) freeze(ctx context.Context, job query.Job) (key string, err error) {
	key = "assets/" + job.OrganizationID + "/" + job.ID + "-" + strings.ToLower(rand.Text())
	if err = r.DB.Tx(ctx, func(tx *store.Tx) error { return r.orphan(ctx, tx, job.OrganizationID, key) }); err != nil {
		return "", err
	}
	err = r.Blobs.Copy(ctx, job.UploadKey, key, job.MaxBytes)
	var large blob.TooLarge
	switch {
	case errors.As(err, &large):
		return "", fault.RegistrationAudioTooLarge(large.Size, job.MaxBytes)
	case err != nil: // also when the upload was removed meanwhile
		return "", storeFailed(err)
	}
	return key, nil
}

// refused stores a refusal that is caused by the file itself.
func (r *Registry) refused(ctx context.Context, job query.Job, upload string, err error) {
	var f *fault.Error
	if !errors.As(err, &f) || f.Code == fault.CodeCommonServiceUnavailable {
		return
	}
	if f.Code == fault.CodeRegistrationAudioTooLarge && len(job.MediaHash) == 0 {
		// The file is useless, and large. If there is an earlier file, the upload stays
		// until the sweep: else the next prepare would quote the earlier file.
		r.discard(ctx, job.ID, job.UploadKey)
		return
	}
	body := f.Envelope("").Error
	r.note(ctx, job.ID, mustJSON(reading{Upload: upload, Refusal: &body}))
	r.reached("prepare.refused")
}

// note stores a reading, even when the client has gone. If storing fails, the file is read
// once more.
func (r *Registry) note(ctx context.Context, jobID, text string) {
	ctx = context.WithoutCancel(ctx)
	if err := r.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.NoteReading(ctx, query.NoteReadingParams{Reading: text, ID: jobID})
	}); err != nil {
		r.Log.WarnContext(ctx, "reading not stored", "job", jobID, "error", err)
	}
}

// acceptable returns the commitment of the job with a file of this hash, or why the job
// cannot be registered with it.
func (r *Registry) acceptable(ctx context.Context, job query.Job, hash []byte) (commitment.Commitment, error) {
	if announced := job.DeclaredHash; len(announced) > 0 && !bytes.Equal(announced, hash) {
		return commitment.Commitment{}, fault.RegistrationUploadMissing().With("reason", "other_file").With("announced", Hex(announced)).With("uploaded", Hex(hash))
	}
	var list []commitment.Creator
	if err := json.Unmarshal([]byte(job.Creators), &list); err != nil {
		return commitment.Commitment{}, err
	}
	sum, err := commitment.Compute(job.Title, list, commitment.Hash(hash))
	if err != nil {
		return commitment.Commitment{}, err
	}
	return sum, r.dryRun(ctx, job, sum.Hash)
}

// orphan records a file that no row names, or soon none will. The sweep removes it unless it
// is adopted in time, even if this process ends now.
func (r *Registry) orphan(ctx context.Context, tx *store.Tx, organization, key string) error {
	now := store.Micros(tx.Now)
	return tx.InsertOrphan(ctx, query.InsertOrphanParams{ObjectKey: key, OrganizationID: organization, Now: now, DueAt: r.settledAt(now)})
}

// discard removes a file that no row names any more, even when the caller has gone. A file
// that cannot be removed is swept later.
func (r *Registry) discard(ctx context.Context, jobID, key string) {
	if err := r.Blobs.Delete(context.WithoutCancel(ctx), key); err != nil {
		r.Log.WarnContext(ctx, "file not removed", "job", jobID, "key", key, "error", err)
	}
}

// read inspects an asset.
func (r *Registry) read(ctx context.Context, key string, most int64) (media.Info, error) {
	body, info, err := r.Blobs.Open(ctx, key)
	if err != nil {
		return media.Info{}, fault.CommonServiceUnavailable(retryStore).Because(err)
	}
	defer body.Close()
	if info.Size > most { // the copy is not of the file that was checked
		return media.Info{}, fault.RegistrationAudioTooLarge(info.Size, most)
	}
	seen, err := media.Inspect(ctx, body)
	var known *fault.Error
	if err != nil && !errors.As(err, &known) {
		return media.Info{}, fault.CommonServiceUnavailable(retryStore).Because(err)
	}
	return seen, err
}

func (r *Registry) dryRun(ctx context.Context, job query.Job, sum commitment.Hash) error {
	n, err := r.network(network.Name(job.Network))
	if err != nil {
		return err
	}
	err = n.DryRun(ctx, network.Call{Commitment: sum, ProtocolVersion: commitment.Version, AtsID: job.AtsID, Nonce: job.ID})
	switch {
	case errors.Is(err, network.ErrRefused):
		return fault.RegistrationDryRunFailed(err.Error())
	case errors.Is(err, network.ErrStopped):
		return fault.CommonServiceUnavailable(retryStopped).With("reason", "log_stopped").Because(err)
	case err != nil:
		return fault.CommonServiceUnavailable(retryStore).Because(err)
	}
	return nil
}

// mediaOwner refuses audio that belongs to another work of this organization. Otherwise it
// returns the work that has claimed the audio: the job's own, or "". The refusal names the
// other work only to its own end-user.
func mediaOwner(ctx context.Context, q *query.Queries, job query.Job, hash []byte) (string, error) {
	workID, err := q.MediaClaim(ctx, query.MediaClaimParams{OrganizationID: job.OrganizationID, Network: claimScope(job.Network, job.Test), MediaHash: hash})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	} else if err != nil || workID == job.WorkID {
		return workID, err
	}
	refusal := fault.WorkAlreadyRegistered()
	if w, err := q.GetWork(ctx, workID); err == nil && job.ExternalUserRef != "" && w.ExternalUserRef == job.ExternalUserRef {
		refusal = refusal.With("ats_id", w.AtsID)
	} else if err != nil && !errors.Is(err, sql.ErrNoRows) { // the work of the claim is not final yet
		return "", err
	}
	return "", refusal
}

// price returns the price of a job that stores so many more bytes. Jobs of test keys cost
// nothing: credits are only for live registrations.
func (r *Registry) price(job query.Job, stored int64) credits.Quote {
	if job.Test {
		return credits.Quote{}
	}
	prices := r.Prices[network.Name(job.Network)]
	if job.Kind == KindRegister {
		return prices.Register(stored)
	}
	return prices.Update(stored)
}

// mustJSON encodes the package's own plain structs, which cannot fail.
func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
