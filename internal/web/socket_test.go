package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// sockets is a server whose only route accepts sockets, and hands them to the test.
type sockets struct {
	*httptest.Server
	t        *testing.T
	accepted chan *Socket
	over     chan *Socket // the ones whose Run has returned
}

func newSockets(t *testing.T) *sockets {
	s := &sockets{t: t, accepted: make(chan *Socket, 1), over: make(chan *Socket, 1)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if one := AcceptSocket(w, r); one != nil {
			s.accepted <- one
			go func() { one.Run(); s.over <- one }()
		}
	}))
	s.Config.ReadHeaderTimeout = 200 * time.Millisecond
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// dial opens a connection, without a library.
func (s *sockets) dial() net.Conn {
	s.t.Helper()
	conn := must(net.Dial("tcp", s.Listener.Addr().String()))
	s.t.Cleanup(func() { conn.Close() })
	must(0, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

const opening = "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// open opens a socket, and sends bytes together with the handshake.
func (s *sockets) open(early string) (*Socket, net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn := s.dial()
	must(io.WriteString(conn, opening+early))
	in := bufio.NewReader(conn)
	res := must(http.ReadResponse(in, nil))
	if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // the example of RFC 6455
		s.t.Fatal(res.Status, res.Header)
	}
	return <-s.accepted, conn, in
}

// masked is a client's frame: the first byte, the length that it states, and the payload.
func masked(first byte, said int, payload string) string {
	head := []byte{first}
	switch {
	case said < 126:
		head = append(head, 0x80|byte(said))
	case said < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(said))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(said))
	}
	mask := [4]byte{1, 2, 3, 4}
	head = append(head, mask[:]...)
	for i := range len(payload) {
		head = append(head, payload[i]^mask[i%4])
	}
	return string(head)
}

func whole(first byte, payload string) string { return masked(first, len(payload), payload) }

func closing(code int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(code))) }

// Bytes that break the protocol end the socket with the close frame of their kind: early, at
// once, or byte by byte. Everything else is discarded, and each ping is answered.
func TestFramesOfClients(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 125)
	for name, c := range map[string]struct {
		sent   string
		answer string
	}{
		"closes":                         {whole(0x88, closing(1000)), "\x88\x02" + closing(1000)},
		"closes, with a reason":          {whole(0x88, closing(1001)+"gone"), "\x88\x02" + closing(1001)},
		"closes, with a code of its own": {whole(0x88, closing(4711)), "\x88\x02" + closing(4711)},
		"closes without a code":          {whole(0x88, ""), "\x88\x02" + closing(1000)},
		"closes with half a code":        {whole(0x88, "x"), "\x88\x02" + closing(1002)},
		"closes with a reserved code":    {whole(0x88, closing(1005)), "\x88\x02" + closing(1002)},
		"closes with no UTF-8":           {whole(0x88, closing(1000)+"\xff"), "\x88\x02" + closing(1002)},
		"text":                           {whole(0x81, "hello") + whole(0x88, ""), "\x88\x02" + closing(1000)},
		"binary":                         {whole(0x82, "\x00\xff") + whole(0x88, ""), "\x88\x02" + closing(1000)},
		"empty":                          {whole(0x81, "") + whole(0x88, ""), "\x88\x02" + closing(1000)},
		"pong that nobody asked for":     {whole(0x8a, "x") + whole(0x88, ""), "\x88\x02" + closing(1000)},
		"ping":                           {whole(0x89, long) + whole(0x88, ""), "\x8a\x7d" + long + "\x88\x02" + closing(1000)},
		"fragments, and a ping between":  {whole(0x01, "a") + whole(0x89, "p") + whole(0x00, "b") + whole(0x80, "c") + whole(0x88, ""), "\x8a\x01p\x88\x02" + closing(1000)},
		"unmasked":                       {"\x81\x01x", "\x88\x02" + closing(1002)},
		"unmasked ping":                  {"\x89\x00", "\x88\x02" + closing(1002)},
		"reserved bit 1":                 {whole(0xc1, "x"), "\x88\x02" + closing(1002)},
		"reserved bit 3 of a ping":       {whole(0x99, ""), "\x88\x02" + closing(1002)},
		"reserved data opcode":           {whole(0x83, "x"), "\x88\x02" + closing(1002)},
		"reserved control opcode":        {whole(0x8b, "x"), "\x88\x02" + closing(1002)},
		"fragmented ping":                {whole(0x09, "x"), "\x88\x02" + closing(1002)},
		"fragmented close":               {whole(0x08, closing(1000)), "\x88\x02" + closing(1002)},
		"ping of 126 bytes":              {whole(0x89, long+"x"), "\x88\x02" + closing(1002)},
		"continues nothing":              {whole(0x80, "x"), "\x88\x02" + closing(1002)},
		"begins a message in another":    {whole(0x01, "a") + whole(0x81, "b"), "\x88\x02" + closing(1002)},
		"negative length":                {"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", "\x88\x02" + closing(1002)},
		"message of 2^62 bytes":          {masked(0x82, 1<<62, "x"), "\x88\x02" + closing(1009)},
		"one byte too large":             {masked(0x82, mostMessage+1, "x"), "\x88\x02" + closing(1009)},
		"too large in fragments":         {whole(0x02, strings.Repeat("x", mostMessage)) + whole(0x80, "x"), "\x88\x02" + closing(1009)},
		"too much, in messages":          {strings.Repeat(whole(0x82, strings.Repeat("x", mostMessage)), 2) + whole(0x82, "x"), "\x88\x02" + closing(1008)},
		"too many empty messages":        {strings.Repeat(whole(0x81, ""), mostReceived/frameCost+1), "\x88\x02" + closing(1008)},
		"half a header":                  {"\x81", ""},
		"half a frame":                   {masked(0x81, 100, "half"), ""},
		"half a ping":                    {masked(0x89, 100, "half"), ""},
		"not a frame":                    {"GET / HTTP/1.1\r\n\r\n", "\x88\x02" + closing(1002)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSockets(t)
			for way, send := range map[string]func() (net.Conn, *bufio.Reader){
				"early": func() (net.Conn, *bufio.Reader) { _, conn, in := s.open(c.sent); return conn, in },
				"later": func() (net.Conn, *bufio.Reader) {
					_, conn, in := s.open("")
					if len(c.sent) > 1000 {
						_, _ = io.WriteString(conn, c.sent) // the server may have closed before all is sent
						return conn, in
					}
					for i := range len(c.sent) {
						if _, err := conn.Write([]byte{c.sent[i]}); err != nil {
							break
						}
					}
					return conn, in
				},
			} {
				if way == "early" && len(c.sent) > 1000 {
					continue
				}
				conn, in := send()
				must(0, conn.(*net.TCPConn).CloseWrite()) // nothing follows: half a frame stays half
				got, err := io.ReadAll(in)
				if string(got) != c.answer || err != nil {
					t.Errorf("%s: answered %x, %v; want %x", way, got, err, c.answer)
				}
				<-s.over
			}
		})
	}
}

// late is a connection whose first write ends too late, as on a busy machine. The next write has
// not begun when a reader that does not wait for it closes the connection.
type late struct {
	*net.TCPConn
	tried  atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func (l *late) Write(b []byte) (int, error) {
	if l.tried.CompareAndSwap(false, true) {
		return 0, os.ErrDeadlineExceeded
	}
	select {
	case <-l.closed:
	case <-time.After(50 * time.Millisecond):
	}
	return l.TCPConn.Write(b)
}

func (l *late) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.TCPConn.Close()
}

// The close frame arrives, also when another goroutine has to write it and the client has closed its side.
func TestCloseFrameThatIsLate(t *testing.T) {
	t.Parallel()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	client := must(net.Dial("tcp", l.Addr().String()))
	defer client.Close()
	s := &Socket{conn: &late{TCPConn: must(l.Accept()).(*net.TCPConn), closed: make(chan struct{})}}
	must(io.WriteString(client, whole(0x83, "x")))
	must(0, client.(*net.TCPConn).CloseWrite())
	s.Run()
	must(0, client.SetDeadline(time.Now().Add(20*time.Second)))
	if got := must(io.ReadAll(client)); string(got) != "\x88\x02"+closing(1002) {
		t.Errorf("answered %x", got)
	}
}

// A request without a valid handshake is refused in the form of all refusals.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	for _, change := range [][2]string{
		{"GET / HTTP/1.1", "POST / HTTP/1.1"}, {"GET / HTTP/1.1", "GET / HTTP/1.0"}, {"Upgrade: WebSocket", "Upgrade: h2c"}, {"Upgrade: WebSocket\r\n", ""},
		{"keep-alive, Upgrade", "keep-alive"}, {"Connection: keep-alive, Upgrade\r\n", ""}, {"Version: 13", "Version: 12"}, {"Sec-WebSocket-Version: 13\r\n", ""},
		{"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"}, {"dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="}, {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""},
		{"Host: x\r\n", "Host: x\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"},
	} {
		conn := s.dial()
		must(io.WriteString(conn, strings.Replace(opening, change[0], change[1], 1)))
		res := must(http.ReadResponse(bufio.NewReader(conn), nil))
		body := must(io.ReadAll(res.Body))
		if res.StatusCode != http.StatusUnprocessableEntity || res.Header.Get("Sec-WebSocket-Version") != "13" || !bytes.Contains(body, []byte("common.validation_failed")) {
			t.Errorf("%q: %s %v %s", change, res.Status, res.Header, body)
		}
	}
}

// A handshake that does not arrive costs a connection for the time of a header, and no more.
func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	conn := s.dial()
	must(io.WriteString(conn, opening[:60]))
	if got, err := io.ReadAll(conn); bytes.Contains(got, []byte("101")) || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

// An independent client reads what is sent, and the end: clean after the last message, and an
// error of the protocol when the socket is dropped.
func TestIndependentClient(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.URL, "http"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		conn.SetReadLimit(1 << 20)
		one := <-s.accepted
		text := strings.Repeat("ü", size/2) + strings.Repeat("x", size%2)
		read := func(want string) {
			t.Helper()
			if kind, got, err := conn.Read(ctx); err != nil || kind != websocket.MessageText || string(got) != want {
				t.Errorf("%d bytes: %v, %d bytes, %v", size, kind, len(got), err)
			}
		}
		go one.Send(AppendMessage(AppendMessage(nil, []byte(text)), []byte("second")))
		read(text)
		read("second")
		one.Beat()
		if size%2 == 0 {
			one.End(AppendMessage(nil, []byte("last")))
			read("last")
			if _, _, err := conn.Read(ctx); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("closed with %v", err)
			}
		} else {
			one.Drop()
			if _, _, err := conn.Read(ctx); err == nil || websocket.CloseStatus(err) != -1 {
				t.Errorf("dropped with %v", err)
			}
		}
		one.Send(AppendMessage(nil, []byte("too late")))
		one.End(nil)
		one.Drop()
		<-s.over
	}
}

// A client that does not read is disconnected, and a write to it returns at once: it delays
// no other client.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	slow, conn, _ := s.open("")
	must(0, conn.(*net.TCPConn).SetReadBuffer(4096))
	message := AppendMessage(nil, bytes.Repeat([]byte("x"), 1000))
	begun, sent := time.Now(), 0
	for {
		slow.Send(message)
		sent++
		select {
		case <-s.over: // the buffers of the connection are full, and what may wait
			if took := time.Since(begun); took > writeTimeout {
				t.Errorf("%d writes took %s", sent, took)
			}
			return
		default:
		}
	}
}

// A slow client receives all frames in order when it reads again.
func TestReaderCatchesUp(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	slow, _, in := s.open("")
	var sent []byte
	for i := 0; ; i++ { // until frames wait
		message := AppendMessage(nil, fmt.Appendf(nil, "%07d", i))
		slow.Send(message)
		sent = append(sent, message...)
		slow.mu.Lock()
		waits := len(slow.waiting) > 1000
		slow.mu.Unlock()
		if waits {
			break
		}
	}
	slow.End(AppendMessage(nil, []byte("last")))
	want := append(append(sent, AppendMessage(nil, []byte("last"))...), closeFrame...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes in another order, %v", len(got), err)
	}
}

// A client that answers no ping is disconnected at the second beat after it.
func TestSilentClient(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	one, conn, in := s.open("")
	one.Beat()
	if got := must(in.Peek(2)); string(got) != "\x89\x00" {
		t.Fatalf("%x", got)
	}
	must(io.WriteString(conn, whole(0x8a, "")+whole(0x89, "")))
	must(in.Discard(2))
	if got := must(in.Peek(2)); string(got) != "\x8a\x00" { // so the first pong has been read
		t.Fatalf("%x", got)
	}
	one.Beat()
	select {
	case <-s.over:
		t.Fatal("disconnected, although it answered")
	default:
	}
	one.Beat()
	<-s.over
}
