package intake

import (
	"context"
	"errors"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/media"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// prepareWait is how long a prepare waits for a slot before it is refused.
const prepareWait = 10 * time.Second

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
	if err = s.DB.One(ctx, func(tx *store.Tx) error { return s.orphan(ctx, tx, job.OrganizationID, key) }); err != nil {
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
	refusal := record.RefusalOf(f)
	s.note(ctx, job.ID, record.Encode(files.Reading{Upload: upload, Refusal: &refusal}))
	s.Reached("prepare.refused")
}

// note stores a reading, even when the client has gone. If storing fails, the file is read
// once more.
func (s *Service) note(ctx context.Context, jobID, text string) {
	ctx = context.WithoutCancel(ctx)
	if err := s.DB.One(ctx, func(tx *store.Tx) error {
		return tx.NoteReading(ctx, query.NoteReadingParams{Reading: text, ID: jobID})
	}); err != nil {
		s.Log.WarnContext(ctx, "reading not stored", "job", jobID, "error", err)
	}
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
