package chaos

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
)

// Receiver is a host's webhook receiver. It fails sometimes: by a status, or by no answer.
type Receiver struct {
	mu    sync.Mutex
	rng   *rand.Rand
	fails bool
	// acknowledged are the ids of deliveries by transaction and path, with the event.
	acknowledged map[[2]string]map[string]string
	seen         map[[2]string]map[string]bool
}

// NewReceiver makes a receiver that fails until Mend.
func NewReceiver(seed uint64) *Receiver {
	return &Receiver{rng: rand.New(rand.NewPCG(seed, 1<<62)), fails: true, acknowledged: map[[2]string]map[string]string{}, seen: map[[2]string]map[string]bool{}}
}

// Mend ends the failures.
func (r *Receiver) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = false
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	text, err := io.ReadAll(req.Body)
	var in struct {
		Event       string
		Transaction string `json:"transaction_id"`
	}
	if err != nil || json.Unmarshal(text, &in) != nil {
		return // a connection that was cut
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, id := [2]string{in.Transaction, req.URL.Path}, req.Header.Get("webhook-id")
	if r.seen[at] == nil {
		r.seen[at], r.acknowledged[at] = map[string]bool{}, map[string]string{}
	}
	r.seen[at][id] = true
	if r.fails {
		switch r.rng.IntN(12) {
		case 0:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case 1:
			panic(http.ErrAbortHandler)
		}
	}
	r.acknowledged[at][id] = in.Event
}

// Delivered checks that each path of a tenant received the end of each of its transactions: at least
// once, with one id.
func (r *Receiver) Delivered(ctx context.Context, run *Run, db *sql.DB, path func(organization string) string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	ended := map[string]bool{}
	if err := read(ctx, db, "SELECT id, organization_id, kind, state FROM transactions", func(scan func(...any) error) error {
		var id, organization, kind, state string
		err := scan(&id, &organization, &kind, &state)
		at, want := [2]string{id, path(organization)}, "work_registered"
		ended[id] = true
		switch {
		case state == "failed":
			want = "work_failed"
		case kind == "add_version":
			want = "work_updated"
		}
		if len(r.seen[at]) != 1 || len(r.acknowledged[at]) != 1 {
			run.Say("the end of transaction %s was received with the ids %v and acknowledged as %v", id, r.seen[at], r.acknowledged[at])
		}
		for _, event := range r.acknowledged[at] {
			if event != want {
				run.Say("transaction %s is %s, and the event is %s", id, state, event)
			}
		}
		return err
	}); err != nil {
		return err
	}
	for at := range r.seen {
		if at[0] != "" && !ended[at[0]] {
			run.Say("an event is about transaction %s, which does not exist", at[0])
		}
	}
	return nil
}
