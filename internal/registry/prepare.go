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

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/media"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Media is what is kept of a file's inspection.
type Media struct {
	Size       int64         `json:"size"`
	Format     string        `json:"format,omitempty"`
	Duration   time.Duration `json:"duration_ns,omitempty"`
	SampleRate int           `json:"sample_rate,omitempty"`
	Channels   int           `json:"channels,omitempty"`
	Incomplete bool          `json:"incomplete_last_frame,omitempty"` // as media.Info says
}

// Prepared is a quote: what will be anchored, and what it costs until when.
type Prepared struct {
	JobID      string
	WorkID     string
	Commitment []byte
	MediaHash  []byte
	Price      credits.Quote
	Media      Media
	Expires    time.Time
}

// prepareWait is how long a prepare waits for its turn before it is refused.
const prepareWait = 10 * time.Second

// Prepare reads the uploaded file once, computes the commitment, asks the
// network whether it would take it, and quotes. Preparing again renews the
// quote; a file that was uploaded since is read anew.
func (r *Registry) Prepare(ctx context.Context, c session.Caller, jobID string) (Prepared, error) {
	if _, err := openJob(ctx, r.DB.Read(), c, jobID, r.DB.Now()); err != nil {
		return Prepared{}, err
	}
	return r.turns.prepare(ctx, jobID, func() (Prepared, error) {
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

// reading is what was found in an upload. It is kept with the job, so that the same
// bytes are not read again, by whichever process.
type reading struct {
	// Upload is the version of the object as it was before it was read. A PUT in
	// between gives it another one, and it is read anew.
	Upload string `json:"upload"`
	// Hash is that of the file; nil when the file itself was refused.
	Hash    []byte      `json:"hash,omitempty"`
	Refusal *fault.Body `json:"refusal,omitempty"`
}

// readingOf is what is known of this version of a job's upload.
func readingOf(job query.Job, upload string) (known reading, ok bool) {
	if job.Reading == "" || upload == "" {
		return reading{}, false
	}
	err := json.Unmarshal([]byte(job.Reading), &known)
	return known, err == nil && known.Upload == upload
}

// prepare works on the job as it was read; again is true when somebody else
// changed it in the meantime.
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
	if wasRead { // a file that is refused for what it is to others is not read again either
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
		// A copy that no row will name goes. Once the commit was tried, only a
		// refusal says that it did not happen: else the copy stays.
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
			if err != nil { // what follows may be tried again, and this was the dear part of it
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
	if set.AssetKey == "" { // the registered recording stays, or nothing is kept
		stored = 0
	}
	price := r.price(job, stored)
	set.Commitment, set.MerkleRoot, set.TotalCredits = sum.Hash[:], sum.Root[:], price.Total
	set.Media, set.Quote = mustJSON(m), mustJSON(price)
	var changed int64
	tried = true
	err = r.DB.Tx(ctx, func(tx *store.Tx) error {
		// A sweep may have removed the file that was prepared before, without a row:
		// see sweepExpired. A copy that was made now it does not know.
		if !fresh && set.AssetKey != "" && job.Deadline <= store.Micros(tx.Now) {
			return fault.TransactionExpired("job")
		}
		// Told here so that nobody pays to learn it; decided at confirm.
		if _, err := mediaOwner(ctx, tx.Queries, job, set.MediaHash); err != nil {
			return err
		}
		p = Prepared{JobID: job.ID, WorkID: job.WorkID, Commitment: set.Commitment, MediaHash: set.MediaHash, Price: price, Media: m, Expires: r.until(tx.Now, r.Times.Quote, job.CreatedAt)}
		set.QuoteUntil, set.Now = store.Micros(p.Expires), store.Micros(tx.Now)
		set.Deadline = max(job.Deadline, set.QuoteUntil) // a price that runs out costs no second upload
		if changed, err = tx.PrepareJob(ctx, set); err != nil || changed == 0 || !fresh {
			return err
		}
		if job.AssetKey != "" {
			if err := r.orphan(ctx, tx, job.OrganizationID, job.AssetKey); err != nil {
				return err
			}
		}
		adopted, err := tx.AdoptOrphan(ctx, copied)
		if err == nil && adopted == 0 { // it took so long that the copy was swept
			err = fault.CommonServiceUnavailable(retryStore).Because(errors.New("the copy is gone"))
		}
		return err
	})
	if err != nil || changed == 0 {
		return p, err == nil, err
	}
	r.reached("prepare.committed")
	if fresh {
		// The upload stays until it is swept: a PUT may have replaced it while
		// the copy was read, and the next prepare must see that one.
		if job.AssetKey != "" {
			r.discard(ctx, job.ID, job.AssetKey)
		}
	}
	return p, false, nil
}

// uploaded is the version of what was uploaded for the job. Without an upload it
// is "", and what is known already serves: the earlier asset, the recording of the
// version that is updated, or the hash of one that is not uploaded.
func (r *Registry) uploaded(ctx context.Context, job query.Job) (version string, err error) {
	switch {
	case job.HashOnly && len(job.MediaHash) == 0:
		_, _, err = declared(Announced{}, job.MaxBytes)
		return "", err
	case len(job.MediaHash) > 0 && job.AssetKey == "": // nothing is uploaded for it
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

// take copies what was uploaded and reads the copy, a bounded number of files at a
// time: organizations take turns, and in one its end-users, or its sessions where
// they are for nobody.
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

// freeze copies what was uploaded out of reach of its upload URL, to a key that
// no other prepare uses: until this one commits, the asset of an earlier prepare
// is what a confirm would register, and must not change.
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
	case err != nil: // also when it has gone meanwhile
		return "", storeFailed(err)
	}
	return key, nil
}

// refused remembers a refusal that is the file's own.
func (r *Registry) refused(ctx context.Context, job query.Job, upload string, err error) {
	var f *fault.Error
	if !errors.As(err, &f) || f.Code == fault.CodeCommonServiceUnavailable {
		return
	}
	if f.Code == fault.CodeRegistrationAudioTooLarge && len(job.MediaHash) == 0 {
		// Of no use to anybody, and not small. Where there is an earlier file
		// it stays until it is swept: the next prepare would quote that one.
		r.discard(ctx, job.ID, job.UploadKey)
		return
	}
	body := f.Envelope("").Error
	r.note(ctx, job.ID, mustJSON(reading{Upload: upload, Refusal: &body}))
	r.reached("prepare.refused")
}

// note keeps what was read, also when the client has gone. When that fails, the file
// is read once more.
func (r *Registry) note(ctx context.Context, jobID, text string) {
	ctx = context.WithoutCancel(ctx)
	if err := r.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.NoteReading(ctx, query.NoteReadingParams{Reading: text, ID: jobID})
	}); err != nil {
		r.Log.WarnContext(ctx, "what was read is not kept", "job", jobID, "error", err)
	}
}

// acceptable returns the commitment of the job with a file of this hash, or why that
// cannot be registered.
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

// orphan notes a file that no row names, or soon none will: it is swept when it
// was not adopted by then, also if this process ends now.
func (r *Registry) orphan(ctx context.Context, tx *store.Tx, organization, key string) error {
	now := store.Micros(tx.Now)
	return tx.InsertOrphan(ctx, query.InsertOrphanParams{ObjectKey: key, OrganizationID: organization, Now: now, DueAt: r.lands(now)})
}

// discard removes a file that no row names any more, also when the caller has
// gone. One that cannot be removed is swept later.
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
	if info.Size > most { // a copy of something else than was looked at
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

// mediaOwner refuses audio that is another work of this organization already,
// and otherwise returns the work that has claimed it: the job's own, or "". The
// other work is named only to whom it belongs.
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
	} else if err != nil && !errors.Is(err, sql.ErrNoRows) { // a claim whose work is not final yet
		return "", err
	}
	return "", refusal
}

// price is what a job costs that stores so many bytes more. What a test key begins
// costs nothing: credits are for what counts.
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

// mustJSON renders our own plain structs, which cannot fail.
func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
