package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"timbre.example/internal/blob"
	"timbre.example/internal/claims"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/media"
	"timbre.example/internal/record"
	"timbre.example/internal/store/query"
)

// source is the recording that a job registers.
type source struct {
	hash  []byte // SHA-256
	media record.Media
	// asset is the key of the stored copy. It is "" when the registered recording stays, or
	// when no file is stored.
	asset string
	// copied says that asset was copied by this call: no row names it yet.
	copied  bool
	reading string // for jobs.reading
}

// stored returns how many bytes the store keeps for the recording.
func (s source) stored() int64 {
	if s.asset == "" {
		return 0
	}
	return s.media.Size
}

// source returns the recording of a job from one of three places: the client's declaration,
// the file that the job already has, or a new upload.
func (s *Service) source(ctx context.Context, job query.Job) (source, error) {
	switch {
	case job.HashOnly:
		return declaredSource(job)
	case len(job.MediaHash) > 0 && job.AssetKey == "": // an update that keeps the registered recording
		return keptSource(job)
	}
	info, err := s.Blobs.Stat(ctx, job.UploadKey)
	switch {
	case errors.Is(err, blob.ErrNotFound) && len(job.MediaHash) > 0: // of an earlier prepare
		return keptSource(job)
	case errors.Is(err, blob.ErrNotFound):
		return source{}, fault.RegistrationUploadMissing().With("reason", "not_uploaded")
	case err != nil:
		return source{}, blob.Failed(err)
	}
	known, wasRead := files.ReadingOf(job, info.Version)
	if !wasRead {
		return s.freshSource(ctx, job, files.Reading{Upload: info.Version})
	}
	if known.Refusal != nil {
		return source{}, known.Refusal.Err()
	}
	// A refusal that depends on other works does not need the file either.
	if _, err := s.acceptable(ctx, job, known.Hash); err != nil {
		return source{}, err
	}
	if _, err := claims.Recording(ctx, s.DB.Read(), job, known.Hash); err != nil {
		return source{}, err
	}
	if job.AssetKey != "" && bytes.Equal(known.Hash, job.MediaHash) {
		return keptSource(job)
	}
	return s.freshSource(ctx, job, known)
}

// declaredSource is the recording of a hash-only job, as the client declared it.
func declaredSource(job query.Job) (source, error) {
	if len(job.MediaHash) == 0 {
		_, _, err := declared(Announced{}, job.MaxBytes)
		return source{}, err
	}
	return keptSource(job)
}

// keptSource is the recording that the row of the job describes.
func keptSource(job query.Job) (source, error) {
	m, err := record.JobMedia(job)
	if err != nil {
		return source{}, fmt.Errorf("prepare: %w", err)
	}
	return source{hash: job.MediaHash, media: m, asset: job.AssetKey, reading: job.Reading}, nil
}

// freshSource copies the upload and reads the copy, unless this version of it was read
// already. A refusal that is caused by the file itself is stored, so that the next call need
// not read it again.
func (s *Service) freshSource(ctx context.Context, job query.Job, known files.Reading) (source, error) {
	if known.Media != nil {
		if copied, err := s.takeKnown(ctx, job, known); err != nil {
			return source{}, err
		} else if copied != "" {
			return source{hash: known.Hash, media: *known.Media, asset: copied, copied: true, reading: job.Reading}, nil
		}
	}
	copied, info, err := s.take(ctx, job)
	if err != nil {
		s.refused(ctx, job, known.Upload, err)
		if copied != "" {
			s.discard(ctx, job.ID, copied)
		}
		return source{}, err
	}
	return source{
		hash: info.SHA256[:], media: mediaOf(info), asset: copied, copied: true, reading: record.Encode(files.Reading{Upload: known.Upload, Hash: info.SHA256[:]}),
	}, nil
}

// takeKnown copies an upload that was read already. The copy must be of the bytes that were
// read: a store that cannot tell, or another upload meanwhile, gives no copy.
func (s *Service) takeKnown(ctx context.Context, job query.Job, known files.Reading) (copied string, err error) {
	if copied, err = s.freeze(ctx, job); err != nil {
		return "", err
	}
	s.Reached("prepare.copied")
	info, err := s.Blobs.Stat(ctx, copied)
	if err == nil && info.Version == known.Upload {
		return copied, nil
	}
	s.discard(ctx, job.ID, copied)
	if err != nil {
		return "", blob.Failed(err)
	}
	return "", nil
}

func mediaOf(info media.Info) record.Media {
	return record.Media{Size: info.Size, Format: string(info.Format), Duration: info.Duration, SampleRate: info.SampleRate, Channels: info.Channels, Incomplete: info.IncompleteLastFrame}
}
