// Package calendartest runs an OpenTimestamps calendar for tests. It remembers what it was
// given, checks its caller, and completes its promises when a test mines a block.
//
// It does not depend on how Timbre uses it.
package calendartest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Calendar is a calendar that answers at URL.
type Calendar struct {
	URL string

	t        testing.TB
	mu       sync.Mutex
	promised map[string]bool // what it promised to complete, in hexadecimal digits
	mined    map[string]Block
	blocks   []Block
	answer   http.HandlerFunc
	asked    int
}

// Block is a block of Bitcoin that holds a promise.
type Block struct {
	Height int64
	Root   [32]byte
	Time   time.Time
}

// New starts a calendar. It stops at the end of the test.
func New(t testing.TB) *Calendar {
	t.Helper()
	c := &Calendar{t: t, promised: map[string]bool{}, mined: map[string]Block{}}
	server := httptest.NewServer(http.HandlerFunc(c.serve))
	c.URL = server.URL
	t.Cleanup(server.Close)
	return c
}

// Answer replaces the answers; nil: the calendar's own.
func (c *Calendar) Answer(h http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = h
}

// Asked returns the number of requests.
func (c *Calendar) Asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// Mine completes all promises that are open, each by a block of its own.
func (c *Calendar) Mine() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for promise := range c.promised {
		if _, done := c.mined[promise]; done {
			continue
		}
		message, _ := hex.DecodeString(promise)
		b := Block{Height: 900_000 + int64(len(c.blocks)), Root: sha256.Sum256(append(message, "block"...)), Time: time.Now()}
		c.mined[promise], c.blocks = b, append(c.blocks, b)
	}
}

// Blocks returns the root and the time of a block, as verifiers look them up.
func (c *Calendar) Blocks(height int64) (root [32]byte, at time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.blocks {
		if b.Height == height {
			return b.Root, b.Time, true
		}
	}
	return root, at, false
}

func (c *Calendar) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.asked++
	answer := c.answer
	c.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 65))
	if err != nil || r.Header.Get("Accept") != "application/vnd.opentimestamps.v1" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch promise, isPromise := strings.CutPrefix(r.URL.Path, "/timestamp/"); {
	case r.Method == http.MethodPost && r.URL.Path == "/digest" && len(body) == 32:
		// As real calendars: a nonce, a hash, and the promise.
		sum := sha256.Sum256(append(body, "nonce"...))
		c.promised[hex.EncodeToString(sum[:])] = true
		uri := append([]byte{byte(len(c.URL))}, c.URL...)
		out := append([]byte{0xf0, 5}, "nonce"...)
		out = append(out, 0x08, 0x00, 0x83, 0xdf, 0xe3, 0x0d, 0x2e, 0xf9, 0x0c, 0x8e, byte(len(uri)))
		w.Write(append(out, uri...))
	case r.Method == http.MethodGet && isPromise && c.promised[promise]:
		b, ok := c.mined[promise]
		if !ok {
			http.Error(w, "Pending confirmation in Bitcoin blockchain", http.StatusNotFound)
			return
		}
		height := binary.AppendUvarint(nil, uint64(b.Height))
		out := append([]byte{0xf0, 5}, "block"...)
		out = append(out, 0x08, 0x00, 0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01, byte(len(height)))
		w.Write(append(out, height...))
	case r.Method == http.MethodGet && isPromise:
		http.Error(w, "Commitment not found", http.StatusNotFound)
	default:
		http.Error(w, "bad request", http.StatusBadRequest)
	}
}
