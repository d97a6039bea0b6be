// Package rpc asks Substrate nodes by JSON-RPC over WebSockets. It holds the connection:
// requests, subscriptions, and the change to another node when one does not answer. It
// does not know what is asked, and repeats no request.
package rpc

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// The bounds of a connection.
const (
	// maxMessage is the largest message from a node: a block with its events has some
	// megabytes, and metadata a quarter of one.
	maxMessage = 32 << 20
	// maxWaiting is how many notifications of one subscription wait for their reader. With
	// more, the connection ends.
	maxWaiting = 1024
	// maxEarly is how many notifications wait for the id of their subscription.
	maxEarly = 1024
	// dialTimeout is how long one node may take to accept a connection.
	dialTimeout = 10 * time.Second
)

// Config configures a Client.
type Config struct {
	// Endpoints are the URLs of the nodes, ws: or wss:, in the order in which they are tried.
	Endpoints []string
	// Timeout is how long a request may take, at least; 0 means 30 seconds. After a request
	// without an answer, the next one goes to another node.
	Timeout time.Duration
}

// Client asks one of several nodes. It connects at the first request, and again after the
// connection was lost. It is safe for concurrent use.
type Client struct {
	config Config

	mu     sync.Mutex // also held while connecting
	next   int        // the endpoint to try first
	now    *conn      // nil: not connected
	closed bool
}

// New returns a Client. It connects to nothing yet.
func New(c Config) *Client {
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	return &Client{config: c}
}

// Error is a node's refusal of a request.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (e *Error) Error() string {
	text := fmt.Sprintf("the node refuses: %s (%d)", e.Message, e.Code)
	var more string
	if json.Unmarshal(e.Data, &more) == nil && more != "" {
		text += ": " + more
	}
	return text
}

// ErrClosed is the error after Close.
var ErrClosed = errors.New("rpc: the client is closed")

// errSlow is the end of a connection whose notifications are not read.
var errSlow = errors.New("too many notifications wait")

// Close ends the connection. Later requests fail with ErrClosed.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.now != nil {
		c.now.end(ErrClosed)
	}
}

// connect returns the connection, or makes one to the first node that accepts it.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.now != nil {
		if c.now.failed() == nil {
			return c.now, nil
		}
		c.now = nil
		c.next++
	}
	var all []error
	for range c.config.Endpoints {
		at := c.config.Endpoints[c.next%len(c.config.Endpoints)]
		made, err := dial(ctx, at)
		if err == nil {
			c.now = made
			return made, nil
		}
		all = append(all, err)
		c.next++
	}
	return nil, errors.Join(all...)
}

// Host names a node without what may be secret in its URL.
func Host(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "a node"
	}
	return u.Host
}

func dial(ctx context.Context, endpoint string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, endpoint, nil)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // without the URL
			err = wrapped.Err
		}
		return nil, fmt.Errorf("connect to %s: %w", Host(endpoint), err)
	}
	ws.SetReadLimit(maxMessage)
	k := &conn{
		ws: ws, host: Host(endpoint), done: make(chan struct{}),
		waiting: map[uint64]chan message{}, subscribed: map[string]chan json.RawMessage{}, early: map[string][]json.RawMessage{},
	}
	go k.read()
	return k, nil
}

// Call makes a request, and decodes its result into out.
func (c *Client) Call(ctx context.Context, out any, method string, params ...any) error {
	k, err := c.connect(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	m, err := c.request(ctx, k, method, params)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if err := json.Unmarshal(m.Result, out); err != nil {
		return fmt.Errorf("%s: the answer of %s: %w", method, k.host, err)
	}
	return nil
}

// Bytes makes a request whose result is bytes in hex; null is nil.
func (c *Client) Bytes(ctx context.Context, method string, params ...any) ([]byte, error) {
	var text *string
	if err := c.Call(ctx, &text, method, params...); err != nil || text == nil {
		return nil, err
	}
	b, err := Unhex(*text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return b, nil
}

func (c *Client) request(ctx context.Context, k *conn, method string, params []any) (message, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, errTimeout)
	defer cancel()
	m, err := k.request(ctx, method, params)
	if errors.Is(context.Cause(ctx), errTimeout) && err != nil && !errors.As(err, new(*Error)) {
		k.end(errTimeout) // the next request goes to another node
		return m, fmt.Errorf("%s: %w", k.host, errTimeout)
	}
	return m, err
}

var errTimeout = errors.New("the node does not answer")

// Subscription is a stream of notifications.
type Subscription struct {
	// News has the notifications. It is closed when the connection ends.
	News <-chan json.RawMessage

	k           *conn
	id          string
	unsubscribe string
}

// Subscribe starts a subscription; unsubscribe is the method that ends it.
func (c *Client) Subscribe(ctx context.Context, method, unsubscribe string, params ...any) (*Subscription, error) {
	k, err := c.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	m, err := c.request(ctx, k, method, params)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	id := string(m.Result)
	return &Subscription{News: k.subscribe(id), k: k, id: id, unsubscribe: unsubscribe}, nil
}

// Close ends the subscription. It does not wait for the node.
func (s *Subscription) Close() {
	s.k.forget(s.id)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.k.send(ctx, 0, s.unsubscribe, []any{json.RawMessage(s.id)}) // the answer is not needed
}

// message is what a node sends: an answer, or a notification.
type message struct {
	ID     *uint64         `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *Error          `json:"error"`
	Params struct {
		Subscription json.RawMessage `json:"subscription"`
		Result       json.RawMessage `json:"result"`
	} `json:"params"`
}

// conn is one connection.
type conn struct {
	ws   *websocket.Conn
	host string
	done chan struct{} // closed at its end

	mu         sync.Mutex
	err        error // after its end
	last       uint64
	waiting    map[uint64]chan message
	subscribed map[string]chan json.RawMessage
	// early are notifications that came before the id of their subscription.
	early   map[string][]json.RawMessage
	earlier int // how many
}

func (k *conn) failed() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// end ends the connection for all who wait for it.
func (k *conn) end(err error) {
	k.mu.Lock()
	if k.err == nil {
		k.err = fmt.Errorf("the connection to %s ended: %w", k.host, err)
		close(k.done)
		for _, s := range k.subscribed {
			close(s)
		}
		k.subscribed = nil
	}
	k.mu.Unlock()
	_ = k.ws.CloseNow() // the reason is kept
}

func (k *conn) read() {
	for {
		_, b, err := k.ws.Read(context.Background())
		if err != nil {
			k.end(err)
			return
		}
		var m message
		if err := json.Unmarshal(b, &m); err != nil {
			k.end(fmt.Errorf("a message that is not JSON-RPC: %w", err))
			return
		}
		if err := k.take(m); err != nil {
			k.end(err)
			return
		}
	}
}

// take gives a message to whom it is for.
func (k *conn) take(m message) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m.ID != nil {
		if w, ok := k.waiting[*m.ID]; ok {
			delete(k.waiting, *m.ID)
			w <- m
		}
		return nil
	}
	id := string(m.Params.Subscription)
	if id == "" || k.err != nil {
		return nil
	}
	s, ok := k.subscribed[id]
	if !ok {
		if k.earlier == maxEarly { // of subscriptions that ended
			k.early, k.earlier = map[string][]json.RawMessage{}, 0
		}
		k.early[id], k.earlier = append(k.early[id], m.Params.Result), k.earlier+1
		return nil
	}
	select {
	case s <- m.Params.Result:
		return nil
	default:
		return errSlow
	}
}

func (k *conn) subscribe(id string) <-chan json.RawMessage {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := make(chan json.RawMessage, maxEarly+maxWaiting)
	for _, early := range k.early[id] {
		s <- early
	}
	k.earlier -= len(k.early[id])
	delete(k.early, id)
	if k.err != nil {
		close(s)
		return s
	}
	k.subscribed[id] = s
	return s
}

func (k *conn) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.subscribed[id]; ok {
		delete(k.subscribed, id)
		close(s)
	}
}

func (k *conn) request(ctx context.Context, method string, params []any) (message, error) {
	answer := make(chan message, 1)
	k.mu.Lock()
	k.last++
	id := k.last
	k.waiting[id] = answer
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.waiting, id)
		k.mu.Unlock()
	}()
	if err := k.send(ctx, id, method, params); err != nil {
		return message{}, err
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return message{}, m.Error
		}
		return m, nil
	case <-k.done:
		return message{}, k.failed()
	case <-ctx.Done():
		return message{}, context.Cause(ctx)
	}
}

func (k *conn) send(ctx context.Context, id uint64, method string, params []any) error {
	if params == nil {
		params = []any{}
	}
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
	if err != nil {
		return err
	}
	if err := k.ws.Write(ctx, websocket.MessageText, b); err != nil {
		k.end(err)
		return k.failed()
	}
	return nil
}

// Hex is bytes as nodes read them.
func Hex(b []byte) string { return "0x" + hex.EncodeToString(b) }

// Unhex reads bytes as nodes write them.
func Unhex(s string) ([]byte, error) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok {
		return nil, errors.New("bytes in hex must begin with 0x")
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("bytes in hex: %w", err)
	}
	return b, nil
}
