package faultproxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// HTTP is an HTTP server in front of another one. A test sees every request and every answer:
// it holds a request back, answers it, or changes the answer. It keeps the Host header, so that
// a signed request stays valid.
type HTTP struct {
	// URL is its URL, without a slash at the end.
	URL string

	mu      sync.Mutex
	request func(w http.ResponseWriter, r *http.Request) (answered bool)
	answer  func(*http.Response) error
	rate    int64
	line    sync.Mutex // one body at a time passes a slow link
}

// NewHTTP serves in front of the server with this URL until the test ends. It passes
// everything. If the server gives no answer, the client gets none either.
func NewHTTP(t testing.TB, server string) *HTTP {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	h := &HTTP{}
	way := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		Transport:      way,
		FlushInterval:  -1,
		ModifyResponse: h.answered,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		request := h.request
		h.mu.Unlock()
		if request != nil && request(w, r) {
			return
		}
		if r.Body != http.NoBody {
			r.Body = &slow{r.Body, h}
		}
		proxy.ServeHTTP(w, r)
	}))
	h.URL = s.URL
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		way.CloseIdleConnections()
	})
	return h
}

// OnRequest calls f before each request is passed on; f returns true for a request that it has
// answered. It may wait, until the request's context ends. nil ends it.
func (h *HTTP) OnRequest(f func(w http.ResponseWriter, r *http.Request) (answered bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.request = f
}

// OnAnswer calls f with each answer before the client gets it; f may change the answer. The
// client of an answer for which f returns an error gets none. nil ends it.
func (h *HTTP) OnAnswer(f func(*http.Response) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

// Rate limits the bodies of all requests together to so many bytes a second; 0 lifts the limit.
func (h *HTTP) Rate(bytesPerSecond int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rate = bytesPerSecond
}

func (h *HTTP) answered(r *http.Response) error {
	h.mu.Lock()
	answer := h.answer
	h.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(r)
}

// slow is a body on a slow link.
type slow struct {
	io.ReadCloser
	h *HTTP
}

func (s *slow) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b[:min(len(b), 64<<10)])
	s.h.mu.Lock()
	rate := s.h.rate
	s.h.mu.Unlock()
	if rate > 0 && n > 0 {
		s.h.line.Lock()
		defer s.h.line.Unlock()
		time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
	}
	return n, err
}
