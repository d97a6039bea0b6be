package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/session"
	"timbre.example/internal/store/storetest"
)

// reply is an unchecked response.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error
}

func (r reply) ok() bool { return r.err == nil && r.status < 300 && json.Valid(r.body) }

func (r reply) get(name string) string {
	var m map[string]any
	_ = json.Unmarshal(r.body, &m)
	s, _ := m[name].(string)
	return s
}

// fetch is call for answers that break the rules of the API.
func (w *world) fetch(method, url string, head map[string]string, body io.Reader) reply {
	w.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = w.url + url
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, url, body)
	w.must(err)
	for k, v := range head {
		r.Header.Set(k, v)
	}
	res, err := w.client.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, b, err}
}

// step is one call of a flow, at its stage.
type step struct {
	stage string
	do    func() reply
}

// flow returns the widget's calls with a session, step by step. confirmed is the answer of
// confirm.
func (w *world) flow(action session.Action, token, title, code string) (_ []step, confirmed *reply) {
	b := tab{w, token}
	var slot reply
	confirmed = &reply{}
	call := func(stage, method, path string, body any) step {
		return step{stage, func() reply { return w.fetch(method, path, b.head(), asJSON(body)) }}
	}
	job := func(stage, path string, keep *reply) step {
		return step{stage, func() reply {
			r := w.fetch("POST", path, b.head(), asJSON(map[string]string{"job_id": slot.get("job_id")}))
			if keep != nil {
				*keep = r
			}
			return r
		}}
	}
	init := func(path string, body any) step {
		return step{"init", func() reply { slot = w.fetch("POST", path, b.head(), asJSON(body)); return slot }}
	}
	upload := step{"upload", func() reply {
		return w.fetch("PUT", slot.get("upload_url"), nil, bytes.NewReader(wav(title, 4000)))
	}}
	track := step{"track", func() reply {
		r := w.fetch("GET", "/v1/transactions/"+confirmed.get("transaction_id"), nil, nil)
		if r.ok() {
			w.done(confirmed.get("transaction_id"))
			r = w.fetch("GET", "/v1/transactions/"+confirmed.get("transaction_id"), nil, nil)
		}
		return r
	}}
	certificate := step{"certificate", func() reply {
		var v struct {
			Result struct {
				Work string `json:"work_id"`
			}
		}
		w.must(json.Unmarshal(w.fetch("GET", "/v1/transactions/"+confirmed.get("transaction_id"), nil, nil).body, &v))
		return w.fetch("GET", "/v1/works/"+v.Result.Work+"/download/certificate", b.head(), nil)
	}}
	if action == session.UpdateVersion {
		at := "/v1/access/" + code
		return []step{
			call("code", "GET", at+"/work", ""), init(at+"/versions/init-upload", map[string]any{"creators": []any{creator()}, "filename": "b.wav"}), upload,
			job("prepare", at+"/versions/prepare", nil), job("confirm", at+"/versions/confirm", confirmed), track, certificate,
		}, confirmed
	}
	return []step{init("/v1/works/init", work(title, nil)), upload, job("prepare", "/v1/works/prepare", nil), job("confirm", "/v1/works/confirm", confirmed), track, certificate}, confirmed
}

// meets checks that a reply is what the catalogue says of its code.
func meets(t *testing.T, entry fault.Entry, r reply) {
	t.Helper()
	want := fault.Example(entry.Code)
	for _, rare := range []string{"declared_bytes", "actual_bytes", "announced", "uploaded", "ats_id", "part"} { // see TestRehearsedAsReal
		delete(want.Details, rare)
	}
	if entry.Code == fault.CodeCommonServiceUnavailable {
		delete(want.Details, "reason")
		delete(want.Details, "outcome")
	}
	status, code := entry.Status, string(entry.Code)
	switch entry.Code {
	case fault.CodeWidgetNetworkError:
		if r.err == nil {
			t.Errorf("the connection held: %d %s", r.status, r.body)
		}
		return
	case fault.CodeWidgetMalformedResponse:
		if r.status != 200 || r.header.Get("Content-Type") != "application/json" || json.Valid(r.body) || len(r.body) == 0 {
			t.Errorf("%d %s %q", r.status, r.header.Get("Content-Type"), r.body)
		}
		return
	case fault.CodeWidgetUploadError:
		if r.status != 503 || r.header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(string(r.body), "<Code>SlowDown</Code>") {
			t.Errorf("%d %v %s", r.status, r.header, r.body)
		}
		return
	case fault.CodeTransactionFailed:
		var done struct {
			Result struct {
				Success bool
				Error   string
				Code    fault.Code        `json:"error_code"`
				Details map[string]string `json:"error_details"`
			}
		}
		if json.Unmarshal(r.body, &done); done.Result.Success || done.Result.Code != entry.Code || done.Result.Error != entry.Message || !strings.Contains(done.Result.Details["reason"], "rehearsal") {
			t.Errorf("%s", r.body)
		}
		return
	case fault.CodeWidgetUnknownError:
		status, code = 400, "rehearsal.of_tomorrow"
	case fault.CodeWidgetConfigurationError:
		status = 400
	}
	var got fault.Envelope
	if err := json.Unmarshal(r.body, &got); err != nil {
		t.Fatalf("%d %v %s", r.status, r.err, r.body)
	}
	id := r.header.Get("X-Request-Id")
	if r.status != status || string(got.Error.Code) != code || got.Error.RequestID != id || id == "" || got.Error.Message == "" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", r.status, r.header, r.body)
	}
	if !strings.HasSuffix(r.header.Get("Link"), "/docs/errors#"+code+`>; rel="help"`) {
		t.Errorf("Link %s", r.header.Get("Link"))
	}
	if wait := r.header.Get("Retry-After"); wait != map[bool]string{true: "2", false: ""}[entry.RetryAfter] {
		t.Errorf("Retry-After %q", wait)
	}
	if entry.Status != 0 && entry.Code != fault.CodeTransactionAlreadyConfirmed {
		if body := want.MarshalEnvelope(id); strings.TrimSpace(string(r.body)) != string(body) {
			t.Errorf("%s, want %s", r.body, body)
		}
	}
}

// Every code that can be rehearsed is returned where the catalogue says, in both flows, and
// nowhere earlier.
func TestRehearsals(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{limits: limit.Rates{Session: few(1000), Organization: few(100_000)}})
	w.work()
	keys, err := account.CreateKeys(t.Context(), w.db, audit.CommandLine(), w.org, "", true)
	w.must(err)
	w.keys = keys
	before := w.balance()
	rehearsed := 0
	for _, entry := range fault.All() {
		if entry.Rehearse == "" {
			continue
		}
		rehearsed++
		for _, action := range []session.Action{session.Register, session.UpdateVersion} {
			t.Run(string(action)+" "+string(entry.Code), func(t *testing.T) {
				title, code := string(entry.Code), ""
				if action == session.UpdateVersion {
					title += " again"
					id := w.registered(title + " first")
					code = w.done(id).Done.AccessCode
				}
				b := w.mint(map[string]any{"action_type": action, "rehearse": entry.Code})
				steps, confirmed := w.flow(action, b.token, title, code)
				stage := entry.Rehearse
				if stage == "call" || stage == "code" {
					stage = steps[0].stage
				}
				var last reply
				for _, s := range steps {
					r := s.do()
					if s.stage == stage {
						meets(t, entry, r)
						last = r
						break
					}
					if !r.ok() && s.stage != "upload" || r.err != nil || r.status > 299 {
						t.Fatalf("%s: %d %v %s", s.stage, r.status, r.err, r.body)
					}
				}
				switch {
				case last.header == nil && last.err == nil:
					t.Fatalf("no step is %s", stage)
				case stage == "init" || stage == "code":
					if b.spent() {
						t.Error("the token is spent")
					}
				}
				switch entry.Code {
				case fault.CodeSessionRateLimited, fault.CodeCommonRateLimited:
					if got := last.header.Get("RateLimit"); !strings.HasSuffix(got, ";r=0;t=2") {
						t.Errorf("RateLimit %s", got)
					}
				case fault.CodeTransactionAlreadyConfirmed:
					var e struct {
						Error struct{ Details map[string]string }
					}
					w.must(json.Unmarshal(last.body, &e))
					if v := w.done(e.Error.Details["transaction_id"]); v.Done.Failure != nil {
						t.Errorf("the real transaction: %+v", v.Done.Failure)
					}
				case fault.CodeTransactionNotFound, fault.CodeTransactionStoreUnavailable:
					w.reportedInStream(confirmed.get("transaction_id"), entry.Code)
				case fault.CodeWorkCertificateUnavailable:
					// The certificate exists, for every session except this one.
					late, at := w.mint(nil), "/v1/works/"+w.done(confirmed.get("transaction_id")).Done.WorkID+"/download/certificate?transaction="+confirmed.get("transaction_id")
					late.made(at)
					paths := []string{at}
					if code != "" {
						paths = append(paths, "/v1/access/"+code+"/versions/1/download/certificate")
						w.mint(forUpdate).made(paths[1])
					}
					for _, path := range paths {
						meets(t, entry, w.fetch("GET", path, b.head(), nil))
					}
				case fault.CodeTransactionFailed: // title and audio are free again
					again := w.mint(map[string]any{"action_type": action})
					steps, _ := w.flow(action, again.token, title, code)
					for _, s := range steps[:len(steps)-1] { // a certificate is made a moment later
						if r := s.do(); r.err != nil || r.status > 299 {
							t.Errorf("after the failure, %s: %d %s", s.stage, r.status, r.body)
						}
					}
				}
			})
		}
	}
	if rehearsed < 40 {
		t.Errorf("%d codes can be rehearsed", rehearsed)
	}
	if after := w.balance(); after.Held != before.Held {
		t.Errorf("%+v became %+v", before, after)
	}
}

// No route gives a live key a rehearsal.
func TestLiveKeysDoNotRehearse(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	for _, entry := range fault.All() {
		if a := w.tryMint(map[string]any{"rehearse": entry.Code}); a.rules() != "rehearse test_key" {
			t.Errorf("%s: %s", entry.Code, a.body)
		}
	}
	if a := w.tryMint(map[string]any{"rehearse": nil}); a.code != "" {
		t.Errorf("null: %s", a.body)
	}
	// A live key's token with a rehearsal, as if a test key had become a live one.
	live := w.keys
	test, err := account.CreateKeys(t.Context(), w.db, audit.CommandLine(), w.org, "", true)
	w.must(err)
	for i, entry := range fault.All() {
		w.keys = live
		c, err := w.sessions.Tokens.Verify(w.mint(nil).token)
		w.must(err)
		c.Rehearse = entry.Code
		token, err := w.sessions.Tokens.Sign(c)
		w.must(err)
		steps, _ := w.flow(session.Register, token, "Live "+strconv.Itoa(i), "")
		for _, s := range steps[:4] {
			if r := s.do(); r.err != nil || r.status > 299 {
				t.Fatalf("%s: %s: %d %s", entry.Code, s.stage, r.status, r.body)
			}
		}
		// A test session without a rehearsal has none either, and a code that cannot be
		// rehearsed is refused at the mint.
		w.keys = test
		if a := w.tryMint(map[string]any{"rehearse": entry.Code}); (a.code == "") != (entry.Rehearse != "") || a.code != "" && a.rules() != "rehearse one_of" {
			t.Errorf("%s: %s", entry.Code, a.body)
		}
	}
	for _, code := range []string{"", "x", "widget", "SESSION.INVALID_TOKEN"} {
		if a := w.tryMint(map[string]any{"rehearse": code}); a.rules() != "rehearse one_of" {
			t.Errorf("%q: %s", code, a.body)
		}
	}
	if a := w.tryMint(map[string]any{"rehearse": 1}); a.rules() != "rehearse type" {
		t.Errorf("a number: %s", a.body)
	}
	// A session of a live key cannot continue a rehearsing job: it is not found.
	rehearsing := w.mint(map[string]any{"rehearse": fault.CodeTransactionFailed})
	job := rehearsing.prepared("Begun to fail", nil)
	w.keys = live
	b := w.mint(nil)
	for _, step := range []string{"upload", "prepare", "confirm"} {
		if a := b.post("/v1/works/"+step, map[string]string{"job_id": job}); a.code != fault.CodeTransactionNotFound {
			t.Errorf("a live key continues a rehearsal: %s: %s", step, a.body)
		}
	}
	w.keys = test
	if a := w.mint(nil).post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != "" {
		t.Errorf("the test key does not: %s", a.body)
	}
	if w.work(); w.done(w.registered("Of a test key")).Done.Failure != nil {
		t.Error("a test key without a rehearsal fails")
	}
}
