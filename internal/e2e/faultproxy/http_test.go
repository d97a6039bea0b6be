package faultproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"timbre.example/internal/e2e/faultproxy"
)

// TestHTTP passes requests, holds one, changes an answer, and gives no answer where the server
// gives none.
func TestHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Host, r.URL, body)
	}))
	t.Cleanup(server.Close)
	p := faultproxy.NewHTTP(t, server.URL)
	p.Rate(1 << 20)
	put := func() (int, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL+"/a?b=%2Fc", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	want := strings.TrimPrefix(p.URL, "http://") + " /a?b=%2Fc hello"
	if status, body, err := put(); status != 200 || body != want || err != nil {
		t.Errorf("%d %q %v, want %q", status, body, err, want)
	}
	p.OnRequest(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true })
	if status, _, err := put(); status != http.StatusForbidden || err != nil {
		t.Errorf("answered in the server's place: %d %v", status, err)
	}
	p.OnRequest(nil)
	p.OnAnswer(func(r *http.Response) error { r.StatusCode = http.StatusTeapot; return nil })
	if status, _, err := put(); status != http.StatusTeapot || err != nil {
		t.Errorf("a changed answer: %d %v", status, err)
	}
	p.OnAnswer(nil)
	server.Close()
	if status, _, err := put(); err == nil {
		t.Errorf("without a server the answer is %d", status)
	}
}
