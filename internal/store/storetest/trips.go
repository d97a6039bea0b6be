package storetest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// Trip is one round trip of a client to Postgres: the names of the statements that it ran, and
// "BEGIN", "COMMIT" and the like for statements without a name.
type Trip []string

// Trips stands between a client and Postgres, and notes every round trip. A client that sends
// statements together makes one. Trips that only prepare statements are not noted: a client
// makes them once for each connection.
type Trips struct {
	// URL is the database's, by way of this proxy.
	URL string

	listener net.Listener
	socket   string
	mu       sync.Mutex
	made     []Trip
	lose     func(Trip) bool
}

// CountTrips starts a proxy in front of a database of this package, until Close.
func CountTrips(database string) (*Trips, error) {
	u, err := url.Parse(database)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &Trips{
		URL:      "postgres://postgres@" + l.Addr().String() + u.Path + "?sslmode=disable",
		listener: l, socket: filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"),
	}
	go t.serve()
	return t, nil
}

// Close ends the proxy for new connections.
func (t *Trips) Close() error { return t.listener.Close() }

// Made returns the trips since the last call.
func (t *Trips) Made() []Trip {
	t.mu.Lock()
	defer t.mu.Unlock()
	made := t.made
	t.made = nil
	return made
}

// LoseAnswer cuts the connection of the next trip for which this holds, after the server has done
// it and before the client has the answer. A nil function loses nothing.
func (t *Trips) LoseAnswer(of func(Trip) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lose = of
}

func (t *Trips) serve() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("unix", t.socket)
			if err != nil {
				return
			}
			defer server.Close()
			var lost atomic.Bool
			go func() {
				defer server.Close()
				defer client.Close()
				buffer := make([]byte, 64<<10)
				for {
					n, err := server.Read(buffer)
					if err != nil || lost.Load() {
						return
					}
					if _, err := client.Write(buffer[:n]); err != nil {
						return
					}
				}
			}()
			_ = t.pass(client, server, &lost)
		}()
	}
}

// pass copies a client's messages and reads them on the way.
func (t *Trips) pass(client io.Reader, server io.Writer, lost *atomic.Bool) error {
	names := map[string]string{} // of prepared statements
	var trip Trip
	var head [5]byte
	first := true // the first message has no type
	for {
		at := head[:]
		if first {
			at = head[1:]
		}
		if _, err := io.ReadFull(client, at); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return err
		}
		if !first {
			trip = t.note(names, trip, head[0], body, lost)
		}
		if _, err := server.Write(append(bytes.Clone(at), body...)); err != nil {
			return err
		}
		first = false
	}
}

func (t *Trips) note(names map[string]string, trip Trip, kind byte, body []byte, lost *atomic.Bool) Trip {
	word := func() string {
		text, rest, _ := bytes.Cut(body, []byte{0})
		body = rest
		return string(text)
	}
	switch kind {
	case 'P': // prepares
		name := word()
		names[name] = named(word())
	case 'B': // binds a prepared statement, to run it
		word()
		trip = append(trip, names[word()])
	case 'Q':
		trip = append(trip, named(word()))
		fallthrough
	case 'S': // waits for all answers
		if len(trip) > 0 {
			t.mu.Lock()
			t.made = append(t.made, trip)
			if t.lose != nil && t.lose(trip) {
				t.lose = nil
				lost.Store(true)
			}
			t.mu.Unlock()
		}
		return nil
	}
	return trip
}

// named returns the name of a generated query, or the first word of another statement.
func named(text string) string {
	text, generated := strings.CutPrefix(text, "-- name: ")
	if word := strings.Fields(text); len(word) > 0 && (generated || !strings.HasPrefix(text, "--")) {
		return word[0]
	}
	return text
}
