// Package chaos registers songs as many real clients do, while a seeded schedule breaks everything
// between them, the processes and their stores. Afterwards it compares each answer that a client
// received with what is in the database, in the log and in the store.
//
// It reaches the servers through their public API and their signals only. It never asks the packages that
// it judges.
package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/fault"
)

// Run is one test: what was wrong, and what every client heard.
type Run struct {
	begun time.Time

	mu     sync.Mutex
	wrong  []string
	counts map[string]int
}

// NewRun begins now.
func NewRun() *Run { return &Run{begun: time.Now(), counts: map[string]int{}} }

// Since is the time since the begin of the run.
func (r *Run) Since() time.Duration { return time.Since(r.begun).Round(time.Millisecond) }

// Say adds a broken promise.
func (r *Run) Say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Sprintf("%s: ", r.Since())+fmt.Sprintf(format, args...))
}

// Wrong are the broken promises so far.
func (r *Run) Wrong() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.wrong)
}

// Count counts an event for the summary.
func (r *Run) Count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what]++
}

// Counts are the events so far, as lines.
func (r *Run) Counts() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for what, n := range r.counts {
		lines = append(lines, fmt.Sprintf("%7d %s", n, what))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[8:], b[8:]) })
	return strings.Join(lines, "\n")
}

// exchange is one call with its answer, for the history of a song.
type exchange struct {
	at, took time.Duration
	what     string
	err      error // nil: a success; a *harness.Refusal; or no complete answer came
}

func (e exchange) String() string {
	said := "done"
	if e.err != nil {
		said = e.err.Error()
	}
	return fmt.Sprintf("%s +%s %s: %s", e.at, e.took.Round(time.Millisecond), e.what, said)
}

// caller makes calls, checks the form of each answer, and remembers both.
type caller struct {
	run     *Run
	client  *http.Client
	name    string
	history []exchange
}

// timeout is how long a client waits for one answer.
const timeout = 20 * time.Second

// do makes one call. Its error is a *harness.Refusal, or says that no complete answer came.
func (c *caller) do(ctx context.Context, what, method, url string, header http.Header, in, out any) error {
	begun := c.run.Since()
	err := c.exchange(ctx, what, method, url, header, in, out)
	c.history = append(c.history, exchange{begun, c.run.Since() - begun, address(what, url), err})
	c.run.Count(strings.Fields(what)[0] + " " + outcome(err))
	return err
}

// outcome is the answer in a word.
func outcome(err error) string {
	switch r, refused := err.(*harness.Refusal); {
	case err == nil:
		return "done"
	case refused:
		return r.Code
	}
	return "no answer"
}

func (c *caller) exchange(ctx context.Context, what, method, url string, header http.Header, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(in)
	default:
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s, and then %w", res.Status, err)
	}
	if res.StatusCode/100 == 2 {
		if into, ok := out.(*[]byte); ok {
			*into = text
			return nil
		}
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(text, out); err != nil {
			c.run.Say("%s: %s %s answered a success that is not JSON (%v): %.300q", c.name, method, url, err, text)
			return err
		}
		return nil
	}
	if foreign(what) { // the bucket's own answer
		return fmt.Errorf("%s: %.200s", res.Status, text)
	}
	r, wrong := refusalOf(res, text, c.lost(what, url))
	if wrong != "" {
		c.run.Say("%s: %s %s answered %s: %s: %.300q", c.name, method, url, res.Status, wrong, text)
	}
	return r
}

// foreign says that the call goes to a bucket.
func foreign(what string) bool { return strings.HasPrefix(what, "bucket") }

// address names a call in the history, without the parameters of its URL.
func address(what, url string) string { return what + " at " + strings.SplitN(url, "?", 2)[0] }

// lost is the number of earlier calls of the same address that received no complete answer. Each of them may still run
// at the server, which cannot know that the client is gone.
func (c *caller) lost(what, url string) int {
	n := 0
	for _, e := range c.history {
		if _, refused := e.err.(*harness.Refusal); e.what == address(what, url) && e.err != nil && !refused {
			n++
		}
	}
	return n
}

// refusalOf reads a refusal of a call of which some were lost before, and says what is wrong with it.
func refusalOf(res *http.Response, text []byte, lost int) (_ *harness.Refusal, wrong string) {
	var e struct{ Error harness.Refusal }
	r := &e.Error
	err := json.Unmarshal(text, &e)
	r.Status = res.StatusCode
	r.RetryAfter, _ = strconv.Atoi(res.Header.Get("Retry-After"))
	entry, known := fault.Lookup(fault.Code(r.Code))
	switch {
	case err != nil:
		return r, err.Error()
	case !known || entry.Status != res.StatusCode:
		return r, "the code is not catalogued with this status"
	case r.Code == string(fault.CodeCommonInternal):
		return r, "a bug"
	case r.RequestID == "" || r.RequestID != res.Header.Get("X-Request-Id"):
		return r, "the request id differs from that of the header"
	case r.Message == "":
		return r, "no message"
	case (r.Status == 503 || r.Status == 429 && r.Code != string(fault.CodeCommonQuotaExceeded)) && (r.RetryAfter < 1 || r.RetryAfter > 60):
		return r, "no Retry-After between 1 and 60"
	}
	// Two uploads that lost their client may hold the two places of a URL.
	held := lost >= 2 && r.Details["reason"] == "uploads_in_flight"
	if r.Status == 429 && strings.HasSuffix(r.Code, "rate_limited") && !held {
		return r, "no client of a run comes near its rates"
	}
	return r, ""
}

// unknown says that a refusal does not tell whether the call was carried out.
func unknown(r *harness.Refusal) bool { return r.Details["outcome"] == "unknown" }

// code is the code of a refusal; "" for other errors.
func code(err error) string {
	if r, ok := err.(*harness.Refusal); ok {
		return r.Code
	}
	return ""
}

// pause waits as long as a refusal asks for, but at most two seconds, or until ctx ends.
func pause(ctx context.Context, err error) {
	d := 100 * time.Millisecond
	if code(err) == "registration.insufficient_credits" {
		d = time.Second // the organization must pay first
	}
	if r, ok := err.(*harness.Refusal); ok && r.RetryAfter > 0 {
		d = min(time.Duration(r.RetryAfter)*time.Second, 2*time.Second)
	}
	Wait(ctx, d)
}

// Wait waits, or until ctx ends.
func Wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
