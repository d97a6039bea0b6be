package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/work"
)

const (
	// fetchTimeout is the timeout of a request for the issuer's keys, and so the longest
	// wait of a call for them.
	fetchTimeout = 5 * time.Second
	// maxKeySet is the largest key set that is read, in bytes.
	maxKeySet = 64 << 10
	// maxKeys is the largest number of keys of a set that are read; Timbre publishes
	// four.
	maxKeys = 64
	// retryKeys is the shortest time between two requests when the keys are too old.
	// retryUnknown is the shortest time between two requests because of unknown key ids:
	// invented tokens must not cause many requests.
	retryKeys    = 2 * time.Second
	retryUnknown = 30 * time.Second
)

// Issuer verifies tokens with the key set that another process publishes. It fetches the
// key set regularly and keeps a copy. While the issuer does not answer, it uses the copy
// until the copy is too old.
type Issuer struct {
	IssuerConfig
	client *http.Client

	mu     sync.Mutex
	keys   keySet
	asked  time.Time     // start of the last attempt
	tried  time.Time     // end of the last attempt
	err    error         // result of the last attempt
	flight chan struct{} // closed when the running attempt ends; nil if none is running

	verified verifiedTokens
}

// IssuerConfig configures an Issuer. Every field is required.
type IssuerConfig struct {
	// Name is the issuer (iss) in its tokens, and URL the address of its key set.
	Name, URL string
	// Refresh is the time between two requests for the keys.
	Refresh time.Duration
	// MaxAge is how long a copy can be used while no newer one is available.
	MaxAge time.Duration
	Now    func() time.Time
	Log    *slog.Logger
}

// NewIssuer returns an Issuer without keys: Run fetches them, or the first call that
// needs them.
func NewIssuer(c IssuerConfig) *Issuer {
	return &Issuer{IssuerConfig: c, client: &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Worker returns the worker that keeps the copy fresh. Attempts log their own failures, since
// calls that need a key make attempts too.
func (i *Issuer) Worker() *work.Worker {
	return &work.Worker{Name: "issuer keys", Step: i.Renew, Every: i.Refresh, Retry: min(i.Refresh, 2*fetchTimeout)}
}

// Verify checks a token's signature, issuer and audience, and decodes it. It does not
// check the expiry, because only some calls need that: see [Claims.Expires]. Errors:
// common.auth.invalid_token for a token that is not the issuer's;
// common.auth.jwks_unavailable if no usable key set is available.
func (i *Issuer) Verify(ctx context.Context, token string) (_ Claims, err error) {
	defer operation.Wrap(&err, "verify a token")
	if c, ok := i.verified.get(token, i.usable(), i.Now()); ok {
		return c, nil
	}
	id, err := keyID(token)
	if err != nil {
		return Claims{}, err
	}
	set, err := i.keysWith(ctx, id)
	if err != nil {
		return Claims{}, fault.CommonAuthJWKSUnavailable(retryKeys).Because(err)
	}
	c, err := verify(token, i.Name, set)
	if err == nil {
		i.verified.put(token, c, publicKey{id, set.find(id)})
	}
	return c, err
}

// keysWith returns a usable key set. It contains the key with this id if the issuer has
// it.
func (i *Issuer) keysWith(ctx context.Context, id string) (keySet, error) {
	set := i.usable()
	pause := retryKeys
	if set != nil {
		if set.find(id) != nil {
			return set, nil
		}
		pause = retryUnknown
	}
	err := i.renew(ctx, pause)
	if set = i.usable(); set != nil {
		return set, nil // perhaps without the key: then the token is invalid
	}
	if err == nil {
		err = errors.New("the keys are too old")
	}
	return nil, err
}

// usable returns the copy, or nil if it is missing or too old.
func (i *Issuer) usable() keySet {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys == nil || i.Now().Sub(i.asked) > i.MaxAge {
		return nil
	}
	return i.keys
}

// Renew fetches the keys now.
func (i *Issuer) Renew(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "fetch the issuer's keys")
	return i.renew(ctx, 0)
}

// renew fetches the keys and returns the result, unless the last attempt was less than
// pause ago: then it returns the result of that attempt. Callers share one attempt, which
// continues when they leave.
func (i *Issuer) renew(ctx context.Context, pause time.Duration) error {
	i.mu.Lock()
	flight := i.flight
	if flight == nil {
		if pause > 0 && !i.tried.IsZero() && i.Now().Sub(i.tried) < pause {
			defer i.mu.Unlock()
			return i.err
		}
		flight = make(chan struct{})
		i.flight = flight
		go i.attempt()
	}
	i.mu.Unlock()
	select {
	case <-flight:
	case <-ctx.Done():
		return ctx.Err()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}

func (i *Issuer) attempt() {
	asked := i.Now()
	set, err := i.fetch()
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case err == nil && i.err != nil:
		i.Log.Info("the issuer's keys are available again", "url", i.URL)
	case err != nil && i.err == nil:
		i.Log.Warn("the issuer's keys are not available", "url", i.URL, "error", err)
	}
	if err == nil {
		i.keys, i.asked = set, asked
	}
	i.tried, i.err = i.Now(), err
	close(i.flight)
	i.flight = nil
}

// fetch requests the issuer's key set.
func (i *Issuer) fetch() (keySet, error) {
	response, err := i.client.Get(i.URL)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", i.URL, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("%s is larger than %d bytes", i.URL, maxKeySet)
	}
	set, err := parseKeys(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", i.URL, err)
	}
	return set, nil
}
