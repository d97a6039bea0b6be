package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"timbre.example/internal/blob"
)

// s3Flags are the keys of the bucket that --blob-url names.
type s3Flags struct {
	S3AccessKey     string `name:"s3-access-key" example:"timbre" env:"TIMBRE_S3_ACCESS_KEY" placeholder:"KEY" help:"Access key of the s3: bucket. Without keys, the server uses AWS's environment variables, ~/.aws/credentials or the machine's role."`
	S3SecretKey     string `name:"s3-secret-key" secret:"all" example:"SECRET" env:"TIMBRE_S3_SECRET_KEY" placeholder:"SECRET" help:"Secret key of the bucket. Prefer the variable or the file, because the list of processes shows flags."`
	S3SecretKeyFile string `name:"s3-secret-key-file" example:"/run/secrets/s3" env:"TIMBRE_S3_SECRET_KEY_FILE" type:"path" placeholder:"FILE" help:"Read the secret key from this file instead."`
}

// blobStore is a store of uploads that is closed at the end. If it is also an
// http.Handler, it serves its own URLs, at /blob.
type blobStore interface {
	blob.Store
	io.Closer
}

// openBlobs opens the store of --blob-url. Only a store that serves its own URLs uses
// base, key and o.
func (f serverFlags) openBlobs(base string, key []byte, o blob.Options) (blobStore, error) {
	if dir, ok := strings.CutPrefix(f.BlobURL, "file:"); ok {
		d, err := blob.NewDisk(dir, base, key, o)
		if err != nil { // return an untyped nil: a nil *blob.Disk in the interface would not be nil
			return nil, wrongf("blob-url", "cannot create %s or write to it: %s", dir, plainly(err))
		}
		return d, nil
	}
	s, err := f.openS3()
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (f serverFlags) openS3() (*blob.S3, error) {
	o, err := parseS3(f.BlobURL)
	if err != nil {
		return nil, wrongf("blob-url", "%s", err)
	}
	o.AccessKey, o.SecretKey = f.S3AccessKey, f.S3SecretKey
	if f.S3SecretKeyFile != "" {
		b, err := os.ReadFile(f.S3SecretKeyFile)
		if err != nil {
			return nil, wrongf("s3-secret-key-file", "%s", plainly(err))
		}
		if _, err := guarded("s3-secret-key-file", "file with the bucket's key", f.S3SecretKeyFile); err != nil {
			return nil, err
		}
		o.SecretKey = strings.TrimSpace(string(b))
	}
	switch {
	case o.AccessKey == "" && o.SecretKey != "":
		return nil, wrongf("s3-access-key", "is missing: give both the access key and the secret key, or neither")
	case o.AccessKey != "" && o.SecretKey == "":
		return nil, wrongf("s3-secret-key", "is missing: give both the access key and the secret key, or neither. Give the secret key in TIMBRE_S3_SECRET_KEY or --s3-secret-key-file")
	}
	s, err := blob.NewS3(o)
	if err != nil {
		return nil, wrongf("blob-url", "%s", strings.TrimPrefix(err.Error(), "blob: "))
	}
	return s, nil
}

// validateBlobs checks the configuration of the store without a connection to it.
func (f serverFlags) validateBlobs() error {
	if dir, ok := strings.CutPrefix(f.BlobURL, "file:"); ok && dir != "" {
		return nil
	}
	s, err := f.openS3()
	if err != nil {
		return err
	}
	s.Close()
	if f.MaxFileSize > blob.MaxS3Object {
		return wrongf("max-file-size", "must be at most %d bytes, the limit of S3 for one upload", int64(blob.MaxS3Object))
	}
	if f.LimitsUploadSlot > 7*24*time.Hour {
		return wrongf("limits-upload-slot", "must be at most 7 days (168h), the limit of S3 for signed URLs")
	}
	return nil
}

// parseS3 reads s3://BUCKET?name=value&…
func parseS3(text string) (o blob.S3Options, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return o, fmt.Errorf("must be file:DIR or s3://BUCKET?endpoint=URL")
	}
	if u.User != nil { // the message does not repeat a key
		return o, fmt.Errorf("must not contain keys: give them in TIMBRE_S3_ACCESS_KEY and TIMBRE_S3_SECRET_KEY")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return o, fmt.Errorf("the part after ? must be name=value&name=value. Within a value, write %%, & and ; as %%25, %%26 and %%3B")
	}
	o.Bucket = u.Host
	for name, values := range query {
		v := values[0]
		switch {
		case len(values) > 1:
			return o, fmt.Errorf("parameter %s is given twice", name)
		case name == "endpoint":
			o.Endpoint = v
		case name == "public-endpoint":
			o.PublicEndpoint = v
		case name == "region":
			o.Region = v
		case name == "prefix":
			o.Prefix = strings.Trim(v, "/")
		case name == "path-style" && v == "1":
			o.Style = blob.S3StylePath
		case name == "path-style" && v == "0":
			o.Style = blob.S3StyleHost
		case name == "path-style":
			return o, fmt.Errorf("path-style must be 1 or 0, not %q", v)
		default:
			return o, fmt.Errorf("unknown parameter %q: must be one of endpoint, public-endpoint, region, prefix, path-style", name)
		}
	}
	return o, nil
}

// uploadOrigin returns the origin that browsers upload to: scheme, host and port.
func uploadOrigin(ctx context.Context, s blob.Store) (string, error) {
	text, err := s.PresignPut(ctx, blob.Upload{Key: "probe/origin", MaxBytes: 1, Expires: time.Now().Add(time.Minute)})
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host, nil
}
