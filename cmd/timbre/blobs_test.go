package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7/pkg/cors"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/s3test"
)

func TestParseS3(t *testing.T) {
	t.Parallel()
	got, err := parseS3("s3://songs?endpoint=https://store.example:9000&public-endpoint=https%3A%2F%2Fup.example&region=eu-west-3&prefix=timbre/live/&path-style=1")
	want := blob.S3Options{Bucket: "songs", Endpoint: "https://store.example:9000", PublicEndpoint: "https://up.example", Region: "eu-west-3", Prefix: "timbre/live", Style: blob.S3StylePath}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for text, words := range map[string]string{
		"s3:":                               "uploads are kept in",
		"s3:songs":                          "uploads are kept in",
		"s3://":                             "uploads are kept in",
		"s3://songs/deep":                   "uploads are kept in",
		"https://songs":                     "uploads are kept in",
		"s3://id:secret@songs":              "keys have variables of their own",
		"s3://songs?acl=public":             `"acl" is none of endpoint`,
		"s3://songs?path-style=yes":         `path-style is 1 or 0, not "yes"`,
		"s3://songs?region=a&region=b":      "region is given twice",
		"s3://songs?endpoint=%zz":           "invalid URL escape",
		"s3://songs?endpoint=https://a;b=c": "invalid semicolon",
	} {
		if _, err := parseS3(text); err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", text, err, words)
		}
	}
}

// What is wrong with a bucket's configuration is told before anything starts.
func TestServeRefusesBucket(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TIMBRE_S3_ACCESS_KEY", "id")
	for _, c := range []struct {
		args  []string
		words string
	}{
		{[]string{"--blob-url", "s3://songs"}, "--blob-url: blob: an access key and a secret key are needed, or neither"},
		{[]string{"--blob-url", "s3://songs", "--s3-secret-key-file", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"--blob-url", "s3://songs?endpoint=store", "--s3-secret-key", "x"}, "an endpoint is http(s)://host[:port]"},
		{[]string{"--blob-url", "s3://So", "--s3-secret-key", "x"}, "--blob-url: blob: bucket"},
		{[]string{"--blob-url", "s3://songs", "--s3-secret-key", "x", "--max-file-size", "5368709121"}, "--max-file-size: S3 takes at most 5368709120 bytes in one upload"},
		{[]string{"--blob-url", "s3://songs", "--s3-secret-key", "x", "--limits-upload-slot", "169h"}, "--limits-upload-slot: S3 signs for at most 7 days"},
	} {
		timbre(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--secret-file", filepath.Join(dir, "secret")}, c.args...)...).refused(exitRefused, c.words)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// The doctor finds what keeps a bucket from working, and what it says to do
// about pages of other origins works as it stands.
func TestDoctorOnBucket(t *testing.T) {
	srv := s3test.Start(t)
	bucket, dir := srv.Bucket(), t.TempDir()
	file := filepath.Join(dir, "key")
	if err := os.WriteFile(file, []byte(s3test.SecretKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TIMBRE_S3_ACCESS_KEY", s3test.AccessKey)
	t.Setenv("TIMBRE_S3_SECRET_KEY_FILE", file)
	t.Setenv("TIMBRE_BLOB_URL", srv.BlobURL(bucket))
	t.Setenv("TIMBRE_DATABASE_URL", "sqlite:"+filepath.Join(dir, "timbre.db"))
	t.Setenv("TIMBRE_SECRET_FILE", filepath.Join(dir, "secret"))
	if s := timbre(t, "migrate"); s.code != exitDone {
		t.Fatal(s.err)
	}
	var org struct{ ID string }
	timbre(t, "org", "create", "Songs", "--json").ok(&org)

	const store, pages = "object store", "uploads from pages"
	found, _ := looked(t)
	if !found[store].OK || found[pages].OK || !strings.Contains(found[pages].Found, "pages of https://www.songs.example may not upload") {
		t.Errorf("no CORS: %+v %+v", found[store], found[pages])
	}
	if strings.Contains(found[pages].Found, "X-Amz-Signature") {
		t.Errorf("a signature: %s", found[pages].Found)
	}
	said := regexp.MustCompile(`put-bucket-cors --bucket (\S+) --endpoint-url (\S+) --cors-configuration '(.*)'`).FindStringSubmatch(found[pages].Remedy)
	if said == nil || said[1] != bucket || said[2] != srv.URL {
		t.Fatalf("remedy: %s", found[pages].Remedy)
	}
	applyCORS(t, srv, bucket, said[3])
	timbre(t, "origins", "add", org.ID, "*.songs.example", "--json").ok(&struct{}{})
	timbre(t, "origins", "add", org.ID, "localhost:*", "--json").ok(&struct{}{})
	found, _ = looked(t)
	if !found[store].OK || !found[pages].OK || !strings.Contains(found[pages].Found, srv.URL) {
		t.Errorf("all is well: %+v %+v", found[store], found[pages])
	}
	// Some of the origins are not all of them.
	srv.Allow(bucket, "https://*.songs.example")
	found, _ = looked(t)
	if found[pages].OK || !strings.Contains(found[pages].Found, "pages of http://localhost may not upload") {
		t.Errorf("one origin only: %+v", found[pages])
	}
	if left := srv.Objects(bucket); len(left) > 0 {
		t.Errorf("left in the bucket: %q", left)
	}
	for what, url := range map[string]string{"no bucket": srv.BlobURL("no-such-bucket"), "nobody there": "s3://songs?endpoint=http://127.0.0.1:1"} {
		found, _ = looked(t, "--blob-url", url)
		if found[store].OK || found[pages].OK {
			t.Errorf("%s: %+v %+v", what, found[store], found[pages])
		}
	}
	if err := os.WriteFile(file, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, _ = looked(t)
	if found[store].OK || !strings.Contains(found[store].Found, "signature") {
		t.Errorf("another key: %+v", found[store])
	}
}

// applyCORS does what `aws s3api put-bucket-cors` does with its JSON.
func applyCORS(t *testing.T, srv *s3test.Server, bucket, text string) {
	t.Helper()
	var c struct {
		CORSRules []struct {
			AllowedOrigins, AllowedMethods, AllowedHeaders []string
			MaxAgeSeconds                                  int
		}
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || len(c.CORSRules) != 1 {
		t.Fatalf("%v in %s", err, text)
	}
	r := c.CORSRules[0]
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := srv.Client().SetBucketCors(ctx, bucket, &cors.Config{CORSRules: []cors.Rule{{AllowedOrigin: r.AllowedOrigins, AllowedMethod: r.AllowedMethods, AllowedHeader: r.AllowedHeaders, MaxAgeSeconds: r.MaxAgeSeconds}}}); err != nil {
		t.Fatal(err)
	}
}
