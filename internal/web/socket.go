package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
)

// Socket is a WebSocket that only the server uses: messages of the client are read and
// ignored. The owner calls Release.
type Socket struct {
	conn  *websocket.Conn
	shake *handshake
	ctx   context.Context
	gone  context.CancelFunc
}

// AcceptSocket upgrades a request, from a page of any origin. It returns nil after it has
// refused a request without an upgrade.
func AcceptSocket(w http.ResponseWriter, r *http.Request) *Socket {
	shake := &handshake{ResponseWriter: w}
	conn, err := websocket.Accept(shake, r, &websocket.AcceptOptions{OriginPatterns: []string{"*"}, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		if shake.refused {
			RenderError(w, r, fault.CommonValidationFailed([]fault.Field{{Field: "upgrade", Rule: "websocket", Message: "A WebSocket upgrade (version 13) is required."}}).Because(err))
		}
		return nil
	}
	s := &Socket{conn: conn, shake: shake}
	s.ctx, s.gone = context.WithCancel(context.WithoutCancel(r.Context()))
	go s.ignore()
	return s
}

// ignore reads the client's messages until the client disconnects.
func (s *Socket) ignore() {
	defer s.gone()
	for {
		_, message, err := s.conn.Reader(s.ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, message)
		}
		if err != nil {
			return
		}
	}
}

// Context ends when the client disconnects.
func (s *Socket) Context() context.Context { return s.ctx }

// Send sends one text message, in JSON.
func (s *Socket) Send(v any) (err error) {
	defer operation.Wrap(&err, "send a message on a socket")
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, b)
}

// Beat sends a ping and waits for its answer. Send one after each [Heartbeat].
func (s *Socket) Beat() (err error) {
	defer operation.Wrap(&err, "ping a socket")
	ctx, cancel := context.WithTimeout(s.ctx, writeTimeout)
	defer cancel()
	return s.conn.Ping(ctx)
}

// Close ends the stream cleanly, after its last message.
func (s *Socket) Close() { s.conn.Close(websocket.StatusNormalClosure, "") }

// invalidFrame is an invalid frame: its opcode is reserved.
var invalidFrame = []byte{0x83, 0x00}

// Drop sends an invalid frame before a socket is dropped without its last message. When a
// connection just ends, browsers raise only `close`, but published widgets listen only to
// `error`. An invalid frame raises `error`, and these widgets then poll. Only a pong of the
// library may be written at the same time: it is one Write, and the connection serializes
// writes.
func (s *Socket) Drop() {
	_ = s.shake.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = s.shake.conn.Write(invalidFrame)
}

// Release frees the socket, and drops its connection unless it is closed.
func (s *Socket) Release() {
	s.gone()
	s.conn.CloseNow()
}

// handshake withholds a refusal that the WebSocket library writes, and keeps the connection
// that the library hijacks.
type handshake struct {
	http.ResponseWriter
	refused bool
	conn    net.Conn
}

// Hijack implements http.Hijacker for the WebSocket library.
func (h *handshake) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.conn = conn
	return conn, rw, err
}

func (h *handshake) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *handshake) WriteHeader(status int) {
	if h.refused = status != http.StatusSwitchingProtocols; !h.refused {
		h.ResponseWriter.WriteHeader(status)
	}
}

func (h *handshake) Write(p []byte) (int, error) {
	if h.refused {
		return len(p), nil
	}
	return h.ResponseWriter.Write(p)
}
