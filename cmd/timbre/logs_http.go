package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"timbre.example/internal/network"
	"timbre.example/proof/evidence"
)

// logKeys tells browsers and programs the keys of the logs of this host.
type logKeys struct {
	url  string
	logs []network.Network

	mu    sync.Mutex
	until time.Time
	known []listedLog
}

// listedLog is a log in the list under paths.Logs.
type listedLog struct {
	Network     network.Name `json:"network"`
	Origin      string       `json:"origin"`
	Address     string       `json:"address,omitempty"`
	Key         string       `json:"key"`
	Fingerprint string       `json:"fingerprint"`
	// Keys is the address of the key page, and Ended whether the log has ended.
	Keys  string `json:"keys,omitempty"`
	Ended bool   `json:"ended"`

	all []string
}

// keysAge is how long a process may not know a change of the keys. keysTime is how long the
// reading may take. While the database does not answer, the last keys count.
const keysAge, keysTime = 10 * time.Second, 2 * time.Second

func newLogKeys(url string, networks []network.Network) *logKeys {
	l := &logKeys{url: url}
	for _, n := range networks {
		if _, ok := n.(network.Signed); ok {
			l.logs = append(l.logs, n)
		}
	}
	return l
}

// list returns the logs.
func (l *logKeys) list(ctx context.Context) []listedLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		return l.known
	}
	ctx, cancel := context.WithTimeout(ctx, keysTime)
	defer cancel()
	l.known = []listedLog{}
	for _, n := range l.logs {
		signed := n.(network.Signed)
		one := listedLog{Network: n.Name(), Origin: signed.Origin(), all: []string{signed.VerifierKey()}}
		if p, ok := n.(network.Published); ok {
			one.Address = l.url + p.FilesPath()
		}
		if keyed, ok := n.(network.Keyed); ok {
			page, _ := keyed.KeyPage(ctx) // after an error, what was known before
			one.all = page.Keys()
			_, one.Ended = page.Ended()
			one.Keys = one.Address + "/keys"
		}
		one.Key = one.all[len(one.all)-1]
		one.Fingerprint = evidence.Fingerprint(one.Key)
		l.known = append(l.known, one)
	}
	l.until = time.Now().Add(keysAge)
	return l.known
}

// all returns all keys of all logs, in order.
func (l *logKeys) all(ctx context.Context) (keys []string) {
	for _, one := range l.list(ctx) {
		keys = append(keys, one.all...)
	}
	slices.Sort(keys)
	return keys
}

// serve answers paths.Logs.
func (l *logKeys) serve(w http.ResponseWriter, r *http.Request) {
	body, err := json.MarshalIndent(struct {
		Logs []listedLog `json:"logs"`
	}{l.list(r.Context())}, "", "  ")
	if err != nil {
		panic(err) // the types above are wrong
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(append(body, '\n'))
}
