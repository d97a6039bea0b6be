// webhook.go
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"regexp"
	"sync"

	"timbre.example/client"
)

const (
	largest    = 64 << 10 // bytes of a body
	remembered = 10_000   // ids; a site with a database keeps those of 30 days
)

// secret has one secret, or two with a space between them.
var secret = func() string {
	secret, ok := os.LookupEnv("WEBHOOK_SECRET")
	switch {
	case !ok:
		log.Print("webhook: WEBHOOK_SECRET is not set, so every webhook is refused")
	case !regexp.MustCompile(`^whsec_\S+( whsec_\S+)?$`).MatchString(secret):
		log.Fatal("WEBHOOK_SECRET needs whsec_… of your endpoint")
	}
	return secret
}()

// memory is a bounded set of ids.
type memory struct {
	sync.Mutex
	ids   map[string]bool
	order []string // the oldest first
}

// once runs act if the id is new.
func (m *memory) once(id string, act func()) {
	m.Lock()
	defer m.Unlock()
	if m.ids[id] {
		return
	}
	act()
	m.ids[id] = true
	m.order = append(m.order, id)
	if len(m.order) > remembered {
		delete(m.ids, m.order[0])
		m.order = m.order[1:]
	}
}

var seen = memory{ids: map[string]bool{}}

// receive answers a delivery. It acts once on each id.
func receive(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, largest)
	event, err := client.ReadWebhook(r, secret)
	if err != nil {
		log.Print("webhook: ", err)
		// 400, or 500 for a mistake in this backend. Timbre sends again after 500, when it is corrected.
		http.Error(w, err.Error(), client.WebhookStatus(err))
		return
	}
	seen.once(event.ID, func() {
		// Here put the event in your queue. Do not log it whole: it can have an access code.
		number := ""
		if event.AtsID != 0 {
			number = fmt.Sprint(event.AtsID)
		}
		log.Print("webhook: ", event.Kind, " ", number)
	})
	fmt.Fprint(w, "ok")
}
