package intake

import (
	"bytes"
	"context"
	"errors"
	"time"

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/blob"
	"timbre.example/internal/claims"
	"timbre.example/internal/credits"
	"timbre.example/internal/files"
	"timbre.example/internal/media"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// prepareWait is how long a prepare waits for a slot before it is refused.
const prepareWait = 10 * time.Second

// Prepare reads the uploaded file once, computes the commitment, asks the network whether it
// would accept it, and returns a quote. Preparing again renews the quote, and reads a file
// that was uploaded since.
func (s *Service) Prepare(ctx context.Context, c session.Caller, jobID string) (_ Prepared, err error) {
	defer operation.Wrap(&err, "prepare job %s", jobID)
	if _, err := openJob(ctx, s.DB.Read(), c, jobID, s.DB.Now()); err != nil {
		return Prepared{}, err
	}
	return s.shared.prepare(ctx, jobID, func() (Prepared, error) {
		for {
			job, err := openJob(ctx, s.DB.Read(), c, jobID, s.DB.Now())
			if err != nil {
				return Prepared{}, err
			}
			p, again, err := s.prepare(ctx, job)
			if err != nil || !again {
				return p, err
			}
		}
	})
}

// prepare works on the job as it was read. again is true when another call changed the job
// in the meantime.
func (s *Service) prepare(ctx context.Context, job query.Job) (p Prepared, again bool, err error) {
	set := query.PrepareJobParams{ID: job.ID, Seen: job.UpdatedAt, AssetKey: job.AssetKey, MediaHash: job.MediaHash, Reading: job.Reading}
	upload, err := s.uploaded(ctx, job)
	if err != nil {
		return p, false, err
	}
	known, wasRead := files.ReadingOf(job, upload)
	if wasRead && known.Refusal != nil {
		return p, false, &fault.Error{Code: known.Refusal.Code, Details: known.Refusal.Details}
	}
	if wasRead { // a refusal that depends on other works does not need the file either
		if _, err := s.acceptable(ctx, job, known.Hash); err != nil {
			return p, false, err
		}
		if _, err := claims.Recording(ctx, s.DB.Read(), job, known.Hash); err != nil {
			return p, false, err
		}
	}
	var m record.Media
	copied, tried := "", false
	fresh := upload != "" && !(wasRead && job.AssetKey != "" && bytes.Equal(known.Hash, job.MediaHash))
	if fresh {
		// Delete a copy that no row will name. After the commit was attempted, delete it
		// only if a refusal shows that the commit failed.
		defer func() {
			var refused *fault.Error
			if copied != "" && (again || err != nil && (!tried || errors.As(err, &refused))) {
				s.discard(ctx, job.ID, copied)
			}
		}()
		var info media.Info
		if copied, info, err = s.take(ctx, job); err != nil {
			s.refused(ctx, job, upload, err)
			return p, false, err
		}
		m = record.Media{Size: info.Size, Format: string(info.Format), Duration: info.Duration, SampleRate: info.SampleRate, Channels: info.Channels, Incomplete: info.IncompleteLastFrame}
		set.AssetKey, set.MediaHash = copied, info.SHA256[:]
		set.Reading = record.Encode(files.Reading{Upload: upload, Hash: set.MediaHash})
		defer func() {
			if err != nil { // the rest may be retried; reading the file was the costly part
				s.note(ctx, job.ID, set.Reading)
			}
		}()
	} else if err := record.Column("jobs.media", job.Media, &m); err != nil {
		return p, false, err
	}
	sum, err := s.acceptable(ctx, job, set.MediaHash)
	if err != nil {
		return p, false, err
	}
	stored := m.Size
	if set.AssetKey == "" { // the registered recording stays, or no file is stored
		stored = 0
	}
	price := s.price(job, stored)
	set.Commitment, set.MerkleRoot, set.TotalCredits = sum.Hash[:], sum.Root[:], price.Total
	set.Media, set.Quote = record.Encode(m), record.Encode(price)
	var changed int64
	tried = true
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		// A sweep may have removed the file of an earlier prepare without writing a row: see
		// sweepExpired. It cannot know a copy that was just made.
		if !fresh && set.AssetKey != "" && job.Deadline <= store.Micros(tx.Now) {
			return fault.TransactionExpired("job")
		}
		// Checked here so that a duplicate is found before payment; confirm decides.
		if _, err := claims.Recording(ctx, tx.Queries, job, set.MediaHash); err != nil {
			return err
		}
		p = Prepared{JobID: job.ID, WorkID: job.WorkID, Commitment: set.Commitment, MediaHash: set.MediaHash, Price: price, Media: m, Expires: s.until(tx.Now, s.Times.Quote, job.CreatedAt)}
		set.QuoteUntil, set.Now = store.Micros(p.Expires), store.Micros(tx.Now)
		set.Deadline = max(job.Deadline, set.QuoteUntil) // an expired price needs no second upload
		if changed, err = tx.PrepareJob(ctx, set); err != nil || changed == 0 || !fresh {
			return err
		}
		if job.AssetKey != "" {
			if err := s.orphan(ctx, tx, job.OrganizationID, job.AssetKey); err != nil {
				return err
			}
		}
		adopted, err := tx.AdoptOrphan(ctx, copied)
		if err == nil && adopted == 0 { // the prepare took so long that the copy was swept
			err = fault.CommonServiceUnavailable(store.RetryAfter).Because(errors.New("the copy was swept before the commit"))
		}
		return err
	})
	if err != nil || changed == 0 {
		return p, err == nil, err
	}
	s.Reached("prepare.committed")
	if fresh {
		// The upload stays until the sweep: a PUT may have replaced it during the read of
		// the copy, and the next prepare must find the new file.
		if job.AssetKey != "" {
			s.discard(ctx, job.ID, job.AssetKey)
		}
	}
	return p, false, nil
}

// uploaded returns the version of the job's upload. It is "" where the job has no upload and
// needs none: after an earlier prepare, for an update that keeps the recording, or for a
// hash-only job.
func (s *Service) uploaded(ctx context.Context, job query.Job) (version string, err error) {
	switch {
	case job.HashOnly && len(job.MediaHash) == 0:
		_, _, err = declared(Announced{}, job.MaxBytes)
		return "", err
	case len(job.MediaHash) > 0 && job.AssetKey == "": // the job needs no upload
		return "", nil
	}
	info, err := s.Blobs.Stat(ctx, job.UploadKey)
	switch {
	case err == nil:
		return info.Version, nil
	case !errors.Is(err, blob.ErrNotFound):
		return "", blob.Failed(err)
	case len(job.MediaHash) > 0:
		return "", nil
	}
	return "", fault.RegistrationUploadMissing().With("reason", "not_uploaded")
}

// take copies the upload and reads the copy, a bounded number of files at a time.
// Organizations take turns. Within one organization its end-users take turns, or its
// sessions if they have no end-user.
func (s *Service) take(ctx context.Context, job query.Job) (copied string, info media.Info, err error) {
	member := "session " + job.SessionJti
	if job.ExternalUserRef != "" {
		member = "end-user " + job.ExternalUserRef
	}
	waiting, cancel := context.WithTimeout(ctx, prepareWait)
	leave, err := s.slots.Enter(waiting, job.OrganizationID, member)
	cancel()
	if ctx.Err() != nil && err != nil {
		return "", media.Info{}, ctx.Err()
	} else if err != nil {
		return "", media.Info{}, fault.CommonServiceUnavailable(prepareWait).Because(err)
	}
	defer leave()
	if copied, err = s.freeze(ctx, job); err != nil {
		return "", media.Info{}, err
	}
	s.Reached("prepare.copied")
	info, err = s.read(ctx, copied, job.MaxBytes)
	return copied, info, err
}

// freeze copies the upload to a key that its upload URL cannot write and that no other
// prepare uses. Until this prepare commits, a confirm would register the asset of an earlier
// prepare, which must not change.
func (s *Service) freeze(ctx context.Context, job query.Job) (key string, err error) {
	key = files.NewAsset(job.OrganizationID, job.ID)
	if err = s.DB.Tx(ctx, func(tx *store.Tx) error { return s.orphan(ctx, tx, job.OrganizationID, key) }); err != nil {
		return "", err
	}
	err = s.Blobs.Copy(ctx, job.UploadKey, key, job.MaxBytes)
	var large blob.TooLarge
	switch {
	case errors.As(err, &large):
		return "", fault.RegistrationAudioTooLarge(large.Size, job.MaxBytes)
	case err != nil: // also when the upload was removed meanwhile
		return "", blob.Failed(err)
	}
	return key, nil
}

// refused stores a refusal that is caused by the file itself.
func (s *Service) refused(ctx context.Context, job query.Job, upload string, err error) {
	var f *fault.Error
	if !errors.As(err, &f) || f.Code == fault.CodeCommonServiceUnavailable {
		return
	}
	if f.Code == fault.CodeRegistrationAudioTooLarge && len(job.MediaHash) == 0 {
		// The file is useless, and large. If there is an earlier file, the upload stays
		// until the sweep: else the next prepare would quote the earlier file.
		s.discard(ctx, job.ID, job.UploadKey)
		return
	}
	body := f.Envelope("").Error
	s.note(ctx, job.ID, record.Encode(files.Reading{Upload: upload, Refusal: &body}))
	s.Reached("prepare.refused")
}

// note stores a reading, even when the client has gone. If storing fails, the file is read
// once more.
func (s *Service) note(ctx context.Context, jobID, text string) {
	ctx = context.WithoutCancel(ctx)
	if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.NoteReading(ctx, query.NoteReadingParams{Reading: text, ID: jobID})
	}); err != nil {
		s.Log.WarnContext(ctx, "reading not stored", "job", jobID, "error", err)
	}
}

// acceptable returns the commitment of the job with a file of this hash, or why the job
// cannot be registered with it.
func (s *Service) acceptable(ctx context.Context, job query.Job, hash []byte) (commitment.Commitment, error) {
	if announced := job.DeclaredHash; len(announced) > 0 && !bytes.Equal(announced, hash) {
		return commitment.Commitment{}, fault.RegistrationUploadMissing().With("reason", "other_file").With("announced", record.Hex(announced)).With("uploaded", record.Hex(hash))
	}
	var list []commitment.Creator
	if err := record.Column("jobs.creators", job.Creators, &list); err != nil {
		return commitment.Commitment{}, err
	}
	sum, err := commitment.Compute(job.Title, list, commitment.Hash(hash))
	if err != nil {
		return commitment.Commitment{}, err
	}
	return sum, s.dryRun(ctx, job, sum.Hash)
}

// orphan records a file that no row names, or soon none will. The sweep removes it unless it
// is adopted in time, even if this process ends now.
func (s *Service) orphan(ctx context.Context, tx *store.Tx, organization, key string) error {
	now := store.Micros(tx.Now)
	return tx.InsertOrphan(ctx, query.InsertOrphanParams{ObjectKey: key, OrganizationID: organization, Now: now, DueAt: files.SettledAt(now, s.Times.UploadSlot)})
}

// discard removes a file that no row names any more, even when the caller has gone. A file
// that cannot be removed is swept later.
func (s *Service) discard(ctx context.Context, jobID, key string) {
	if err := s.Blobs.Delete(context.WithoutCancel(ctx), key); err != nil {
		s.Log.WarnContext(ctx, "file not removed", "job", jobID, "key", key, "error", err)
	}
}

// read inspects an asset.
func (s *Service) read(ctx context.Context, key string, most int64) (media.Info, error) {
	body, info, err := s.Blobs.Open(ctx, key)
	if err != nil {
		return media.Info{}, fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
	}
	defer body.Close()
	if info.Size > most { // the copy is not of the file that was checked
		return media.Info{}, fault.RegistrationAudioTooLarge(info.Size, most)
	}
	seen, err := media.Inspect(ctx, body)
	var known *fault.Error
	if err != nil && !errors.As(err, &known) {
		return media.Info{}, fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
	}
	return seen, err
}

func (s *Service) dryRun(ctx context.Context, job query.Job, sum commitment.Hash) error {
	n, err := s.Networks.Get(network.Name(job.Network))
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
		return fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
	}
	return nil
}

// price returns the price of a job that stores so many more bytes. Jobs of test keys cost
// nothing: credits are only for live registrations.
func (s *Service) price(job query.Job, stored int64) credits.Quote {
	if job.Test {
		return credits.Quote{}
	}
	prices := s.Prices[network.Name(job.Network)]
	if job.Kind == record.KindRegister {
		return prices.Register(stored)
	}
	return prices.Update(stored)
}
