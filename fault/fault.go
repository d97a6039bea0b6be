// Package fault is the error catalogue: every error that a server or the widget may return. Each has a stable code,
// an HTTP status, a message, and a class that says how the widget reacts to it.
//
// catalogue.json is the only source. From it go generate writes the constants and constructors of this package, the
// widget's TypeScript and the documentation page. catalogue.lock lists all published codes: a code is never
// removed, reused or given another status.
//
// Code that refuses a request returns the [*Error] of one constructor and attaches the inner error with
// [Error.Because]. The HTTP layer calls [From] and writes the [Envelope]. This package never writes a response, never
// logs, and never shows the text of an inner error to a client.
package fault

//go:generate go run ./gen

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"timbre.example/internal/fault/internal/placeholder"
)

// Code is the stable name of one kind of error, such as "session.invalid_token". It implements error only so that
// errors.Is(err, fault.CodeSessionInvalidToken) works; return the constructor's [*Error] instead of a bare Code.
type Code string

// Error returns the code itself.
func (c Code) Error() string { return string(c) }

// Class says how the widget reacts to a code.
type Class string

// The classes.
const (
	ClassRefresh  Class = "refresh"  // pauses, asks the page for a new token, resumes
	ClassDisabled Class = "disabled" // shows the DISABLED screen, without a retry button
	ClassFailed   Class = "failed"   // shows the FAILED screen, with a retry button
	ClassInline   Class = "inline"   // shows the message next to the field that caused it
	ClassClient   Class = "client"   // raised by the widget itself, never sent by a server
	ClassNone     Class = "none"     // never sent to a browser
)

// Entry is one row of the catalogue.
type Entry struct {
	Code       Code
	Section    string // the code without its last part, such as "common.auth"
	Status     int    // HTTP status; 0 for a code raised in the browser
	Class      Class
	Message    string // shown to people; may hold {size_mb} and {max_mb}
	Action     string // what the integrator should do, in Markdown
	Cause      string // the condition that raises the code, in Markdown
	Details    []Detail
	RetryAfter bool   // the response carries a Retry-After header
	Stage      string // for ClassInline: the part of the form that shows the message: title, file or access_code
	Rehearse   string // the call at which a rehearsed session raises the code, see below; "" when it cannot be rehearsed
	Seed       bool   // part of the first published catalogue
}

// The values of Rehearse are the calls of a session, in their order. "call" is any first call. "code" is the look-up of
// a work by access code. Then follow "init", "upload", "prepare", "confirm", "track" (the progress of the transaction)
// and "certificate" (the download).

// Detail describes one member of an error's details.
type Detail struct {
	Name     string
	Type     string // int, string, strings, time, fields or uuid
	Optional bool
	Meaning  string
	Example  string // a value, as JSON
}

// Field is one failure inside common.validation_failed.
type Field struct {
	Field   string `json:"field"`   // path of the value, such as "creators[0].email"
	Rule    string `json:"rule"`    // the rule it broke, such as "required"
	Message string `json:"message"` // one sentence for people
	// DidYouMean is the documented name that a misspelled member was meant to be; "" where none is near.
	DidYouMean string `json:"did_you_mean,omitempty"`
}

// Error is an error of the catalogue. Make one with the constructor of its code. The methods never change their
// receiver, so a value may be shared.
type Error struct {
	Code       Code
	Details    map[string]any // by name; only details that the catalogue declares for Code reach a client
	RetryAfter time.Duration  // wait before a retry; 0 when unknown. A response states at most [MaxRetryAfter]

	cause error
}

// Example returns an example error with this code. Each of its details, also the optional ones, has the example value of
// the catalogue. The wait is 2 seconds where the response carries Retry-After. A rehearsal returns it, and the
// documentation shows it. A code that is unknown, or that no server sends, becomes common.internal.
func Example(code Code) *Error {
	e := &Error{Code: code}
	entry, _ := Lookup(code)
	if entry.RetryAfter {
		e.RetryAfter = 2 * time.Second
	}
	for _, d := range entry.Details {
		e = e.With(d.Name, d.example())
	}
	return e
}

// example returns the example in the Go type that constructors take. The generator has checked the type.
func (d Detail) example() any {
	switch d.Type {
	case "int":
		return decode[int64](d.Example)
	case "strings":
		return decode[[]string](d.Example)
	case "time":
		return decode[time.Time](d.Example)
	case "fields":
		return decode[[]Field](d.Example)
	}
	return decode[string](d.Example)
}

func decode[T any](raw string) (v T) {
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		panic("fault: the catalogue's example " + raw + ": " + err.Error())
	}
	return v
}

// Error returns the code, the message and the whole inner cause. It is for logs; a client receives [Error.Message].
func (e *Error) Error() string {
	if e == nil {
		return string(CodeCommonInternal)
	}
	text := string(e.Code) + ": " + e.Message()
	if e.cause != nil {
		text += " (" + e.cause.Error() + ")"
	}
	return text
}

// Unwrap returns the inner cause, or nil.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.cause
}

// Is reports whether target is the Code of e.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && e != nil && e.Code == code
}

// Because returns a copy of e whose inner cause is cause. The cause is logged and unwrapped, never sent to a client.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// With returns a copy of e with one more detail. Use it for details that are optional in the catalogue. A name that the
// catalogue does not declare for this code is kept in Details and never sent to a client.
func (e *Error) With(name string, value any) *Error {
	c := *e
	c.Details = maps.Clone(e.Details)
	if c.Details == nil {
		c.Details = make(map[string]any, 1)
	}
	c.Details[name] = value
	return &c
}

// Status returns the HTTP status to answer with.
func (e *Error) Status() int { return e.entry().Status }

// Class returns how the widget reacts to e.
func (e *Error) Class() Class { return e.entry().Class }

// Message returns the English message of the catalogue. Sizes are in megabytes of 1,048,576 bytes, with at most one
// decimal. The size is rounded up and its maximum down, so that they never look equal.
func (e *Error) Message() string {
	return placeholder.Fill(e.entry().Message, bytesOf(e.Details["size_bytes"]), bytesOf(e.Details["max_bytes"]))
}

// entry returns the row for the response. It is the row of common.internal when no server may send the code of e.
func (e *Error) entry() Entry {
	if entry, ok := Lookup(e.Code); ok && entry.Status != 0 {
		return entry
	}
	entry, _ := Lookup(CodeCommonInternal)
	return entry
}

func bytesOf(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case int:
		return int64(n)
	case float64: // a detail read back from JSON
		return int64(n)
	}
	return -1
}

// MaxRetryAfter is the longest wait in a Retry-After header. A widget waits silently, so a longer wait comes
// in parts: the client tries again after a minute, and receives another Retry-After.
const MaxRetryAfter = time.Minute

// RetryAfterSeconds returns the value of the Retry-After header: whole seconds, rounded up, from 1 to 60. It is 0 when
// the response carries no such header.
func (e *Error) RetryAfterSeconds() int {
	if !e.entry().RetryAfter && e.RetryAfter <= 0 {
		return 0
	}
	seconds := e.RetryAfter / time.Second
	if e.RetryAfter%time.Second > 0 {
		seconds++
	}
	return int(min(max(seconds, 1), MaxRetryAfter/time.Second))
}

// Envelope is the body of every response that is not a success.
type Envelope struct {
	Error Body `json:"error"`
}

// Body is the content of an envelope, and of an error frame in a progress stream.
type Body struct {
	Code      Code           `json:"code"`
	Message   string         `json:"message"`
	Details   map[string]any `json:"details,omitempty"`
	RequestID string         `json:"request_id"`
}

// Envelope returns the body to send for e. Details that the catalogue does not declare for the code are left out.
func (e *Error) Envelope(requestID string) Envelope {
	entry := e.entry()
	body := Body{Code: entry.Code, Message: e.Message(), RequestID: requestID}
	for _, d := range entry.Details {
		value, given := e.Details[d.Name]
		if !given {
			continue
		}
		if body.Details == nil {
			body.Details = make(map[string]any, len(entry.Details))
		}
		body.Details[d.Name] = wire(value)
	}
	return Envelope{Error: body}
}

// wire gives a detail the form that the documentation promises: times in UTC, and an empty list as a list.
func wire(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UTC()
	case []string:
		if v == nil {
			return []string{}
		}
	case []Field:
		if v == nil {
			return []Field{}
		}
	}
	return value
}

// MarshalEnvelope returns the envelope of e as JSON. It cannot fail: details that JSON cannot hold are left out.
func (e *Error) MarshalEnvelope(requestID string) []byte {
	env := e.Envelope(requestID)
	body, err := json.Marshal(env)
	if err != nil {
		env.Error.Details = nil
		// Only strings are left, and strings always marshal.
		body, _ = json.Marshal(env)
	}
	return body
}

// From turns any error into a catalogued one; nil stays nil.
//
// An [*Error] anywhere in the chain is returned, with the texts wrapped around it as its cause, for the log. Otherwise
// an ended context becomes common.service_unavailable: a deadline means that something did not answer in time. A
// cancellation means that the caller has disconnected, or that this process is stopping and another one will serve the
// retry. Everything else, including browser-only codes, becomes common.internal with the error as its cause.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		if entry, known := Lookup(e.Code); known && entry.Status != 0 {
			if same, direct := err.(*Error); direct && same == e {
				return e
			}
			return e.Because(err)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return CommonServiceUnavailable(time.Second).Because(err)
	}
	return CommonInternal().Because(err)
}

// Lookup returns the row of code, and whether the catalogue has it.
func Lookup(code Code) (Entry, bool) {
	i, ok := index[code]
	if !ok {
		return Entry{}, false
	}
	return table[i], true
}

// All returns every row in the catalogue's order. The caller owns the slice.
func All() []Entry { return slices.Clone(table) }

var index = func() map[Code]int {
	m := make(map[Code]int, len(table))
	for i, entry := range table {
		m[entry.Code] = i
	}
	return m
}()
