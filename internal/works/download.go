package works

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/media"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
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
func (s *Service) Recording(ctx context.Context, r access.Reader, version int64) (_ Download, err error) {
	defer operation.Wrap(&err, "recording of work %s, version %d", r.WorkID(), version)
	w, err := s.stored(ctx, r.WorkID())
	if err != nil {
		return Download{}, err
	}
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

// Certificate returns a URL of the certificate of a version.
func (s *Service) Certificate(ctx context.Context, r access.CertificateReader) (_ Download, err error) {
	defer operation.Wrap(&err, "certificate of work %s, version %d", r.WorkID(), r.Version())
	w, err := s.stored(ctx, r.WorkID())
	if err != nil {
		return Download{}, err
	}
	v, err := s.certified(ctx, w, r.Version())
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

func (s *Service) download(ctx context.Context, key string, as blob.File) (Download, error) {
	until := s.DB.Now().Add(DownloadTime)
	url, err := s.Blobs.PresignGet(ctx, key, as, until)
	if err != nil {
		return Download{}, fault.CommonServiceUnavailable(blob.RetryAfter).Because(err)
	}
	return Download{URL: url, Expires: until}, nil
}
