package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/cors"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/e2e/faultproxy"
)

func TestParseS3(t *testing.T) {
	t.Parallel()
	got, err := parseS3("s3://songs?endpoint=https://store.example:9000&public-endpoint=https%3A%2F%2Fup.example&region=eu-west-3&prefix=timbre/live/&path-style=1")
	want := blob.S3Options{Bucket: "songs", Endpoint: "https://store.example:9000", PublicEndpoint: "https://up.example", Region: "eu-west-3", Prefix: "timbre/live", Style: blob.S3StylePath}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for text, words := range map[string]string{
		"s3:":                               "must be file:DIR or s3://BUCKET",
		"s3:songs":                          "must be file:DIR or s3://BUCKET",
		"s3://":                             "must be file:DIR or s3://BUCKET",
		"s3://songs/deep":                   "must be file:DIR or s3://BUCKET",
		"https://songs":                     "must be file:DIR or s3://BUCKET",
		"s3://id:secret@songs":              "must not contain keys",
		"s3://songs?acl=public":             `unknown parameter "acl": must be one of endpoint`,
		"s3://songs?path-style=yes":         `path-style must be 1 or 0, not "yes"`,
		"s3://songs?region=a&region=b":      "region is given twice",
		"s3://songs?endpoint=%zz":           "Within a value, write %, & and ;",
		"s3://songs?endpoint=https://a;b=c": "Within a value, write %, & and ;",
	} {
		if _, err := parseS3(text); err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", text, err, words)
		}
	}
}

// Errors in a bucket's configuration are reported before anything starts.
func TestServeRefusesBucket(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TIMBRE_S3_ACCESS_KEY", "id")
	for _, c := range []struct {
		args  []string
		words string
	}{
		{[]string{"--blob-url", "s3://songs"}, "--s3-secret-key: is missing: give both the access key and the secret key, or neither"},
		{[]string{"--blob-url", "s3://songs", "--s3-secret-key-file", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"--blob-url", "s3://songs?endpoint=store", "--s3-secret-key", "x"}, "an endpoint must be http(s)://host[:port]"},
		{[]string{"--blob-url", "s3://So", "--s3-secret-key", "x"}, "--blob-url=s3://So: bucket"},
		{[]string{"--blob-url", "s3://songs", "--s3-secret-key", "x", "--max-file-size", "5368709121"}, "--max-file-size=5368709121: must be at most 5368709120 bytes, the limit of S3 for one upload"},
		{[]string{"--blob-url", "s3://songs", "--s3-secret-key", "x", "--limits-upload-slot", "169h"}, "--limits-upload-slot=169h: must be at most 7 days (168h), the limit of S3 for signed URLs"},
	} {
		timbre(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--secret-file", filepath.Join(dir, "secret")}, c.args...)...).refused(exitUsage, c.words)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// The doctor finds errors of a bucket's configuration. Its command for uploads from pages
// of other origins works unchanged.
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

	const store, pages, parts = "object store", "uploads from pages", "uploads in parts"
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
	if !found[store].OK || !found[pages].OK || !found[parts].OK || !strings.Contains(found[pages].Found, srv.URL) {
		t.Errorf("all is well: %+v %+v %+v", found[store], found[pages], found[parts])
	}
	refusing := faultproxy.NewHTTP(t, srv.URL)
	refusing.OnRequest(func(w http.ResponseWriter, r *http.Request) bool {
		refused := r.Method == http.MethodGet && r.URL.Query().Has("uploadId")
		if refused {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>")
		}
		return refused
	})
	found, _ = looked(t, "--blob-url", "s3://"+bucket+"?endpoint="+url.QueryEscape(refusing.URL))
	if !found[store].OK || found[parts].OK || !strings.Contains(found[parts].Found, "s3:ListMultipartUploadParts") || !strings.Contains(found[parts].Remedy, "--upload-parts-from 0") {
		t.Errorf("without a permission for parts: %+v %+v", found[store], found[parts])
	}
	if found, _ = looked(t, "--upload-parts-from", "0"); found[parts].Found != "" {
		t.Errorf("parts are off: %+v", found[parts])
	}
	// Allowing some of the origins is not enough.
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

// docs/operating.md is correct. The keys need exactly its policy, and its CORS rule is
// the doctor's in both forms. A folder moves into a bucket with the same file names.
func TestOperatingDocument(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	block := func(kind, with string) string {
		t.Helper()
		for _, m := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], with) {
				return m[1]
			}
		}
		t.Fatalf("no block of %s with %s", kind, with)
		return ""
	}
	if got := strings.TrimSpace(block("json", "CORSRules")); got != bucketCORS {
		t.Errorf("CORS: %s, the doctor says %s", got, bucketCORS)
	}
	var lifecycle struct {
		Rules []struct {
			ID, Status string
			Filter     struct{ Prefix string }
			Expiration struct{ Days int }
		}
	}
	d := json.NewDecoder(strings.NewReader(block("json", "Expiration")))
	d.DisallowUnknownFields()
	if err := d.Decode(&lifecycle); err != nil || len(lifecycle.Rules) != 1 || lifecycle.Rules[0].Filter.Prefix != "uploads/" {
		t.Errorf("lifecycle: %v %+v", err, lifecycle)
	}

	srv := s3test.Start(t)
	admin, bucket := srv.Client(), srv.Bucket()
	rules, err := cors.ParseBucketCorsConfig(strings.NewReader(block("xml", "CORSRule")))
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.SetBucketCors(t.Context(), bucket, rules); err != nil {
		t.Fatal(err)
	}
	srv.User("songs-user", "songs-user-secret")
	open := func() *blob.S3 {
		t.Helper()
		f := serverFlags{BlobURL: srv.BlobURL(bucket) + "&prefix=timbre", s3Flags: s3Flags{S3AccessKey: "songs-user", S3SecretKey: "songs-user-secret"}}
		s, err := f.openS3()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s := open()
	if err := preflight(t.Context(), s, "https://any.example"); err != nil {
		t.Error(err)
	}
	if err := s.Probe(t.Context()); err == nil {
		t.Error("a user without a policy may do everything")
	}
	policy := strings.NewReplacer("USER", "songs-user", "BUCKET", bucket).Replace(block("json", "Statement"))
	// Only Amazon needs s3:ListBucket: this server distinguishes a missing object from a
	// forbidden one without it.
	for _, action := range []string{"s3:PutObject", "s3:GetObject", "s3:DeleteObject"} {
		if err := admin.SetBucketPolicy(t.Context(), bucket, strings.Replace(policy, action, "s3:GetObjectTagging", 1)); err != nil {
			t.Fatal(err)
		}
		if err := s.Probe(t.Context()); err == nil {
			t.Errorf("%s is not needed", action)
		}
	}
	// Without the permission for a step of an upload in parts, doctor names it.
	for _, action := range []string{"s3:ListMultipartUploadParts", "s3:ListBucketMultipartUploads", "s3:AbortMultipartUpload"} {
		other := "s3:GetObjectTagging"
		if strings.HasPrefix(action, "s3:ListBucket") {
			other = "s3:GetBucketVersioning"
		}
		if err := admin.SetBucketPolicy(t.Context(), bucket, strings.Replace(policy, `"`+action+`"`, `"`+other+`"`, 1)); err != nil {
			t.Fatal(err)
		}
		if err := s.ProbeParts(t.Context()); err == nil || !strings.Contains(err.Error(), action) {
			t.Errorf("without %s: %v", action, err)
		}
	}
	if err := admin.SetBucketPolicy(t.Context(), bucket, policy); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"files": s.Probe(t.Context()), "parts": s.ProbeParts(t.Context())} {
		if err != nil {
			t.Errorf("%s, with the policy: %v", what, err)
		}
	}

	dir := t.TempDir()
	disk, err := blob.NewDisk(dir, "http://timbre.example/blob", make([]byte, 32), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if err := os.MkdirAll(filepath.Join(dir, "objects", "assets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "objects", "assets", "song.blob"), []byte("sound"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, _, err := disk.Open(t.Context(), "assets/song"); err != nil {
		t.Fatalf("the folder has other names: %v", err)
	} else {
		r.Close()
	}
	if !strings.Contains(block("sh", "s3 sync"), "data/blobs/objects s3://BUCKET/PREFIX\n") {
		t.Error("another command moves a folder")
	}
	if _, err := admin.FPutObject(t.Context(), bucket, "timbre/assets/song.blob", filepath.Join(dir, "objects", "assets", "song.blob"), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	r, info, err := s.Open(t.Context(), "assets/song")
	if err != nil || info.Size != 5 {
		t.Fatalf("moved: %v %+v", err, info)
	}
	r.Close()
}
