package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/store/storetest"
)

// hangs is a store whose Open returns only after its caller has disconnected.
type hangs struct {
	blob.Store
	opened chan struct{}
}

func (h hangs) Open(ctx context.Context, _ string) (io.ReadCloser, blob.Info, error) {
	h.opened <- struct{}{}
	<-ctx.Done()
	return nil, blob.Info{}, ctx.Err()
}

// A client that disconnects is not a failure of the server: it is neither logged as an error
// nor counted as a refusal.
func TestClientsDisconnect(t *testing.T) {
	opened := make(chan struct{})
	w := newWorld(t, storetest.SQLite(t), options{blobs: func(b blob.Store) blob.Store { return hangs{b, opened} }})
	b := w.mint(nil)
	job, url := b.init("Song", nil)
	if a := w.put(url, wav("x", 4000)); a.status != 200 {
		t.Fatalf("%s", a.body)
	}
	ctx, goAway := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", w.url+"/v1/works/prepare", strings.NewReader(`{"job_id":"`+job+`"}`))
	w.must(err)
	for k, v := range b.head() {
		r.Header.Set(k, v)
	}
	gone := make(chan error)
	go func() {
		_, err := w.client.Do(r)
		gone <- err
	}()
	<-opened
	goAway()
	if err := <-gone; err == nil {
		t.Fatal("the request was answered")
	}
	eventually(t, func() bool { return strings.Contains(w.logged.String(), "route=/v1/works/prepare") })
	for line := range strings.Lines(w.logged.String()) {
		if strings.Contains(line, "route=/v1/works/prepare") && (!strings.Contains(line, "level=DEBUG") || !strings.Contains(line, "client_left=true") || !strings.Contains(line, "status=499")) {
			t.Errorf("logged as %s", line)
		}
	}
	metrics := string(w.fetch("GET", "/metrics", nil, nil).body)
	if want := `timbre_requests_total{code="",method="POST",route="/v1/works/prepare",status="499"} 1`; !strings.Contains(metrics, want) || strings.Contains(metrics, `status="503"`) {
		t.Errorf("counted as %s", metrics)
	}
}

// duplicate_title is returned often enough for a person to correct a title, but not often
// enough to discover a site's titles. The session stays unspent.
func TestDuplicateTitleLimit(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{limits: limit.Rates{Titles: limit.Rate{Count: 3, Per: 3 * time.Minute, Burst: 3}}})
	w.stopClock()
	w.registered("Taken")
	b := w.mint(nil)
	for i := range 3 {
		if a := b.post("/v1/works/init", work("Taken", nil)); a.code != fault.CodeRegistrationDuplicateTitle {
			t.Fatalf("%d: %s", i, a.body)
		}
		for range 5 * (2 - i) { // other errors cost nothing of this budget
			if a := b.post("/v1/works/init", work("", nil)); a.rules() != "title required" {
				t.Fatalf("%d: %s", i, a.body)
			}
		}
	}
	for _, title := range []string{"Taken", "Free"} { // the answer does not depend on the title
		a := b.post("/v1/works/init", work(title, nil))
		if a.status != 429 || a.code != fault.CodeSessionRateLimited || a.err.Details["reason"] != "duplicate_titles" || a.header.Get("Retry-After") != "60" {
			t.Errorf("%s: %d %s", title, a.status, a.body)
		}
	}
	if b.spent() {
		t.Error("the session is spent")
	}
	// Another session without end-user has its own budget. Each end-user has one budget for
	// all its sessions.
	w.mint(nil).init("Another", nil)
	user := map[string]any{"external_user_ref": "ada"}
	ada := w.mint(user)
	job := ada.prepared("Ada's", nil)
	if a := ada.post("/v1/works/confirm", map[string]string{"job_id": job}); a.code != "" {
		t.Fatalf("%s", a.body)
	}
	for i := range 4 {
		want := fault.CodeRegistrationDuplicateTitle
		if i == 3 {
			want = fault.CodeSessionRateLimited
		}
		if a := w.mint(user).post("/v1/works/init", work("Ada's", nil)); a.code != want {
			t.Errorf("the end-user's %d: %s", i, a.body)
		}
	}
	// After the budget's time the same token continues.
	w.ahead.Store(int64(time.Minute))
	b.init("Free", nil)
}

// The head of a request has limits, too.
func TestHeadBounds(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	for name, c := range map[string]struct{ head, want string }{
		"a long URL":   {"GET /v1/stats?" + strings.Repeat("a&", 4096) + " HTTP/1.1\nHost: x\n\n", "url max_bytes"},
		"a long path":  {"GET /nope/" + strings.Repeat("a", 9000) + " HTTP/1.1\nHost: x\n\n", "url max_bytes"},
		"many headers": {"GET /v1/stats HTTP/1.1\nHost: x\n" + strings.Repeat("a: b\n", 101) + "\n", "headers max_items"},
		"many names":   {"GET /v1/stats HTTP/1.1\nHost: x\n" + names(101) + "\n", "headers max_items"},
	} {
		if a := w.ask(c.head); a.code != fault.CodeCommonValidationFailed || a.rules() != c.want {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if a := w.call("GET", "/v1/stats?network=testnet&"+strings.Repeat("a", 8000), nil, nil); a.code != "" {
		t.Errorf("at the limit: %s", a.body)
	}
}

func names(n int) (text string) {
	for i := range n {
		text += fmt.Sprintf("a%d: b\n", i)
	}
	return text
}

// The database counts works once a second, for all callers together.
func TestStatsAreCached(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	for range 2 {
		if a := w.call("GET", "/v1/stats", nil, nil); a.code != "" {
			t.Fatalf("%s", a.body)
		}
	}
	if n := w.api.CountsAsked(); n != 1 {
		t.Errorf("the database was asked %d times", n)
	}
}

// Every page can read public answers, also refusals that come before the handler.
func TestPublicRefusalsAreRead(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{limits: limit.Rates{Address: limit.Rate{Count: 1, Per: time.Hour, Burst: 1}}})
	w.call("GET", "/v1/stats", nil, nil)
	for path, status := range map[string]int{"/log/testnet/checkpoint": 429, "/w/testnet/1": 429, "/v1/stats": 429, "/blob/x?" + strings.Repeat("a", 9000): 422, "/widget/x?" + strings.Repeat("a", 9000): 422} {
		a := w.call("GET", path, map[string]string{"Origin": site}, nil)
		if o := a.header.Get("Access-Control-Allow-Origin"); a.status != status || o != "*" && o != site {
			t.Errorf("%.30s: %d, Access-Control-Allow-Origin %q", path, a.status, o)
		}
		if status == 429 && (a.header.Get("Retry-After") != "60" || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Retry-After")) {
			t.Errorf("%.30s: Retry-After %q, exposed %q", path, a.header.Get("Retry-After"), a.header.Get("Access-Control-Expose-Headers"))
		}
	}
	for _, path := range []string{"/v1/sessions", "/v1/sessions/revoke", "/explorer/testnet"} {
		if o := w.call("POST", path, map[string]string{"Origin": site}, nil).header.Get("Access-Control-Allow-Origin"); o != "" {
			t.Errorf("%s: Access-Control-Allow-Origin %q", path, o)
		}
	}
}
