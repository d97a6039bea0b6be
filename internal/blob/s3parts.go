package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"timbre.example/internal/operation"
)

// An upload in parts is a multipart upload of S3. Browsers never show us the entity tags of
// the parts, since many buckets hide that header from pages: the server lists the parts.

// completeTries is how often the store is asked to complete an upload.
const completeTries = 3

// BeginParts implements Store.
func (s *S3) BeginParts(ctx context.Context, key string) (id string, err error) {
	defer operation.Wrap(&err, "blob: begin an upload of %s in parts", key)
	if err := validKey(key); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	id, err = s.client.NewMultipartUpload(ctx, s.bucket, s.object(key), minio.PutObjectOptions{ContentType: "application/octet-stream"})
	return id, failed("begin", err)
}

// PresignPart implements Store. The signature covers the length of the part. A browser sends
// that header by itself, so the store takes no longer part.
func (s *S3) PresignPart(ctx context.Context, m Multipart, number int, expires time.Time) (_ string, err error) {
	defer operation.Wrap(&err, "blob: sign a URL of part %d of %s", number, m.Key)
	if err := m.valid(); err != nil {
		return "", err
	}
	if m.SizeOf(number) == 0 {
		return "", fmt.Errorf("blob: there are %d parts", m.Count())
	}
	u, err := s.public.PresignHeader(ctx, http.MethodPut, s.bucket, s.object(m.Key), time.Duration(ceilUnix(expires)-time.Now().Unix())*time.Second,
		url.Values{"partNumber": {strconv.Itoa(number)}, "uploadId": {m.ID}}, http.Header{"Content-Length": {strconv.FormatInt(m.SizeOf(number), 10)}})
	if err != nil {
		return "", fmt.Errorf("blob: sign: %w", err)
	}
	return u.String(), nil
}

// ListParts implements Store. The version of a part is its entity tag.
func (s *S3) ListParts(ctx context.Context, m Multipart) (parts []Part, err error) {
	defer operation.Wrap(&err, "blob: list the parts of %s", m.Key)
	if err := m.valid(); err != nil {
		return nil, err
	}
	return s.listParts(ctx, m.Key, m.ID)
}

func (s *S3) listParts(ctx context.Context, key, id string) (parts []Part, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	for after := 0; ; {
		page, err := s.client.ListObjectParts(ctx, s.bucket, s.object(key), id, after, MaxParts)
		if isGone(err) {
			return nil, ErrNotFound
		} else if err != nil {
			return nil, failed("list the parts", err)
		}
		for _, p := range page.ObjectParts {
			parts = append(parts, Part{Number: p.PartNumber, Size: p.Size, Version: p.ETag})
		}
		if !page.IsTruncated || page.NextPartNumberMarker <= after {
			return parts, nil
		}
		after = page.NextPartNumberMarker
	}
}

// isGone reports whether the store does not know the upload: it was completed or aborted.
func isGone(err error) bool {
	return err != nil && (minio.ToErrorResponse(err).Code == minio.NoSuchUpload || isMissing(err))
}

// OpenPart implements Store: S3 shows no part before its object is complete.
func (s *S3) OpenPart(context.Context, Multipart, int) (io.ReadCloser, Part, error) {
	return nil, Part{}, ErrNotFound
}

// CompleteParts implements Store. A store may answer 200 with an error in the body, or not
// at all, and have completed the upload or not. So after a failure the parts are listed
// again: an upload that is gone was completed if its object is there.
func (s *S3) CompleteParts(ctx context.Context, m Multipart) (_ []Part, err error) {
	defer operation.Wrap(&err, "blob: complete %s", m.Key)
	if err := m.valid(); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		parts, err := s.listParts(ctx, m.Key, m.ID)
		if errors.Is(err, ErrNotFound) {
			return nil, s.wasCompleted(ctx, m)
		} else if err == nil {
			if err = m.check(parts); err != nil {
				return nil, err
			}
			if err = s.completeOnce(ctx, m, parts); err == nil {
				return parts, nil
			}
		}
		if try == completeTries || ctx.Err() != nil {
			return nil, failed("complete", err)
		}
	}
}

func (s *S3) completeOnce(ctx context.Context, m Multipart, parts []Part) error {
	// Some servers answer only after all bytes are copied.
	ctx, cancel := context.WithTimeout(ctx, s.copying)
	defer cancel()
	list := make([]minio.CompletePart, len(parts))
	for i, p := range parts {
		list[i] = minio.CompletePart{PartNumber: p.Number, ETag: p.Version}
	}
	_, err := minio.Core{Client: s.copier}.CompleteMultipartUpload(ctx, s.bucket, s.object(m.Key), m.ID, list, minio.PutObjectOptions{})
	return err
}

// wasCompleted returns ErrNotFound unless the object of an upload that is gone is there.
func (s *S3) wasCompleted(ctx context.Context, m Multipart) error {
	info, err := s.Stat(ctx, m.Key)
	if err == nil && info.Size != m.Size {
		err = ErrNotFound
	}
	return err
}

// AbortParts implements Store.
func (s *S3) AbortParts(ctx context.Context, m Multipart) (err error) {
	defer operation.Wrap(&err, "blob: abort the upload of %s", m.Key)
	if err := validKey(m.Key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	if err := s.client.AbortMultipartUpload(ctx, s.bucket, s.object(m.Key), m.ID); !isGone(err) {
		return failed("abort", err)
	}
	return nil
}

// ProbeParts does with its own upload what a Store does with uploads in parts, and aborts it.
// Its error names the permission of S3 whose step failed.
func (s *S3) ProbeParts(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "blob: probe an upload in parts")
	m := Multipart{Key: "probe/" + strings.ToLower(rand.Text()), Size: 1, PartSize: MinPart}
	if m.ID, err = s.BeginParts(ctx, m.Key); err != nil {
		return fmt.Errorf("s3:PutObject: %w", err)
	}
	defer func() {
		if aborted := s.AbortParts(context.WithoutCancel(ctx), m); aborted != nil {
			err = errors.Join(err, fmt.Errorf("s3:AbortMultipartUpload: %w", aborted))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	if _, err := s.client.PutObjectPart(ctx, s.bucket, s.object(m.Key), m.ID, 1, strings.NewReader("t"), 1, minio.PutObjectPartOptions{}); err != nil {
		return fmt.Errorf("s3:PutObject: %w", failed("send a part", err))
	}
	parts, err := s.ListParts(ctx, m)
	if err == nil {
		err = m.check(parts)
	}
	if err != nil {
		return fmt.Errorf("s3:ListMultipartUploadParts: %w", err)
	}
	if _, err := s.client.ListMultipartUploads(ctx, s.bucket, s.prefix+"probe/", "", "", "", 1); err != nil {
		return fmt.Errorf("s3:ListBucketMultipartUploads: %w", failed("list the uploads", err))
	}
	return nil
}

// UnfinishedParts implements Store. It yields nothing if the keys may not list uploads, or
// if the server cannot list them.
func (s *S3) UnfinishedParts(ctx context.Context, under string) iter.Seq2[Unfinished, error] {
	return func(yield func(Unfinished, error) bool) {
		ctx, cancel := context.WithTimeout(ctx, s.copying)
		defer cancel()
		for keyMarker, idMarker := "", ""; ; {
			page, err := s.client.ListMultipartUploads(ctx, s.bucket, s.prefix+under+"/", keyMarker, idMarker, "", 1000)
			if code := minio.ToErrorResponse(err).Code; code == minio.AccessDenied || code == minio.NotImplemented {
				return
			} else if err != nil {
				yield(Unfinished{}, failed("list the uploads", err))
				return
			}
			for _, up := range page.Uploads {
				key, ok := strings.CutSuffix(strings.TrimPrefix(up.Key, s.prefix), suffix)
				if !ok || validKey(key) != nil { // of another program
					continue
				}
				u := Unfinished{Key: key, ID: up.UploadID, Begun: up.Initiated}
				parts, err := s.listParts(ctx, key, up.UploadID)
				if errors.Is(err, ErrNotFound) {
					continue
				}
				for _, p := range parts {
					u.Bytes += p.Size
				}
				if !yield(u, err) || err != nil {
					return
				}
			}
			if !page.IsTruncated || page.NextKeyMarker == keyMarker && page.NextUploadIDMarker == idMarker {
				return
			}
			keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
		}
	}
}
