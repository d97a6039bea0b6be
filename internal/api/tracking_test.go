package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"timbre.example/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// frame is one message to a follower, by socket or events.
type frame struct {
	Type          string `json:"type"`
	TransactionID string `json:"transaction_id"`
	Step          string `json:"step"`
	Progress      int    `json:"progress"`
	Description   string `json:"description"`
	Timestamp     time.Time
	Details       map[string]any `json:"details"`
	Error         *fault.Body    `json:"error"`
}

func (f frame) String() string {
	switch f.Type {
	case "connected":
		return "connected"
	case "error":
		return "error " + string(f.Error.Code)
	}
	return fmt.Sprint(f.Step, " ", f.Progress)
}

var way = []string{"connected", "validating 5", "preparing_transaction 20", "signing 40", "submitting 60", "confirming 80", "completed 100"}

type follower struct {
	t    *testing.T
	conn *websocket.Conn
}

func (w *world) socket(id string) follower {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(w.url, "http")+"/v1/ws/transactions/"+id, &websocket.DialOptions{
		HTTPClient: w.client, HTTPHeader: http.Header{"Origin": {"https://anywhere.example"}},
	})
	w.must(err)
	w.t.Cleanup(func() { conn.CloseNow() })
	return follower{w.t, conn}
}

func (f follower) next() (frame, error) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	defer cancel()
	kind, b, err := f.conn.Read(ctx)
	if err != nil {
		return frame{}, err
	}
	var x frame
	if err := json.Unmarshal(b, &x); err != nil || kind != websocket.MessageText {
		f.t.Errorf("%v in %s", err, b)
	}
	return x, nil
}

// rest reads to the end; the error says how the socket was closed.
func (f follower) rest() (frames []frame, texts []string, end error) {
	f.t.Helper()
	for {
		x, err := f.next()
		if err != nil {
			return frames, texts, err
		}
		frames, texts = append(frames, x), append(texts, x.String())
	}
}

func TestSocket(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		id := w.registered("Followed")
		// 16 followers from the start, one of which sends messages.
		early := make([]follower, 16)
		for i := range early {
			early[i] = w.socket(strings.ToUpper(id))
			for _, want := range way[:2] {
				if x, err := early[i].next(); err != nil || x.String() != want || want == "connected" && x.TransactionID != id {
					t.Fatalf("%v, %v; want %s", x, err, want)
				}
			}
		}
		w.must(early[3].conn.Write(t.Context(), websocket.MessageText, []byte("are you there?")))
		w.work()
		for i, f := range early {
			frames, texts, end := f.rest()
			if d := cmp.Diff(way[2:], texts); d != "" || websocket.CloseStatus(end) != websocket.StatusNormalClosure {
				t.Errorf("follower %d: %v %s", i, end, d)
				continue
			}
			details := frames[len(frames)-1].Details
			for _, k := range []string{"tx_hash", "block_number", "block_hash", "ats_id", "work_id", "explorer_url", "access_code"} {
				if v := details[k]; v == nil || v == "" {
					t.Errorf("completed without %s: %v", k, details)
				}
			}
		}
		// A late follower receives every frame.
		frames, texts, end := w.socket(id).rest()
		if d := cmp.Diff(way, texts); d != "" || websocket.CloseStatus(end) != websocket.StatusNormalClosure || frames[len(frames)-1].Details == nil {
			t.Errorf("late: %v %s", end, d)
		}
		for i := 2; i < len(frames); i++ {
			if frames[i].Timestamp.Before(frames[i-1].Timestamp) || frames[i].Description == "" {
				t.Errorf("frame %d: %+v", i, frames[i])
			}
		}
	})
}

func TestFailureIsAnErrorFrame(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{networks: func(n network.Network) network.Network { return failing{n} }})
		b := w.mint(map[string]any{"allowed_network": "mainnet"})
		a := b.post("/v1/works/confirm", map[string]string{"job_id": b.prepared("Doomed", map[string]any{"network": "mainnet"})})
		id := a.get("transaction_id")
		w.work()
		w.done(id)
		frames, texts, end := w.socket(id).rest()
		want := append(append([]string{}, way[:6]...), "error transaction.failed")
		if d := cmp.Diff(want, texts); d != "" || websocket.CloseStatus(end) != websocket.StatusNormalClosure {
			t.Fatalf("%v %s", end, d)
		}
		e := frames[len(frames)-1].Error
		if e.RequestID != a.header.Get("X-Request-Id") || e.Message == "" || e.Details["reason"] != "the chain said no" {
			t.Errorf("%+v", e)
		}
		got, _ := w.events(id, "").rest()
		if d := cmp.Diff([]string{"1 update", "2 update", "3 update", "4 update", "5 update", "6 error"}, got); d != "" {
			t.Error(d)
		}
		var v struct {
			Complete bool `json:"is_complete"`
			Result   map[string]any
		}
		w.call("GET", "/v1/transactions/"+id, nil, nil).into(&v)
		result := map[string]any{
			"success": false, "error": e.Message, "error_code": string(e.Code), "error_details": map[string]any{"reason": "the chain said no"}, "request_id": e.RequestID,
		}
		if d := cmp.Diff(result, v.Result); d != "" || !v.Complete {
			t.Error(d)
		}
		// Nothing is charged, and the title and the audio are free again.
		if got := w.balance(); got.Available != 1000 || got.Held != 0 || got.Spent != 0 {
			t.Errorf("%+v", got)
		}
		b = w.mint(map[string]any{"allowed_network": "mainnet"})
		b.prepared("Doomed", map[string]any{"network": "mainnet"})
	})
}

// A server that shuts down drops its followers without a close frame, so that clients poll
// instead of taking it for the end.
func TestShutdownDropsFollowers(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	id := w.registered("Interrupted")
	f := w.socket(id)
	for range 2 {
		if _, err := f.next(); err != nil {
			t.Fatal(err)
		}
	}
	s := w.events(id, "")
	if x, err := s.next(); err != nil || x != "1 update" {
		t.Fatalf("%q %v", x, err)
	}
	w.stop()
	if x, err := f.next(); err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("%v, %v", x, err)
	}
	if got, err := s.rest(); len(got) != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%v %v", got, err)
	}
	if n := w.registry.Works.Progress.Followers(); n != 0 {
		w.settled()
	}
}

// raw opens a socket without a library, and returns the bytes from the handshake until the
// connection ends.
func (w *world) raw(id string, then func()) (got []byte, end error) {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	w.must(err)
	defer conn.Close()
	w.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	_, err = fmt.Fprintf(conn, "GET /v1/ws/transactions/%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", id)
	w.must(err)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	w.must(err)
	if res.StatusCode != http.StatusSwitchingProtocols {
		w.t.Fatalf("handshake: %d", res.StatusCode)
	}
	first := make([]byte, 2)
	_, err = io.ReadFull(in, first) // the first frame has arrived: the server follows
	w.must(err)
	then()
	rest, err := io.ReadAll(in)
	return append(first, rest...), err
}

// A dropped socket raises only close in a page; an invalid frame also raises error. A socket
// that sent its terminal frame is closed cleanly, without an invalid frame.
func TestInvalidFrameBeforeADrop(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	id := w.registered("Dropped")
	got, end := w.raw(id, w.stop)
	if !bytes.HasSuffix(got, []byte{0x83, 0x00}) || end != nil {
		t.Errorf("dropped: ends with %x, %v", got[max(0, len(got)-8):], end)
	}
	drained, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w.api.Drain(drained)
	if n := w.api.Streams(); n != 0 || drained.Err() != nil {
		t.Errorf("%d streams after the drain, %v", n, drained.Err())
	}
	w.work()
	w.done(id)
	if got, _ := w.raw(id, func() {}); bytes.HasSuffix(got, []byte{0x83, 0x00}) || !bytes.Contains(got, []byte(`"step":"completed"`)) {
		t.Errorf("ended with: %x", got[max(0, len(got)-8):])
	}
}

// A drop while frames are written never splits a frame: all bytes before the invalid frame
// are whole frames.
func TestInvalidFrameSplitsNoFrame(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	id := w.registered("Dropped at once")
	w.stop()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got, end := w.raw(id, func() {})
			for rest := got; ; {
				if bytes.Equal(rest, []byte{0x83, 0x00}) && end == nil {
					return
				}
				size, head := 0, 2
				if len(rest) > 4 {
					if size = int(rest[1]); size == 126 {
						size, head = int(rest[2])<<8|int(rest[3]), 4
					}
				}
				if len(rest) < head+size || rest[0] != 0x81 || !json.Valid(rest[head:head+size]) {
					t.Errorf("%q, %v", got, end)
					return
				}
				rest = rest[head+size:]
			}
		})
	}
	wg.Wait()
}

// A transaction that cannot be followed is reported in the stream. A page cannot read the
// answer to a refused handshake, and an EventSource reads only its own format.
func TestUnknownIsAnErrorFrame(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	for _, unknown := range []string{"x", "01890000-0000-7000-8000-000000000000", strings.Repeat("y", 5000)} {
		w.reportedInStream(unknown, fault.CodeTransactionNotFound)
	}
	w.api.Drain(t.Context())
	if n := w.api.Streams(); n != 0 {
		t.Errorf("%d streams stay", n)
	}
}

// reportedInStream checks the answers for a transaction that cannot be followed: an error
// frame, an error event, and a refused status.
func (w *world) reportedInStream(id string, want fault.Code) {
	t := w.t
	t.Helper()
	frames, texts, end := w.socket(id).rest()
	if d := cmp.Diff([]string{"error " + string(want)}, texts); d != "" || websocket.CloseStatus(end) != websocket.StatusNormalClosure {
		t.Errorf("socket of %s: %v %s", id, end, d)
	} else if e := frames[0].Error; e.Message == "" || !strings.HasPrefix(e.RequestID, "req_") {
		t.Errorf("socket of %s: %+v", id, e)
	}
	if got, _ := w.events(id, "").rest(); !cmp.Equal(got, []string{" error"}) {
		t.Errorf("events of %s: %q", id, got)
	}
	if a := w.call("GET", "/v1/transactions/"+id, nil, nil); a.code != want {
		t.Errorf("status of %s: %s", id, a.body)
	}
	// A request without a handshake is answered as usual.
	if a := w.call("GET", "/v1/ws/transactions/"+id, nil, nil); a.code != want {
		t.Errorf("no handshake for %s: %s", id, a.body)
	}
}

// settled waits until there are no followers.
func (w *world) settled() {
	w.t.Helper()
	limit := time.Now().Add(10 * time.Second)
	for w.registry.Works.Progress.Followers() > 0 {
		if time.Now().After(limit) {
			w.t.Fatalf("%d followers stay", w.registry.Works.Progress.Followers())
		}
		<-time.After(time.Millisecond)
	}
}

// Followers that leave, with or without a close, leave nothing behind.
func TestFollowersLeave(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	id := w.registered("Left")
	w.client.CloseIdleConnections()
	before := goleak.IgnoreCurrent()
	for i := range 8 {
		f, s := w.socket(id), w.events(id, "")
		for range 2 {
			if _, err := f.next(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.next(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			f.conn.Close(websocket.StatusGoingAway, "")
		} else {
			f.conn.CloseNow()
		}
		s.res.Body.Close()
	}
	w.settled()
	w.client.CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

// Open streams are limited, per transaction and in total, and a stream that ends makes
// space.
func TestTooManyFollowers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), options{followers: 102})
	var ids [2]string
	for i := range ids {
		b := w.mint(nil)
		job := b.prepared(fmt.Sprint("Followed ", i), nil) // without a worker: it stays in flight during the test
		if a := b.post("/v1/works/confirm", map[string]any{"job_id": job}); a.status != 202 {
			t.Fatal(a)
		}
		ids[i] = job
	}
	refused := func(id string, status int, code fault.Code) {
		t.Helper()
		for _, path := range []string{"/v1/transactions/" + id + "/events", "/v1/ws/transactions/" + id} {
			if a := w.call("GET", path, nil, nil); a.status != status || a.code != code {
				t.Errorf("%s: %v", path, a)
			}
		}
	}
	var last *stream
	for range 100 {
		last = w.events(ids[0], "")
	}
	refused(ids[0], 429, fault.CodeCommonRateLimited)
	w.events(ids[1], "")
	f := w.socket(ids[1])
	refused(ids[1], 503, fault.CodeCommonServiceUnavailable)
	if a := w.call("GET", "/v1/transactions/"+ids[0], nil, nil); a.status != 200 {
		t.Errorf("asking for the status: %v", a)
	}
	last.res.Body.Close()
	f.conn.CloseNow()
	for w.api.Streams() > 100 {
		<-time.After(time.Millisecond)
	}
	w.events(ids[0], "")
	w.socket(ids[1])
}

// stream is a follower by server-sent events.
type stream struct {
	t   *testing.T
	res *http.Response
	in  *bufio.Scanner
	eof error
}

func (w *world) events(id, last string) *stream {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", w.url+"/v1/transactions/"+id+"/events", nil)
	w.must(err)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := w.client.Do(r)
	w.must(err)
	w.t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Request-Id") == "" {
		w.t.Errorf("events: %d %v", res.StatusCode, res.Header)
	}
	return &stream{t: w.t, res: res, in: bufio.NewScanner(res.Body)}
}

// next reads one event as "id event".
func (s *stream) next() (string, error) {
	s.t.Helper()
	var id, event, data string
	for s.in.Scan() {
		name, value, _ := strings.Cut(s.in.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if event == "" { // a comment, or the retry time
				continue
			}
			var f frame
			if err := json.Unmarshal([]byte(data), &f); err != nil {
				s.t.Errorf("%v in %s", err, data)
			}
			if (event == "completed") != (f.Details != nil) || (event == "error") != (f.Error != nil) {
				s.t.Errorf("%s: %s", event, data)
			}
			return id + " " + event, nil
		}
	}
	if err := s.in.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}

func (s *stream) rest() (all []string, end error) {
	s.t.Helper()
	for {
		x, err := s.next()
		if err != nil {
			return all, err
		}
		all = append(all, x)
	}
}

func TestEvents(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		id := w.registered("Streamed")
		live := w.events(id, "")
		if x, err := live.next(); err != nil || x != "1 update" {
			t.Fatalf("%q %v", x, err)
		}
		w.work()
		all := []string{"1 update", "2 update", "3 update", "4 update", "5 update", "6 completed"}
		if got, _ := live.rest(); !cmp.Equal(got, all[1:]) {
			t.Errorf("live: %v", got)
		}
		for last, want := range map[string][]string{"": all, "0": all, "3": all[3:], "5": all[5:], "6": all[5:], "99": all[5:], "-1": all, "x": all, "9999999999999999999999": all} {
			if got, _ := w.events(id, last).rest(); !cmp.Equal(got, want) {
				t.Errorf("Last-Event-ID %q: %v", last, got)
			}
		}
	})
}
