package chaos

import (
	"errors"
	"net/http"
	"testing"

	"timbre.example/internal/e2e/harness"
)

// Each answer is compared with the rows. Without this test a judge that accepts
// everything would pass each storm.
func TestCompare(t *testing.T) {
	t.Parallel()
	gone := errors.New("EOF")
	refused := &harness.Refusal{Status: 503, Code: "common.service_unavailable"}
	unsure := &harness.Refusal{Status: 503, Code: "common.service_unavailable", Details: map[string]any{"outcome": "unknown"}}
	spent := &harness.Refusal{Status: 401, Code: "session.invalid_token"}
	final, failed := &harness.Result{Success: true}, &harness.Result{ErrorCode: "transaction.failed"}
	for name, c := range map[string]struct {
		job    Job
		exists bool
		state  string
		wrong  int
	}{
		"registered":                       {Job{ID: "j", Inits: []error{nil}, Confirms: []error{nil}, Transaction: "j", Result: final}, true, "final", 0},
		"failed":                           {Job{ID: "j", Inits: []error{nil}, Confirms: []error{nil}, Transaction: "j", Result: failed}, true, "failed", 0},
		"a success that failed":            {Job{ID: "j", Inits: []error{nil}, Confirms: []error{nil}, Transaction: "j", Result: final}, true, "failed", 1},
		"a failure that is final":          {Job{ID: "j", Inits: []error{nil}, Confirms: []error{nil}, Transaction: "j", Result: failed}, true, "final", 1},
		"in flight for ever":               {Job{ID: "j", Inits: []error{nil}, Confirms: []error{nil}, Transaction: "j"}, true, "staged", 1},
		"a lost job":                       {Job{ID: "j", Inits: []error{nil}}, false, "", 1},
		"a lost transaction":               {Job{ID: "j", Inits: []error{nil}, Confirms: []error{nil}, Transaction: "j"}, true, "", 1},
		"refused, and done":                {Job{Inits: []error{refused}}, true, "", 1},
		"refused, and not done":            {Job{Inits: []error{refused}}, false, "", 0},
		"no answer, and done":              {Job{Inits: []error{gone}}, true, "", 0},
		"an unknown outcome, and done":     {Job{Inits: []error{unsure}}, true, "", 0},
		"spent by a call without answer":   {Job{Inits: []error{gone, spent}}, true, "", 0},
		"spent by nothing":                 {Job{Inits: []error{gone, spent}}, false, "", 1},
		"a refused confirm that went on":   {Job{ID: "j", Inits: []error{nil}, Confirms: []error{refused}}, true, "final", 1},
		"a confirm without answer went on": {Job{ID: "j", Inits: []error{nil}, Confirms: []error{gone}}, true, "final", 0},
	} {
		ends := map[string]string{}
		if c.state != "" {
			ends["j"] = c.state
		}
		if wrong := c.job.compare("j", c.exists, ends); len(wrong) != c.wrong {
			t.Errorf("%s: %q", name, wrong)
		}
	}
}

// A refusal by rate is right only for uploads of the same client that the server still holds.
func TestRatesAreNotReached(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reason string
		lost   int
		right  bool
	}{
		"both places of the URL are held": {"uploads_in_flight", 2, true},
		"one place is free":               {"uploads_in_flight", 1, false},
		"another limit":                   {"organization_uploads", 2, false},
	} {
		text := `{"error":{"code":"common.rate_limited","message":"Too many requests.","request_id":"r","details":{"reason":"` + c.reason + `"}}}`
		res := &http.Response{StatusCode: 429, Header: http.Header{"X-Request-Id": {"r"}, "Retry-After": {"2"}}}
		if _, wrong := refusalOf(res, []byte(text), c.lost); (wrong == "") != c.right {
			t.Errorf("%s: %q", name, wrong)
		}
	}
	gone, refused := errors.New("EOF"), &harness.Refusal{Status: 503}
	c := caller{history: []exchange{{what: "put at http://a/b", err: gone}, {what: "put at http://a/b", err: refused}, {what: "put at http://a/b"},
		{what: "put at http://a/c", err: gone}, {what: "upload at http://a/b", err: gone}}}
	if n := c.lost("put", "http://a/b?sig=1"); n != 1 {
		t.Errorf("%d calls were lost, not 1", n)
	}
}
