package api_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/blob"
	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/store/storetest"
)

// inBucket is a world whose uploads go to a bucket of a real S3 server.
func inBucket(t *testing.T, o options) (w *world, srv *s3test.Server, bucket string) {
	t.Helper()
	srv = s3test.Start(t)
	bucket = srv.Bucket(site)
	o.blobs = func(blob.Store) blob.Store {
		s, err := blob.NewS3(blob.S3Options{Bucket: bucket, Endpoint: srv.URL, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey, AnswerTimeout: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	return newWorld(t, storetest.SQLite(t), o), srv, bucket
}

// send uploads a file to S3, whose answers are not Timbre's.
func (w *world) send(url string, body []byte) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "PUT", url, bytes.NewReader(body))
	w.must(err)
	r.Header = http.Header{"Content-Type": {"audio/wav"}, "Origin": {site}}
	res, err := w.client.Do(r)
	w.must(err)
	defer res.Body.Close()
	if said, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || res.Header.Get("Access-Control-Allow-Origin") != site {
		w.t.Fatalf("upload: %d %s %v %v", res.StatusCode, said, res.Header, err)
	}
}

// S3 accepts any size; prepare refuses too large files and keeps nothing of them.
func TestTooLargeInBucket(t *testing.T) {
	t.Parallel()
	w, srv, bucket := inBucket(t, options{})
	b := w.mint(map[string]any{"max_file_size_bytes": 4000})
	job, url := b.init("Long", nil)
	prepare := func() answer { return b.post("/v1/works/prepare", map[string]string{"job_id": job}) }
	tooLarge := func(what string) {
		t.Helper()
		if a := prepare(); a.status != 413 || a.code != fault.CodeRegistrationAudioTooLarge || a.err.Details["size_bytes"] != 5044.0 || a.err.Details["max_bytes"] != 4000.0 {
			t.Errorf("%s: %s", what, a.body)
		}
	}
	w.send(url, wav("long", 5000))
	tooLarge("first")
	if left := srv.Objects(bucket); len(left) > 0 {
		t.Errorf("in the bucket: %q", left)
	}
	if a := prepare(); a.code != fault.CodeRegistrationUploadMissing {
		t.Errorf("again: %s", a.body)
	}
	// The same URL accepts the right file.
	w.send(url, wav("short", 3000))
	if a := prepare(); a.code != "" {
		t.Fatalf("the right file: %s", a.body)
	}
	// A larger file in its place is refused however often prepare is called: the earlier
	// quote is not for the last file.
	w.send(url, wav("longer", 5000))
	tooLarge("in place of the right file")
	tooLarge("once more")
	w.send(url, wav("another", 3500))
	if a := prepare(); a.code != "" {
		t.Errorf("another right file: %s", a.body)
	}
	if a := b.post("/v1/works/confirm", map[string]string{"job_id": job}); a.code != "" {
		t.Errorf("confirm: %s", a.body)
	}
	w.work()
	work := w.done(job).Done.WorkID
	// The certificate is stored in the bucket too, and is downloaded from there.
	res, err := w.client.Get(b.certificate(work))
	w.must(err)
	pdf, err := io.ReadAll(res.Body)
	res.Body.Close()
	if want := "%PDF of Long, version 1"; err != nil || string(pdf) != want || !strings.Contains(res.Header.Get("Content-Disposition"), "Long.pdf") || res.Header.Get("Content-Type") != "application/pdf" {
		t.Errorf("certificate: %q %v %v", pdf, err, res.Header)
	}
	for _, name := range srv.Objects(bucket) {
		if !strings.HasPrefix(name, "uploads/") && !strings.HasPrefix(name, "assets/"+w.org+"/"+job) && !strings.HasPrefix(name, "certificates/"+work+"-1") {
			t.Errorf("in the bucket: %s", name)
		}
	}
	// When the work is erased, the bucket is empty.
	_, err = w.registry.Erasing.Redact(t.Context(), audit.CommandLine(), network.Testnet, 1)
	w.must(err)
	if left := srv.Objects(bucket); len(left) > 0 {
		t.Errorf("erased, and in the bucket: %q", left)
	}
}

// While the bucket is unavailable, a registration can begin but not be prepared. When the
// bucket is back, the same job continues.
func TestBucketUnavailable(t *testing.T) {
	t.Parallel()
	w, srv, _ := inBucket(t, options{})
	w.work()
	for _, away := range []struct {
		what         string
		leave, again func()
	}{{"stopped", srv.Stop, srv.Restart}, {"silent", srv.Freeze, srv.Thaw}} {
		sent, begun := w.mint(nil), w.mint(nil)
		sentJob, url := sent.init("Sent before it was "+away.what, nil)
		w.send(url, wav("sent "+away.what, 4000))
		away.leave()
		began := time.Now()
		a := sent.post("/v1/works/prepare", map[string]string{"job_id": sentJob})
		if a.status != 503 || a.code != fault.CodeCommonServiceUnavailable || a.header.Get("Retry-After") != "2" {
			t.Errorf("%s: %s", away.what, a.body)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: answered after %s", away.what, took)
		}
		if strings.Contains(string(a.body), strings.TrimPrefix(srv.URL, "http://")) {
			t.Errorf("%s: the answer names the server: %s", away.what, a.body)
		}
		begunJob, url := begun.init("Begun while it was "+away.what, nil)
		away.again()
		w.send(url, wav("begun "+away.what, 4000))
		for job, b := range map[string]tab{sentJob: sent, begunJob: begun} {
			for _, step := range []string{"prepare", "confirm"} {
				if a := b.post("/v1/works/"+step, map[string]string{"job_id": job}); a.code != "" {
					t.Fatalf("%s and back: %s: %s", away.what, step, a.body)
				}
			}
			if v := w.done(job); v.Done.Failure != nil {
				t.Errorf("%s and back: %v", away.what, v.Done.Failure)
			}
		}
	}
}

// A sweep that the bucket refuses reports its error, and a later sweep removes what remains.
func TestSweepWithoutBucket(t *testing.T) {
	t.Parallel()
	w, srv, bucket := inBucket(t, options{})
	job, url := w.mint(nil).init("Given up", nil)
	w.send(url, wav("given up", 4000))
	w.ahead.Add(int64(3 * time.Hour))
	srv.Stop()
	if _, err := w.registry.Erasing.Sweep(t.Context()); err == nil {
		t.Error("no error")
	}
	if s := w.state(job); s != "expired" {
		t.Errorf("the job is %s", s)
	}
	srv.Restart()
	if left := srv.Objects(bucket); len(left) != 1 {
		t.Fatalf("in the bucket: %q", left)
	}
	w.ahead.Add(int64(blob.LongestUpload + time.Hour))
	if _, err := w.registry.Erasing.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if left := srv.Objects(bucket); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
