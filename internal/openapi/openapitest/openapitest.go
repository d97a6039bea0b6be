// Package openapitest compares what a server and its clients say to each other with the
// server's description: for tests alone. The comparison is done by a library that shares no
// code with the packages that make the description.
package openapitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	validationerrors "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/helpers"
	"github.com/pb33f/libopenapi-validator/paths"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// Checker compares exchanges with one description.
type Checker struct {
	requests, answers validator.Validator
	model             *v3.Document
	options           *config.ValidationOptions

	mu sync.Mutex
	// rehearsed are the codes that sessions rehearse, by their tokens. They may answer any call.
	rehearsed map[string]string
	ignored   map[string]bool // paths that a test adds
}

// New reads a description. It must be a valid OpenAPI document.
func New(description []byte) (*Checker, error) {
	doc, err := libopenapi.NewDocument(description)
	if err != nil {
		return nil, err
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		return nil, err
	}
	// net/http, and not the server, adds these to answers.
	answers, errs := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithStrictMode(),
		config.WithStrictIgnoredHeaders("Content-Type", "Content-Length", "Content-Encoding", "Date", "Transfer-Encoding", "Connection", "Upgrade", "Sec-Websocket-Accept", "Sec-Websocket-Version"))
	// Documented bodies may have more members.
	requests, more := validator.NewValidator(doc, config.WithFormatAssertions())
	if errs = append(errs, more...); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if valid, faults := answers.ValidateDocument(); !valid {
		return nil, errors.New(strings.Join(sentences(faults), "\n"))
	}
	return &Checker{requests: requests, answers: answers, model: &model.Model, options: config.NewValidationOptions(), rehearsed: map[string]string{}, ignored: map[string]bool{}}, nil
}

func sentences(faults []*validationerrors.ValidationError) (out []string) {
	for _, f := range faults {
		text := f.Message + ": " + f.Reason
		for _, s := range f.SchemaValidationErrors {
			text += fmt.Sprintf("; %s at %s (%s)", s.Reason, s.FieldPath, s.KeywordLocation)
		}
		out = append(out, text)
	}
	return out
}

// Described is a server that describes itself.
type Described interface {
	Description() ([]byte, error)
	Undescribed() ([]string, error)
}

// Shared returns one checker for all tests of a package, made from the first server: their
// servers have the same description, but for an address. It fails the test where something is
// not described.
func Shared() func(testing.TB, Described) *Checker {
	var once sync.Once
	var c *Checker
	var err error
	return func(t testing.TB, d Described) *Checker {
		t.Helper()
		once.Do(func() {
			var description []byte
			var missing []string
			if missing, err = d.Undescribed(); err == nil && len(missing) > 0 {
				err = errors.New("descriptions are missing:\n" + strings.Join(missing, "\n"))
			}
			if err == nil {
				description, err = d.Description()
			}
			if err == nil {
				c, err = New(description)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// Covers reports whether a path belongs to the API. The other paths are pages and files, as is
// the list of the logs: docs/log.md describes it with the logs' other files.
func Covers(path string) bool {
	if path == "/.well-known/timbre-logs" {
		return false
	}
	for _, begin := range []string{"/v1/", "/.well-known/", "/openapi.", "/healthz", "/readyz", "/metrics"} {
		if strings.HasPrefix(path, begin) {
			return true
		}
	}
	return false
}

// Ignore leaves out a path that a test adds to its server.
func (c *Checker) Ignore(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ignored[path] = true
}

func (c *Checker) ignores(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ignored[path]
}

// trimmed returns a body without the white space around its texts: the server trims them.
func trimmed(v any) any {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case []any:
		for i := range v {
			v[i] = trimmed(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = trimmed(v[name])
		}
	}
	return v
}

// Check returns how an exchange differs from the description. A call that was refused may be
// anything; a call that was accepted must be as described. body is nil for a stream.
func (c *Checker) Check(req *http.Request, sent []byte, res *http.Response, body []byte) (differences []string) {
	if !Covers(req.URL.Path) || req.Method == http.MethodOptions || c.ignores(req.URL.Path) {
		return nil
	}
	var refused struct {
		Error struct {
			Code    string
			Details struct{ Reason string }
		}
	}
	if res.StatusCode >= 400 {
		_ = json.Unmarshal(body, &refused)
		reason := refused.Error.Details.Reason
		if res.StatusCode == http.StatusNotFound && (reason == "route" || reason == "method" || req.Method == http.MethodHead) {
			return nil // the router's: no operation
		}
		if strings.HasPrefix(refused.Error.Code, "rehearsal.") || strings.HasPrefix(refused.Error.Code, "widget.") {
			return nil // a rehearsal of what no server answers
		}
	}
	if c.rehearsing(req, sent, body, refused.Error.Code) {
		return nil
	}
	item, faults, path := paths.FindPath(req, c.model, c.options)
	var operation *v3.Operation
	if len(faults) == 0 && item != nil {
		operation = helpers.ExtractOperation(req, item)
	}
	if operation == nil && res.StatusCode == http.StatusNotFound {
		return nil // not described, and not there, such as a route of another role
	}
	if operation == nil {
		return []string{fmt.Sprintf("%d for an undocumented operation", res.StatusCode)}
	}
	stream := res.StatusCode == http.StatusSwitchingProtocols || strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") // reports refusals inside
	if res.StatusCode < 300 && !stream {
		var body any
		if d := json.NewDecoder(bytes.NewReader(sent)); len(sent) > 0 {
			d.UseNumber()
			if d.Decode(&body) == nil {
				sent, _ = json.Marshal(trimmed(body)) // it was JSON before
			}
		}
		again := req.Clone(req.Context())
		again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
		if len(sent) == 0 {
			again.Body = http.NoBody
		} else if again.Header.Get("Content-Type") == "" {
			again.Header.Set("Content-Type", "application/json") // the server assumes it
		}
		if ok, faults := c.requests.ValidateHttpRequestSyncWithPathItem(again, item, path); !ok {
			differences = append(differences, prefixed("request", faults)...)
		}
	}
	answer := *res
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if body == nil {
		answer.Body = http.NoBody
	}
	if ok, faults := c.answers.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(req, &answer, item, path); !ok {
		for _, text := range prefixed("answer", faults) {
			if !strings.Contains(text, "Declared properties: []") { // an object whose members another document describes
				differences = append(differences, text)
			}
		}
	}
	return differences
}

// rehearsing reports whether an answer is the code that the caller rehearses. A session rehearses
// the code of its mint. An API key names the code in the call, which may be the code of another
// call.
func (c *Checker) rehearsing(req *http.Request, sent, body []byte, code string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if req.URL.Path == "/v1/sessions" {
		var asked struct{ Rehearse string }
		var got struct{ Token string }
		if json.Unmarshal(sent, &asked) == nil && json.Unmarshal(body, &got) == nil && asked.Rehearse != "" && got.Token != "" {
			c.rehearsed[got.Token] = asked.Rehearse
		}
		return false
	}
	var named struct{ Rehearse string }
	_ = json.Unmarshal(sent, &named)
	if code != "" && (code == named.Rehearse || code == req.Header.Get("X-Rehearse")) {
		return true
	}
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	return code != "" && c.rehearsed[token] == code || strings.HasPrefix(c.rehearsed[token], "widget.") // what a browser meets, such as half an answer
}

func prefixed(what string, faults []*validationerrors.ValidationError) []string {
	out := sentences(faults)
	for i := range out {
		out[i] = what + ": " + out[i]
	}
	return out
}

// Transport checks every exchange of a client, and fails the test for each difference. next
// is the client's own transport.
func (c *Checker) Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	return &transport{c, t, next}
}

type transport struct {
	*Checker
	t    testing.TB
	next http.RoundTripper
}

func (x *transport) CloseIdleConnections() {
	if next, ok := x.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

func (x *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !Covers(req.URL.Path) {
		return x.next.RoundTrip(req)
	}
	sent := &bytes.Buffer{}
	if req.Body != nil {
		real := req.Body
		req = req.Clone(req.Context())
		req.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(real, sent), real}
	}
	res, err := x.next.RoundTrip(req)
	if err != nil {
		return res, err
	}
	var body []byte
	if kind := res.Header.Get("Content-Type"); strings.Contains(kind, "json") {
		body, err = io.ReadAll(res.Body)
		res.Body.Close()
		res.Body = &again{bytes.NewReader(body), err}
	}
	for _, d := range x.Check(req, sent.Bytes(), res, body) {
		x.t.Errorf("%s %s: %d differs from the description: %s\nbody: %.600s", req.Method, req.URL.Path, res.StatusCode, d, body)
	}
	return res, nil
}

// again is a body that was read before, with the error of that reading.
type again struct {
	*bytes.Reader
	err error
}

func (a *again) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if err == io.EOF && a.err != nil {
		err = a.err
	}
	return n, err
}

func (a *again) Close() error { return nil }
