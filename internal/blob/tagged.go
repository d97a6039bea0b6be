package blob

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"

	"timbre.example/internal/operation"
)

// Tagged returns an object of at most max bytes, and the entity tag of this version. Both
// are empty if the object is missing.
func (s *S3) Tagged(ctx context.Context, key string, max int64) (data []byte, tag string, err error) {
	defer operation.Wrap(&err, "blob: read %s", key)
	if err := validKey(key); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	body, info, _, err := s.client.GetObject(ctx, s.bucket, s.object(key), minio.GetObjectOptions{})
	if isMissing(err) {
		return nil, "", nil
	} else if err != nil {
		return nil, "", failed("read", err)
	}
	defer body.Close()
	if data, err = io.ReadAll(io.LimitReader(body, max+1)); err != nil {
		return nil, "", failed("read", err)
	}
	if int64(len(data)) > max || info.ETag == "" {
		return nil, "", fmt.Errorf("blob: read: the object has more than %d bytes, or no entity tag", max)
	}
	return data, info.ETag, nil
}

// PutTagged stores these bytes as key if the object still has this entity tag (If-Match).
// With an empty tag, the object must be missing (If-None-Match). ok is false if the
// condition is not met.
func (s *S3) PutTagged(ctx context.Context, key string, data []byte, tag string) (ok bool, err error) {
	defer operation.Wrap(&err, "blob: put %s", key)
	if err := validKey(key); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	o := minio.PutObjectOptions{DisableMultipart: true, ContentType: "text/plain; charset=utf-8"}
	if tag == "" {
		o.SetMatchETagExcept("*")
	} else {
		o.SetMatchETag(tag)
	}
	_, err = s.client.Client.PutObject(ctx, s.bucket, s.object(key), bytes.NewReader(data), int64(len(data)), o)
	switch status := minio.ToErrorResponse(err).StatusCode; {
	case err == nil:
		return true, nil
	// 409: another conditional write of this object is running. 404: the object was
	// removed.
	case status == http.StatusPreconditionFailed || status == http.StatusConflict || isMissing(err):
		return false, nil
	}
	return false, failed("write", err)
}
