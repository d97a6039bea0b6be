// Package requestlog keeps the calls of each organization for some days: what was called, by
// which kind of caller, and how it ended. The calls of one registration share a correlation id,
// so that its whole story can be read.
//
// [Log.Record] only adds a call to a buffer in memory. A worker writes the buffer once a second.
// A call that does not fit is dropped and counted, so that the log never slows a call.
//
// A row never has a token, an access code, a title, a name, a body, or a complete address. A
// call without an organization is not kept.
package requestlog

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// Kind is a kind of caller.
type Kind string

// The kinds of callers.
const (
	Session Kind = "session" // a browser with a session
	Mint    Kind = "mint"    // a host's backend with a secret key
	APIKey  Kind = "api_key" // a backend with an API key
	Console Kind = "console" // a member in the console
	Upload  Kind = "upload"  // the holder of an upload URL
)

// Caller is who made a call.
type Caller struct {
	Kind Kind
	// ID is the site key of a session or a mint, and the id of an API key. It is public.
	// It is "" for a member: the audit log has members' changes.
	ID string
	// Session is the id of the session that the call used or minted, or "".
	Session string
}

// Call is one call of an organization.
type Call struct {
	Organization string
	RequestID    string
	// Job is the id of the job that the call named or created, or "". A call can name the job
	// of another organization, so a reader must look the job up with the organization.
	Job    string
	Method string
	Route  string // the pattern
	Status int    // 499: the client disconnected before the answer
	Code   string // the catalogue code of a refusal, or ""
	Reason string // the cause of a refusal in the catalogue's words, or ""
	Caller Caller
	Origin string // "" without a valid one
	// AddressClass is the class of the caller's address: see [ClassOf].
	AddressClass string
	At           time.Time // when the call began
	Took         time.Duration
}

// Correlation is what the calls of one registration share: the id of the session, or without a
// session that of the job.
func (c Call) Correlation() string {
	if c.Caller.Session != "" {
		return c.Caller.Session
	}
	return c.Job
}

// The bounds of the log.
const (
	// Buffered is the largest number of calls in memory that are not written yet.
	Buffered = 8192
	// batch is the largest number of calls in one transaction: other transactions wait for it.
	batch = 100
	// maxReason and maxOrigin are the longest texts in a row, in bytes.
	maxReason, maxOrigin = 300, 300
)

// Log writes the calls of one process, and reads the calls of all processes.
type Log struct {
	db   *store.DB
	keep time.Duration
	log  *slog.Logger

	mu      sync.Mutex
	waiting []Call
	written int64
	dropped int64
	said    int64 // of dropped: in the server's log
}

// New makes a log whose calls are kept for a time. With 0 no call is recorded, and rows of an
// earlier configuration are swept.
func New(db *store.DB, keep time.Duration, log *slog.Logger) *Log {
	return &Log{db: db, keep: keep, log: log}
}

// Keep returns the time for which calls are kept; 0: none is recorded.
func (l *Log) Keep() time.Duration { return l.keep }

// Record adds a call to the buffer, and returns at once. It drops the call if the buffer is
// full. It leaves out pages that a member read, which explain nothing. A nil Log records nothing.
func (l *Log) Record(c Call) {
	if l == nil || l.keep <= 0 || c.Organization == "" || c.Caller.Kind == Console && c.Method == "GET" && c.Code == "" {
		return
	}
	c.Origin, c.Reason = clean(c.Origin), text(c.Reason, maxReason)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= Buffered {
		l.dropped++
		return
	}
	l.waiting = append(l.waiting, c)
}

// Counts returns how many calls this process wrote, how many it dropped because its buffer was
// full, and how many wait.
func (l *Log) Counts() (written, dropped int64, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written, l.dropped, len(l.waiting)
}

// Run writes the buffer once a second until ctx ends, and then once more.
func (l *Log) Run(ctx context.Context) {
	l.Writer().Run(ctx)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := l.Write(last); err != nil {
		l.log.ErrorContext(last, "the last calls are not in the request log", "error", err)
	}
}

// Writer returns the worker that writes the buffer once a second.
func (l *Log) Writer() *work.Worker {
	return &work.Worker{Name: "requests", Step: l.Write, Every: time.Second, Retry: time.Second, MaxRetry: 10 * time.Second, Log: l.log}
}

// Write writes the calls that wait. After an error they stay in the buffer, and a repeated
// write adds no call twice.
func (l *Log) Write(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "write the request log")
	defer l.sayDropped(ctx)
	for {
		l.mu.Lock()
		next := l.waiting[:min(len(l.waiting), batch)]
		l.mu.Unlock()
		if len(next) == 0 {
			return nil
		}
		if err := l.insert(ctx, next); err != nil {
			return err
		}
		l.mu.Lock()
		// Only this function removes calls, so the first ones are still those of next.
		l.written += int64(len(next))
		if l.waiting = l.waiting[len(next):]; len(l.waiting) == 0 {
			l.waiting = nil // also frees the calls that were written
		}
		l.mu.Unlock()
	}
}

func (l *Log) insert(ctx context.Context, calls []Call) error {
	return l.db.Tx(ctx, func(tx *store.Tx) error {
		for _, c := range calls {
			if err := tx.InsertRequest(ctx, query.InsertRequestParams{
				OrganizationID: c.Organization, RequestID: c.RequestID, CorrelationID: c.Correlation(), JobID: c.Job, Method: c.Method, Route: c.Route, Status: int64(c.Status),
				Code: c.Code, Reason: c.Reason, CallerKind: string(c.Caller.Kind), Caller: c.Caller.ID, Origin: c.Origin, AddressClass: c.AddressClass,
				Took: c.Took.Microseconds(), CreatedAt: store.Micros(c.At),
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// sayDropped writes one line about the calls that were dropped since the last line.
func (l *Log) sayDropped(ctx context.Context) {
	l.mu.Lock()
	n := l.dropped - l.said
	l.said = l.dropped
	l.mu.Unlock()
	if n > 0 {
		l.log.WarnContext(ctx, "calls are missing in the request log: its buffer was full", "calls", n)
	}
}

// clean returns an Origin header as a row may have it: scheme, host and port in ASCII, or "".
// The result does not share memory with the header, whose block of headers would stay in memory.
func clean(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || len(origin) > maxOrigin || u.User != nil || u.Scheme+"://"+u.Host != origin {
		return ""
	}
	for i := range len(origin) {
		if origin[i] <= ' ' || origin[i] > '~' {
			return ""
		}
	}
	return strings.Clone(origin)
}

// text returns a text that both databases accept, of at most most bytes.
func text(s string, most int) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s[:min(len(s), most)], "\x00", ""), "")
}

// The classes of addresses.
const (
	Loopback = "loopback"
	Private  = "private"
	IPv4     = "ipv4"
	IPv6     = "ipv6"
)

// ClassOf returns the class of an address, or of the prefix by which an address is counted. An
// address identifies a person, and a class does not.
func ClassOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		p, err := netip.ParsePrefix(address)
		if err != nil {
			return ""
		}
		a = p.Addr()
	}
	switch a = a.Unmap(); {
	case a.IsLoopback() || a == netip.IPv6Unspecified(): // ::1 is counted by its prefix, ::/64
		return Loopback
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return Private
	case a.Is4():
		return IPv4
	}
	return IPv6
}

// sweepBatch is the largest number of rows that one transaction of a sweep deletes.
const sweepBatch = 1000

// Sweeper returns the worker that deletes old rows every ten minutes.
func (l *Log) Sweeper() *work.Worker {
	return &work.Worker{Name: "requests-sweep", Step: func(ctx context.Context) error { _, err := l.Sweep(ctx); return err }, Every: 10 * time.Minute, Retry: time.Minute, MaxRetry: 10 * time.Minute, Log: l.log}
}

// Sweep deletes the rows that are older than the time for which calls are kept. It deletes them
// in small transactions, organization by organization.
func (l *Log) Sweep(ctx context.Context) (n int64, err error) {
	defer operation.Wrap(&err, "sweep the request log")
	before := First(l.db.Now().Add(-l.keep))
	for organization := ""; ; {
		if organization, err = l.db.Read().NextRequestOrganization(ctx, organization); err != nil || organization == "" {
			return n, err
		}
		for {
			var deleted int64
			err := l.db.Tx(ctx, func(tx *store.Tx) (err error) {
				deleted, err = tx.SweepRequests(ctx, query.SweepRequestsParams{OrganizationID: organization, Before: before, Lim: sweepBatch})
				return err
			})
			if n += deleted; err != nil {
				return n, err
			}
			if deleted < sweepBatch {
				break
			}
		}
	}
}

// First returns the smallest request id of a time, in milliseconds.
func First(t time.Time) string {
	if t.Before(time.UnixMilli(0)) {
		t = time.UnixMilli(0)
	}
	var id ulid.ULID
	if id.SetTime(ulid.Timestamp(t)) != nil {
		return afterAll
	}
	return prefix + id.String()
}

const (
	prefix   = "req_"
	afterAll = prefix + "8" // no ULID begins with it
)

// errForm is the error for a text that has not the form of a request id.
var errForm = errors.New("requestlog: not a request id")

// ParseID returns the canonical form of a request id: people copy it with spaces, and in small
// letters.
func ParseID(s string) (string, error) {
	s = strings.ToUpper(strings.TrimSpace(s))
	rest, ok := strings.CutPrefix(s, "REQ_")
	if !ok {
		return "", errForm
	}
	id, err := ulid.ParseStrict(rest)
	if err != nil {
		return "", errForm
	}
	return prefix + id.String(), nil
}
