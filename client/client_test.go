package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func recording(n int) Recording {
	return Recording{Name: "a.wav", Size: int64(n), Bytes: strings.NewReader(strings.Repeat("0123456789", n/10+1)[:n])}
}

var song = Song{Title: "Night Train", Network: Testnet, Creators: []Creator{{FullName: "Ada Example", Email: "ada@songs.example", Roles: []Role{Author}}}}

func TestRegister(t *testing.T) {
	for _, parts := range []int64{0, 1500} {
		f := newFake()
		f.partsFrom = parts
		var steps []Step
		var last Progress
		var states []State
		r, err := f.client(t, Config{}).Register(t.Context(), recording(4321), song, Options{
			Progress: func(p Progress) {
				if len(steps) == 0 || steps[len(steps)-1] != p.Step {
					steps = append(steps, p.Step)
				}
				if p.Step == StepUpload {
					last = p
				}
			},
			Save: func(s State) error { states = append(states, s); return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.AtsID != 7 || r.TxHash != "0xab" || r.AccessCode != "atc_1" || r.TransactionID != "tx-job-1" && r.TransactionID != "tx-job-2" {
			t.Errorf("%+v", r)
		}
		if got := len(steps); got != 7 || steps[0] != StepHash || steps[6] != StepDone || last.Sent != 4321 || last.Size != 4321 {
			t.Errorf("%v %+v", steps, last)
		}
		if len(states) != 3 || states[0].IdempotencyKey == "" || states[0].JobID != "" || states[1].JobID == "" || states[2].TransactionID == "" {
			t.Errorf("%+v", states)
		}
		if want := map[int64]int{0: 1, 1500: 5}[parts]; f.puts != want {
			t.Errorf("%d PUTs, want %d", f.puts, want)
		}
	}
}

// A hash that other tools write in capitals, or with 0x, is the same hash.
func TestHashForms(t *testing.T) {
	hash, err := recording(4321).Hash()
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{hash, "0x" + hash, strings.ToUpper(hash), "0x" + strings.ToUpper(hash)} {
		rec := recording(4321)
		rec.SHA256 = form
		if _, err := newFake().client(t, Config{}).Submit(t.Context(), rec, song, Options{}); err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// The price can be refused: nothing is confirmed, and the error is the caller's.
func TestPriceIsRefused(t *testing.T) {
	f := newFake()
	dear := errors.New("too dear")
	_, err := f.client(t, Config{}).Register(t.Context(), recording(10), song, Options{Accept: func(_ context.Context, q Quote) error {
		if q.Total != 7 {
			t.Errorf("%+v", q)
		}
		return dear
	}})
	if !errors.Is(err, dear) || f.count("POST /v1/works/confirm") != 0 {
		t.Errorf("%v %v", err, f.calls)
	}
}

// A registration continues from each state that was saved: with one init, one confirm, and no byte sent twice.
func TestContinues(t *testing.T) {
	stopped := errors.New("stopped")
	for after := 1; after <= 3; after++ {
		f := newFake()
		f.partsFrom = 1
		c := f.client(t, Config{})
		saved := 0
		var st State
		_, err := c.Submit(t.Context(), recording(4321), song, Options{Save: func(s State) error {
			if saved++; saved <= after {
				st = s
			}
			if saved == after {
				return stopped
			}
			return nil
		}})
		if !errors.Is(err, stopped) {
			t.Fatal(err)
		}
		if _, err := c.Register(t.Context(), recording(4321), song, Options{State: st}); err != nil {
			t.Fatalf("after %d: %v", after, err)
		}
		if f.puts != 5 || len(f.jobs) != 2 || f.count("POST /v1/works/confirm") > 1 {
			t.Errorf("after %d: %d PUTs, %d jobs, %v", after, f.puts, len(f.jobs)/2, f.calls)
		}
	}
}

// Only the parts that are missing are sent again.
func TestPartsContinue(t *testing.T) {
	f := newFake()
	f.partsFrom = 1
	c := f.client(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	var st State
	_, err := c.Submit(ctx, recording(4321), song, Options{Parallel: 1, Save: func(s State) error { st = s; return nil }, Progress: func(p Progress) {
		if p.Step == StepUpload && p.Sent > 2000 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || f.puts != 2 {
		t.Fatalf("%v, %d PUTs", err, f.puts)
	}
	if _, err := c.Register(t.Context(), recording(4321), song, Options{State: st}); err != nil || f.puts != 5 {
		t.Errorf("%v, %d PUTs: %v", err, f.puts, f.calls)
	}
}

// A job that has expired cost nothing, and another one begins under a key that continues the first.
func TestExpiredJobBeginsAgain(t *testing.T) {
	f := newFake()
	f.before = func(r *http.Request) (int, map[string]string, string) {
		if strings.HasSuffix(r.URL.Path, "/prepare") && f.puts == 0 {
			return 410, nil, refuse(CodeTransactionExpired, `{"reason":"job"}`)
		}
		return 0, nil, ""
	}
	var st State
	_, err := f.client(t, Config{}).Submit(t.Context(), recording(10), song, Options{
		State: State{IdempotencyKey: "k", JobID: "old"}, Save: func(s State) error { st = s; return nil },
	})
	if err != nil || !strings.HasPrefix(st.IdempotencyKey, "k.") || st.TransactionID == "" {
		t.Errorf("%v %+v %v", err, st, f.calls)
	}
}

func TestAnotherRecording(t *testing.T) {
	f := newFake()
	c := f.client(t, Config{})
	var st State
	stopped := errors.New("stopped")
	_, err := c.Submit(t.Context(), recording(10), song, Options{Save: func(s State) error { st = s; return nil }, Accept: func(context.Context, Quote) error { return stopped }})
	if !errors.Is(err, stopped) {
		t.Fatal(err)
	}
	if _, err := c.Submit(t.Context(), recording(11), song, Options{State: st}); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
}

// Calls are repeated as Retry-After says, and the answers that were lost cause nothing twice.
func TestRepeats(t *testing.T) {
	for name, c := range map[string]struct {
		call, code string
		status     int
		header     map[string]string
		body       string
		waits      time.Duration // at least
	}{
		"rate limited":   {"/prepare", "", 429, map[string]string{"Retry-After": "30"}, refuse(CodeCommonRateLimited, `{"reason":"api_key"}`), 30 * time.Second},
		"unavailable":    {"/confirm", "", 503, map[string]string{"Retry-After": "5"}, refuse(CodeCommonServiceUnavailable, `{}`), 5 * time.Second},
		"running":        {"/init", "", 409, map[string]string{"Retry-After": "1"}, refuse(CodeIdempotencyInProgress, `{}`), time.Second},
		"a proxy":        {"/init", "", 502, nil, "<html>Bad Gateway", 0},
		"lost init":      {"/init", "", -1, nil, "", 0},
		"lost confirm":   {"/confirm", "", -1, nil, "", 0},
		"503 after it":   {"/confirm", "", -503, map[string]string{"Retry-After": "3"}, "<h1>Busy</h1>", 3 * time.Second},
		"503 after init": {"/init", "", -503, nil, refuse(CodeCommonServiceUnavailable, `{}`), 0},
		"lost upload":    {"/job-1", "", -1, nil, "", 0},
		"expired upload": {"/job-1", "", 410, nil, refuse(CodeTransactionExpired, `{"reason":"upload_url"}`), 0},
		"a bucket's URL": {"/job-1", "", 403, nil, "<Error><Code>AccessDenied</Code></Error>", 0},
		"a quote":        {"/confirm", "", 410, nil, refuse(CodeTransactionExpired, `{"reason":"quote"}`), 0},
		"events":         {"/events", "", 503, nil, refuse(CodeCommonServiceUnavailable, `{}`), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				failed := 0
				f.before = func(r *http.Request) (int, map[string]string, string) {
					if failed == 0 && strings.HasSuffix(r.URL.Path, c.call) {
						failed++
						return c.status, c.header, c.body
					}
					return 0, nil, ""
				}
				begun := time.Now()
				r, err := f.client(t, Config{}).Register(t.Context(), recording(100), song, Options{})
				if err != nil || r.AtsID != 7 || failed != 1 {
					t.Fatalf("%v %+v %d %v", err, r, failed, f.calls)
				}
				if waited := time.Since(begun); waited < c.waits || waited > c.waits+10*time.Second {
					t.Errorf("waited %v, want %v", waited, c.waits)
				}
				if n := len(f.jobs); n != 2 {
					t.Errorf("%d jobs", n/2)
				}
			})
		})
	}
}

// A call ends when it has waited long enough, and a refusal that no wait corrects ends it at once.
func TestGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header map[string]string
		body   string
		calls  int // at most
	}{
		"down":     {503, nil, "", 20},
		"limited":  {429, map[string]string{"Retry-After": "60"}, refuse(CodeCommonRateLimited, `{}`), 2},
		"quota":    {429, nil, refuse(CodeCommonQuotaExceeded, `{}`), 1},
		"refused":  {409, nil, refuse(CodeRegistrationDuplicateTitle, `{}`), 1},
		"internal": {500, nil, refuse(CodeCommonInternal, `{}`), 1},
		"moved":    {301, map[string]string{"Location": "https://elsewhere.example"}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.before = func(*http.Request) (int, map[string]string, string) { return c.status, c.header, c.body }
				cl := f.client(t, Config{Wait: time.Minute})
				_, err := cl.Work(t.Context(), Testnet, 7)
				var e *Error
				if !errors.As(err, &e) || e.Status != c.status || len(f.calls) > c.calls {
					t.Errorf("%v after %v", err, f.calls)
				}
			})
		})
	}
}

func TestErrors(t *testing.T) {
	f := newFake()
	f.before = func(*http.Request) (int, map[string]string, string) {
		return 422, map[string]string{"Link": `<https://ats.example/docs/errors#common.validation_failed>; rel="help", <https://x.example>; rel="next"`},
			`{"error":{"code":"common.validation_failed","message":"Submitted data invalid.","details":{"fields":[{"field":"creators[0].isni","rule":"isni","message":"Wrong."}],"reason":"why","n":3},"request_id":"req_9"}}`
	}
	_, err := f.client(t, Config{}).Work(t.Context(), Testnet, 7)
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, &Error{Code: CodeCommonValidationFailed}) || errors.Is(err, &Error{Code: CodeCommonForbidden}) {
		t.Fatal(err)
	}
	if e.Status != 422 || e.RequestID != "req_9" || e.DocsURL != "https://ats.example/docs/errors#common.validation_failed" || len(e.Fields) != 1 || e.Fields[0].Rule != "isni" || e.Detail("reason") != "why" || e.Detail("n") != "3" || e.Detail("none") != "" {
		t.Errorf("%+v", e)
	}
	var d struct{ N int }
	if err := e.Details(&d); err != nil || d.N != 3 {
		t.Errorf("%v %+v", err, d)
	}
	if text := err.Error(); !strings.Contains(text, "common.validation_failed: Submitted data invalid. creators[0].isni: Wrong. [why] (req_9)") || !strings.Contains(text, "GET /v1/works/{id}") {
		t.Error(text)
	}
}

// No error has a key, a token or an upload URL.
func TestErrorsHaveNoSecret(t *testing.T) {
	f := newFake()
	f.before = func(r *http.Request) (int, map[string]string, string) {
		if r.Method == "PUT" {
			return 400, nil, "secret"
		}
		return 0, nil, ""
	}
	_, err := f.client(t, Config{APIKey: "afo_sk_live_secret"}).Register(t.Context(), recording(10), song, Options{})
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "store.example") {
		t.Error(err)
	}
	for _, c := range []Config{{URL: "ats.example"}, {URL: "ftp://ats.example"}, {URL: "https://"}, {URL: "https://u:p@ats.example"}, {URL: "https://ats.example?x"}, {URL: "https://ats.example", APIKey: "afo secret\n"}} {
		if _, err := New(c); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	f := newFake()
	rec := recording(30)
	r, err := f.client(t, Config{}).Update(t.Context(), Update{AtsID: 7, Network: Testnet, ExternalUserRef: "user-17", Creators: song.Creators, Recording: &rec}, Options{})
	if err != nil || r.AtsID != 7 {
		t.Fatal(err)
	}
	for _, call := range []string{"init-upload", "prepare", "confirm"} {
		if f.count("POST /v1/works/7/versions/"+call) != 1 {
			t.Errorf("%s: %v", call, f.calls)
		}
	}
}

func TestReads(t *testing.T) {
	f := newFake()
	f.before = func(r *http.Request) (int, map[string]string, string) {
		switch r.URL.String() {
		case "https://ats.example/v1/works?first=100&network=testnet":
			return 200, nil, `{"works":[{"ats_id":1,"title":"One"},{"ats_id":2}],"page_info":{"has_next_page":true,"end_cursor":"c"}}`
		case "https://ats.example/v1/works?after=c&first=100&network=testnet":
			return 200, nil, `{"works":[{"ats_id":3}],"page_info":{"has_next_page":false,"end_cursor":null}}`
		case "https://ats.example/v1/works/1/evidence?network=testnet&version=2":
			return 200, nil, `{"version":2}`
		case "https://ats.example/v1/works/u%2Fu/versions/1/download/certificate":
			return 200, nil, `{"url":"https://store.example/paper"}`
		case "https://store.example/paper":
			if r.Header.Get("Authorization") != "" {
				t.Error("the key was sent to the store")
			}
			return 200, nil, "%PDF-"
		}
		return 404, nil, refuse(CodeWorkNotFound, `{}`)
	}
	c := f.client(t, Config{})
	var ids []int64
	for w, err := range c.Works(t.Context(), WorksQuery{Network: Testnet}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, w.AtsID)
	}
	if len(ids) != 3 || ids[2] != 3 {
		t.Error(ids)
	}
	for range c.Works(t.Context(), WorksQuery{Network: Testnet}) {
		break // the second page is not asked for
	}
	if n := f.count("GET /v1/works"); n != 3 {
		t.Errorf("%d pages", n)
	}
	for _, err := range c.Works(t.Context(), WorksQuery{Search: "x"}) {
		if !errors.Is(err, &Error{Code: CodeWorkNotFound}) {
			t.Error(err)
		}
	}
	if text, err := c.Evidence(t.Context(), Testnet, 1, 2); err != nil || string(text) != `{"version":2}` {
		t.Errorf("%v %s", err, text)
	}
	var b bytes.Buffer
	if err := c.Certificate(t.Context(), "u/u", 1, &b); err != nil || b.String() != "%PDF-" {
		t.Errorf("%v %s", err, b.String())
	}
	if _, err := c.Versions(t.Context(), Testnet, 9); !errors.Is(err, &Error{Code: CodeWorkNotFound}) {
		t.Error(err)
	}
}

// A certificate is asked for again while the server makes it.
func TestCertificateIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		n := 0
		f.before = func(r *http.Request) (int, map[string]string, string) {
			if n++; n < 4 {
				return 404, nil, refuse(CodeWorkCertificateUnavailable, `{}`)
			}
			if n == 5 { // the store fails once
				return 503, nil, ""
			}
			if r.URL.Host == "store.example" {
				return 200, nil, "%PDF-"
			}
			return 200, nil, `{"url":"https://store.example/paper"}`
		}
		var b bytes.Buffer
		if err := f.client(t, Config{}).Certificate(t.Context(), "u", 1, &b); err != nil || n != 7 || b.Len() == 0 {
			t.Errorf("%v after %d", err, n)
		}
	})
}

// A download of a server that is down waits no longer than any other call.
func TestDownloadGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.before = func(*http.Request) (int, map[string]string, string) { return 503, nil, "" }
		begun := time.Now()
		err := f.client(t, Config{Wait: time.Minute}).Certificate(t.Context(), "u", 1, io.Discard)
		var e *Error
		if waited := time.Since(begun); !errors.As(err, &e) || e.Status != 503 || waited > time.Minute {
			t.Errorf("%v after %v", err, waited)
		}
	})
}

func TestMint(t *testing.T) {
	f := newFake()
	f.before = func(r *http.Request) (int, map[string]string, string) {
		if r.Header.Get("Origin") != "https://www.your-domain.example" || r.Header.Get("Authorization") != "" {
			t.Errorf("%v", r.Header)
		}
		return 200, nil, `{"token":"ey","expires_in":300}`
	}
	c := f.client(t, Config{SecretKey: "csk_1", Origin: "https://www.your-domain.example"})
	s, err := c.Mint(t.Context(), Mint{Network: Testnet})
	if err != nil || s.Token != "ey" || s.Lifetime() != 5*time.Minute {
		t.Errorf("%v %+v", err, s)
	}
	if _, err := f.client(t, Config{}).Mint(t.Context(), Mint{}); err == nil {
		t.Error("minted without a secret key")
	}
}

// The page gets what the server refused, and one answer for everything else.
func TestForPage(t *testing.T) {
	const unreachable = `{"error":{"code":"common.service_unavailable","message":"The registry cannot be reached."}}`
	for name, c := range map[string]struct {
		status int
		body   string
		want   int
		says   string
	}{
		"a refusal":      {403, refuse(CodeSessionOriginNotAllowed, `{"origin":"x"}`), 403, `{"error":{"code":"session.origin_not_allowed","message":"No.","details":{"origin":"x"},"request_id":"req_1"}}`},
		"rate limited":   {429, refuse(CodeCommonRateLimited, `null`), 429, `{"error":{"code":"common.rate_limited","message":"No.","request_id":"req_1"}}`},
		"a proxy":        {503, "<h1>No</h1>", 502, unreachable},
		"another server": {200, "<h1>Sign in</h1>", 502, unreachable},
		"no token":       {200, `{}`, 502, unreachable},
		"moved":          {302, "", 502, unreachable},
		"lost":           {-1, "", 502, unreachable},
	} {
		f := newFake()
		f.before = func(*http.Request) (int, map[string]string, string) { return c.status, nil, c.body }
		s, err := f.client(t, Config{SecretKey: "csk_1", Origin: "https://www.your-domain.example", Wait: -1}).Mint(t.Context(), Mint{Network: Testnet})
		if err == nil {
			t.Errorf("%s: minted %+v", name, s)
		}
		if status, body := ForPage(err); status != c.want || string(body) != c.says {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestRevoke(t *testing.T) {
	f := newFake()
	f.before = func(r *http.Request) (int, map[string]string, string) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("Origin") != "" {
			t.Errorf("%v", r.Header)
		}
		return 200, nil, `{"revoked":3}`
	}
	n, err := f.client(t, Config{SecretKey: "csk_1"}).Revoke(t.Context(), Revoke{ExternalUserRef: "user-17"})
	if err != nil || n != 3 || f.count("POST /v1/sessions/revoke") != 1 {
		t.Errorf("%d %v %v", n, err, f.calls)
	}
	if _, err := f.client(t, Config{}).Revoke(t.Context(), Revoke{Token: "t"}); err == nil {
		t.Error("revoked without a secret key")
	}
}

// Any other call has the key, the repeats and the errors of the others.
func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.before = func(r *http.Request) (int, map[string]string, string) {
			if r.Header.Get("Authorization") != "Bearer afo_sk_test_x" || r.URL.String() != "https://ats.example/v1/webhooks/a%2Fb?x=1" {
				t.Errorf("%s %v", r.URL, r.Header)
			}
			if len(f.calls) == 1 {
				return 503, nil, ""
			}
			return 200, nil, `{"id":"w"}`
		}
		c := f.client(t, Config{})
		var out struct{ ID string }
		if err := c.Call(t.Context(), "PATCH", "/v1/webhooks/a%2Fb?x=1", nil, map[string]any{"enabled": true}, &out); err != nil || out.ID != "w" || len(f.calls) != 2 {
			t.Errorf("%+v %v %v", out, err, f.calls)
		}
		if err := c.Call(t.Context(), "DELETE", "/v1/webhooks/a%2Fb?x=1", nil, nil, nil); err != nil {
			t.Error(err)
		}
		for _, path := range []string{"https://other.example/v1/", "//other.example/v1/", "v1/works", "/v1/%zz"} {
			if err := c.Call(t.Context(), "GET", path, nil, nil, nil); err == nil {
				t.Errorf("%s was called", path)
			}
		}
	})
}

func TestTransaction(t *testing.T) {
	f := newFake()
	said := ""
	f.before = func(*http.Request) (int, map[string]string, string) { return 200, nil, said }
	c := f.client(t, Config{})
	said = `{"current_step":"submitting","progress":40,"is_complete":false,"result":null}`
	if at, err := c.Transaction(t.Context(), "tx"); err != nil || at.Step != "submitting" || at.Percent != 40 || at.Result != nil || at.Err != nil {
		t.Errorf("%+v %v", at, err)
	}
	said = `{"is_complete":true,"progress":100,"result":{"success":true,"ats_id":7}}`
	if at, err := c.Transaction(t.Context(), "tx"); err != nil || at.Result.AtsID != 7 || at.Err != nil {
		t.Errorf("%+v %v", at, err)
	}
	said = `{"is_complete":true,"result":{"success":false,"error_code":"transaction.failed"}}`
	if at, err := c.Transaction(t.Context(), "tx"); err != nil || at.Result != nil || !errors.Is(at.Err, &Error{Code: CodeTransactionFailed}) {
		t.Errorf("%+v %v", at, err)
	}
}

func TestFailedTransaction(t *testing.T) {
	f := newFake()
	f.before = func(r *http.Request) (int, map[string]string, string) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			return 200, map[string]string{"Content-Type": "text/event-stream"}, "event: error\ndata: " + `{"type":"error","error":{"code":"transaction.failed","message":"Failed.","details":{"reason":"no"},"request_id":"req_2"}}` + "\n\n"
		}
		return 0, nil, ""
	}
	_, err := f.client(t, Config{}).Follow(t.Context(), "tx")
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeTransactionFailed || e.Detail("reason") != "no" || e.RequestID != "req_2" {
		t.Error(err)
	}
	f.before = func(r *http.Request) (int, map[string]string, string) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			return 404, nil, "none here"
		}
		return 200, nil, `{"is_complete":true,"result":{"success":false,"error":"Failed.","error_code":"transaction.failed","error_details":{"reason":"no"},"request_id":"req_2"}}`
	}
	_, err = f.client(t, Config{}).Follow(t.Context(), "tx")
	if !errors.As(err, &e) || e.Code != CodeTransactionFailed || e.Detail("reason") != "no" {
		t.Error(err)
	}
}
