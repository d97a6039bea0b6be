// Package idempotency lets a caller repeat a request without repeating its effect. The caller
// names the request by an Idempotency-Key. The first request with a key claims it, and its
// answer is stored in the transaction of its effect. Equal requests receive the stored answer
// for 24 hours.
//
// An answer can contain a secret, such as an upload URL. So it is encrypted with a key that is
// derived from the caller's token. The server stores no token, so the database alone does not
// open an answer.
//
// The package does not know what a request does, and never runs one.
package idempotency

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

const (
	// Kept is how long an answer is kept, from the beginning of its request.
	Kept = 24 * time.Hour
	// Lease is how long a request may run. Then an equal request may run, and the first one
	// can no longer store an answer.
	Lease = 30 * time.Second
	// MaxKey is the longest Idempotency-Key, in bytes.
	MaxKey = 255
	// sweepBatch is how many old answers one transaction deletes.
	sweepBatch = 500
)

// Requests are the requests of all callers. Several instances may work on one database.
type Requests struct {
	DB *store.DB
}

// Request is one request with an Idempotency-Key.
type Request struct {
	// Caller is the id of the API key that makes the request.
	Caller string
	// Token is the caller's secret. The same token opens the answer later.
	Token string
	// Key is the Idempotency-Key: see [Valid].
	Key string
	// Fingerprint is a hash of all that makes two requests equal.
	Fingerprint [32]byte
}

// Answer is the stored answer of a request.
type Answer struct {
	Status int // of HTTP
	Body   []byte
}

// Claim is the right of one execution of a request to store the answer.
type Claim struct {
	requests *Requests
	request  Request
	id       string
	claim    string
}

// Valid reports whether a key has 1 to 255 printable ASCII bytes.
func Valid(key string) bool {
	for i := range len(key) {
		if key[i] < 0x20 || key[i] > 0x7e {
			return false
		}
	}
	return key != "" && len(key) <= MaxKey
}

// Begin claims a request, or returns the answer that an equal request has received. It
// refuses with idempotency.key_reused if the key belongs to another request, and with
// idempotency.in_progress while an equal request runs.
func (r *Requests) Begin(ctx context.Context, q Request) (_ *Claim, _ *Answer, err error) {
	defer operation.Wrap(&err, "claim a request of caller %s", q.Caller)
	sum := sha256.Sum256([]byte(q.Caller + "\x00" + q.Key))
	c := &Claim{requests: r, request: q, id: hex.EncodeToString(sum[:]), claim: rand.Text()}
	// A read decides nearly always: a repeated request does not wait for the one that runs.
	for range 3 {
		now := r.DB.Now()
		row, err := r.DB.Read().GetIdempotentRequest(ctx, c.id)
		switch {
		case err == nil && !free(row, now):
			answer, err := c.answered(row, now)
			return nil, answer, err
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return nil, nil, err
		}
		var n int64
		err = r.DB.One(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.ClaimIdempotentRequest(ctx, query.ClaimIdempotentRequestParams{
				ID: c.id, Request: hex.EncodeToString(q.Fingerprint[:]), Claim: c.claim,
				LeasedUntil: store.Micros(tx.Now.Add(Lease)), Now: store.Micros(tx.Now), Before: store.Micros(tx.Now.Add(-Kept)),
			})
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		if n > 0 {
			return c, nil, nil
		}
	}
	return nil, nil, fault.IdempotencyInProgress(time.Second)
}

// free reports whether a request may be claimed again: its answer is too old, or it ended
// without one.
func free(row query.IdempotentRequest, now time.Time) bool {
	return !store.Time(row.CreatedAt).After(now.Add(-Kept)) || row.Status == 0 && !store.Time(row.LeasedUntil).After(now)
}

// answered returns the answer in a row, or the refusal.
func (c *Claim) answered(row query.IdempotentRequest, now time.Time) (*Answer, error) {
	if row.Request != hex.EncodeToString(c.request.Fingerprint[:]) {
		return nil, fault.IdempotencyKeyReused()
	}
	if row.Status == 0 {
		// Nearly every request ends within a second. Its process may have been killed if it
		// runs longer: then the lease must end.
		wait := time.Second
		if began := store.Time(row.CreatedAt); now.Sub(began) > 2*time.Second {
			wait = store.Time(row.LeasedUntil).Sub(now)
		}
		return nil, fault.IdempotencyInProgress(max(time.Second, min(wait, Lease)))
	}
	seal, err := c.seal()
	if err != nil {
		return nil, err
	}
	if len(row.Answer) < seal.NonceSize() {
		return nil, errors.New("idempotency: the stored answer is too short")
	}
	body, err := seal.Open(nil, row.Answer[:seal.NonceSize()], row.Answer[seal.NonceSize():], []byte(c.id+row.Request))
	if err != nil {
		return nil, err
	}
	return &Answer{Status: int(row.Status), Body: body}, nil
}

// Answer stores the answer in the transaction of the request's effect. If another execution
// has claimed the request meanwhile, it refuses with idempotency.in_progress, and the
// transaction must end without an effect.
func (c *Claim) Answer(ctx context.Context, tx *store.Tx, a Answer) (err error) {
	defer operation.Wrap(&err, "store the answer of a request of caller %s", c.request.Caller)
	seal, err := c.seal()
	if err != nil {
		return err
	}
	nonce := make([]byte, seal.NonceSize())
	rand.Read(nonce) // never fails
	sealed := seal.Seal(nonce, nonce, a.Body, []byte(c.id+hex.EncodeToString(c.request.Fingerprint[:])))
	n, err := tx.AnswerIdempotentRequest(ctx, query.AnswerIdempotentRequestParams{Status: int64(a.Status), Answer: sealed, ID: c.id, Claim: c.claim})
	if err == nil && n == 0 {
		return fault.IdempotencyInProgress(time.Second)
	}
	return err
}

// Release ends a claim without an answer: the key can be used again at once. An answer that
// was stored stays, also if the caller of Release believes that its transaction failed.
func (c *Claim) Release(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "release a request of caller %s", c.request.Caller)
	return c.requests.DB.One(ctx, func(tx *store.Tx) error {
		_, err := tx.ReleaseIdempotentRequest(ctx, query.ReleaseIdempotentRequestParams{ID: c.id, Claim: c.claim})
		return err
	})
}

// seal returns the cipher of the request's answer.
func (c *Claim) seal() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(c.request.Token), []byte(c.id), "timbre idempotent answer", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Worker returns the worker that deletes old answers.
func (r *Requests) Worker(log *slog.Logger) *work.Worker {
	return &work.Worker{Name: "idempotency", Step: func(ctx context.Context) error { _, err := r.Sweep(ctx); return err }, Every: 10 * time.Minute, Log: log}
}

// Sweep deletes the answers that are older than 24 hours, and returns their number. Each of
// its transactions deletes a bounded number of rows.
func (r *Requests) Sweep(ctx context.Context) (deleted int64, err error) {
	defer operation.Wrap(&err, "delete old answers")
	for ctx.Err() == nil {
		var n int64
		err := r.DB.One(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.SweepIdempotentRequests(ctx, query.SweepIdempotentRequestsParams{Before: store.Micros(tx.Now.Add(-Kept)), Lim: sweepBatch})
			return err
		})
		deleted += n
		if err != nil || n < sweepBatch {
			return deleted, err
		}
	}
	return deleted, ctx.Err()
}
