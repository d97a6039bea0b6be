package session_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"timbre.example/fault"
	"timbre.example/internal/session"
)

// issuing is a process that mints, as seen by a process that only verifies.
type issuing struct {
	*session.Issuer
	at     *clock
	tokens *session.Tokens
	asked  atomic.Int64
	// answer replaces the response to a request for its key set; nil means the real one.
	answer atomic.Pointer[http.HandlerFunc]
}

func newIssuer(t *testing.T, at *clock) *issuing {
	t.Helper()
	x := &issuing{at: at, tokens: newTokens(t, secret, issuer, at.now)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.asked.Add(1)
		if f := x.answer.Load(); f != nil {
			(*f)(w, r)
			return
		}
		x.truth(w, r)
	}))
	t.Cleanup(server.Close)
	x.Issuer = session.NewIssuer(session.IssuerConfig{
		Name: issuer, URL: server.URL + "/.well-known/jwks.json", Refresh: 5 * time.Minute, MaxAge: time.Hour, Now: at.now, Log: slog.New(slog.DiscardHandler),
	})
	return x
}

func (x *issuing) truth(w http.ResponseWriter, _ *http.Request) {
	set, _ := x.tokens.JWKS()
	w.Write(set)
}

func (x *issuing) answers(f http.HandlerFunc) { x.answer.Store(&f) }

// down makes it answer like a proxy whose server does not run.
func down(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }

func (x *issuing) token(t *testing.T) string {
	t.Helper()
	token, err := x.tokens.Sign(claims(x.at.at))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// want verifies a token. It fails the test if the code or the number of requests to the
// issuer differs.
func (x *issuing) want(t *testing.T, token string, code fault.Code, asks int64) {
	t.Helper()
	before := x.asked.Load()
	got, err := x.Verify(t.Context(), token)
	var f *fault.Error
	switch {
	case code == "" && err != nil, code != "" && !errors.Is(err, code):
		t.Errorf("got %v, want %q", err, code)
	case code == "" && !cmp.Equal(got.ID, claims(x.at.at).ID):
		t.Errorf("got %+v", got)
	case errors.As(err, &f) && code == fault.CodeCommonAuthJWKSUnavailable && f.RetryAfterSeconds() < 1:
		t.Error("it does not say when to come back")
	}
	if n := x.asked.Load() - before; n != asks {
		t.Errorf("the issuer was asked %d times, not %d", n, asks)
	}
}

func noon() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// The issuer stops and starts again. A copy of the keys is used until it is too old.
// After that no token is accepted, and the issuer is asked only now and then.
func TestIssuerAway(t *testing.T) {
	t.Parallel()
	x := newIssuer(t, noon())
	x.answers(down)
	token := x.token(t)
	x.want(t, token, fault.CodeCommonAuthJWKSUnavailable, 1) // there were never any keys
	x.want(t, token, fault.CodeCommonAuthJWKSUnavailable, 0) // the last request was a moment ago
	x.at.at = x.at.at.Add(2 * time.Second)
	x.want(t, token, fault.CodeCommonAuthJWKSUnavailable, 1)
	x.answer.Store(nil)
	x.at.at = x.at.at.Add(2 * time.Second)
	x.want(t, token, "", 1)
	x.want(t, token, "", 0)

	x.answers(down)
	x.at.at = x.at.at.Add(time.Hour)
	x.want(t, token, "", 0)
	x.at.at = x.at.at.Add(time.Second)
	x.want(t, token, fault.CodeCommonAuthJWKSUnavailable, 1)
	x.want(t, "no.to.ken", fault.CodeCommonAuthInvalidToken, 0) // refused without a key
	x.answer.Store(nil)
	x.at.at = x.at.at.Add(2 * time.Second)
	x.want(t, token, "", 1)
}

// Tokens with an invented key id cause one request, and then none for a while. A new key
// of the issuer is found in this way too.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	x := newIssuer(t, noon())
	made := func(n int) string {
		parts := strings.Split(x.token(t), ".")
		return enc(fmt.Sprintf(`{"alg":"EdDSA","kid":"made-up-%d"}`, n)) + "." + parts[1] + "." + parts[2]
	}
	x.want(t, made(0), fault.CodeCommonAuthInvalidToken, 1)
	for n := range 100 {
		x.want(t, made(n), fault.CodeCommonAuthInvalidToken, 0)
	}
	x.want(t, x.token(t), "", 0)
	x.at.at = x.at.at.Add(30 * time.Second)
	x.answers(down)
	x.want(t, made(1), fault.CodeCommonAuthInvalidToken, 1) // the copy is current; the token is invalid
	x.want(t, x.token(t), "", 0)
	x.answer.Store(nil)

	// Two rotations at once, as after a night in which the machine slept, with a very
	// long MaxAge.
	x.MaxAge = 1000 * time.Hour
	x.at.at = x.at.at.Add(2 * session.Rotation)
	x.want(t, x.token(t), "", 1)
}

// Many callers at the same time share one request.
func TestOneQuestionForAll(t *testing.T) {
	t.Parallel()
	x := newIssuer(t, noon())
	token := x.token(t)
	came, release := make(chan struct{}), make(chan struct{})
	x.answers(func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		<-release
		x.truth(w, r)
	})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := x.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	<-came
	close(release)
	wg.Wait()
	if n := x.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// An issuer that accepts the request and never answers is unavailable after the timeout.
func TestSilentIssuer(t *testing.T) {
	t.Parallel()
	x := newIssuer(t, noon())
	x.answers(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	begun := time.Now()
	x.want(t, x.token(t), fault.CodeCommonAuthJWKSUnavailable, 1)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("after %s", took)
	}
}

// The possible answers of an issuer, and the keys that are accepted from each.
func TestKeySets(t *testing.T) {
	t.Parallel()
	x := newIssuer(t, noon())
	good, err := x.tokens.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	other, err := jwk.Import(ed25519.NewKeyFromSeed(secret))
	if err != nil {
		t.Fatal(err)
	}
	other.Set(jwk.KeyIDKey, "private")
	other.Set(jwk.AlgorithmKey, "EdDSA")
	private, err := json.Marshal(other)
	if err != nil {
		t.Fatal(err)
	}
	write := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	first := strings.TrimSuffix(string(good), "]}") + ","
	const unusable = fault.CodeCommonAuthJWKSUnavailable
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   fault.Code
	}{
		"the truth": {write(string(good)), ""},
		"keys of a kind that is not known beside ours": {write(first + `{"kty":"XYZ","kid":"x"},{"kty":"oct","k":"c2VjcmV0","alg":"HS256","kid":"y"}]}`), ""},
		"no keys":         {write(`{"keys":[]}`), unusable},
		"no JSON":         {write("<html>"), unusable},
		"nothing":         {write(""), unusable},
		"a shared secret": {write(`{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256","kid":"y"}]}`), unusable},
		"a private key":   {write(`{"keys":[` + string(private) + `]}`), unusable},
		"no algorithm":    {write(strings.ReplaceAll(string(good), `"alg":"EdDSA",`, "")), unusable},
		"for encryption":  {write(strings.ReplaceAll(string(good), `"use":"sig"`, `"use":"enc"`)), unusable},
		"a key too short": {write(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA","kid":"s1","alg":"EdDSA"}]}`), unusable},
		"a thousand keys": {write(`{"keys":[` + strings.Repeat(`{"kty":"oct","k":"eA","kid":"x"},`, 1000) + strings.TrimPrefix(string(good), `{"keys":[`)), unusable},
		"without ids":     {write(strings.ReplaceAll(string(good), `"kid"`, `"id"`)), unusable},
		"without an end":  {write(string(good) + strings.Repeat(" ", 1<<20)), unusable},
		"an error":        {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); w.Write(good) }, unusable},
		"the way to another": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/other" {
				w.Write(good)
				return
			}
			http.Redirect(w, r, "/other", http.StatusFound)
		}, unusable},
		"half of it": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)))
			w.Write(good[:len(good)/2])
		}, unusable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newIssuer(t, noon())
			x.answers(c.answer)
			x.want(t, x.token(t), c.code, 1)
			if c.code == "" {
				return
			}
			x.answer.Store(nil)
			x.at.at = x.at.at.Add(2 * time.Second)
			x.want(t, x.token(t), "", 1)
			// An unusable answer does not replace usable keys.
			x.answers(c.answer)
			x.at.at = x.at.at.Add(time.Minute)
			x.want(t, enc(`{"alg":"EdDSA","kid":"unknown"}`)+x.token(t)[strings.Index(x.token(t), "."):], fault.CodeCommonAuthInvalidToken, 1)
			x.want(t, x.token(t), "", 0)
		})
	}
}

// Run fetches the keys before a call needs them.
func TestIssuerRuns(t *testing.T) {
	t.Parallel()
	x := newIssuer(t, noon())
	x.Refresh = time.Millisecond
	token := x.token(t)
	asked := make(chan struct{})
	x.answers(func(w http.ResponseWriter, r *http.Request) {
		x.truth(w, r)
		select {
		case asked <- struct{}{}:
		default:
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { x.Worker().Run(ctx) })
	for range 3 { // the third request comes after the first one was answered
		<-asked
	}
	stop()
	wg.Wait()
	x.answers(down)
	if _, err := x.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}
