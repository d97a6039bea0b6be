package web

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // RFC 6455 asks for it; nothing depends on its strength
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/net/http/httpguts"

	"timbre.example/internal/fault"
)

const (
	// atOnce is how long a write may wait for a client before another goroutine continues it.
	// Frames are smaller than the buffer of a connection, so a write waits only for a client that
	// does not read.
	atOnce = 2 * time.Millisecond
	// mostWaiting is the largest number of bytes that wait for a slow client.
	mostWaiting = 16 << 10
	// mostMessage is the largest message of a client, in bytes.
	mostMessage = 32 << 10
	// mostReceived is how much a client may send between two beats, in bytes. Each frame counts
	// as frameCost at least.
	mostReceived, frameCost = 64 << 10, 64
	// closeTimeout is how long a client has to close its side.
	closeTimeout = 5 * time.Second
)

// Socket is a WebSocket that only the server uses: messages of the client are read and
// discarded. Thousands of sockets are open at once, so a socket has one small goroutine, and
// no buffer. Its methods may be called at the same time, and return soon: another goroutine
// writes what a slow client does not take at once.
type Socket struct {
	conn net.Conn
	// early has the bytes that arrived together with the handshake.
	early []byte
	// catching waits for the goroutine that writes what a slow client has not taken.
	catching sync.WaitGroup

	mu       sync.Mutex
	waiting  []byte // frames that a slow client has not taken yet; nil: no goroutine writes
	ended    bool   // the last frame is written, or waits
	pinged   bool   // no frame has arrived since the last ping
	received int    // bytes since the last beat
}

// AcceptSocket upgrades a request, from a page of any origin. It returns nil after it has
// refused a request without an upgrade. The caller calls Run.
func AcceptSocket(w http.ResponseWriter, r *http.Request) *Socket {
	accept, ok := handshake(r)
	if !ok {
		w.Header().Set("Sec-WebSocket-Version", "13")
		RenderError(w, r, fault.CommonValidationFailed([]fault.Field{{Field: "upgrade", Rule: "websocket", Message: "A WebSocket upgrade (version 13) is required."}}))
		return nil
	}
	h := w.Header()
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Accept", accept)
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil // the connection has ended
	}
	s := &Socket{conn: conn}
	if n := buffers.Reader.Buffered(); n > 0 {
		early, _ := buffers.Reader.Peek(n) // it has them
		s.early = bytes.Clone(early)
	}
	return s
}

// handshake checks an opening handshake (RFC 6455, section 4.2.1), and returns the key that
// accepts it.
func handshake(r *http.Request) (accept string, ok bool) {
	keys := r.Header["Sec-Websocket-Key"]
	if r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1) || r.ProtoMajor != 1 || len(keys) != 1 || r.Header.Get("Sec-WebSocket-Version") != "13" ||
		!httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") || !httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "websocket") {
		return "", false
	}
	if key, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(key) != 16 {
		return "", false
	}
	sum := sha1.Sum([]byte(keys[0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:]), true
}

// AppendMessage appends a text message, as a frame, to frames for Send.
func AppendMessage(frames, message []byte) []byte {
	b := bytes.NewBuffer(frames)
	_ = ws.WriteFrame(b, ws.NewTextFrame(message)) // a buffer takes everything
	return b.Bytes()
}

// Run reads the client's frames until the connection has ended.
func (s *Socket) Run() {
	defer s.conn.Close()
	from := io.Reader(s.conn)
	if s.early != nil {
		from, s.early = io.MultiReader(bytes.NewReader(s.early), s.conn), nil
	}
	if code := s.read(from); code != 0 && s.finish(ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, ""))), time.Second) {
		s.catching.Wait() // the close frame may wait for a slow client, or on a busy machine
		s.endWriting()
		_, _ = io.Copy(io.Discard, s.conn) // unread bytes would reset the connection, and the close frame could be lost
	}
}

// read reads frames. It returns the status of the close frame that answers the last one, or 0
// when the connection ended without one.
func (s *Socket) read(from io.Reader) ws.StatusCode {
	// It has space for a header, and then for the payload of a control frame.
	buffer := make([]byte, ws.MaxControlFramePayloadSize)
	state := ws.StateServerSide
	message := int64(0) // its bytes up to now
	for {
		h, err := ws.ReadHeaderBuffer(from, buffer)
		if errors.Is(err, ws.ErrHeaderLengthMSB) || errors.Is(err, ws.ErrHeaderLengthUnexpected) {
			return ws.StatusProtocolError
		} else if err != nil {
			return 0
		}
		if ws.CheckHeader(h, state) != nil {
			return ws.StatusProtocolError
		}
		if h.OpCode.IsControl() {
			payload := buffer[:h.Length]
			if _, err := io.ReadFull(from, payload); err != nil {
				return 0
			}
			ws.Cipher(payload, h.Mask, 0)
			if h.OpCode == ws.OpClose {
				return answerTo(payload)
			}
			if h.OpCode == ws.OpPing {
				s.Send(ws.MustCompileFrame(ws.NewPongFrame(payload)))
			}
		} else {
			if h.OpCode != ws.OpContinuation {
				message = 0
			}
			if h.Length > mostMessage-message {
				return ws.StatusMessageTooBig
			}
			message += h.Length
			for rest := h.Length; rest > 0; {
				n, err := from.Read(buffer[:min(rest, int64(len(buffer)))])
				if rest -= int64(n); err != nil {
					return 0
				}
			}
			if state = ws.StateServerSide; !h.Fin {
				state = state.Set(ws.StateFragmented)
			}
		}
		if !s.heard(max(frameCost, int(h.Length))) {
			return ws.StatusPolicyViolation
		}
	}
}

// answerTo returns the status that answers a close frame.
func answerTo(payload []byte) ws.StatusCode {
	code, reason := ws.ParseCloseFrameData(payload)
	switch {
	case len(payload) == 0:
		return ws.StatusNormalClosure
	case len(payload) == 1 || ws.CheckCloseFrameData(code, reason) != nil:
		return ws.StatusProtocolError
	}
	return code
}

// heard notes a frame of the client, and reports whether the client may go on.
func (s *Socket) heard(size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinged = false
	s.received += size
	return s.received <= mostReceived
}

// Send sends frames, made by AppendMessage.
func (s *Socket) Send(frames []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.write(frames)
	}
}

var pingFrame = ws.MustCompileFrame(ws.NewPingFrame(nil))

// Beat sends a ping. A client that has sent nothing since the ping before it is disconnected.
// Send one after each [Heartbeat].
func (s *Socket) Beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.pinged:
		s.conn.Close()
	case !s.ended:
		s.pinged, s.received = true, 0
		s.write(pingFrame)
	}
}

var closeFrame = ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))

// End sends the last frames, and then closes the socket cleanly.
func (s *Socket) End(frames []byte) { s.finish(slices.Concat(frames, closeFrame), closeTimeout) }

// invalidFrame is an invalid frame: its opcode is reserved.
var invalidFrame = []byte{0x83, 0x00}

// Drop ends a socket without its last message, by an invalid frame. When a connection just
// ends, browsers raise only `close`, but published widgets listen only to `error`. An invalid
// frame raises `error`, and these widgets then poll.
func (s *Socket) Drop() {
	if s.finish(invalidFrame, time.Second) {
		s.endWriting()
	}
}

// finish sends the last bytes, and reports whether it did: only the first call does. The
// client then has a time to close its side, and Run ends at the latest after it.
func (s *Socket) finish(last []byte, within time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended = true
	s.write(last)
	_ = s.conn.SetReadDeadline(time.Now().Add(within))
	return true
}

// endWriting tells the client that nothing follows, and still reads what it sends.
func (s *Socket) endWriting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok && s.waiting == nil {
		_ = half.CloseWrite()
	}
}

// write is called with the mutex held.
func (s *Socket) write(b []byte) {
	if s.waiting != nil {
		if s.waiting = append(s.waiting, b...); len(s.waiting) > mostWaiting {
			s.conn.Close()
		}
		return
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(atOnce)) // it fails where Write fails
	n, err := s.conn.Write(b)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.waiting = bytes.Clone(b[n:])
		s.catching.Go(s.catchUp)
	case err != nil:
		s.conn.Close()
	}
}

// catchUp writes what waits for a slow client.
func (s *Socket) catchUp() {
	for {
		s.mu.Lock()
		next := s.waiting
		if len(next) == 0 {
			s.waiting = nil
			s.mu.Unlock()
			return
		}
		s.waiting = []byte{} // not nil: this goroutine writes
		s.mu.Unlock()
		_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := s.conn.Write(next); err != nil {
			s.conn.Close()
			return
		}
	}
}
