package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

// TestBrowserIsDescribed compares each exchange of a registration in Chromium with the server's description. A
// proxy stands between them, whose transport is compared as every client of the tests.
func TestBrowserIsDescribed(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	calls := map[string]int{}
	front := http.NotFoundHandler()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		calls[r.Method+" "+r.URL.Path]++
		to := front
		mu.Unlock()
		to.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	s := harness.Start(t, harness.Options{Roles: "organizations,ats,worker", Args: []string{"--public-url", proxy.URL}})
	there, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	front = &httputil.ReverseProxy{Transport: http.DefaultTransport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(there)
		r.Out.Host = r.In.Host
	}}
	mu.Unlock()
	s.URL = proxy.URL
	x := newSite(t, s)
	p := browser.Open(t)
	p.Goto(x.plain())
	fill(p, 0, noise(t, "described.wav", 20_000), "Described")
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	quiet(t, p)
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"POST /v1/sessions", "POST /v1/works/init", "PUT /blob/", "POST /v1/works/prepare", "POST /v1/works/confirm", "GET /v1/ws/transactions/"} {
		seen := 0
		for call, n := range calls {
			if strings.HasPrefix(call, want) {
				seen += n
			}
		}
		if seen == 0 {
			t.Errorf("%s did not pass the proxy: %s", want, fmt.Sprint(calls))
		}
	}
}
