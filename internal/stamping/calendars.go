package stamping

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// The bounds of one calendar.
const (
	// MaxCalendars is how many calendars may be asked.
	MaxCalendars = 8
	// maxCalendarAnswer is the longest answer, in bytes: some steps of a tree.
	maxCalendarAnswer = 10_000
	// calendarTime is how long one answer may take.
	calendarTime = 10 * time.Second
	// maxPromises bounds the promises of one proof that are asked for in one attempt.
	maxPromises = 2 * MaxCalendars
)

// Calendars are calendar servers of OpenTimestamps.
type Calendars struct {
	// Addresses are those to which digests are sent. A calendar may name another address for
	// the rest of the proof.
	Addresses []string
	// Client decides which addresses are connected to.
	Client *http.Client
}

// CheckCalendar returns an error for an address that cannot be a calendar's: it must be an https
// or http URL without user, query and fragment.
func CheckCalendar(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" || len(address) > 1000 {
		return errors.New("must be an https or http URL without user, query and fragment")
	}
	return nil
}

// errNotYet: the calendar has not completed the proof.
var errNotYet = errors.New("the calendar has not completed the proof")

// do makes one request. An answer is complete, and not longer than maxCalendarAnswer.
func (c *Calendars) do(ctx context.Context, method, address, path string, body []byte) ([]byte, error) {
	if err := CheckCalendar(address); err != nil {
		return nil, errors.New("the address that the calendar names is not an https or http URL")
	}
	ctx, cancel := context.WithTimeout(ctx, calendarTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(address, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "timbre")
	r.Header.Set("Accept", "application/vnd.opentimestamps.v1")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
	res, err := c.Client.Do(r)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the address
	}
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxCalendarAnswer+1))
	switch {
	case method == http.MethodGet && res.StatusCode == http.StatusNotFound:
		return nil, errNotYet
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the calendar answers %d", res.StatusCode)
	case err != nil:
		return nil, err
	case len(answer) > maxCalendarAnswer:
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxCalendarAnswer)
	}
	return answer, nil
}

// Submit sends a digest to all calendars, and returns a proof with the promises of those that
// answered. It fails if none did.
func (c *Calendars) Submit(ctx context.Context, digest [32]byte) (_ []byte, err error) {
	defer operation.Wrap(&err, "submit to the calendars")
	answers, failures := make([][]byte, len(c.Addresses)), make([]error, len(c.Addresses))
	var all sync.WaitGroup
	for i, address := range c.Addresses {
		all.Go(func() {
			answer, err := c.do(ctx, http.MethodPost, address, "/digest", digest[:])
			if err == nil {
				_, err = evidence.NewProof(commitment.Hash(digest), answer)
			}
			if err != nil {
				failures[i] = fmt.Errorf("calendar %d: %w", i+1, err)
				return
			}
			answers[i] = answer
		})
	}
	all.Wait()
	var good [][]byte
	for _, answer := range answers {
		if answer != nil {
			good = append(good, answer)
		}
	}
	if len(good) == 0 {
		return nil, errors.Join(failures...)
	}
	return evidence.NewProof(commitment.Hash(digest), good...)
}

// Complete asks the calendars to keep the promises of a proof. changed is false while none
// does; err is then why, and wraps nothing of interest to programs.
func (c *Calendars) Complete(ctx context.Context, file []byte) (next []byte, complete, changed bool, err error) {
	defer operation.Wrap(&err, "complete a proof")
	proof, err := evidence.ReadProof(file)
	if err != nil {
		return nil, false, false, err
	}
	next = file
	var failures []error
	for _, promise := range proof.Promises[:min(len(proof.Promises), maxPromises)] {
		answer, err := c.do(ctx, http.MethodGet, promise.Calendar, "/timestamp/"+hex.EncodeToString(promise.Digest), nil)
		var longer []byte
		if err == nil {
			longer, err = evidence.CompleteProof(next, promise, answer)
		}
		if err != nil {
			failures = append(failures, err)
			continue
		}
		changed = changed || !bytes.Equal(next, longer)
		next = longer
	}
	if proof, err = evidence.ReadProof(next); err != nil {
		return nil, false, false, err
	}
	return next, proof.Bitcoin, changed, errors.Join(failures...)
}
