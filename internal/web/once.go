package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/idempotency"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
)

// headerIdempotency is the header by which a caller names a request that it may repeat.
const headerIdempotency = "Idempotency-Key"

// releaseTimeout is how long the release of a claim may take after its request has failed.
const releaseTimeout = 5 * time.Second

// idempotencyKey returns the Idempotency-Key of a request; "" without the header. It refuses
// with common.bad_request.
func idempotencyKey(r *http.Request) (string, error) {
	switch values := r.Header.Values(headerIdempotency); {
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || !idempotency.Valid(values[0]):
		return "", fault.CommonBadRequest("idempotency_key")
	default:
		return values[0], nil
	}
}

// once is a request with an Idempotency-Key, while it is served.
type once struct {
	claim  *idempotency.Claim
	status int
	answer []byte // nil: not stored yet
}

type onceKey struct{}

// Keep stores the answer of the request in the transaction of its effect, if the request has
// an Idempotency-Key. body is the field Body of the operation's output. An operation whose
// effect must not be repeated after a crash calls it; the answers of other operations are
// stored after their effect.
func Keep(ctx context.Context, tx *store.Tx, body any) (err error) {
	defer operation.Wrap(&err, "keep the answer")
	o, ok := ctx.Value(onceKey{}).(*once)
	if !ok {
		return nil
	}
	var text bytes.Buffer
	if err := plainJSON.Marshal(&text, body); err != nil {
		return err
	}
	o.answer = bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	return o.claim.Answer(ctx, tx, idempotency.Answer{Status: o.status, Body: o.answer})
}

// inAlias is the beginning of paths that name the caller's organization. A path without it
// names the same thing.
var inAlias = regexp.MustCompile(`^/v1/organizations/[^/]+/`)

// fingerprint returns a hash of what makes two requests equal: the method, the path, and the
// documented members of the body, whatever their order.
func fingerprint(r *http.Request, body any) (sum [32]byte, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return sum, err
	}
	return sha256.Sum256([]byte(r.Method + " " + inAlias.ReplaceAllString(r.URL.Path, "/v1/") + "\n" + string(text))), nil
}

// kept is an answer that is already written as JSON. huma takes the form of an answer from
// the type of the operation, except for errors; so it is one.
type kept struct {
	status int
	body   json.RawMessage
}

func (k *kept) Error() string                { return "web: the answer is stored" }
func (k *kept) GetStatus() int               { return k.status }
func (k *kept) ContentType(string) string    { return "application/json" }
func (k *kept) MarshalJSON() ([]byte, error) { return k.body, nil }

// serveOnce serves a request with an Idempotency-Key: serve runs for the first of several
// equal requests. The answer is always a *kept or a refusal. Only the answer of a success is
// stored: a refusal changes nothing, so the request can be corrected and repeated.
func serveOnce(ctx context.Context, requests *idempotency.Requests, caller, key string, body any, status int, serve func(context.Context) (any, error)) error {
	r := ctx.Value(withheldKey{}).(*withheld).r
	sum, err := fingerprint(r, body)
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	claim, before, err := requests.Begin(ctx, idempotency.Request{Caller: caller, Token: strings.TrimSpace(token), Key: key, Fingerprint: sum})
	if err != nil {
		return err
	}
	if before != nil {
		exchangeOf(ctx).header.Set("Idempotent-Replayed", "true")
		return &kept{status: before.Status, body: before.Body}
	}
	o := &once{claim: claim, status: status}
	ended := false
	defer func() { // after a panic, too
		if !ended {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
			defer cancel()
			err = errors.Join(err, claim.Release(ctx))
		}
	}()
	out, err := serve(context.WithValue(ctx, onceKey{}, o))
	if err == nil && o.answer == nil {
		err = requests.DB.Tx(ctx, func(tx *store.Tx) error { return Keep(context.WithValue(ctx, onceKey{}, o), tx, out) })
	}
	if err != nil {
		return err
	}
	ended = true
	return &kept{status: status, body: o.answer}
}
