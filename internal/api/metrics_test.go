package api_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// Refusals are counted by code and route, successes by route, and no label contains anything
// that a client sent.
func TestMetrics(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		b := w.mint(nil)
		work := w.done(b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared("Counted", nil)}).get("transaction_id")).Done.WorkID
		b.certificate(work)
		for range 3 {
			w.call("GET", "/v1/transactions/01890000-0000-7000-8000-000000000000", nil, nil)
		}
		w.call("BREW", "/secret-path?token=eyJ", nil, nil)
		res, err := w.client.Get(w.url + "/metrics")
		w.must(err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		w.must(err)
		for _, line := range []string{
			`timbre_requests_total{code="transaction.not_found",method="GET",route="/v1/transactions/{id}",status="404"} 3`,
			`timbre_requests_total{code="",method="POST",route="/v1/works/confirm",status="202"} 1`,
			`timbre_requests_total{code="common.not_found",method="other",route="unknown",status="404"} 1`,
			`timbre_request_seconds_count{route="/v1/works/prepare"} 1`,
			`timbre_certificates_failed_total 0`,
			`timbre_info{version="test"} 1`,
		} {
			if !strings.Contains(string(body), line+"\n") {
				t.Errorf("the metrics lack %s", line)
			}
		}
		if bad := regexp.MustCompile(`secret-path|eyJ|atc_|[0-9a-f]{8}-[0-9a-f]{4}-7`).Find(body); bad != nil {
			t.Errorf("the metrics hold %q", bad)
		}
		// Each request has one line, with its code and its id.
		line := regexp.MustCompile(`msg=request request_id=req_\w{26} method=GET route=/v1/transactions/\{id\} .*code=transaction.not_found`)
		if n := len(line.FindAllString(w.logged.String(), -1)); n != 3 {
			t.Errorf("%d log lines for 3 refusals", n)
		}
	})
}

// The metrics are only for this machine.
func TestMetricsAreLocal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		if a := w.call("GET", "/metrics", map[string]string{"X-Forwarded-For": "203.0.113.7"}, nil); a.code != fault.CodeCommonNotFound {
			t.Errorf("through a proxy: %d", a.status)
		}
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil) // from 192.0.2.1
		rec := httptest.NewRecorder()
		w.web.ServeHTTP(rec, r)
		if rec.Code != 404 || !bytes.Contains(rec.Body.Bytes(), []byte("common.not_found")) {
			t.Errorf("from elsewhere: %d %s", rec.Code, rec.Body)
		}
	})
}
