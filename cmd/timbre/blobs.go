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
	S3AccessKey     string `name:"s3-access-key" example:"timbre" env:"TIMBRE_S3_ACCESS_KEY" placeholder:"KEY" help:"Access key of the s3: bucket. Without keys the environment of AWS's tools, ~/.aws/credentials and the machine's role are looked at."`
	S3SecretKey     string `name:"s3-secret-key" secret:"all" example:"SECRET" env:"TIMBRE_S3_SECRET_KEY" placeholder:"SECRET" help:"Secret key of the bucket; the variable or the file hides it from the list of processes."`
	S3SecretKeyFile string `name:"s3-secret-key-file" example:"/run/secrets/s3" env:"TIMBRE_S3_SECRET_KEY_FILE" type:"path" placeholder:"FILE" help:"Read the secret key from this file instead."`
}

// blobStore is a store of uploads that is let go of in the end. One that is an
// http.Handler as well serves its own URLs, at /blob.
type blobStore interface {
	blob.Store
	io.Closer
}

// openBlobs opens the store that --blob-url names. base, key and o are for one
// that serves its own URLs.
func (f serverFlags) openBlobs(base string, key []byte, o blob.Options) (blobStore, error) {
	if dir, ok := strings.CutPrefix(f.BlobURL, "file:"); ok {
		d, err := blob.NewDisk(dir, base, key, o)
		if err != nil { // and no store: a nil *blob.Disk would be one
			return nil, wrongf("blob-url", "%s cannot be made or written: %s", dir, plainly(err))
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
		return nil, wrongf("s3-access-key", "is needed with a secret key, or neither")
	case o.AccessKey != "" && o.SecretKey == "":
		return nil, wrongf("s3-secret-key", "is needed with an access key, or neither: give it in TIMBRE_S3_SECRET_KEY or --s3-secret-key-file")
	}
	s, err := blob.NewS3(o)
	if err != nil {
		return nil, wrongf("blob-url", "%s", strings.TrimPrefix(err.Error(), "blob: "))
	}
	return s, nil
}

// validateBlobs checks what can be checked without asking anybody.
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
		return wrongf("max-file-size", "S3 takes at most %d bytes in one upload", int64(blob.MaxS3Object))
	}
	if f.LimitsUploadSlot > 7*24*time.Hour {
		return wrongf("limits-upload-slot", "S3 signs for at most 7 days")
	}
	return nil
}

// parseS3 reads s3://BUCKET?name=value&…
func parseS3(text string) (o blob.S3Options, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return o, fmt.Errorf("uploads are kept in file:DIR or s3://BUCKET?endpoint=URL")
	}
	if u.User != nil { // and is not repeated here
		return o, fmt.Errorf("keys have variables of their own, TIMBRE_S3_ACCESS_KEY and TIMBRE_S3_SECRET_KEY")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return o, fmt.Errorf("what stands after ? is name=value&name=value; a %%, & or ; within a value is written %%25, %%26 or %%3B")
	}
	o.Bucket = u.Host
	for name, values := range query {
		v := values[0]
		switch {
		case len(values) > 1:
			return o, fmt.Errorf("%s is given twice", name)
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
			return o, fmt.Errorf("path-style is 1 or 0, not %q", v)
		default:
			return o, fmt.Errorf("%q is none of endpoint, public-endpoint, region, prefix and path-style", name)
		}
	}
	return o, nil
}

// uploadOrigin is where browsers send uploads: scheme, host and port.
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
