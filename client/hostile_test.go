package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// through is a transport that is a function.
type through func(*http.Request) (*http.Response, error)

func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answers(status int, body io.Reader) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(body), ProtoMajor: 1, ProtoMinor: 1}
}

// A success of another server is refused, and is not asked for again.
func TestAnotherServer(t *testing.T) {
	for _, page := range []string{"<!doctype html><title>Sign in</title>", "null", `"text"`, "17", "[]", "", "{}{}"} {
		for name, call := range map[string]func(*Client) error{
			"work":     func(c *Client) error { _, err := c.Work(t.Context(), Testnet, 7); return err },
			"evidence": func(c *Client) error { _, err := c.Evidence(t.Context(), Testnet, 7, 0); return err },
			"mint":     func(c *Client) error { _, err := c.Mint(t.Context(), Mint{}); return err },
			"init":     func(c *Client) error { _, err := c.Submit(t.Context(), recording(10), song, Options{}); return err },
		} {
			f := newFake()
			f.before = func(*http.Request) (int, map[string]string, string) { return 200, nil, page }
			err := call(f.client(t, Config{SecretKey: "csk_1", Origin: "https://x.example"}))
			if !errors.Is(err, errAnother) || len(f.calls) != 1 {
				t.Errorf("%s, %q: %v after %v", name, page, err, f.calls)
			}
		}
	}
	f := newFake()
	f.before = func(*http.Request) (int, map[string]string, string) { return 200, nil, `{}` }
	if _, err := f.client(t, Config{}).Submit(t.Context(), recording(10), song, Options{}); !errors.Is(err, errAnother) {
		t.Errorf("an init without a job: %v", err)
	}
	f.before = func(r *http.Request) (int, map[string]string, string) {
		if r.URL.Host == "store.example" {
			return 200, nil, "<title>Sign in</title>"
		}
		return 200, nil, `{"url":"https://store.example/paper"}`
	}
	var b bytes.Buffer
	if err := f.client(t, Config{}).Certificate(t.Context(), "u", 1, &b); err == nil || b.Len() != 0 {
		t.Errorf("a certificate that is a page: %v, %d bytes", err, b.Len())
	}
	f.before = func(*http.Request) (int, map[string]string, string) {
		return 200, nil, `{"job_id":"j","upload_url":"/here"}`
	}
	if _, err := f.client(t, Config{}).Submit(t.Context(), recording(10), song, Options{}); err == nil || f.count("PUT /here") != 0 {
		t.Errorf("an upload URL without a host: %v", err)
	}
}

// endless is a body without an end.
type endless struct{ read, closed atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func (e *endless) Close() error { e.closed.Add(1); return nil }

func TestEndlessAnswer(t *testing.T) {
	for status, limit := range map[int]int64{200: maxAnswer, 400: maxRefusal} {
		body := &endless{}
		c, err := New(Config{URL: "https://ats.example", APIKey: "k", HTTP: &http.Client{Transport: through(func(*http.Request) (*http.Response, error) {
			res := answers(status, nil)
			res.Body = body
			return res, nil
		})}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Work(t.Context(), Testnet, 7); err == nil || body.read.Load() > 2*limit || body.closed.Load() != 1 {
			t.Errorf("%d: %v after %d bytes, closed %d times", status, err, body.read.Load(), body.closed.Load())
		}
	}
}

// An answer that is cut off is asked for again.
func TestTruncatedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c, err := New(Config{URL: "https://ats.example", APIKey: "k", HTTP: &http.Client{Transport: through(func(*http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return answers(200, io.MultiReader(strings.NewReader(`{"ats_id":`), failing{io.ErrUnexpectedEOF})), nil
			}
			return answers(200, strings.NewReader(`{"ats_id":7}`)), nil
		})}})
		if err != nil {
			t.Fatal(err)
		}
		if w, err := c.Work(t.Context(), Testnet, 7); err != nil || w.AtsID != 7 || n != 2 {
			t.Errorf("%+v %v after %d", w, err, n)
		}
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// No key, and no byte of a recording, follows a redirect, whatever client the caller gives.
func TestRedirects(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s reached another host", r.Method, r.URL)
		io.WriteString(w, `{"token":"t"}`)
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		here := httptest.NewServer(http.RedirectHandler(other.URL, status))
		c, err := New(Config{URL: here.URL, APIKey: "k", SecretKey: "csk_1", Origin: "https://x.example", HTTP: &http.Client{}})
		if err != nil {
			t.Fatal(err)
		}
		var e *Error
		if _, err := c.Mint(t.Context(), Mint{}); !errors.As(err, &e) || e.Status != status {
			t.Errorf("%d: mint: %v", status, err)
		}
		if _, err := c.Evidence(t.Context(), Testnet, 7, 0); !errors.As(err, &e) || e.Status != status {
			t.Errorf("%d: evidence: %v", status, err)
		}
		rec := recording(100)
		if err := c.put(t.Context(), here.URL, &rec, 0, rec.Size, func(int64) {}, func(int64) {}); !errors.As(err, &e) || e.Status != status {
			t.Errorf("%d: upload: %v", status, err)
		}
		here.Close()
	}
}

// A wait that is too long is the caller's decision. A date and a wrong number are no waits.
func TestWaits(t *testing.T) {
	for given, want := range map[string]struct {
		calls int
		after time.Duration
	}{
		"31536000": {1, 365 * 24 * time.Hour}, "3600": {1, time.Hour}, "3": {2, 3 * time.Second},
		"Wed, 21 Oct 2099 07:28:00 GMT": {2, 0}, "-5": {2, 0}, "1e3": {2, 0}, "99999999999999999999": {2, 0}, "": {2, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.before = func(*http.Request) (int, map[string]string, string) {
				if len(f.calls) > 1 {
					return 200, nil, `{}`
				}
				return 503, map[string]string{"Retry-After": given}, ""
			}
			begun := time.Now()
			_, err := f.client(t, Config{}).Work(t.Context(), Testnet, 7)
			var e *Error
			if len(f.calls) != want.calls || (err == nil) != (want.calls == 2) || err != nil && (!errors.As(err, &e) || e.RetryAfter != want.after) {
				t.Errorf("%q: %v after %d calls", given, err, len(f.calls))
			}
			if waited := time.Since(begun); waited > 10*time.Second || want.calls == 2 && waited < want.after {
				t.Errorf("%q: waited %v", given, waited)
			}
		})
	}
}

// An upload whose connection breaks is sent again, whole, and its progress is right at the end.
func TestUploadBreaks(t *testing.T) {
	for _, parts := range []int64{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.partsFrom = parts
			var broken atomic.Int32
			c := f.client(t, Config{})
			c.http.Transport = through(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPut && broken.Add(1) == 1 {
					io.CopyN(io.Discard, r.Body, 300)
					return nil, syscall.ECONNRESET
				}
				return f.RoundTrip(r)
			})
			var last Progress
			_, err := c.Register(t.Context(), recording(4321), song, Options{Progress: func(p Progress) {
				if p.Step == StepUpload {
					last = p
				}
			}})
			if err != nil || last.Sent != 4321 || len(f.jobs) != 2 {
				t.Errorf("%v, %+v, %d jobs", err, last, len(f.jobs)/2)
			}
		})
	}
}

// A transport may read on after an early answer, as net/http does. These bytes are no progress.
func TestReadsOn(t *testing.T) {
	for _, parts := range []int64{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.partsFrom = parts
			c := f.client(t, Config{})
			var puts atomic.Int32
			c.http.Transport = through(func(r *http.Request) (*http.Response, error) {
				if r.Method != http.MethodPut {
					return f.RoundTrip(r)
				}
				if puts.Add(1) == 1 {
					go func() {
						time.Sleep(time.Second) // the clock of synctest: no real time passes
						io.Copy(io.Discard, r.Body)
					}()
					return answers(503, strings.NewReader("")), nil
				}
				time.Sleep(2 * time.Second) // the same clock: until those bytes are read
				return f.RoundTrip(r)
			})
			var most int64
			_, err := c.Submit(t.Context(), recording(4321), song, Options{Progress: func(p Progress) { most = max(most, p.Sent) }})
			if err != nil || most != 4321 {
				t.Errorf("parts from %d: %v, %d of 4321 bytes", parts, err, most)
			}
		})
	}
}

// A part whose URL has expired is sent with another URL, and the parts beside it go on.
func TestPartExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.partsFrom = 1
		c := f.client(t, Config{})
		var puts atomic.Int32
		c.http.Transport = through(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				if puts.Add(1) == 3 {
					return answers(410, strings.NewReader(refuse(CodeTransactionExpired, `{"reason":"upload_url"}`))), nil
				}
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			}
			return f.RoundTrip(r)
		})
		var last Progress
		_, err := c.Submit(t.Context(), recording(4321), song, Options{Progress: func(p Progress) {
			if p.Step == StepUpload {
				last = p
			}
		}})
		if err != nil || f.puts != 5 || puts.Load() != 6 || last.Sent != 4321 {
			t.Errorf("%v, %d of 5 parts are stored after %d PUTs, %+v", err, f.puts, puts.Load(), last)
		}
	})
}

// A key that ends in the middle ends the registration, and every part that is on its way.
func TestKeyEnds(t *testing.T) {
	for _, call := range []string{"PUT", "/parts", "/prepare", "/confirm"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.partsFrom = 1
			seen := 0
			f.before = func(r *http.Request) (int, map[string]string, string) {
				if r.Method == call || strings.HasSuffix(r.URL.Path, call) {
					if seen++; seen > 1 || call != "PUT" {
						return 401, nil, refuse(CodeCommonAuthInvalidAPIKey, `{}`)
					}
				}
				return 0, nil, ""
			}
			_, err := f.client(t, Config{}).Register(t.Context(), recording(9999), song, Options{})
			if !errors.Is(err, &Error{Code: CodeCommonAuthInvalidAPIKey}) {
				t.Errorf("%s: %v", call, err)
			}
			before := len(f.calls)
			synctest.Wait()
			time.Sleep(time.Hour) // the clock of synctest: no real time passes
			if len(f.calls) != before {
				t.Errorf("%s: %d calls after the end", call, len(f.calls)-before)
			}
		})
	}
}

// A recording that changes while it is sent is not sent again and again. synctest fails if a goroutine is left.
func TestRecordingChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "Ñandú 夜 🎵.wav")
	for name, c := range map[string]struct {
		change func() error
		want   error
	}{
		"shorter":      {func() error { return os.Truncate(path, 1500) }, ErrChanged},
		"of same size": {func() error { return os.WriteFile(path, bytes.Repeat([]byte("other bytes "), 400), 0o600) }, &Error{Code: CodeRegistrationUploadMissing}},
	} {
		for _, parts := range []int64{0, 1} {
			if err := os.WriteFile(path, bytes.Repeat([]byte("first bytes "), 400), 0o600); err != nil {
				t.Fatal(err)
			}
			f := newFake()
			f.partsFrom = parts
			f.before = func(r *http.Request) (int, map[string]string, string) {
				if r.URL.Path == "/v1/stats" {
					if err := c.change(); err != nil {
						t.Error(err)
					}
				}
				return 0, nil, ""
			}
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.URL.Host, r.URL.Scheme = "store.example", "https"
				res, err := f.RoundTrip(r)
				if err != nil {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(res.StatusCode)
				io.Copy(w, res.Body)
			}))
			caller := f.client(t, Config{})
			caller.http.Transport = through(func(r *http.Request) (*http.Response, error) {
				if r.Method != http.MethodPut {
					return f.RoundTrip(r)
				}
				r.URL.Scheme, r.URL.Host, r.Host = "http", strings.TrimPrefix(s.URL, "http://"), ""
				return http.DefaultTransport.RoundTrip(r)
			})
			_, err := caller.RegisterFile(t.Context(), path, song, Options{})
			if !errors.Is(err, c.want) || f.count("POST /v1/works/confirm") != 0 {
				t.Errorf("%s, parts from %d: %v", name, parts, err)
			}
			s.Close()
		}
	}
	f := newFake()
	gone := recording(100)
	gone.SHA256, gone.Bytes = strings.Repeat("0", 64), unreadable{}
	if _, err := f.client(t, Config{}).Submit(t.Context(), gone, song, Options{}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

type unreadable struct{}

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, fs.ErrClosed }

// A context that ends at any call ends the registration, and leaves no goroutine: synctest waits for them.
func TestAborts(t *testing.T) {
	left := errors.New("left")
	for _, parts := range []int64{0, 1} {
		whole := false
		for nth := 1; !whole; nth++ {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.partsFrom = parts
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				c := f.client(t, Config{})
				var calls atomic.Int64
				c.http.Transport = through(func(r *http.Request) (*http.Response, error) {
					if calls.Add(1) == int64(nth) {
						cancel(left)
					}
					return f.RoundTrip(r)
				})
				_, err := c.Register(ctx, recording(9999), song, Options{})
				if whole = err == nil; !whole && !errors.Is(err, left) {
					t.Errorf("call %d: %v", nth, err)
				}
				before := calls.Load()
				time.Sleep(time.Hour) // the clock of synctest: no real time passes
				if calls.Load() != before {
					t.Errorf("call %d: %d calls after the end", nth, calls.Load()-before)
				}
			})
			if nth > 100 {
				t.Fatal("an abort does not end it")
			}
		}
	}
}

// An end of the context ends the hash of a large file, too.
func TestHashAborts(t *testing.T) {
	left := errors.New("left")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := newFake()
	rec := Recording{Name: "a.wav", Size: 1 << 60, Bytes: leaves{func() { cancel(left) }}}
	if _, err := f.client(t, Config{}).Submit(ctx, rec, song, Options{}); !errors.Is(err, left) || len(f.calls) != 0 {
		t.Errorf("%v after %v", err, f.calls)
	}
}

// leaves is a file of a million terabytes, whose first byte ends the context.
type leaves struct{ leave func() }

func (l leaves) ReadAt(p []byte, _ int64) (int, error) { l.leave(); return len(p), nil }

// Five gigabytes need no more memory than a small file.
func TestLargeRecording(t *testing.T) {
	const size = 5 << 30
	var sent atomic.Int64
	c, err := New(Config{URL: "https://ats.example", APIKey: "k", HTTP: &http.Client{Transport: through(func(r *http.Request) (*http.Response, error) {
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 256<<10))
		sent.Add(n)
		return answers(200, strings.NewReader("{}")), err
	})}})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rec := Recording{Name: "a.wav", Size: size, Bytes: silence{}}
	if err := c.put(t.Context(), "https://store.example/", &rec, 0, size, func(int64) {}, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; sent.Load() != size || used > 8<<20 {
		t.Errorf("%d bytes sent with %d bytes of memory", sent.Load(), used)
	}
}

// silence is a file without an end, which costs nothing to read.
type silence struct{}

func (silence) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

// Names in any script arrive as they are.
func TestNames(t *testing.T) {
	f := newFake()
	var got initBody
	c := f.client(t, Config{})
	c.http.Transport = through(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/init") {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if err := json.Unmarshal(b, &got); err != nil {
				return nil, err
			}
			r.Body = io.NopCloser(bytes.NewReader(b))
		}
		return f.RoundTrip(r)
	})
	rec, names := recording(10), song
	rec.Name, names.Title, names.ExternalUserRef = `صوت "a"\n.wav`, "Ñandú 夜 🎵 e\u0301 <&>", "użytkownik-17"
	if _, err := c.Submit(t.Context(), rec, names, Options{}); err != nil {
		t.Fatal(err)
	}
	if got.Filename != rec.Name || got.Title != names.Title || got.ExternalUserRef != names.ExternalUserRef {
		t.Errorf("%+v", got)
	}
}
