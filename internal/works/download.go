package works

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"timbre.example/fault"
	"timbre.example/internal/blob"
	"timbre.example/internal/media"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Download is a URL of a stored file.
type Download struct {
	URL     string
	Expires time.Time
}

// DownloadTime is how long a download can be started with its URL.
const DownloadTime = 5 * time.Minute

// Recording returns a URL of the audio of a version; version 0 is the latest. For a version
// that was registered by its hash only it returns common.not_found with the reason.
func (s *Service) Recording(ctx context.Context, c session.Caller, workID string, version int64) (_ Download, err error) {
	defer operation.Wrap(&err, "recording of work %s, version %d", workID, version)
	if err := c.MayRead(); err != nil {
		return Download{}, err
	}
	w, err := s.visible(ctx, c, workID)
	if err != nil {
		return Download{}, err
	}
	return s.recording(ctx, w, version)
}

func (s *Service) recording(ctx context.Context, w query.Work, version int64) (Download, error) {
	v, err := record.Version(ctx, s.DB.Read(), w, version)
	if errors.Is(err, sql.ErrNoRows) {
		return Download{}, fault.WorkNotFound()
	} else if err != nil {
		return Download{}, err
	}
	if v.AssetKey == "" {
		return Download{}, fault.CommonNotFound().With("reason", "hash_only")
	}
	m, err := record.VersionMedia(v)
	if err != nil {
		return Download{}, fmt.Errorf("download the recording: %w", err)
	}
	return s.download(ctx, v.AssetKey, blob.File{Name: recordingName(v.Filename, media.Format(m.Format)), Type: media.Format(m.Format).Type()})
}

// Certificate returns a URL of the certificate of a version; version 0 is the latest. A
// caller may read the certificate if one of these holds:
//
//   - It may read the work.
//   - Its session began the job that made the version. This holds for an expired session
//     too, as long as the session is stored (a day). For such a session, version 0 is the
//     version of its job, and it sees no other version's creators.
//   - Its session has not expired, and it names the job's transaction: a page that was
//     reloaded has lost its first session. transaction is "" when the caller names none.
func (s *Service) Certificate(ctx context.Context, c session.Caller, workID string, version int64, transaction string) (_ Download, err error) {
	defer operation.Wrap(&err, "certificate of work %s, version %d", workID, version)
	made, began, err := s.beganJob(ctx, c, workID)
	if err == nil && !began && transaction != "" && !c.Expired {
		made, began, err = s.namedJob(ctx, c, workID, transaction)
	}
	if err != nil {
		return Download{}, err
	}
	var w query.Work
	if began && (version == 0 || version == made) {
		if made == 0 { // not final
			return Download{}, fault.WorkCertificateUnavailable()
		}
		version = made
		if w, err = s.DB.Read().GetWork(ctx, workID); err == nil {
			err = record.Redacted(w)
		}
	} else if err = c.MayRead(); err == nil {
		w, err = s.visible(ctx, c, workID)
	}
	if err != nil {
		return Download{}, err
	}
	return s.certificate(ctx, w, version)
}

// CertificateByCode returns the certificate's URL for a caller with the work's access code.
// It serves every version, since the holder of the code could see each version while it was
// the latest.
func (s *Service) CertificateByCode(ctx context.Context, c session.Caller, version int64) (_ Download, err error) {
	defer operation.Wrap(&err, "certificate of work %s, version %d", c.WorkID, version)
	w, err := s.shown(ctx, c)
	if err != nil {
		return Download{}, err
	}
	return s.certificate(ctx, w, version)
}

// RecordingByCode is CertificateByCode for the audio: see [Service.Recording].
func (s *Service) RecordingByCode(ctx context.Context, c session.Caller, version int64) (_ Download, err error) {
	defer operation.Wrap(&err, "recording of work %s, version %d", c.WorkID, version)
	w, err := s.shown(ctx, c)
	if err != nil {
		return Download{}, err
	}
	return s.recording(ctx, w, version)
}

func (s *Service) certificate(ctx context.Context, w query.Work, version int64) (Download, error) {
	v, err := s.certified(ctx, w, version)
	if errors.Is(err, sql.ErrNoRows) || err == nil && v.CertificateKey == "" {
		return Download{}, fault.WorkCertificateUnavailable()
	} else if err != nil {
		return Download{}, err
	}
	name := w.Title
	if v.Version > 1 { // so that the files of two versions have different names
		name += " v" + strconv.FormatInt(v.Version, 10)
	}
	return s.download(ctx, v.CertificateKey, blob.File{Name: name + ".pdf", Type: "application/pdf"})
}

// certified returns the version. It reads the version again until the certificate is made or
// AwaitCertificate has passed. When a published widget is refused here, it leaves the screen
// with the access code.
func (s *Service) certified(ctx context.Context, w query.Work, version int64) (query.Version, error) {
	const first = 50 * time.Millisecond
	for pause, left := first, s.AwaitCertificate; ; pause *= 2 {
		v, err := record.Version(ctx, s.DB.Read(), w, version)
		if err != nil || v.CertificateKey != "" || left <= 0 {
			return v, err
		}
		s.Reached("certificate.awaited")
		pause = min(pause, left)
		left -= pause
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// beganJob reports whether the caller's session was spent on a job of the work. made is the
// version of that job, or 0 if it is not final. A failed job makes no version.
func (s *Service) beganJob(ctx context.Context, c session.Caller, workID string) (made int64, began bool, err error) {
	q := s.DB.Read()
	spent, err := q.GetSession(ctx, c.SessionID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !spent.JobID.Valid {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	job, err := q.GetJob(ctx, spent.JobID.String)
	if errors.Is(err, sql.ErrNoRows) || err == nil && job.WorkID != workID {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	t, err := q.GetTransaction(ctx, job.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, true, nil
	} else if err != nil {
		return 0, false, err
	}
	switch {
	case t.State == state.TransactionFinal:
		return t.Version, true, nil
	case t.State == state.TransactionFailed && job.Kind == record.KindRegister: // such a work will never exist
		return 0, false, fault.WorkNotFound()
	}
	return 0, t.State != state.TransactionFailed, nil
}

// namedJob is beganJob for a caller who names the transaction. The transaction's id shows the
// access code for Config.Result. For the same time it opens the certificate to callers of the
// same organization, network and end-user.
func (s *Service) namedJob(ctx context.Context, c session.Caller, workID, transaction string) (made int64, ok bool, err error) {
	q := s.DB.Read()
	job, err := q.GetJob(ctx, transaction) // a transaction has the id of its job
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	if job.WorkID != workID || job.OrganizationID != c.Organization || job.Network != string(c.Network) || job.Test != c.Test || job.ExternalUserRef != c.ExternalUserRef {
		return 0, false, nil
	}
	t, err := q.GetTransaction(ctx, transaction)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && (t.State == state.TransactionFailed || c.AtsID != 0 && c.AtsID != t.AtsID):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case t.State != state.TransactionFinal:
		return 0, true, nil
	}
	return t.Version, s.DB.Now().Sub(store.Time(t.UpdatedAt)) < s.Result, nil
}

func (s *Service) download(ctx context.Context, key string, as blob.File) (Download, error) {
	until := s.DB.Now().Add(DownloadTime)
	url, err := s.Blobs.PresignGet(ctx, key, as, until)
	if err != nil {
		return Download{}, fault.CommonServiceUnavailable(blob.RetryAfter).Because(err)
	}
	return Download{URL: url, Expires: until}, nil
}
