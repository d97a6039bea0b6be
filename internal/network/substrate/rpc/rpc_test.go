package rpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"timbre.example/internal/network/substrate/rpc"
)

// request is what the client sent.
type request struct {
	ID     uint64            `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// node is a server that answers with serve; its connections count in opened.
func node(t *testing.T, serve func(ctx context.Context, r request, send func(string)) (goOn bool)) (endpoint string, opened *atomic.Int64) {
	t.Helper()
	opened = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		ws.SetReadLimit(1 << 20)
		opened.Add(1)
		for {
			_, b, err := ws.Read(r.Context())
			if err != nil {
				return
			}
			var q request
			if err := json.Unmarshal(b, &q); err != nil {
				t.Error(err)
				return
			}
			send := func(text string) {
				text = strings.ReplaceAll(text, "ID", string(must(json.Marshal(q.ID))))
				_ = ws.Write(r.Context(), websocket.MessageText, []byte(text))
			}
			if !serve(r.Context(), q, send) {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http"), opened
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func client(t *testing.T, timeout time.Duration, endpoints ...string) *rpc.Client {
	t.Helper()
	c := rpc.New(rpc.Config{Endpoints: endpoints, Timeout: timeout})
	t.Cleanup(func() { c.Close() })
	return c
}

// answers answers each request.
func answers(_ context.Context, r request, send func(string)) bool {
	switch r.Method {
	case "large":
		send(`{"id":ID,"result":"0x` + strings.Repeat("ab", 1<<20) + `"}`)
	case "null":
		send(`{"id":ID,"result":null}`)
	case "refuse":
		send(`{"id":ID,"error":{"code":1010,"message":"Invalid Transaction","data":"Transaction is outdated"}}`)
	case "badhex":
		send(`{"id":ID,"result":"0xz"}`)
	case "hang up":
		return false
	case "silence":
	case "subscribe":
		send(`{"method":"news","params":{"subscription":"x1","result":"first"}}`)
		send(`{"id":ID,"result":"x1"}`)
		send(`{"method":"news","params":{"subscription":"x1","result":"second"}}`)
		send(`{"method":"news","params":{"subscription":"other","result":"not for us"}}`)
	case "unsubscribe":
		send(`{"id":0,"result":true}`)
	default:
		send(`{"id":ID,"result":` + string(must(json.Marshal(r.Params))) + `}`)
	}
	return true
}

func TestCall(t *testing.T) {
	at, opened := node(t, answers)
	c := client(t, time.Minute, at)
	var got []any
	if err := c.Call(t.Context(), &got, "echo", "a", 1); err != nil || len(got) != 2 || got[0] != "a" {
		t.Fatalf("%v, %v", got, err)
	}
	if err := c.Call(t.Context(), &got, "echo"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("without parameters: %v, %v", got, err)
	}
	if b, err := c.Bytes(t.Context(), "large"); err != nil || len(b) != 1<<20 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if b, err := c.Bytes(t.Context(), "null"); err != nil || b != nil {
		t.Errorf("%x, %v", b, err)
	}
	if _, err := c.Bytes(t.Context(), "badhex"); err == nil {
		t.Error("bytes that are not hex are accepted")
	}
	err := c.Call(t.Context(), &got, "refuse")
	var refused *rpc.Error
	if !errors.As(err, &refused) || refused.Code != 1010 || !strings.Contains(err.Error(), "Transaction is outdated") {
		t.Errorf("%v", err)
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections", opened.Load())
	}
	c.Close()
	if err := c.Call(t.Context(), &got, "echo"); !errors.Is(err, rpc.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestSubscribe(t *testing.T) {
	at, _ := node(t, answers)
	c := client(t, time.Minute, at)
	s, err := c.Subscribe(t.Context(), "subscribe", "unsubscribe")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"first"`, `"second"`} {
		if got := <-s.News; string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	s.Close()
	if _, open := <-s.News; open {
		t.Error("a notification after Close")
	}
	again, err := c.Subscribe(t.Context(), "subscribe", "unsubscribe")
	if err != nil {
		t.Fatal(err)
	}
	<-again.News
	var got any
	if err := c.Call(t.Context(), &got, "hang up"); err == nil {
		t.Error("a request without an answer succeeded")
	}
	for range again.News { // ends with the connection
	}
}

// A node that hangs up, does not answer or does not exist is replaced by the next one.
func TestEndpoints(t *testing.T) {
	first, opened := node(t, answers)
	second, later := node(t, answers)
	c := client(t, 50*time.Millisecond, "ws://127.0.0.1:1/?key=opensesame", first, second)
	var got []any
	if err := c.Call(t.Context(), &got, "echo"); err != nil || opened.Load() != 1 {
		t.Fatalf("%v, %d", err, opened.Load())
	}
	if err := c.Call(t.Context(), &got, "hang up"); err == nil {
		t.Error("a request without an answer succeeded")
	}
	if err := c.Call(t.Context(), &got, "echo"); err != nil || later.Load() != 1 {
		t.Errorf("%v, %d", err, later.Load())
	}
	if err := c.Call(t.Context(), &got, "silence"); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("%v", err)
	}
	if err := c.Call(t.Context(), &got, "echo"); err != nil || opened.Load() != 2 {
		t.Errorf("%v, %d", err, opened.Load())
	}
	none := client(t, time.Second, "ws://127.0.0.1:1/?key=opensesame")
	if err := none.Call(t.Context(), &got, "echo"); err == nil || strings.Contains(err.Error(), "opensesame") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Call(ctx, &got, "silence"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
