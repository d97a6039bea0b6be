package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fake is a server in memory, with the answers of docs/api.md. It is a transport, so that tests can run in a bubble of time.
type fake struct {
	mu sync.Mutex
	// before answers a call in place of the server; nil, or a status of 0: the server answers. After a negative status the
	// call had its effect: the answer is lost (-1), or another one with this status.
	before func(r *http.Request) (status int, header map[string]string, body string)
	calls  []string
	// partsFrom is the size from which files are sent in parts; 0: none.
	partsFrom int64
	partBytes int64
	price     int64

	jobs map[string]*fakeJob // by Idempotency-Key and by id
	puts int
}

type fakeJob struct {
	id, hash  string
	size      int64
	whole     []byte
	parts     map[int][]byte
	complete  bool
	confirmed bool
}

func newFake() *fake { return &fake{jobs: map[string]*fakeJob{}, price: 7, partBytes: 1000} }

func (f *fake) client(t testing.TB, c Config) *Client {
	t.Helper()
	c.URL, c.HTTP = "https://ats.example/", &http.Client{Transport: f}
	if c.APIKey == "" {
		c.APIKey = "afo_sk_test_x"
	}
	out, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, r.Method+" "+r.URL.Path)
	w := httptest.NewRecorder()
	if f.before != nil {
		switch status, header, text := f.before(r); {
		case status == -1:
			f.serve(w, r, body) // and the answer is lost
			return nil, io.ErrUnexpectedEOF
		case status < 0:
			f.serve(httptest.NewRecorder(), r, body) // and something else answers
			status = -status
			fallthrough
		case status > 0:
			for name, value := range header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			w.WriteString(text)
			return w.Result(), nil
		}
	}
	f.serve(w, r, body)
	return w.Result(), nil
}

func refuse(code Code, details string) string {
	return fmt.Sprintf(`{"error":{"code":%q,"message":"No.","details":%s,"request_id":"req_1"}}`, code, details)
}

func (f *fake) serve(w *httptest.ResponseRecorder, r *http.Request, body []byte) {
	var in struct {
		JobID     string `json:"job_id"`
		SizeBytes int64  `json:"size_bytes"`
		Hash      string `json:"media_sha256"`
		Numbers   []int  `json:"numbers"`
	}
	_ = json.Unmarshal(body, &in)
	no := func(status int, code Code, details string) {
		w.WriteHeader(status)
		w.WriteString(refuse(code, details))
	}
	say := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	path := strings.TrimPrefix(r.URL.Path, "/v1/works/7/versions")
	path = strings.TrimPrefix(path, "/v1/works")
	switch {
	case r.URL.Path == "/v1/stats":
		s := map[string]any{"upload": "put"}
		if f.partsFrom > 0 {
			s = map[string]any{"upload": "multipart", "parts_from_bytes": f.partsFrom}
		}
		say(s)
		return
	case r.Method == "GET" && strings.HasSuffix(path, "/events"):
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "id: 1\nevent: update\ndata: {\"type\":\"update\"}\n\nid: 2\nevent: completed\ndata: {\"type\":\"update\",\"details\":{\"ats_id\":7,\"tx_hash\":\"0xab\",\"work_id\":\"w\",\"access_code\":\"atc_1\"}}\n\n")
		return
	case r.Method == "GET" && strings.HasPrefix(r.URL.Path, "/v1/transactions/"):
		say(map[string]any{"is_complete": true, "result": map[string]any{"success": true, "ats_id": 7, "tx_hash": "0xab", "work_id": "w"}})
		return
	case path == "/init" || path == "/init-upload":
		key := r.Header.Get("Idempotency-Key")
		j := f.jobs[key]
		if j == nil || key == "" {
			j = &fakeJob{id: fmt.Sprintf("job-%d", len(f.jobs)+1), hash: in.Hash, size: in.SizeBytes, parts: map[int][]byte{}}
			f.jobs[key], f.jobs[j.id] = j, j
		}
		say(map[string]any{"job_id": j.id, "upload_url": "https://store.example/" + j.id})
		return
	case r.Method == "PUT":
		f.puts++
		id, part, isPart := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		j := f.jobs[id]
		if !isPart {
			j.whole = body
		} else {
			var n int
			fmt.Sscan(part, &n)
			j.parts[n] = body
		}
		say(map[string]any{})
		return
	}
	j := f.jobs[in.JobID]
	if j == nil {
		no(404, CodeTransactionNotFound, `{}`)
		return
	}
	if j.confirmed && path != "/x" {
		no(409, CodeTransactionAlreadyConfirmed, fmt.Sprintf(`{"transaction_id":"tx-%s"}`, j.id))
		return
	}
	switch path {
	case "/upload":
		say(map[string]any{"job_id": j.id, "upload_url": "https://store.example/" + j.id})
	case "/parts":
		if in.SizeBytes > 0 {
			j.size = in.SizeBytes
		}
		count := int((j.size + f.partBytes - 1) / f.partBytes)
		stored, urls := []any{}, []any{}
		for n := range j.parts {
			stored = append(stored, map[string]any{"number": n, "size_bytes": len(j.parts[n])})
		}
		for _, n := range in.Numbers {
			urls = append(urls, map[string]any{"number": n, "size_bytes": min(f.partBytes, j.size-int64(n-1)*f.partBytes), "url": fmt.Sprintf("https://store.example/%s/%d", j.id, n)})
		}
		say(map[string]any{"part_size_bytes": f.partBytes, "part_count": count, "complete": j.complete, "stored": stored, "urls": urls})
	case "/parts/complete":
		var all bytes.Buffer
		for n := 1; n <= len(j.parts); n++ {
			all.Write(j.parts[n])
		}
		j.whole, j.complete = all.Bytes(), true
		say(map[string]any{"job_id": j.id})
	case "/prepare":
		sum := sha256.Sum256(j.whole)
		hash := "0x" + hex.EncodeToString(sum[:])
		if int64(len(j.whole)) != j.size || hash != j.hash {
			no(409, CodeRegistrationUploadMissing, `{}`)
			return
		}
		say(map[string]any{"job_id": j.id, "total_price_credits": f.price, "media_hash": hash})
	case "/confirm":
		j.confirmed = true
		say(map[string]any{"transaction_id": "tx-" + j.id, "access_code": "atc_1"})
	default:
		no(404, CodeCommonNotFound, `{"reason":"route"}`)
	}
}

func (f *fake) count(call string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c == call {
			n++
		}
	}
	return n
}
