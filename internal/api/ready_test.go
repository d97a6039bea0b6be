package api_test

import (
	"strings"
	"testing"

	"timbre.example/internal/fault"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// A server without free space is healthy, but not ready for uploads.
func TestReady(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		usage := space.Usage{Total: 10 << 30, Free: 5 << 30}
		w := newWorld(t, db, options{space: space.New(0, func(string) (space.Usage, error) { return usage, nil }, space.Place{Name: "uploads", Dir: "u"}, space.Place{Name: "database", Dir: "d"})})
		ready := func(path string, code fault.Code) {
			t.Helper()
			for _, method := range []string{"GET", "HEAD"} {
				a := w.call(method, path, nil, nil)
				want := 200
				if code != "" {
					want = 503
				}
				if a.status != want || method == "GET" && a.code != code {
					t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
				}
				if a.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s %s may be stored: %q", method, path, a.header.Get("Cache-Control"))
				}
				if code != "" && a.header.Get("Retry-After") != "60" {
					t.Errorf("%s %s: Retry-After %q", method, path, a.header.Get("Retry-After"))
				}
				if code != "" && method == "GET" && !strings.Contains(string(a.body), `"reason":"storage_full"`) {
					t.Errorf("%s", a.body)
				}
			}
		}
		ready("/readyz", "")
		usage.Free = 1<<30 + 1<<20 // a little above the reserve: jobs in progress still fit
		ready("/readyz", fault.CodeCommonServiceUnavailable)
		ready("/readyz?exclude=storage", "")
		ready("/healthz", "")
	})
}
