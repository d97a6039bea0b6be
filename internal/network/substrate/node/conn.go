package node

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/coder/websocket"
)

// rpcError is an error of JSON-RPC.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (e *rpcError) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// conn is one connection. Messages wait in a queue, so that the chain never waits for a reader.
type conn struct {
	ws     *websocket.Conn
	cancel context.CancelFunc

	mu    sync.Mutex
	queue [][]byte
	wake  chan struct{}
	subs  map[string]*subscription
}

// The kinds of subscriptions, by the name in their notifications.
const (
	newHeads       = "chain_newHead"
	allHeads       = "chain_allHead"
	finalizedHeads = "chain_finalizedHead"
	justifications = "grandpa_justifications"
	runtimeVersion = "state_runtimeVersion"
	storageChanges = "state_storage"
	updates        = "author_extrinsicUpdate"
)

// subscription is one subscription of a connection.
type subscription struct {
	c    *conn
	id   string
	kind string
	used bool
	held []any // notifications that wait for the id to be sent
	open bool
	keys []string // of storage that is watched
	seen map[string]string
}

// send sends a notification, after the id.
func (s *subscription) send(result any) {
	s.used = true
	if !s.open {
		s.held = append(s.held, result)
		return
	}
	s.c.push(map[string]any{"jsonrpc": "2.0", "method": s.kind, "params": map[string]any{"subscription": s.id, "result": result}})
}

// push puts a message in the queue.
func (c *conn) push(message any) {
	b, err := json.Marshal(message)
	if err != nil {
		panic(err) // made here
	}
	c.mu.Lock()
	c.queue = append(c.queue, b)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write sends the queue until ctx ends.
func (c *conn) write(ctx context.Context) {
	for {
		c.mu.Lock()
		out := c.queue
		c.queue = nil
		c.mu.Unlock()
		for _, b := range out {
			if c.ws.Write(ctx, websocket.MessageText, b) != nil {
				c.cancel()
				return
			}
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
	}
}
