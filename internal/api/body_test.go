package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/api"
	"timbre.example/internal/fault"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/web"
)

// ask sends a hand-written request head without a body, and reads the answer.
func (w *world) ask(head string) answer {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	w.must(err)
	defer conn.Close()
	_, err = io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n"))
	w.must(err)
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(conn), must(http.NewRequest("POST", w.url, nil)))
	w.must(err)
	if !res.Close {
		w.t.Error("the connection stays open, with a body that is still to come")
	}
	return w.answer(res)
}

// A body that is announced as too large is refused before it is sent. A body without a
// length is cut at the limit. The token is checked before both.
func TestBodyBounds(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	b := w.mint(nil)
	auth := "Authorization: Bearer " + b.token + "\nX-Site-Key: " + b.keys.SiteKey + "\n"
	for path, most := range map[string]int{
		"sessions": api.MaxSmallBody, "works/prepare": api.MaxSmallBody, "works/upload": api.MaxSmallBody, "works/confirm": api.MaxSmallBody, "works/init": api.MaxWorkBody,
	} {
		head := auth
		if path == "sessions" {
			head = ""
		}
		a := w.ask(fmt.Sprintf("POST /v1/%s HTTP/1.1\nHost: x\n%sContent-Length: %d\n\n", path, head, most+1))
		if a.code != fault.CodeCommonValidationFailed || a.rules() != "body max_bytes" || !strings.Contains(a.fields[0].Message, fmt.Sprint(most)) {
			t.Errorf("%s, announced: %s", path, a.body)
		}
		header := map[string]string{"Origin": site}
		if head != "" {
			header = b.head()
		}
		// A reader of unknown length is sent in chunks.
		if a := w.call("POST", "/v1/"+path, header, io.LimitReader(&endless{}, int64(most)+1)); a.rules() != "body max_bytes" {
			t.Errorf("%s, in chunks: %s", path, a.body)
		}
		full := `{"job_id":"x"` + strings.Repeat(" ", most-14) + "}"
		if a := w.call("POST", "/v1/"+path, header, io.MultiReader(strings.NewReader(full))); strings.HasPrefix(a.rules(), "body") {
			t.Errorf("%s, at the limit: %s", path, a.body)
		}
		if head != "" {
			if a := w.ask(fmt.Sprintf("POST /v1/%s HTTP/1.1\nHost: x\nContent-Length: %d\n\n", path, most+1)); a.code != fault.CodeCommonAuthMissingToken {
				t.Errorf("%s, without a token: %s", path, a.body)
			}
		}
	}
	if b.spent() {
		t.Error("the session is spent")
	}
}

// The largest description of a work is accepted: each field at its limit, with each
// character in its longest JSON form.
func TestLargestWork(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	long := func(n int) string { return strings.Repeat(`\uD83C\uDFB5`, n) }
	creator := fmt.Sprintf(`{"full_name":"%s","email":"%s@x.example","roles":{"author":true,"composer":true,"arranger":true,"adapter":true},"ipi":"12345678901","isni":"0000000121032683"}`, long(255), long(245))
	body := fmt.Sprintf(`{"title":"%s","filename":"%s.wav","network":"testnet","external_user_ref":null,"creators":[%s]}`, long(200), long(251), strings.Repeat(creator+",", 31)+creator)
	if !json.Valid([]byte(body)) {
		t.Fatal("not JSON")
	}
	if a := w.mint(nil).post("/v1/works/init", body); a.code != "" {
		t.Errorf("%d bytes of %d: %.500s", len(body), api.MaxWorkBody, a.body)
	}
	if len(body) < api.MaxWorkBody*9/10 {
		t.Errorf("the largest work has %d bytes, and %d are accepted", len(body), api.MaxWorkBody)
	}
}

// eventually waits for an effect of another goroutine.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("timed out")
		}
		<-time.After(time.Millisecond)
	}
}

// allButOne is a body of size bytes without its last byte.
func allButOne(size int) string { return "{" + strings.Repeat(" ", size-2) }

// Bodies that are announced but never sent use no shared budget.
func TestAnnouncedBodies(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{proxies: loopback, bodies: web.Bodies{Open: 4 * api.MaxSmallBody, Address: 4 * api.MaxSmallBody}})
	const still = 16 // four times each budget
	for _, length := range []string{fmt.Sprint("Content-Length: ", api.MaxSmallBody), "Transfer-Encoding: chunked"} {
		for range still {
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			w.must(err)
			defer conn.Close()
			_, err = fmt.Fprintf(conn, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n%s\r\n\r\n", length)
			w.must(err)
		}
	}
	eventually(t, func() bool { return w.web.BodiesHeld("192.0.2.1") == 2*still*512 })
	for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
		a := w.call("POST", "/v1/sessions", map[string]string{"Origin": site, "X-Forwarded-For": address}, asJSON(w.mintBody(nil)))
		if a.code != "" {
			t.Errorf("%s: %s", address, a.body)
		}
	}
}

// Slow bodies use only the budget of their own address or organization, and give it back
// after the timeout.
func TestBodiesInFlight(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{proxies: loopback, bodies: web.Bodies{Open: 4 * api.MaxSmallBody, Address: 2 * api.MaxSmallBody}})
	b := w.mint(nil)
	slow := func(head string) net.Conn {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		w.must(err)
		t.Cleanup(func() { conn.Close() })
		_, err = io.WriteString(conn, strings.ReplaceAll(head, "\n", "\r\n"))
		w.must(err)
		return conn
	}
	from := func(address, path string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\nHost: x\nX-Forwarded-For: %s\nContent-Length: %d\n\n%s", path, address, api.MaxSmallBody, allButOne(api.MaxSmallBody))
	}
	held := []net.Conn{slow(from("192.0.2.1", "/v1/sessions")), slow(from("192.0.2.1", "/v1/sessions"))}
	eventually(t, func() bool { return w.web.BodiesHeld("192.0.2.1") == 2*api.MaxSmallBody })
	mint := func(address string) answer {
		return w.call("POST", "/v1/sessions", map[string]string{"Origin": site, "X-Forwarded-For": address}, asJSON(w.mintBody(nil)))
	}
	if a := mint("192.0.2.1"); a.status != 429 || a.code != fault.CodeCommonRateLimited || a.err.Details["reason"] != "bodies_in_flight" || a.header.Get("Retry-After") == "" {
		t.Errorf("the same address: %d %s", a.status, a.body)
	}
	if a := mint("192.0.2.2"); a.code != "" {
		t.Errorf("another: %s", a.body)
	}
	held = append(held, slow(from("192.0.2.3", "/v1/sessions")), slow(from("192.0.2.3", "/v1/sessions")))
	eventually(t, func() bool { return w.web.BodiesHeld("192.0.2.3") == 2*api.MaxSmallBody })
	if a := mint("192.0.2.4"); a.status != 503 || a.code != fault.CodeCommonServiceUnavailable || a.err.Details["reason"] != "bodies_in_flight" || a.header.Get("Retry-After") == "" {
		t.Errorf("without space: %d %s", a.status, a.body)
	}
	// Bodies with a token have a budget of their own.
	if a := b.post("/v1/works/prepare", map[string]string{"job_id": "x"}); a.rules() != "job_id uuid" {
		t.Errorf("a call with a token: %s", a.body)
	}
	for _, conn := range held {
		conn.Close()
	}
	eventually(t, func() bool { return w.web.BodiesHeld("192.0.2.1")+w.web.BodiesHeld("192.0.2.3") == 0 })
	if a := mint("192.0.2.1"); a.code != "" {
		t.Errorf("after they went: %s", a.body)
	}
}

// Bodies with a token also count against their address: one visitor cannot use up an
// organization's budget.
func TestBodiesOfAnAddress(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{proxies: loopback, bodies: web.Bodies{Address: 2 * api.MaxWorkBody}})
	b := w.mint(nil)
	for range 2 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		w.must(err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /v1/works/init HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nAuthorization: Bearer %s\r\nX-Site-Key: %s\r\nContent-Length: %d\r\n\r\n%s", b.token, b.keys.SiteKey, api.MaxWorkBody, allButOne(api.MaxWorkBody))
		w.must(err)
	}
	eventually(t, func() bool { return w.web.BodiesHeld("192.0.2.1") == 2*api.MaxWorkBody })
	init := func(address string) answer {
		head := b.head()
		head["X-Forwarded-For"] = address
		return w.call("POST", "/v1/works/init", head, asJSON(work("Song", nil)))
	}
	a := init("192.0.2.1")
	if a.status != 429 || a.code != fault.CodeCommonRateLimited || a.err.Details["reason"] != "bodies_in_flight" || a.header.Get("Retry-After") != "1" || a.header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("the same address: %d %s", a.status, a.body)
	}
	if a := init("192.0.2.2"); a.code != "" {
		t.Errorf("another: %s", a.body)
	}
}

// A thousand stalled mints from a few addresses leave budget for other addresses.
func TestStalledMints(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{proxies: loopback})
	const addresses, each = 5, 256
	for i := range addresses * each {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		w.must(err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.%d\r\nContent-Length: %d\r\n\r\n%s", i%addresses, api.MaxSmallBody, allButOne(api.MaxSmallBody))
		w.must(err)
	}
	for i := range addresses {
		eventually(t, func() bool { return w.web.BodiesHeld(fmt.Sprintf("192.0.2.%d", i)) == each*api.MaxSmallBody })
	}
	a := w.call("POST", "/v1/sessions", map[string]string{"Origin": site, "X-Forwarded-For": "192.0.2.99"}, asJSON(w.mintBody(nil)))
	if a.code != "" {
		t.Errorf("another: %s", a.body)
	}
}

// A compressed body is refused with that reason.
func TestCompressedBodies(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	b := w.mint(nil)
	for encoding, want := range map[string]string{"gzip": "content-encoding identity", "br": "content-encoding identity", "identity": "job_id uuid", "": "job_id uuid"} {
		head := b.head()
		if encoding != "" {
			head["Content-Encoding"] = encoding
		}
		if a := w.call("POST", "/v1/works/prepare", head, asJSON(map[string]string{"job_id": "x"})); a.rules() != want {
			t.Errorf("%q: %s", encoding, a.body)
		}
	}
}
