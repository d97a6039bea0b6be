package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"timbre.example/internal/operation"
)

// MaxS3Object is the largest object that S3 accepts in one PUT and copies in one call: 5
// GiB.
const MaxS3Object = 5 << 30

// s3Tries is how often a call is sent if it gets no answer, or an answer that asks for a
// retry. Callers of the Store have their own retries.
const s3Tries = 2

// S3Options configure a bucket. The zero value of a field from Region on means its
// default.
type S3Options struct {
	Bucket string
	// Region is the region in signatures; us-east-1 by default.
	Region string
	// Endpoint is the store's URL, http(s)://host[:port]; Amazon's by default.
	Endpoint string
	// PublicEndpoint is the store's URL for browsers, if it differs from Endpoint.
	PublicEndpoint string
	// Style is how URLs name the bucket: in the host or in the path. The default is the
	// host at Amazon, and the path at other stores.
	Style S3Style
	// Prefix goes before every key, with a slash between them.
	Prefix string
	// AccessKey and SecretKey sign requests. Without them the store uses the sources of
	// AWS's tools: the environment, ~/.aws/credentials, the role of the machine.
	AccessKey, SecretKey string

	// AnswerTimeout is how long the server can take to start an answer; 10 s by default.
	// A call can need it twice. CopyTimeout is the same for a copy, 60 s by default,
	// because some servers only answer after all bytes are copied. IdleTimeout ends a
	// download that receives no byte for this time; 30 s by default.
	AnswerTimeout, CopyTimeout, IdleTimeout time.Duration
}

// S3Style is how a URL names a bucket.
type S3Style int

const (
	S3StyleAuto S3Style = iota
	S3StyleHost
	S3StylePath
)

// S3 is a Store in a bucket of any S3 server. Browsers send to that server directly, with
// URLs that are signed here (Signature Version 4). The signature covers no header that a
// browser sends, because browsers add headers of their own.
//
// The bucket needs two settings: browsers must be allowed to PUT from other origins
// (CORS), and old uploads must expire (a lifecycle rule). S3 cannot limit the size by
// URL, so Upload.MaxBytes has no effect here.
type S3 struct {
	bucket, prefix string
	// Timeouts of a whole call with its retries, of a copy, and of one read.
	call, copying, idle time.Duration
	// Clients of the same bucket for the server, for the server's copies, and for
	// browsers' URLs.
	client minio.Core
	copier *minio.Client
	public *minio.Client

	close func()
}

var _ Store = (*S3)(nil)

// NewS3 makes a store for an existing bucket. It makes no request.
func NewS3(o S3Options) (*S3, error) {
	setDefault(&o.AnswerTimeout, 10*time.Second)
	setDefault(&o.CopyTimeout, 60*time.Second)
	setDefault(&o.IdleTimeout, 30*time.Second)
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Endpoint == "" {
		o.Endpoint = "https://s3.amazonaws.com"
	}
	if o.PublicEndpoint == "" {
		o.PublicEndpoint = o.Endpoint
	}
	if err := s3utils.CheckValidBucketNameStrict(o.Bucket); err != nil {
		return nil, fmt.Errorf("blob: bucket %q: %w", o.Bucket, err)
	}
	s := &S3{bucket: o.Bucket, call: s3Tries*o.AnswerTimeout + 5*time.Second, copying: o.CopyTimeout, idle: o.IdleTimeout}
	if o.Prefix != "" {
		if err := validKey(o.Prefix); err != nil {
			return nil, fmt.Errorf("blob: prefix: %w", err)
		}
		s.prefix = o.Prefix + "/"
	}
	keys := credentials.NewStaticV4(o.AccessKey, o.SecretKey, "")
	switch {
	case (o.AccessKey == "") != (o.SecretKey == ""):
		return nil, errors.New("blob: give both an access key and a secret key, or neither")
	case o.AccessKey == "":
		keys = credentials.NewChainCredentials([]credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{}})
	}
	answers, copies := s3Transport(o.AnswerTimeout), s3Transport(0)
	s.close = func() { answers.CloseIdleConnections(); copies.CloseIdleConnections() }
	dial := func(endpoint string, t *http.Transport) (*minio.Client, error) {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("blob: an endpoint must be http(s)://host[:port], not %q", endpoint)
		}
		c, err := minio.New(u.Host, &minio.Options{
			Creds: keys, Secure: u.Scheme == "https", Region: o.Region, Transport: t, MaxRetries: s3Tries,
			BucketLookup: [...]minio.BucketLookupType{minio.BucketLookupAuto, minio.BucketLookupDNS, minio.BucketLookupPath}[o.Style],
		})
		if err != nil {
			return nil, fmt.Errorf("blob: %w", err)
		}
		return c, nil
	}
	var err error
	if s.client.Client, err = dial(o.Endpoint, answers); err != nil {
		return nil, err
	}
	if s.copier, err = dial(o.Endpoint, copies); err != nil {
		return nil, err
	}
	if s.public, err = dial(o.PublicEndpoint, answers); err != nil {
		return nil, err
	}
	return s, nil
}

// s3Transport gives up on a server that takes longer than answer to start an answer; 0
// means no timeout.
func s3Transport(answer time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: answer,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true, // the bytes unchanged, also if a PUT declared an encoding
	}
}

// Close closes idle connections.
func (s *S3) Close() error {
	s.close()
	return nil
}

// object returns the name in the bucket. The suffix is for servers that store objects as
// files, where "a" and "a/b" would conflict.
func (s *S3) object(key string) string { return s.prefix + key + suffix }

// PresignPut implements Store. It makes no request, so it works while the server is down.
func (s *S3) PresignPut(ctx context.Context, up Upload) (_ string, err error) {
	defer operation.Wrap(&err, "blob: sign an upload URL of %s", up.Key)
	if up.MaxBytes < 1 {
		return "", fmt.Errorf("blob: upload cap of %d bytes", up.MaxBytes)
	}
	return s.presign(ctx, http.MethodPut, up.Key, up.Expires, nil)
}

// PresignGet implements Store. The server sends the signed name and type, not those of
// the upload.
func (s *S3) PresignGet(ctx context.Context, key string, as File, expires time.Time) (_ string, err error) {
	defer operation.Wrap(&err, "blob: sign a download URL of %s", key)
	return s.presign(ctx, http.MethodGet, key, expires, url.Values{
		"response-content-disposition": {disposition(safeFilename(as.Name))},
		"response-content-type":        {mediaType(as.Type)},
		"response-cache-control":       {"no-store"},
	})
}

func (s *S3) presign(ctx context.Context, method, key string, expires time.Time, query url.Values) (string, error) {
	if err := validKey(key); err != nil {
		return "", err
	}
	// A signature is valid for whole seconds, counted from the second of signing.
	u, err := s.public.Presign(ctx, method, s.bucket, s.object(key), time.Duration(ceilUnix(expires)-time.Now().Unix())*time.Second, query)
	if err != nil {
		return "", fmt.Errorf("blob: sign: %w", err)
	}
	return u.String(), nil
}

// Put implements Store.
func (s *S3) Put(ctx context.Context, key string, data []byte) (err error) {
	defer operation.Wrap(&err, "blob: put %s", key)
	if err := validKey(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	return s.put(ctx, key, data)
}

func (s *S3) put(ctx context.Context, key string, data []byte) error {
	_, err := s.client.Client.PutObject(ctx, s.bucket, s.object(key), bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{DisableMultipart: true})
	return failed("write", err)
}

// Open implements Store.
func (s *S3) Open(ctx context.Context, key string) (_ io.ReadCloser, _ Info, err error) {
	defer operation.Wrap(&err, "blob: open %s", key)
	if err := validKey(key); err != nil {
		return nil, Info{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	d := &download{ctx: ctx, cancel: cancel, idle: s.idle, timer: time.AfterFunc(s.call, func() { cancel(errIdle) })}
	body, info, _, err := s.client.GetObject(ctx, s.bucket, s.object(key), minio.GetObjectOptions{})
	d.timer.Stop()
	if err == nil && info.Size < 0 {
		body.Close()
		err = errors.New("the server does not report the object's size")
	}
	if err != nil {
		cancel(nil)
		return nil, Info{}, failed("open", err)
	}
	d.body = body
	return d, Info{Size: info.Size}, nil
}

// Stat implements Store.
func (s *S3) Stat(ctx context.Context, key string) (_ Info, err error) {
	defer operation.Wrap(&err, "blob: stat %s", key)
	if err := validKey(key); err != nil {
		return Info{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	info, err := s.client.StatObject(ctx, s.bucket, s.object(key), minio.StatObjectOptions{})
	if err != nil {
		return Info{}, failed("stat", err)
	}
	return Info{Size: info.Size, Version: fmt.Sprintf("%d-%s-%d", info.Size, info.ETag, info.LastModified.UnixNano())}, nil
}

var errIdle = errors.New("timeout: no byte came")

// download is a body that ends if a read waits too long. The time between reads does not
// count.
type download struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	body   io.ReadCloser
	idle   time.Duration
	timer  *time.Timer // its timer cancels ctx
}

func (d *download) Read(p []byte) (int, error) {
	d.timer.Reset(d.idle)
	n, err := d.body.Read(p)
	d.timer.Stop()
	if err != nil && err != io.EOF {
		if cause := context.Cause(d.ctx); cause != nil {
			err = cause
		}
		err = fmt.Errorf("blob: read: %w", err)
	}
	return n, err
}

func (d *download) Close() error {
	d.timer.Stop()
	d.cancel(nil)
	return d.body.Close()
}

// copyTries is how often a copy starts again because another upload was stored.
const copyTries = 10

// Copy implements Store: the server copies, and no byte passes through this process.
func (s *S3) Copy(ctx context.Context, src, dst string, most int64) (err error) {
	defer operation.Wrap(&err, "blob: copy %s to %s", src, dst)
	if err := errors.Join(validKey(src), validKey(dst)); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.copyOnce(ctx, src, dst, most)
		if try < copyTries && err != nil && minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed {
			continue
		}
		if errors.As(err, new(TooLarge)) {
			return err
		}
		return failed("copy", err)
	}
}

// copyOnce copies the current object under src, and no later one.
func (s *S3) copyOnce(ctx context.Context, src, dst string, most int64) error {
	// Stat comes first because it is quick: if the server is down, no caller waits for
	// the long timeout of a copy, and an object that is too large is not copied. If
	// something is missing, only the copy says what: the object or the bucket.
	asking, cancel := context.WithTimeout(ctx, s.call)
	info, err := s.client.StatObject(asking, s.bucket, s.object(src), minio.StatObjectOptions{})
	cancel()
	if err != nil && !isMissing(err) {
		return err
	}
	if err == nil && info.Size > most {
		return TooLarge{info.Size}
	}
	ctx, cancel = context.WithTimeout(ctx, s.copying)
	defer cancel()
	_, err = s.copier.CopyObject(ctx,
		// The metadata of the upload is not copied.
		minio.CopyDestOptions{Bucket: s.bucket, Object: s.object(dst), ReplaceMetadata: true, ContentType: "application/octet-stream"},
		minio.CopySrcOptions{Bucket: s.bucket, Object: s.object(src), MatchETag: info.ETag})
	return err
}

// List implements Store.
func (s *S3) List(ctx context.Context, under string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o := range s.client.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + under + "/", Recursive: true}) {
			if o.Err != nil {
				yield(Object{}, failed("list", o.Err))
				return
			}
			key, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, s.prefix), suffix)
			if ok && validKey(key) == nil && !yield(Object{Key: key, Size: o.Size, Modified: o.LastModified}, nil) {
				return
			}
		}
	}
}

// Sweep implements Store: a bucket has no temporary files, and it keeps multipart uploads for
// UnfinishedParts.
func (s *S3) Sweep(context.Context) (int, error) { return 0, nil }

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) (err error) {
	defer operation.Wrap(&err, "blob: delete %s", key)
	if err := validKey(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	err = s.client.RemoveObject(ctx, s.bucket, s.object(key), minio.RemoveObjectOptions{})
	if isMissing(err) { // most servers ignore it
		return nil
	}
	return failed("delete", err)
}

// Probe does with its own object what a Store does with uploads, and removes the object.
// Its error names the step that is not allowed.
func (s *S3) Probe(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "blob: probe the bucket")
	ctx, cancel := context.WithTimeout(ctx, s.call)
	defer cancel()
	key, want := "probe/"+strings.ToLower(rand.Text()), []byte("timbre")
	if err := s.put(ctx, key, want); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.Delete(context.WithoutCancel(ctx), key), s.Delete(context.WithoutCancel(ctx), key+"-copy"))
	}()
	if err := s.Copy(ctx, key, key+"-copy", int64(len(want))); err != nil {
		return err
	}
	r, _, err := s.Open(ctx, key+"-copy")
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(r, 100))
	r.Close()
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("blob: read: the bytes differ from those that were written")
	}
	if err != nil {
		return err
	}
	// For a missing object, Amazon answers "forbidden" to keys that cannot list the
	// bucket.
	if _, _, err := s.Open(ctx, key+"-none"); !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("blob: the store does not report a missing object as missing (is s3:ListBucket allowed?): %v", err)
	}
	return nil
}

func isMissing(err error) bool {
	return err != nil && minio.ToErrorResponse(err).Code == minio.NoSuchKey
}

// isFullAnswer reports whether the server or a quota on the bucket has no room.
func isFullAnswer(err error) bool {
	answer := minio.ToErrorResponse(err)
	switch answer.Code {
	case "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "QuotaExceeded", "StorageFull":
		return true
	}
	return answer.StatusCode == http.StatusInsufficientStorage
}

func failed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case isMissing(err):
		return ErrNotFound
	case isFullAnswer(err):
		return fmt.Errorf("%w: %s: %w", ErrFull, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
