package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/s3test"
	"timbre.example/internal/e2e/faultproxy"
)

// errorInside is the body of a store that has sent 200 before it failed.
const errorInside = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>"

// TestS3CompletionFails has a store whose answer to a completion is 200 with an error in the
// body. The store has completed the upload or not, once or always. The result is what is so.
func TestS3CompletionFails(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	front := faultproxy.NewHTTP(t, srv.URL)
	name := srv.Bucket("*")
	direct := bucket(t, srv, func(o *blob.S3Options) { o.Bucket = name })
	s := bucket(t, srv, func(o *blob.S3Options) { o.Bucket, o.Endpoint, o.PublicEndpoint = name, front.URL, srv.URL })
	song := bytes.Repeat([]byte("song"), (blob.MinPart+1000)/4)

	var left atomic.Int64 // completions that fail
	var asked atomic.Int64
	completes := func(r *http.Request) bool {
		q := r.URL.Query()
		return r.Method == http.MethodPost && q.Has("uploadId") && !q.Has("uploads")
	}
	fails := func(w http.ResponseWriter, r *http.Request) bool { // and nothing is completed
		if !completes(r) || asked.Add(1) > left.Load() {
			return false
		}
		fmt.Fprint(w, errorInside)
		return true
	}
	failsAfter := func(r *http.Response) error { // the upload is complete
		if !completes(r.Request) || asked.Add(1) > left.Load() {
			return nil
		}
		r.Body.Close()
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(errorInside)), int64(len(errorInside))
		r.Header.Set("Content-Length", fmt.Sprint(len(errorInside)))
		return nil
	}
	lost := func(r *http.Response) error { // the upload is complete, and nothing is answered
		if !completes(r.Request) || asked.Add(1) > left.Load() {
			return nil
		}
		return errors.New("no answer")
	}
	for _, c := range []struct {
		what    string
		request func(http.ResponseWriter, *http.Request) bool
		answer  func(*http.Response) error
		times   int64
		fails   bool
	}{
		{"not completed, once", fails, nil, 1, false},
		{"not completed, twice", fails, nil, 2, false},
		{"not completed, always", fails, nil, 1000, true},
		{"completed, and said to have failed", nil, failsAfter, 1000, false},
		{"completed, and not answered", nil, lost, 1000, false},
	} {
		m := blob.Multipart{Key: "uploads/" + strings.NewReplacer(" ", "-", ",", "").Replace(c.what), Size: int64(len(song)), PartSize: blob.MinPart}
		var err error
		if m.ID, err = s.BeginParts(t.Context(), m.Key); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= m.Count(); n++ {
			u, err := s.PresignPart(t.Context(), m, n, time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			from := int64(n-1) * m.PartSize
			if status, body := (s3client{t}).put(u, song[from:from+m.SizeOf(n)]); status != http.StatusOK {
				t.Fatalf("part %d: %d %s", n, status, body)
			}
		}
		asked.Store(0)
		left.Store(c.times)
		front.OnRequest(c.request)
		front.OnAnswer(c.answer)
		_, err = s.CompleteParts(t.Context(), m)
		front.OnRequest(nil)
		front.OnAnswer(nil)
		if (err != nil) != c.fails || errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s: %v", c.what, err)
		}
		if asked.Load() == 0 {
			t.Errorf("%s: the store was not asked", c.what)
		}
		if c.fails {
			wantMissing := func(err error) {
				if !errors.Is(err, blob.ErrNotFound) {
					t.Errorf("%s: the object is there: %v", c.what, err)
				}
			}
			_, err := direct.Stat(t.Context(), m.Key)
			wantMissing(err)
			// The parts are still there, and the next call completes them.
			if _, err := s.CompleteParts(t.Context(), m); err != nil {
				t.Errorf("%s, and then not: %v", c.what, err)
			}
		}
		r, info, err := direct.Open(t.Context(), m.Key)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, song) {
			t.Errorf("%s: %d other bytes (%v, %+v)", c.what, len(got), err, info)
		}
		r.Close()
		for u, err := range direct.UnfinishedParts(t.Context(), "uploads") {
			t.Errorf("%s: left is %+v, %v", c.what, u, err)
		}
	}
}
