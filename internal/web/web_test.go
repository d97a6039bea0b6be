package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/metrics"
)

func router(publicURL string, ping func(context.Context) error, checks ...Check) *Router {
	return New(Config{
		PublicURL: publicURL, Version: "test", Log: slog.New(slog.DiscardHandler), Limits: &limit.Limits{}, Streams: 1,
		Metrics: metrics.New("test", "testnet"), Ping: ping, Checks: checks,
	}, nil)
}

func healthy(context.Context) error { return nil }

// call returns the status, and the code of a refusal.
func call(r http.Handler, method, path, body string, head ...string) (status int, code fault.Code, answer *httptest.ResponseRecorder) {
	q := httptest.NewRequest(method, path, strings.NewReader(body))
	q.RemoteAddr = "127.0.0.1:4711"
	for i := 0; i < len(head); i += 2 {
		q.Header.Set(head[i], head[i+1])
	}
	answer = httptest.NewRecorder()
	r.ServeHTTP(answer, q)
	var refusal fault.Envelope
	_ = json.Unmarshal(answer.Body.Bytes(), &refusal)
	return answer.Code, refusal.Error.Code, answer
}

// A face has its own guard, and its handler receives what the guard proves. Refusals of the
// guard come before the body is read, and those of the body before the handler.
func TestFace(t *testing.T) {
	t.Parallel()
	type member struct{ name string }
	type input struct {
		Body struct {
			Title string `json:"title" required:"false"`
		}
	}
	type output struct {
		Body struct {
			By string `json:"by"`
		}
	}
	r := router("https://songs.example", healthy)
	o := NewOperations(r, nil)
	guard := Guard[member]{Check: func(ctx huma.Context) (member, error) {
		switch name := ctx.Header("X-Member"); name {
		case "":
			return member{}, fault.CommonAuthMissingToken()
		case "teapot":
			ctx.SetStatus(http.StatusTeapot)
			return member{}, ErrAnswered
		default:
			return member{name}, nil
		}
	}}
	body := Body[member, input]{Most: 40, Strict: true, Refuse: func(m member, in *input) error {
		if m.name == "reader" {
			return fault.CommonForbidden("role")
		}
		return nil
	}}
	called := 0
	RegisterBody(o, huma.Operation{Method: "POST", Path: "/console/works", OperationID: "add"}, guard, body, func(_ context.Context, m member, in *input) (*output, error) {
		called++
		out := &output{}
		out.Body.By = m.name + " " + in.Body.Title
		return out, nil
	})
	for name, c := range map[string]struct {
		who, body string
		status    int
		code      fault.Code
	}{
		"no member":                {"", "not JSON", 401, fault.CodeCommonAuthMissingToken},
		"an answer of the guard":   {"teapot", "not JSON", 418, ""},
		"not JSON":                 {"ann", "not JSON", 422, fault.CodeCommonValidationFailed},
		"a refusal by the body":    {"reader", `{"title":1}`, 403, fault.CodeCommonForbidden},
		"a wrong type":             {"ann", `{"title":1}`, 422, fault.CodeCommonValidationFailed},
		"an unknown member":        {"ann", `{"titel":"x"}`, 422, fault.CodeCommonValidationFailed},
		"more than 40 bytes":       {"ann", `{"title":"` + strings.Repeat("x", 40) + `"}`, 422, fault.CodeCommonValidationFailed},
		"a member, and a good one": {"ann", `{"title":"x"}`, 200, ""},
	} {
		status, code, answer := call(r, "POST", "/console/works", c.body, "X-Member", c.who)
		if status != c.status || code != c.code || answer.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %s", name, status, answer.Body)
		}
		if link := answer.Header().Get("Link"); code != "" && link != `<https://songs.example/docs/errors#`+string(code)+`>; rel="help"` {
			t.Errorf("%s: Link %s", name, link)
		}
	}
	if called != 1 {
		t.Errorf("the handler was called %d times", called)
	}
	if got := r.BodyBounds()["/console/works"]; got != 40 {
		t.Errorf("bound %d", got)
	}
	if status, _, answer := call(r, "GET", "/openapi.json", ""); status != 200 || !strings.Contains(answer.Body.String(), `"/console/works"`) {
		t.Errorf("document: %d", status)
	}
	if missing, err := r.Undescribed(); err != nil || !slices.ContainsFunc(missing, func(m string) bool { return m == "POST /console/works: no description of add" }) {
		t.Errorf("an operation without a description is not reported: %q, %v", missing, err)
	}
}

// The longest row of the table of paths counts, and a row without a final slash is one path.
func TestAreas(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]area{
		"/v1/works":           {readers: apiPages, counted: true, unstored: true},
		"/v1/sessions":        {counted: true, unstored: true},
		"/v1/sessions/revoke": {counted: true, unstored: true},
		"/v1/sessionsx":       {readers: apiPages, counted: true, unstored: true},
		"/v1":                 {},
		"/docs/search":        {counted: true},
		"/docs/searches":      {},
		"/healthz":            {unstored: true},
		"/healthz/x":          {},
		"/w/testnet/1":        {readers: anyPage, counted: true},
	} {
		got := areaOf(path)
		if got.below = ""; got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
}

// Every check that the call does not exclude must pass, and the ping always.
func TestReadiness(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	r := router("", healthy, Check{"storage", "storage_full", func(context.Context) error { return full }}, Check{"log", "log_stopped", healthy})
	for query, want := range map[string]int{"": 503, "?exclude=log": 503, "?exclude=storage": 200, "?exclude=storage&exclude=log": 200} {
		if status, _, answer := call(r, "GET", "/readyz"+query, ""); status != want || status == 503 && !strings.Contains(answer.Body.String(), "storage_full") {
			t.Errorf("%q: %d %s", query, status, answer.Body)
		}
	}
	away := router("", func(context.Context) error { return full })
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, code, _ := call(away, "GET", path, ""); status != 503 || code != fault.CodeCommonServiceUnavailable {
			t.Errorf("%s without a database: %d %s", path, status, code)
		}
	}
}

// A server with a public name serves no metrics beside its faces: a proxy on the same machine
// may not forward the client's address.
func TestMetricsOfAPublicServer(t *testing.T) {
	t.Parallel()
	for publicURL, want := range map[string]int{"http://localhost:8080": 200, "https://timbre.songs.example": 404} {
		if status, _, _ := call(router(publicURL, healthy), "GET", "http://127.0.0.1/metrics", ""); status != want {
			t.Errorf("%s: %d", publicURL, status)
		}
	}
}
