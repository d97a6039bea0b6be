package blob_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
)

// reply is a response that was read completely.
type reply struct {
	status  int
	header  http.Header
	body    string
	code    fault.Code
	details map[string]any
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

func readReply(tb testing.TB, resp *http.Response) reply {
	tb.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatalf("the response broke off: %v", err)
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if resp.StatusCode >= 400 && resp.Request != nil && resp.Request.Method != http.MethodHead {
		var e fault.Envelope
		if err := json.Unmarshal(body, &e); err != nil {
			tb.Errorf("%s %q is no envelope: %v", resp.Status, body, err)
		}
		r.code, r.details = e.Error.Code, e.Error.Details
		if resp.ContentLength != int64(len(body)) {
			tb.Errorf("%s has no Content-Length: %d", resp.Status, resp.ContentLength)
		}
	}
	if r.header.Get("Access-Control-Allow-Origin") != "*" {
		tb.Errorf("%s without CORS", resp.Status)
	}
	return r
}

func do(tb testing.TB, method, u string, body io.Reader, header ...string) reply {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, u, body)
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	return readReply(tb, resp)
}

func put(tb testing.TB, u string, body io.Reader) reply {
	tb.Helper()
	return do(tb, http.MethodPut, u, body)
}

func (r reply) want(tb testing.TB, code fault.Code) {
	tb.Helper()
	entry, _ := fault.Lookup(code)
	if r.code != code || r.status != entry.Status {
		tb.Errorf("got %v, want %d %s", r, entry.Status, code)
	}
}

func TestPutAnswersItsSize(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	for _, c := range []struct {
		name string
		body io.Reader
	}{
		{"known length", strings.NewReader("12345")},
		{"chunked", io.MultiReader(strings.NewReader("123"), strings.NewReader("45"))},
	} {
		r := put(t, s.presign(t, "a", 5), c.body)
		if r.status != 200 || r.body != "{\"size\":5}\n" || r.header.Get("Content-Type") != "application/json" ||
			r.header.Get("Access-Control-Expose-Headers") != "Link, Retry-After, X-Request-Id" {
			t.Errorf("%s: %v %v", c.name, r, r.header)
		}
	}
	if r := put(t, s.presign(t, "a", 5), http.NoBody); r.body != "{\"size\":0}\n" {
		t.Errorf("empty body: %v", r)
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	r := do(t, http.MethodOptions, s.presign(t, "a", 5), nil)
	for name, want := range map[string]string{
		"Access-Control-Allow-Methods": "PUT, GET, HEAD",
		"Access-Control-Allow-Headers": "Content-Type",
		"Access-Control-Max-Age":       "7200",
	} {
		if got := r.header.Get(name); got != want || r.status != http.StatusNoContent {
			t.Errorf("%d %s: %q, want %q", r.status, name, got, want)
		}
	}
}

func TestOverCapByContentLength(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	s.wantNotKept(t, "big", put(t, s.presign(t, "big", 1000), bytes.NewReader(make([]byte, 1001))), 1001)
	// A body far over the limit is refused without reading it.
	far := serve(t, blob.Options{DiscardBytes: 5000})
	far.wantNotKept(t, "big", put(t, far.presign(t, "big", 1000), bytes.NewReader(make([]byte, 5000))), 5000)
	r := put(t, far.presign(t, "far", 1000), bytes.NewReader(make([]byte, 5001)))
	r.want(t, fault.CodeRegistrationAudioTooLarge)
	if r.details["size_bytes"] != 5001.0 || r.details["max_bytes"] != 1000.0 {
		t.Errorf("details %v", r.details)
	}
	far.wantMissing(t, "far")
	far.wantNoTemp(t)
	// Twice the limit if that is more.
	far.wantNotKept(t, "large", put(t, far.presign(t, "large", 3000), bytes.NewReader(make([]byte, 6000))), 6000)
	if r := put(t, s.presign(t, "big", 1000), bytes.NewReader(make([]byte, 1000))); r.status != 200 {
		t.Errorf("exactly the cap: %v", r)
	}
}

func TestOverCapWhileStreaming(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	u := s.presign(t, "big", 1<<20)
	put(t, u, strings.NewReader("before"))
	s.wantNotKept(t, "big", put(t, u, io.LimitReader(zeros{}, 8<<20)), 8<<20) // of unknown length: chunked
	// The right file replaces it.
	if r := put(t, u, strings.NewReader("after")); r.status != 200 || read(t, s, "big") != "after" {
		t.Errorf("after it: %v", r)
	}
	// A body without an end is cut off.
	far := serve(t, blob.Options{DiscardBytes: 3 << 20})
	u = far.presign(t, "endless", 1<<20)
	put(t, u, strings.NewReader("before"))
	r := put(t, u, io.LimitReader(zeros{}, 1<<40))
	r.want(t, fault.CodeRegistrationAudioTooLarge)
	if n, _ := r.details["size_bytes"].(float64); n <= 3<<20 || n > 4<<20 {
		t.Errorf("size %v, want the bytes seen when it was cut off", r.details["size_bytes"])
	}
	far.wantNoTemp(t)
	if got := read(t, far, "endless"); got != "before" {
		t.Errorf("a refused upload left %d bytes", len(got))
	}
}

// wantNotKept checks that a body over the limit was answered with success, and that only
// its size is stored.
func (s *served) wantNotKept(tb testing.TB, key string, r reply, size int64) {
	tb.Helper()
	if r.status != 200 || r.body != fmt.Sprintf("{\"size\":%d}\n", size) {
		tb.Errorf("%s: %v", key, r)
	}
	body, info, err := s.Open(tb.Context(), key)
	if err != nil {
		tb.Fatal(err)
	}
	defer body.Close()
	kept, err := io.ReadAll(body)
	if err != nil || info.Size != size || len(kept) > 100 {
		tb.Errorf("%s: a size of %d and %d bytes on the disk, %v", key, info.Size, len(kept), err)
	}
	// A copy, like the one of prepare, has the same size.
	if err := s.Copy(tb.Context(), key, key+"-copy", 1<<40); err != nil {
		tb.Fatal(err)
	}
	copied, info, err := s.Open(tb.Context(), key+"-copy")
	if err != nil || info.Size != size {
		tb.Fatalf("%s: the copy has a size of %d, %v", key, info.Size, err)
	}
	copied.Close()
	s.wantNoTemp(tb)
}

// The disk stores nothing of a body over its limit while the rest arrives.
func TestOverCapHoldsNoDisk(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	const size = 8 << 20
	conn := dial(t, s, s.presign(t, "big", 1<<20), size, false)
	if err := sendZeros(conn, size-1, false); err != nil {
		t.Fatal(err)
	}
	limit := time.Now().Add(10 * time.Second)
	for s.onDisk(t) != 0 { // the bytes that were sent arrive a little later
		if time.Now().After(limit) {
			t.Fatalf("%d bytes on the disk", s.onDisk(t))
		}
		<-time.After(time.Millisecond)
	}
	fmt.Fprint(conn, "x")
	s.wantNotKept(t, "big", readRaw(t, conn), size)
}

// onDisk returns the size of the files that are being written.
func (s *served) onDisk(tb testing.TB) (n int64) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "tmp", "*"))
	if err != nil || len(files) == 0 {
		return -1 // it has not started
	}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			n += st.Size()
		}
	}
	return n
}

// A client can upload the text that the store writes for a body over its limit. Then that
// upload is refused for its size, and nothing else happens.
func TestOverCapByItsOwnWords(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	for body, want := range map[string]int64{
		"timbre: not kept, over the cap, bytes: 77\n": 77, "timbre: not kept, over the cap, bytes: 077\n": 43, "timbre: not kept, over the cap, bytes: -\n": 41, " \n": 2, "7": 1, "": 0,
	} {
		put(t, s.presign(t, "a", 1000), strings.NewReader(body))
		f, info, err := s.Open(t.Context(), "a")
		if err != nil || info.Size != want {
			t.Errorf("%q: %d, %v", body, info.Size, err)
		}
		kept, _ := io.ReadAll(f)
		if f.Close(); string(kept) != body {
			t.Errorf("%q reads %q", body, kept)
		}
	}
}

// Such a client (an XHR, curl without Expect) reads the answer only after it has sent
// everything. The body is larger than all socket buffers together.
func TestRefusalReachesAClientThatSendsAllFirst(t *testing.T) {
	t.Parallel()
	const size = 24 << 20
	for _, c := range []struct {
		name string
		url  func(s *served) string
		code fault.Code
	}{
		{"too large", func(s *served) string { return s.presign(t, "big", 1000) }, fault.CodeRegistrationAudioTooLarge}, // far over the limit
		{"not signed", func(s *served) string { return s.url + "/big?sig=00" }, fault.CodeCommonForbidden},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %v", c.name, chunked), func(t *testing.T) {
				t.Parallel()
				s := serve(t, blob.Options{DiscardBytes: 1 << 20})
				conn := dial(t, s, c.url(s), size, chunked)
				if err := sendZeros(conn, size, chunked); err != nil {
					t.Fatalf("sending: %v", err)
				}
				readRaw(t, conn).want(t, c.code)
				s.wantNoTemp(t)
			})
		}
	}
}

// Beyond the drain limits the server stops reading, and the client can still read the
// answer.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		opts blob.Options
		send int64
	}{
		{"by bytes", blob.Options{DrainBytes: 1 << 20, DrainTimeout: time.Hour}, 1 << 40},
		{"by time", blob.Options{DrainBytes: 1 << 40, DrainTimeout: 50 * time.Millisecond}, 1 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.opts)
			const declared = 1 << 40
			conn := dial(t, s, s.presign(t, "big", 1000), declared, false)
			sent := make(chan error, 1)
			go func() { sent <- sendZeros(conn, c.send, false) }()
			<-s.done // the handler stopped by itself
			readRaw(t, conn).want(t, fault.CodeRegistrationAudioTooLarge)
			conn.Close()
			if err := <-sent; err == nil && c.send == declared {
				t.Error("a terabyte was read")
			}
			s.wantNoTemp(t)
		})
	}
}

func TestBrokenUploads(t *testing.T) {
	t.Parallel()
	for _, chunked := range []bool{false, true} {
		for _, c := range []struct {
			name string
			opts blob.Options
			end  func(conn *net.TCPConn)
			// answered is whether the client is still there to read.
			answered bool
		}{
			{"dropped", blob.Options{}, func(c *net.TCPConn) { c.SetLinger(0); c.Close() }, false},
			{"closed for writing", blob.Options{}, func(c *net.TCPConn) { c.CloseWrite() }, true},
			{"idle", blob.Options{IdleTimeout: 50 * time.Millisecond}, func(*net.TCPConn) {}, true},
			{"too long in all", blob.Options{UploadTimeout: 50 * time.Millisecond}, func(*net.TCPConn) {}, true},
		} {
			t.Run(fmt.Sprintf("%s, chunked %v", c.name, chunked), func(t *testing.T) {
				t.Parallel()
				s := serve(t, c.opts)
				conn := dial(t, s, s.presign(t, "part", 1<<30), 1<<20, chunked)
				fmt.Fprint(conn, map[bool]string{false: "half of it", true: "a\r\nhalf of it"}[chunked])
				c.end(conn)
				if c.answered {
					readRaw(t, conn).want(t, fault.CodeRegistrationUploadMissing)
				}
				<-s.done
				s.wantMissing(t, "part")
				s.wantNoTemp(t)
			})
		}
	}
}

// A slow upload with regular bytes outlives both the idle timeout and the server's
// timeout of a request.
func TestSlowUploadIsNotIdle(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{IdleTimeout: 300 * time.Millisecond})
	conn := dial(t, s, s.presign(t, "slow", 100), 8, false)
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for range 8 {
		<-tick.C
		fmt.Fprint(conn, "x")
	}
	if r := readRaw(t, conn); r.status != 200 {
		t.Error(r)
	}
}

func TestPartialUploadIsInvisible(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	u := s.presign(t, "a", 1<<20)
	body, feed := io.Pipe()
	result := make(chan reply, 1)
	go func() { result <- put(t, u, body) }()
	for range 3 {
		if _, err := feed.Write(make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
		s.wantMissing(t, "a")
	}
	feed.Close()
	if r := <-result; r.status != 200 {
		t.Fatal(r)
	}
	if got := read(t, s, "a"); len(got) != 300<<10 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestExpectContinueOverCap(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	conn := dial(t, s, s.presign(t, "big", 10), 1<<30, false, "Expect: 100-continue")
	// No byte of the body was sent or requested.
	readRaw(t, conn).want(t, fault.CodeRegistrationAudioTooLarge)
}

func TestConnectionIsReusedAfterAPut(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	u := s.presign(t, "a", 1<<20)
	conn := dial(t, s, u, 3, false)
	fmt.Fprint(conn, "abc")
	if r := readRaw(t, conn); r.status != 200 {
		t.Fatal(r)
	}
	writeHead(t, conn, u, 3, false)
	fmt.Fprint(conn, "def")
	if r := readRaw(t, conn); r.status != 200 {
		t.Fatal(r)
	}
	if got := read(t, s, "a"); got != "def" {
		t.Errorf("holds %q", got)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 500)
	now := start
	s := serve(t, blob.Options{Now: func() time.Time { return now }})
	wr, err := s.PresignPut(t.Context(), blob.Upload{Key: "a", MaxBytes: 10, Expires: start.Add(10 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	rd, err := s.PresignGet(t.Context(), "a", blob.File{Name: "f"}, start.Add(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		ok    bool
	}{{0, true}, {10 * time.Second, true}, {11 * time.Second, false}, {time.Hour, false}} {
		now = start.Add(c.after)
		w, r := put(t, wr, strings.NewReader("x")), do(t, http.MethodGet, rd, nil)
		if c.ok {
			if w.status != 200 || r.status != 200 {
				t.Errorf("after %v: %v, %v", c.after, w, r)
			}
			continue
		}
		w.want(t, fault.CodeTransactionExpired)
		r.want(t, fault.CodeTransactionExpired)
	}
}

func TestTampering(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	wr := s.presign(t, "mine", 10)
	put(t, wr, strings.NewReader("x"))
	rd, err := s.PresignGet(t.Context(), "mine", blob.File{Name: "f.wav", Type: "audio/wav"}, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	q := func(raw string) url.Values {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	sig, exp := q(wr).Get("sig"), q(wr).Get("expires")
	flipped := map[bool]string{true: "1", false: "0"}[sig[0] == '0'] + sig[1:]
	later, _ := strconv.ParseInt(exp, 10, 64)
	for _, c := range []struct{ name, method, url string }{
		{"signature changed", "PUT", strings.Replace(wr, sig, flipped, 1)},
		{"signature cut", "PUT", strings.Replace(wr, sig, sig[:32], 1)},
		{"signature empty", "PUT", strings.Replace(wr, sig, "", 1)},
		{"signature in capitals", "PUT", strings.Replace(wr, sig, strings.ToUpper(sig), 1)},
		{"signature of another method", "PUT", strings.Replace(wr, sig, q(rd).Get("sig"), 1)},
		{"later expiry", "PUT", strings.Replace(wr, exp, strconv.FormatInt(later+1, 10), 1)},
		{"expiry with a plus", "PUT", strings.Replace(wr, "expires=", "expires=%2B", 1)},
		{"expiry with a zero", "PUT", strings.Replace(wr, "expires=", "expires=0", 1)},
		{"larger cap", "PUT", strings.Replace(wr, "max=10", "max=11", 1)},
		{"no cap", "PUT", strings.Replace(wr, "max=10&", "", 1)},
		{"cap twice", "PUT", wr + "&max=1000"},
		{"one more parameter", "PUT", wr + "&x=1"},
		{"broken query", "PUT", wr + "&%zz"},
		{"other key", "PUT", strings.Replace(wr, "/mine?", "/other?", 1)},
		{"dot segments", "PUT", strings.Replace(wr, "/mine?", "/x/%2e%2e/mine?", 1)},
		{"read by the URL to write", "GET", wr},
		{"head by the URL to write", "HEAD", wr},
		{"write by the URL to read", "PUT", rd},
		{"other file name", "GET", strings.Replace(rd, "f.wav", "g.exe", 1)},
		{"other type", "GET", strings.Replace(rd, "audio%2Fwav", "text%2Fhtml", 1)},
		{"no type", "GET", strings.Replace(rd, "&type=audio%2Fwav", "", 1)},
		{"empty type", "GET", strings.Replace(rd, "audio%2Fwav", "", 1)},
		{"no file name", "GET", strings.Replace(rd, "filename=f.wav&", "", 1)},
		{"no query", "GET", s.url + "/mine"},
		{"no key", "GET", s.url + "/"},
	} {
		r := do(t, c.method, c.url, strings.NewReader("tampered"))
		if c.method != "HEAD" {
			r.want(t, fault.CodeCommonForbidden)
		} else if r.status != http.StatusForbidden {
			t.Errorf("%s: %v", c.name, r)
		}
		if t.Failed() {
			t.Fatalf("at: %s", c.name)
		}
	}
	if got := read(t, s, "mine"); got != "x" {
		t.Errorf("the object holds %q", got)
	}
	for _, m := range []string{"POST", "DELETE", "PATCH", "PROPFIND"} {
		do(t, m, wr, strings.NewReader("x")).want(t, fault.CodeCommonNotFound)
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	s := serve(t, blob.Options{})
	body := "0123456789"
	put(t, s.presign(t, "a", 100), strings.NewReader(body))
	u, err := s.PresignGet(t.Context(), "a", blob.File{Name: "../../Été\u202e \"x\"\r\n.wav", Type: "audio/wav"}, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method string
		header       []string
		status       int
		body         string
	}{
		{"whole", "GET", nil, 200, body},
		{"head", "HEAD", nil, 200, ""},
		{"range", "GET", []string{"Range", "bytes=2-4"}, 206, "234"},
		{"open range", "GET", []string{"Range", "bytes=7-"}, 206, "789"},
		{"suffix", "GET", []string{"Range", "bytes=-2"}, 206, "89"},
		{"past the end", "GET", []string{"Range", "bytes=8-100"}, 206, "89"},
		{"behind the end", "GET", []string{"Range", "bytes=10-"}, 200, body},
		{"backwards", "GET", []string{"Range", "bytes=4-2"}, 200, body},
		{"several", "GET", []string{"Range", "bytes=0-1,4-5"}, 200, body},
		{"nonsense", "GET", []string{"Range", "lines=1-2"}, 200, body},
		{"condition", "GET", []string{"If-Match", `"x"`, "If-None-Match", "*"}, 200, body},
		{"range of another version", "GET", []string{"Range", "bytes=2-4", "If-Range", `"x"`}, 200, body},
	} {
		r := do(t, c.method, u, nil, c.header...)
		if r.status != c.status || r.body != c.body {
			t.Errorf("%s: %v", c.name, r)
		}
		for name, want := range map[string]string{
			"Content-Type":            "audio/wav",
			"X-Content-Type-Options":  "nosniff",
			"Content-Security-Policy": "sandbox",
			"Content-Disposition":     `attachment; filename="_.._.._t_ _x_.wav"; filename*=UTF-8''_.._%C3%89t%C3%A9%20_x_.wav`,
		} {
			if got := r.header.Get(name); got != want && name != "Content-Disposition" {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, want)
			} else if name == "Content-Disposition" && !strings.Contains(got, "UTF-8''_.._%C3%89t%C3%A9%20_x_.wav") {
				t.Errorf("%s: %s is %q", c.name, name, got)
			}
		}
	}
	// A download that resumes is distinguished from one whose object was replaced.
	tag := do(t, "HEAD", u, nil).header.Get("ETag")
	if r := do(t, "GET", u, nil, "Range", "bytes=2-4", "If-Range", tag); r.status != 206 {
		t.Errorf("If-Range with the current tag: %v", r)
	}
}

func TestDiskFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
	}{
		{"no temporary folder", func(dir string) error { return os.Remove(filepath.Join(dir, "tmp")) }},
		{"no way to publish", func(dir string) error { return os.MkdirAll(filepath.Join(dir, "objects/a.blob/x"), 0o700) }},
		{"a file for a folder", func(dir string) error {
			if err := os.Remove(filepath.Join(dir, "objects")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "objects"), nil, 0o600)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, blob.Options{})
			if err := c.spoil(s.dir); err != nil {
				t.Fatal(err)
			}
			r := put(t, s.presign(t, "a", 100), strings.NewReader("x"))
			r.want(t, fault.CodeCommonServiceUnavailable)
			if strings.Contains(r.body, s.dir) || strings.Contains(r.body, "objects") {
				t.Errorf("the body tells of the inside: %s", r.body)
			}
			s.wantNoTemp(t)
		})
	}
}

// The memory of a PUT is one buffer, for a body of any length.
func TestPutMemoryIsFlat(t *testing.T) {
	s := serve(t, blob.Options{})
	const size = 200 << 20
	u := s.presign(t, "big", size)
	conn := dial(t, s, u, size, false)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := sendZeros(conn, size, false); err != nil {
		t.Fatal(err)
	}
	r := readRaw(t, conn)
	runtime.ReadMemStats(&after)
	if r.status != 200 || r.body != fmt.Sprintf("{\"size\":%d}\n", size) {
		t.Fatal(r)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 {
		t.Errorf("a PUT of %d MiB allocated %d KiB", size>>20, got>>10)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func read(tb testing.TB, s *served, key string) string {
	tb.Helper()
	r, _, err := s.Open(tb.Context(), key)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// dial opens a connection that sends only the head of a PUT; the test sends the rest.
func dial(tb testing.TB, s *served, u string, size int64, chunked bool, extra ...string) *net.TCPConn {
	tb.Helper()
	var nd net.Dialer
	c, err := nd.DialContext(context.Background(), "tcp", s.addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	writeHead(tb, c, u, size, chunked, extra...)
	return c.(*net.TCPConn)
}

func writeHead(tb testing.TB, c net.Conn, raw string, size int64, chunked bool, extra ...string) {
	tb.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		tb.Fatal(err)
	}
	length := fmt.Sprintf("Content-Length: %d", size)
	if chunked {
		length = "Transfer-Encoding: chunked"
	}
	lines := append([]string{"PUT " + u.RequestURI() + " HTTP/1.1", "Host: " + u.Host, length}, extra...)
	if _, err := fmt.Fprint(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		tb.Fatal(err)
	}
}

func sendZeros(c net.Conn, size int64, chunked bool) error {
	buf := make([]byte, 64<<10)
	for sent := int64(0); sent < size; sent += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), size-sent)]
		if chunked {
			fmt.Fprintf(c, "%x\r\n", len(b))
		}
		if _, err := c.Write(b); err != nil {
			return err
		}
		if chunked {
			fmt.Fprint(c, "\r\n")
		}
	}
	if chunked {
		_, err := fmt.Fprint(c, "0\r\n\r\n")
		return err
	}
	return nil
}

func readRaw(tb testing.TB, c net.Conn) reply {
	tb.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodPut})
	if err != nil {
		tb.Fatalf("no response: %v", err)
	}
	return readReply(tb, resp)
}
