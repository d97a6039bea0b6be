package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/blob/blobtest"
	"timbre.example/internal/blob/s3test"
)

// bucket is a store in its own bucket, which every page may PUT to.
func bucket(t *testing.T, srv *s3test.Server, change func(*blob.S3Options)) *blob.S3 {
	t.Helper()
	o := blob.S3Options{Endpoint: srv.URL, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey}
	if change != nil {
		change(&o)
	}
	if o.Bucket == "" {
		o.Bucket = srv.Bucket("*")
	}
	s, err := blob.NewS3(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestS3Contract(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	t.Run("contract", func(t *testing.T) {
		blobtest.Exercise(t, func(t *testing.T) blob.Store { return bucket(t, srv, nil) }, map[string]string{
			"BrokenUploadIsInvisible": "versitygw 1.8.0 takes what came of an upload that broke off for all of it (versity/versitygw#2414)",
		})
	})
}

// s3client is a client that has only a URL.
type s3client struct{ t *testing.T }

func (s s3client) put(u string, body []byte, header ...string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, u, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.do(req)
}

func (s s3client) do(req *http.Request) (int, string) {
	s.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func presignPut(t *testing.T, s blob.Store, key string, expires time.Time) string {
	t.Helper()
	u, err := s.PresignPut(t.Context(), blob.Upload{Key: key, MaxBytes: 1 << 20, Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func stored(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	r, _, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The headers of an upload are neither signed nor stored: a browser adds its own type,
// and a page that is uploaded as a song is served as a download.
func TestS3Headers(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	s, c := bucket(t, srv, nil), s3client{t}
	u := presignPut(t, s, "up", time.Now().Add(time.Hour))
	if !strings.Contains(u, "X-Amz-SignedHeaders=host&") {
		t.Errorf("signed headers: %s", u)
	}
	if code, said := c.put(u, []byte("<script>"), "Content-Type", "text/html", "Origin", "https://host.example", "Content-Disposition", "inline", "Cache-Control", "public"); code != http.StatusOK {
		t.Fatalf("%d %s", code, said)
	}
	if err := s.Copy(t.Context(), "up", "asset", 1<<20); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"up", "asset"} {
		get, err := s.PresignGet(t.Context(), key, blob.File{Name: "song.wav", Type: "audio/wav"}, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get(get)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for name, want := range map[string]string{"Content-Type": "audio/wav", "Cache-Control": "no-store", "Content-Disposition": `attachment; filename="song.wav"; filename*=UTF-8''song.wav`} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", key, name, got, want)
			}
		}
	}
}

// A URL works until it expires by the server's clock, and not after.
func TestS3Expiry(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	s, c := bucket(t, srv, nil), s3client{t}
	end := time.Now().Add(time.Second)
	u := presignPut(t, s, "e", end)
	for last := ""; ; {
		body := time.Now().Format(time.RFC3339Nano)
		sent := time.Now()
		code, said := c.put(u, []byte(body))
		if code == http.StatusOK {
			if last = body; sent.After(end.Add(5 * time.Second)) {
				t.Fatal("taken long after it expired")
			}
			continue
		}
		if code != http.StatusForbidden || !strings.Contains(said, "expired") {
			t.Errorf("refused with %d %s", code, said)
		}
		if time.Now().Before(end) || last == "" {
			t.Errorf("refused before it expired: %d %s", code, said)
		}
		if got := stored(t, s, "e"); got != last {
			t.Errorf("holds %q, want the last that was taken, %q", got, last)
		}
		return
	}
}

// Several installations can share a bucket, and browsers can use another name of the
// server.
func TestS3PrefixAndPublicEndpoint(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	name := srv.Bucket()
	public := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	one := bucket(t, srv, func(o *blob.S3Options) { o.Bucket, o.Prefix, o.PublicEndpoint = name, "a/one", public+"/" })
	two := bucket(t, srv, func(o *blob.S3Options) { o.Bucket = name })
	u := presignPut(t, one, "uploads/x", time.Now().Add(time.Hour))
	if want := public + "/" + name + "/a/one/uploads/x.blob?"; !strings.HasPrefix(u, want) {
		t.Errorf("%s, want %s…", u, want)
	}
	if code, said := (s3client{t}).put(u, []byte("1")); code != http.StatusOK {
		t.Fatalf("%d %s", code, said)
	}
	if got := stored(t, one, "uploads/x"); got != "1" {
		t.Errorf("%q", got)
	}
	if _, _, err := two.Open(t.Context(), "uploads/x"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("without the prefix: %v", err)
	}
	if err := one.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if got := srv.Objects(name); !slices.Equal(got, []string{"a/one/uploads/x.blob"}) {
		t.Errorf("in the bucket: %q", got)
	}
}

// At Amazon the bucket and the region are part of the host.
func TestS3AtAmazon(t *testing.T) {
	t.Parallel()
	for style, want := range map[blob.S3Style]string{
		blob.S3StyleAuto: "https://songs.s3.dualstack.eu-west-3.amazonaws.com/k.blob?",
		blob.S3StylePath: "https://s3.dualstack.eu-west-3.amazonaws.com/songs/k.blob?",
	} {
		s, err := blob.NewS3(blob.S3Options{Bucket: "songs", Region: "eu-west-3", AccessKey: "id", SecretKey: "secret", Style: style})
		if err != nil {
			t.Fatal(err)
		}
		if u := presignPut(t, s, "k", time.Now().Add(time.Hour)); !strings.HasPrefix(u, want) || !strings.Contains(u, "%2Feu-west-3%2Fs3%2F") {
			t.Errorf("%s, want %s…", u, want)
		}
	}
}

// Keys can come from the places where AWS's tools look.
func TestS3KeysOfTheEnvironment(t *testing.T) {
	srv := s3test.Start(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	s := bucket(t, srv, func(o *blob.S3Options) { o.AccessKey, o.SecretKey = "", "" })
	if err := s.Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestS3OptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*blob.S3Options){
		"half a key":              func(o *blob.S3Options) { o.SecretKey = "" },
		"the other half":          func(o *blob.S3Options) { o.AccessKey = "" },
		"no scheme":               func(o *blob.S3Options) { o.Endpoint = "store.example" },
		"another scheme":          func(o *blob.S3Options) { o.Endpoint = "ftp://store.example" },
		"a path":                  func(o *blob.S3Options) { o.Endpoint = "https://store.example/bucket" },
		"keys in the address":     func(o *blob.S3Options) { o.PublicEndpoint = "https://a:b@store.example" },
		"a query":                 func(o *blob.S3Options) { o.PublicEndpoint = "https://store.example?x" },
		"a prefix with a slash":   func(o *blob.S3Options) { o.Prefix = "a/" },
		"a prefix that climbs up": func(o *blob.S3Options) { o.Prefix = "../a" },
	} {
		o := blob.S3Options{Bucket: "bucket", AccessKey: "id", SecretKey: "secret"}
		change(&o)
		if _, err := blob.NewS3(o); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
}

// An error of the bucket or the keys is never reported as a missing object.
func TestS3Refusals(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	name := srv.Bucket()
	for what, s := range map[string]*blob.S3{
		"no bucket":     bucket(t, srv, func(o *blob.S3Options) { o.Bucket = "no-such-bucket" }),
		"another key":   bucket(t, srv, func(o *blob.S3Options) { o.Bucket, o.SecretKey = name, "wrong" }),
		"nobody's keys": bucket(t, srv, func(o *blob.S3Options) { o.Bucket, o.AccessKey = name, "nobody" }),
	} {
		wantAway(t, what, s)
	}
}

// wantAway checks that every call fails soon, and not with ErrNotFound.
func wantAway(t *testing.T, what string, s *blob.S3) {
	t.Helper()
	_, _, open := s.Open(t.Context(), "k")
	for call, err := range map[string]error{"open": open, "copy": s.Copy(t.Context(), "k", "l", 1<<20), "delete": s.Delete(t.Context(), "d"), "probe": s.Probe(t.Context())} {
		if err == nil || errors.Is(err, blob.ErrNotFound) || !strings.HasPrefix(err.Error(), "blob: ") {
			t.Errorf("%s: %s: %v", what, call, err)
		}
	}
}

// A server that is down or silent gives an error within the timeout. URLs are signed
// meanwhile, and when the server is back everything works again.
func TestS3Away(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	s, c := bucket(t, srv, func(o *blob.S3Options) { o.AnswerTimeout = 200 * time.Millisecond }), s3client{t}
	u := presignPut(t, s, "k", time.Now().Add(time.Hour))
	if code, said := c.put(u, []byte("kept")); code != http.StatusOK {
		t.Fatalf("%d %s", code, said)
	}
	for _, away := range []struct {
		what         string
		leave, again func()
	}{{"stopped", srv.Stop, srv.Restart}, {"silent", srv.Freeze, srv.Thaw}} {
		away.leave()
		began := time.Now()
		wantAway(t, away.what, s)
		// Four calls with two tries each; one call has another second to clean up.
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: known after %s", away.what, took)
		}
		presignPut(t, s, "k", time.Now().Add(time.Hour))
		away.again()
		if got := stored(t, s, "k"); got != "kept" {
			t.Errorf("%s and back: %q", away.what, got)
		}
		if err := s.Probe(t.Context()); err != nil {
			t.Errorf("%s and back: %v", away.what, err)
		}
	}
}

// A copy has a longer timeout than an answer, and also ends.
func TestS3CopyThatTakesLong(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	// The server answers at once whether the object exists, but never ends the copy.
	slow := &relay{to: srv.URL, stall: func(r *http.Request) bool { return r.Header.Get("X-Amz-Copy-Source") != "" }}
	front := httptest.NewServer(slow)
	defer front.Close()
	s := bucket(t, srv, func(o *blob.S3Options) { o.Endpoint, o.CopyTimeout = front.URL, 300*time.Millisecond })
	if code, said := (s3client{t}).put(presignPut(t, s, "k", time.Now().Add(time.Hour)), []byte("x")); code != http.StatusOK {
		t.Fatalf("%d %s", code, said)
	}
	began := time.Now()
	err := s.Copy(t.Context(), "k", "l", 1<<20)
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("%v after %s", err, took)
	}
}

// Each kind of "no room" answer of a server is recognized.
func TestS3Full(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	plain := bucket(t, srv, nil)
	if code, said := (s3client{t}).put(presignPut(t, plain, "k", time.Now().Add(time.Hour)), []byte("x")); code != http.StatusOK {
		t.Fatalf("%d %s", code, said)
	}
	for code, status := range map[string]int{"XMinioStorageFull": 507, "InsufficientStorage": 507, "XMinioAdminBucketQuotaExceeded": 400, "QuotaExceeded": 403, "": 507} {
		var full atomic.Bool
		to, _ := url.Parse(srv.URL)
		proxy := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(to); pr.Out.Host = pr.In.Host }}
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if full.Load() && r.Method == http.MethodPut {
				w.WriteHeader(status)
				if code != "" {
					fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>no room</Message></Error>`, code)
				}
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		defer front.Close()
		s := bucket(t, srv, func(o *blob.S3Options) { o.Endpoint = front.URL })
		if _, body := (s3client{t}).put(presignPut(t, s, "k", time.Now().Add(time.Hour)), []byte("x")); body != "" {
			t.Logf("%s", body)
		}
		full.Store(true)
		for call, err := range map[string]error{"copy": s.Copy(t.Context(), "k", "l", 10), "put": s.Put(t.Context(), "p", []byte("x"))} {
			if !errors.Is(err, blob.ErrFull) {
				t.Errorf("%s, %d %s: %v", call, status, code, err)
			}
		}
		full.Store(false)
		if err := errors.Join(s.Copy(t.Context(), "k", "l", 10), s.Put(t.Context(), "p", []byte("x"))); err != nil {
			t.Errorf("%s, with room again: %v", code, err)
		}
	}
}

// relay is a proxy in front of a server that never answers some requests.
type relay struct {
	to    string
	stall func(*http.Request) bool
}

func (p *relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.stall(r) {
		<-r.Context().Done()
		return
	}
	to, _ := url.Parse(p.to)
	(&httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) {
		pr.SetURL(to)
		pr.Out.Host = pr.In.Host // the host is signed
	}}).ServeHTTP(w, r)
}

// A download that stops, or whose server dies, ends with an error and not with io.EOF.
func TestS3DownloadThatBreaksOff(t *testing.T) {
	t.Parallel()
	srv := s3test.Start(t)
	s := bucket(t, srv, func(o *blob.S3Options) { o.IdleTimeout = 300 * time.Millisecond })
	body := bytes.Repeat([]byte("timbre"), 8<<20) // larger than all buffers on the way
	if code, said := (s3client{t}).put(presignPut(t, s, "big", time.Now().Add(time.Hour)), body); code != http.StatusOK {
		t.Fatalf("%d %s", code, said)
	}
	for what, leave := range map[string]func(){"silent": srv.Freeze, "stopped": srv.Stop} {
		r, info, err := s.Open(t.Context(), "big")
		if err != nil {
			t.Fatal(err)
		}
		if info.Size != int64(len(body)) {
			t.Errorf("%s: size %d", what, info.Size)
		}
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		leave()
		n, err := io.Copy(io.Discard, r)
		if err == nil || n+1000 >= info.Size || !strings.HasPrefix(err.Error(), "blob: read: ") {
			t.Errorf("%s: %d bytes, then %v", what, n, err)
		}
		r.Close()
		srv.Stop()
		srv.Restart()
	}
	// A slow reader causes no timeout.
	r, _, err := s.Open(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 3 {
		<-time.After(200 * time.Millisecond)
		if _, err := io.ReadFull(r, make([]byte, 1<<20)); err != nil {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	r, _, err = s.Open(ended, "big")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
