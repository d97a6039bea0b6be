package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Code is the stable name of a refusal, such as registration.duplicate_title. Codes are never renamed; a newer server can
// send codes without a constant here.
type Code string

// Error is a refusal of the server, of a proxy before it, or of its object store. Find it with [errors.As], and act on Code;
// for an unknown code, act on Status.
type Error struct {
	// Status is the HTTP status; 0 for a registration that the network refused after it was confirmed.
	Status int
	// Code is empty if the answer is not one of a Timbre server.
	Code Code
	// Message is one English sentence of the server, for people.
	Message string
	// Fields says which members of a request break which rule, for common.validation_failed.
	Fields []Field
	// RequestID finds the call in the server's log.
	RequestID string
	// RetryAfter is how long to wait before another attempt; 0: the server named no time.
	RetryAfter time.Duration
	// DocsURL is the page that explains the code; empty if the server named none.
	DocsURL string

	details map[string]json.RawMessage
}

// Field is a member of a request that breaks a rule.
type Field struct {
	Field   string `json:"field"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// Error says the status, the code, the message, the broken rules and the request id.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Code != "" {
		fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	} else {
		fmt.Fprintf(&b, "status %d: %s", e.Status, e.Message)
	}
	for _, f := range e.Fields {
		fmt.Fprintf(&b, " %s: %s", f.Field, f.Message)
	}
	if reason := e.Detail("reason"); reason != "" {
		fmt.Fprintf(&b, " [%s]", reason)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (%s)", e.RequestID)
	}
	return b.String()
}

// Is lets errors.Is compare an error with an *Error that has nothing but a Code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Status == 0 && other.Message == "" && other.Code == e.Code
}

// Detail returns a detail of the refusal as text: a string as it is, other values as JSON. It is empty if the refusal has no
// such detail. docs/errors.md lists the details of each code.
func (e *Error) Detail(name string) string {
	raw := e.details[name]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// Details decodes all details of the refusal into a struct with JSON tags.
func (e *Error) Details(into any) error {
	b, err := json.Marshal(e.details)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// envelope is the body of a refusal.
type envelope struct {
	Error *struct {
		Code      Code                       `json:"code"`
		Message   string                     `json:"message"`
		Details   map[string]json.RawMessage `json:"details"`
		RequestID string                     `json:"request_id"`
	} `json:"error"`
}

// refusal reads an answer that is not a success.
func refusal(res *http.Response) error {
	e := &Error{Status: res.StatusCode, RequestID: res.Header.Get("X-Request-Id"), RetryAfter: seconds(res.Header), DocsURL: help(res.Header)}
	var body envelope
	text, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if err != nil || json.Unmarshal(text, &body) != nil || body.Error == nil || body.Error.Code == "" {
		e.Message = "the answer is not one of a Timbre server"
		if name := http.StatusText(res.StatusCode); name != "" {
			e.Message = name + "; " + e.Message
		}
		return e
	}
	e.Code, e.Message, e.details = body.Error.Code, body.Error.Message, body.Error.Details
	if body.Error.RequestID != "" {
		e.RequestID = body.Error.RequestID
	}
	e.readFields()
	return e
}

func (e *Error) readFields() {
	_ = json.Unmarshal(e.details["fields"], &e.Fields) // other details have no fields
}

// help returns the address of the page that explains a refusal: the link with rel="help".
func help(h http.Header) string {
	for _, line := range h.Values("Link") {
		for _, one := range strings.Split(line, ",") {
			target, rest, ok := strings.Cut(strings.TrimSpace(one), ">")
			if ok && strings.HasPrefix(target, "<") && (strings.Contains(rest, `rel="help"`) || strings.Contains(rest, "rel=help")) {
				return target[1:]
			}
		}
	}
	return ""
}
