// webhook.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	largest    = 64 << 10        // bytes of a body
	tolerance  = 5 * time.Minute // between two clocks
	remembered = 10_000          // ids; a site with a database keeps those of 30 days
)

// event has the members that this backend needs.
type event struct {
	Event string `json:"event"`
	AtsID *int64 `json:"ats_id"`
}

// errSetup is a mistake in this backend. Each other error is a delivery to refuse.
var errSetup = errors.New("verify cannot work")

// verify returns the event. secrets is one secret, or two with a space between them.
func verify(secrets string, h http.Header, body []byte) (e event, err error) {
	if len(body) == 0 {
		return e, fmt.Errorf("%w: verify needs the raw body, and this body is empty: was it read and parsed before? Read r.Body once, with io.ReadAll", errSetup)
	}
	var keys [][]byte
	for _, one := range strings.Fields(secrets) {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(one, "whsec_"))
		if err != nil || len(key) < 24 {
			return e, fmt.Errorf("%w: WEBHOOK_SECRET needs whsec_… of this endpoint", errSetup)
		}
		keys = append(keys, key)
	}
	if keys == nil {
		return e, fmt.Errorf("%w: WEBHOOK_SECRET has no secret", errSetup)
	}
	id, timestamp, signatures := h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature")
	if id == "" || timestamp == "" || signatures == "" {
		return e, errors.New("a header of the signature is missing")
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
		return e, errors.New("the timestamp is more than 5 minutes away")
	}
	matches := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
		expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		for _, one := range strings.Fields(signatures) {
			matches = hmac.Equal([]byte(one), expected) || matches
		}
	}
	if !matches {
		return e, errors.New("no signature matches: is WEBHOOK_SECRET of this endpoint, and is the body unchanged?")
	}
	return e, json.Unmarshal(body, &e)
}

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
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largest))
	if err != nil {
		http.Error(w, "the body is too large, or did not arrive", http.StatusRequestEntityTooLarge)
		return
	}
	e, err := verify(os.Getenv("WEBHOOK_SECRET"), r.Header, body)
	if err != nil {
		log.Print("webhook: ", err)
		status := http.StatusBadRequest
		if errors.Is(err, errSetup) { // Timbre sends again after 500, when your mistake is corrected
			status = http.StatusInternalServerError
		}
		http.Error(w, err.Error(), status)
		return
	}
	seen.once(r.Header.Get("webhook-id"), func() {
		// Here put the event in your queue. Do not log it whole: it can have an access code.
		number := ""
		if e.AtsID != nil {
			number = strconv.FormatInt(*e.AtsID, 10)
		}
		log.Print("webhook: ", e.Event, " ", number)
	})
	fmt.Fprint(w, "ok")
}
