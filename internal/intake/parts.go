package intake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// A large file is uploaded in parts: a client asks for the URLs of some parts, sends them in
// any order, and asks for more. A client that was cut off asks which parts are stored. In
// the end the parts become the same object as one PUT makes, and prepare continues with it.

const (
	// usualPart is the size of a part in bytes: a minute at 1 Mbit/s.
	usualPart = 8 << 20
	// MaxPartURLs is how many parts one call signs. A URL that a client needs later would
	// expire before.
	MaxPartURLs = 32
)

// partSize returns the size of the parts of a file. A very large file has larger parts, so
// that their number is bounded.
func partSize(size, usual int64) int64 {
	const mib = 1 << 20
	least := (size + blob.MaxParts - 1) / blob.MaxParts
	if least <= usual {
		return usual
	}
	return (least + mib - 1) / mib * mib
}

// PartsRequest asks for URLs of parts.
type PartsRequest struct {
	// SizeBytes is the size of the whole file. It begins the upload; 0 only asks for one
	// that has begun.
	SizeBytes int64
	// Numbers are the parts whose URLs are wanted, counted from 1; none: only the state.
	Numbers []int64
}

// PartSlots is the state of an upload in parts, and the URLs that were asked for.
type PartSlots struct {
	JobID     string
	SizeBytes int64
	PartBytes int64
	Count     int
	// Complete says that the parts are one object: nothing more is uploaded.
	Complete bool
	// Stored are the parts that the store has.
	Stored []blob.Part
	URLs   []PartURL
	// Expires is when the URLs expire; zero without URLs.
	Expires time.Time
}

// PartURL takes one part by PUT.
type PartURL struct {
	Number    int
	SizeBytes int64
	URL       string
}

// Parts begins the upload of a job's file in parts, or continues it. It returns the stored
// parts and the URLs that were asked for. URLs renew the job like another upload slot.
func (s *Service) Parts(ctx context.Context, m access.Maker, jobID string, in PartsRequest) (_ PartSlots, err error) {
	defer operation.Wrap(&err, "list the parts of job %s", jobID)
	job, err := s.uploading(ctx, m, jobID)
	if err != nil {
		return PartSlots{}, err
	}
	for try := 0; ; try++ {
		up, err := s.begun(ctx, job, in.SizeBytes)
		if err != nil {
			return PartSlots{}, err
		}
		if err := checkNumbers(up, in); err != nil {
			return PartSlots{}, err
		}
		of := multipart(job, up)
		out := PartSlots{JobID: job.ID, SizeBytes: up.SizeBytes, PartBytes: up.PartBytes, Count: of.Count(), Complete: up.CompletedAt > 0}
		if out.Complete {
			return out, nil
		}
		out.Stored, err = s.Blobs.ListParts(ctx, of)
		if errors.Is(err, blob.ErrNotFound) && try == 0 {
			if out.Complete, err = s.found(ctx, job, up); err != nil || out.Complete {
				return out, err
			}
			in.SizeBytes = up.SizeBytes
			continue
		} else if err != nil {
			return PartSlots{}, blob.Failed(err)
		}
		// A bucket takes parts without the server, so they are counted here.
		if bytes := sum(out.Stored); bytes > job.UploadBytes {
			if err := s.landParts(ctx, job.ID, bytes); err != nil {
				return PartSlots{}, err
			}
		}
		// A store may keep what came of a part that broke off. It does not count as stored.
		out.Stored = slices.DeleteFunc(out.Stored, func(p blob.Part) bool { return p.Size != of.SizeOf(p.Number) })
		if len(in.Numbers) == 0 {
			return out, nil
		}
		return s.signParts(ctx, m, of, in.Numbers, out)
	}
}

// uploading returns a job that takes an upload.
func (s *Service) uploading(ctx context.Context, m access.Maker, jobID string) (query.Job, error) {
	job, err := openJob(ctx, s.DB.Read(), m, jobID, s.DB.Now())
	if err == nil && !takesUpload(job) {
		err = errNoUpload
	}
	return job, err
}

// begun returns the upload of a job in parts, and begins it if size is known.
func (s *Service) begun(ctx context.Context, job query.Job, size int64) (query.PartUpload, error) {
	up, err := s.DB.Read().GetPartUpload(ctx, job.ID)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return up, err
	}
	if size == 0 {
		return up, fault.RegistrationUploadMissing().With("reason", "not_begun")
	}
	if err := checkSize(size, job.MaxBytes); err != nil {
		return up, err
	}
	if err := s.room(size); err != nil {
		return up, err
	}
	id, err := s.Blobs.BeginParts(ctx, job.UploadKey)
	if err != nil {
		return up, blob.Failed(err)
	}
	s.Reached("parts.begun")
	var n int64
	err = s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.InsertPartUpload(ctx, query.InsertPartUploadParams{JobID: job.ID, StoreID: id, SizeBytes: size, PartBytes: partSize(size, s.partBytes()), Now: store.Micros(tx.Now)})
		return err
	})
	if err == nil && n == 0 { // another call was first
		s.abort(ctx, job, id)
	}
	if err != nil {
		return up, err // perhaps the commit succeeded; if not, the sweep removes the upload
	}
	return s.DB.Read().GetPartUpload(ctx, job.ID)
}

func (s *Service) partBytes() int64 {
	if s.PartBytes > 0 {
		return s.PartBytes
	}
	return usualPart
}

func multipart(job query.Job, up query.PartUpload) blob.Multipart {
	return blob.Multipart{Key: job.UploadKey, ID: up.StoreID, Size: up.SizeBytes, PartSize: up.PartBytes}
}

func sum(parts []blob.Part) (bytes int64) {
	for _, p := range parts {
		bytes += p.Size
	}
	return bytes
}

func checkNumbers(up query.PartUpload, in PartsRequest) error {
	var bad fault.Refused
	if in.SizeBytes != 0 && in.SizeBytes != up.SizeBytes {
		bad.Refuse("size_bytes", "other_size", fmt.Sprintf("The upload is of a file of %d bytes. Abort it first.", up.SizeBytes))
	}
	if len(in.Numbers) > MaxPartURLs {
		bad.Refuse("numbers", "max", fmt.Sprintf("At most %d parts at a time.", MaxPartURLs))
	}
	count := blob.Multipart{Size: up.SizeBytes, PartSize: up.PartBytes}.Count()
	for _, n := range in.Numbers {
		if n < 1 || n > int64(count) {
			bad.Refuse("numbers", "range", fmt.Sprintf("Must be from 1 to %d.", count))
			break
		}
	}
	return bad.Err()
}

// found is for an upload that the row names and the store does not have. Either the answer to
// its completion was lost: found makes up for that. Or something else aborted the upload:
// found forgets it, so that it begins again.
func (s *Service) found(ctx context.Context, job query.Job, up query.PartUpload) (complete bool, err error) {
	if err = s.complete(ctx, job, up); !errors.Is(err, fault.CodeRegistrationUploadMissing) {
		return err == nil, err
	}
	return false, s.endParts(ctx, job.ID, up.StoreID)
}

func (s *Service) endParts(ctx context.Context, jobID, storeID string) error {
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.EndPartUpload(ctx, query.EndPartUploadParams{JobID: jobID, StoreID: storeID})
	})
}

// signParts renews the job and signs the parts. No URL is valid after the job's end.
func (s *Service) signParts(ctx context.Context, m access.Maker, of blob.Multipart, numbers []int64, out PartSlots) (PartSlots, error) {
	_, expires, err := s.renew(ctx, m, out.JobID)
	if err != nil {
		return PartSlots{}, err
	}
	out.Expires = expires
	for _, number := range numbers {
		n := int(number)
		url, err := s.Blobs.PresignPart(ctx, of, n, expires)
		if err != nil {
			return PartSlots{}, fault.CommonServiceUnavailable(store.RetryAfter).Because(err)
		}
		out.URLs = append(out.URLs, PartURL{Number: n, SizeBytes: of.SizeOf(n), URL: url})
	}
	return out, nil
}

// CompleteParts makes one object of the parts. It may be repeated. After it, the job can be
// prepared.
func (s *Service) CompleteParts(ctx context.Context, m access.Maker, jobID string) (size int64, err error) {
	defer operation.Wrap(&err, "complete the parts of job %s", jobID)
	job, err := s.uploading(ctx, m, jobID)
	if err != nil {
		return 0, err
	}
	up, err := s.DB.Read().GetPartUpload(ctx, job.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fault.RegistrationUploadMissing().With("reason", "not_begun")
	} else if err != nil {
		return 0, err
	}
	if up.CompletedAt == 0 {
		if err := s.complete(ctx, job, up); err != nil {
			return 0, err
		}
	}
	return up.SizeBytes, nil
}

// complete makes the object, and then the row says so. After a kill in between, the store
// answers the next call that the object is there.
func (s *Service) complete(ctx context.Context, job query.Job, up query.PartUpload) error {
	of := multipart(job, up)
	s.early.settle(ctx, job.ID, of)
	parts, err := s.Blobs.CompleteParts(ctx, of)
	var bad blob.BadParts
	var known *fault.Error
	switch {
	case errors.As(err, &bad) && len(bad.Missing) > 0:
		return fault.RegistrationUploadMissing().With("reason", "parts_missing")
	case errors.As(err, &bad):
		return fault.RegistrationUploadMissing().With("reason", "parts_wrong")
	case errors.Is(err, blob.ErrNotFound):
		return fault.RegistrationUploadMissing().With("reason", "not_begun")
	case errors.As(err, &known):
		return known
	case err != nil:
		return blob.Failed(err)
	}
	s.Reached("parts.completed")
	reading := s.readEarly(ctx, job, of, parts)
	var n int64
	err = s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		now := store.Micros(tx.Now)
		if n, err = tx.LandParts(ctx, query.LandPartsParams{Bytes: up.SizeBytes, ID: job.ID, Now: now}); err != nil || n == 0 {
			return err
		}
		if _, err = tx.CompletePartUpload(ctx, query.CompletePartUploadParams{Now: now, JobID: job.ID, StoreID: up.StoreID}); err != nil || reading == "" {
			return err
		}
		return tx.NoteReading(ctx, query.NoteReadingParams{Reading: reading, ID: job.ID})
	})
	if err != nil {
		return err
	}
	if n == 0 { // the sweep removes the file of an expired job
		return fault.TransactionExpired("job")
	}
	s.Reached("parts.committed")
	return nil
}

// AbortParts removes the parts of a job, so that another file can be uploaded. It may be
// repeated.
func (s *Service) AbortParts(ctx context.Context, m access.Maker, jobID string) (err error) {
	defer operation.Wrap(&err, "abort the parts of job %s", jobID)
	job, err := s.uploading(ctx, m, jobID)
	if err != nil {
		return err
	}
	up, err := s.DB.Read().GetPartUpload(ctx, job.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	if err := s.Blobs.AbortParts(ctx, multipart(job, up)); err != nil {
		return blob.Failed(err)
	}
	s.early.drop(job.ID)
	s.Reached("parts.aborted")
	return s.endParts(ctx, job.ID, up.StoreID)
}

// abort removes an upload in parts that no row names. The sweep removes what is left.
func (s *Service) abort(ctx context.Context, job query.Job, id string) {
	if err := s.Blobs.AbortParts(context.WithoutCancel(ctx), blob.Multipart{Key: job.UploadKey, ID: id}); err != nil {
		s.Log.WarnContext(ctx, "parts not removed", "job", job.ID, "error", err)
	}
}

// UploadedPart is called when a part is stored. bytes are those of all stored parts of the
// upload.
func (s *Service) UploadedPart(ctx context.Context, key string, _ int, bytes int64) (err error) {
	defer operation.Wrap(&err, "record a part of upload %s", key)
	id, ok := files.JobOf(key)
	if !ok {
		return fault.CommonForbidden("signature")
	}
	job, err := s.uploadJob(ctx, s.DB.Read(), id)
	if err != nil {
		return err
	}
	if err := s.landParts(ctx, job.ID, bytes); err != nil {
		return err
	}
	if up, err := s.DB.Read().GetPartUpload(ctx, job.ID); err == nil {
		s.early.landed(job, multipart(job, up))
	}
	return nil
}

// landParts counts the bytes of the stored parts. It returns transaction.expired when the job
// has ended.
func (s *Service) landParts(ctx context.Context, jobID string, bytes int64) error {
	var n int64
	err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		n, err = tx.LandParts(ctx, query.LandPartsParams{Bytes: bytes, ID: jobID, Now: store.Micros(tx.Now)})
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

// readEarly returns what was read of the parts while they came, for jobs.reading; "" when
// that is not known of these very bytes.
func (s *Service) readEarly(ctx context.Context, job query.Job, of blob.Multipart, parts []blob.Part) string {
	info, err, ok := s.early.take(job.ID, of, parts)
	if !ok {
		return ""
	}
	object, statErr := s.Blobs.Stat(ctx, job.UploadKey)
	if statErr != nil || object.Size != of.Size {
		return ""
	}
	reading := files.Reading{Upload: object.Version}
	var f *fault.Error
	switch {
	case err == nil:
		m := mediaOf(info)
		reading.Hash, reading.Media = info.SHA256[:], &m
	case errors.As(err, &f):
		refusal := record.RefusalOf(f)
		reading.Refusal = &refusal
	default:
		return ""
	}
	return record.Encode(reading)
}
