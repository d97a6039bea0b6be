package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
)

// onBucket is a server whose uploads go to a bucket, and a site that embeds its
// widget. Only pages of these two may upload.
func onBucket(t *testing.T) (x *site, store *s3test.Server, bucket string) {
	t.Helper()
	store = s3test.Start(t)
	bucket = store.Bucket()
	x = newSite(t, harness.Start(t, harness.Options{Args: []string{"--blob-url", store.BlobURL(bucket)}, Settings: store.Env()}))
	store.Allow(bucket, x.host.URL, x.server.URL)
	return x, store, bucket
}

// settled checks database and bucket against each other.
func settled(t *testing.T, x *site, store *s3test.Server, bucket string) *blob.S3 {
	t.Helper()
	s, err := blob.NewS3(blob.S3Options{Bucket: bucket, Endpoint: store.URL, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	registrytest.Check(t, registrytest.World{DatabaseURL: x.server.DatabaseURL, Blobs: s})
	return s
}

// TestBucket registers from a page with the strictest policy, and from the
// demo's own: the file goes from the browser to the bucket and nowhere else.
func TestBucket(t *testing.T) {
	t.Parallel()
	x, store, bucket := onBucket(t)
	p := browser.Open(t)
	x.host.Policy(strings.Replace(x.host.StrictPolicy(), "connect-src", "connect-src "+store.URL, 1))
	for i, page := range []string{x.plain(), x.server.URL + "/demo/"} {
		p.Goto(page)
		file := noise(t, fmt.Sprint(i, ".wav"), 300_000)
		fill(p, 0, file, fmt.Sprint("In a bucket ", i))
		p.Wait(browser.Hook("confirm"))
		job := stateOf(p, 0).JobID
		confirm(p, 0)
		events := p.Events()
		checkShapes(t, events)
		if got := course(events); got != fullCourse {
			t.Errorf("events %s", got)
		}
		if n := len(p.Requests("PUT", store.URL+"/"+bucket+"/uploads/"+job)); n != 1 {
			t.Errorf("%d uploads to the bucket", n)
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := settled(t, x, store, bucket).Open(t.Context(), "uploads/"+job)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the bucket holds %d bytes (%v) and not the %d of the file", len(got), err, len(want))
		}
	}
	if n := len(p.Requests("PUT", "")); n != 2 {
		t.Errorf("%d uploads", n)
	}
	quiet(t, p)
}

// TestBucketStopped stops the store while the file is on its way. Three attempts
// fail, and the widget says so; when the store is back, Retry sends the file for
// the same job and all goes on.
func TestBucketStopped(t *testing.T) {
	t.Parallel()
	x, store, bucket := onBucket(t)
	p := browser.Open(t)
	p.Goto(x.plain())
	p.Slow(2 << 20)
	fill(p, 0, noise(t, "away.wav", 20<<20), "Stopped")
	p.Wait("e2e.events.some((e) => e.name === 'upload-progress' && e.detail.progress > 0)")
	store.Stop()
	p.Wait(onScreen(0, "FAILED"))
	before := stateOf(p, 0)
	if n := len(p.Requests("PUT", store.URL)); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
	failed := named(p.Events(), "failed")
	if len(failed) != 1 || member[string](t, failed[0], "code") != "widget.upload_error" {
		t.Fatalf("failed with %v", failed)
	}
	if text := browser.Eval[string](p, "e2e.text('code')"); text != "widget.upload_error" {
		t.Errorf("the screen shows %q", text)
	}
	if n := len(named(p.Events(), "upload-complete")); n > 0 {
		t.Errorf("told as uploaded %d times", n)
	}

	store.Restart()
	p.Slow(0)
	p.Click(browser.Hook("retry"))
	p.Wait(browser.Hook("confirm"))
	if after := stateOf(p, 0); after.JobID != before.JobID {
		t.Errorf("began anew: job %s, then %s", before.JobID, after.JobID)
	}
	confirm(p, 0)
	if n := len(p.Requests("PUT", store.URL)); n != 4 {
		t.Errorf("%d uploads in all, want 4", n)
	}
	checkShapes(t, p.Events())
	settled(t, x, store, bucket)
}

// TestBucketStoppedAfterUpload stops the store when the file is there already:
// prepare says that the service is away, and later goes on without a second
// upload.
func TestBucketStoppedAfterUpload(t *testing.T) {
	t.Parallel()
	x, store, bucket := onBucket(t)
	p := browser.Open(t)
	p.Goto(x.plain())
	hold := p.Hold("POST", "/v1/works/prepare")
	fill(p, 0, noise(t, "there.wav", 100_000), "There already")
	asking := hold.Await()
	store.Stop()
	asking.Go()
	hold.Release()
	p.Wait(onScreen(0, "FAILED"))
	failed := named(p.Events(), "failed")
	if len(failed) != 1 || member[string](t, failed[0], "code") != "common.service_unavailable" || !strings.HasPrefix(member[string](t, failed[0], "requestId"), "req_") {
		t.Fatalf("failed with %v", failed)
	}
	p.Click(browser.Hook("retry")) // still away
	p.Wait("e2e.events.filter((e) => e.name === 'failed').length === 2")
	store.Restart()
	p.Click(browser.Hook("retry"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	if n := len(p.Requests("PUT", store.URL)); n != 1 {
		t.Errorf("%d uploads, want 1", n)
	}
	if n := len(p.Requests("POST", "/v1/works/init")); n != 1 {
		t.Errorf("%d inits, want 1", n)
	}
	checkShapes(t, p.Events())
	settled(t, x, store, bucket)
}

// TestBucketThatAllowsNoPage is what an operator sees who forgot the bucket's
// CORS rule: no upload gets through, and none is lost once the rule is there.
func TestBucketThatAllowsNoPage(t *testing.T) {
	t.Parallel()
	x, store, bucket := onBucket(t)
	store.Allow(bucket, "https://another.example")
	p := browser.Open(t)
	p.Goto(x.plain())
	fill(p, 0, noise(t, "kept-out.wav", 50_000), "Kept out")
	p.Wait(onScreen(0, "FAILED"))
	failed := named(p.Events(), "failed")
	if len(failed) != 1 || member[string](t, failed[0], "code") != "widget.upload_error" {
		t.Fatalf("failed with %v", failed)
	}
	held := slices.DeleteFunc(store.Objects(bucket), func(name string) bool { return strings.HasPrefix(name, "checkpoints/") })
	if len(held) > 0 {
		t.Errorf("in the bucket: %q", held)
	}
	store.Allow(bucket, x.host.URL)
	p.Click(browser.Hook("retry"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	checkShapes(t, p.Events())
	settled(t, x, store, bucket)
}
