package session

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"timbre.example/fault"
)

const (
	// fetchTimeout is how long the issuer may take to give its keys, and so how
	// long a call waits for them at most.
	fetchTimeout = 5 * time.Second
	// maxKeySet is the largest key set that is read, in bytes.
	maxKeySet = 64 << 10
	// maxKeys is how many keys of a set are looked at; an issuer of ours has four.
	maxKeys = 64
	// retryKeys is the least time between two questions to an issuer whose keys
	// are too old, and retryUnknown between two for the sake of tokens that name a key
	// which it has not: whoever makes tokens up must not make us ask.
	retryKeys    = 2 * time.Second
	retryUnknown = 30 * time.Second
)

// Issuer verifies tokens with the key set that another process publishes. It
// keeps a copy, fetches it again now and then, and goes on with what it has
// while the issuer is away, until that is too old to be trusted.
type Issuer struct {
	IssuerConfig
	client *http.Client

	mu     sync.Mutex
	keys   jwk.Set
	asked  time.Time     // when the keys were asked for
	tried  time.Time     // when the last attempt ended
	err    error         // how it ended
	flight chan struct{} // closed when the attempt under way has ended; nil when none is
}

// IssuerConfig says whose tokens are good. Every field is required.
type IssuerConfig struct {
	// Name is the iss of its tokens, and URL where its key set is.
	Name, URL string
	// Refresh is the pace at which the keys are fetched again.
	Refresh time.Duration
	// MaxAge is how old a copy may be used, while no newer one is to be had.
	MaxAge time.Duration
	Now    func() time.Time
	Log    *slog.Logger
}

// NewIssuer has no keys yet: they are fetched by Run, or when they are needed.
func NewIssuer(c IssuerConfig) *Issuer {
	return &Issuer{IssuerConfig: c, client: &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Run keeps the copy fresh until ctx ends.
func (i *Issuer) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := i.Refresh
		if err := i.Renew(ctx); err != nil {
			next = min(next, 2*fetchTimeout)
		}
		timer.Reset(next)
	}
}

// Verify checks a token's signature, issuer and audience, and reads it. It does
// not look at the clock: expiry matters to some calls only, see
// [Claims.Expires]. A token that is not the issuer's is
// common.auth.invalid_token. Without a usable key set nothing can be said of it,
// which is common.auth.jwks_unavailable.
func (i *Issuer) Verify(ctx context.Context, token string) (Claims, error) {
	id, err := keyID(token)
	if err != nil {
		return Claims{}, err
	}
	set, err := i.keysWith(ctx, id)
	if err != nil {
		return Claims{}, fault.CommonAuthJWKSUnavailable(retryKeys).Because(err)
	}
	return verify(token, i.Name, set)
}

// keysWith returns a usable key set, and one that has the key if the issuer does.
func (i *Issuer) keysWith(ctx context.Context, id string) (jwk.Set, error) {
	set := i.usable()
	pause := retryKeys
	if set != nil {
		if _, ok := set.LookupKeyID(id); ok {
			return set, nil
		}
		pause = retryUnknown
	}
	err := i.renew(ctx, pause)
	if set = i.usable(); set != nil {
		return set, nil // without the key, perhaps: then nobody's token
	}
	if err == nil {
		err = errors.New("the keys are too old")
	}
	return nil, err
}

// usable returns the copy unless there is none or it is too old.
func (i *Issuer) usable() jwk.Set {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keys == nil || i.Now().Sub(i.asked) > i.MaxAge {
		return nil
	}
	return i.keys
}

// Renew fetches the keys now.
func (i *Issuer) Renew(ctx context.Context) error { return i.renew(ctx, 0) }

// renew fetches the keys, unless that was tried less than pause ago, and returns
// how the last attempt went. Callers share one attempt, which goes on when they
// do not.
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
		i.Log.Info("the issuer's keys are to be had again", "url", i.URL)
	case err != nil && i.err == nil:
		i.Log.Warn("the issuer's keys are not to be had", "url", i.URL, "error", err)
	}
	if err == nil {
		i.keys, i.asked = set, asked
	}
	i.tried, i.err = i.Now(), err
	close(i.flight)
	i.flight = nil
}

// fetch asks the issuer.
func (i *Issuer) fetch() (jwk.Set, error) {
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

// parseKeys reads a key set (RFC 7517). It leaves out what does not sign sessions.
func parseKeys(body []byte) (jwk.Set, error) {
	all, err := jwk.Parse(body, jwk.WithIgnoreParseError(true))
	if err != nil {
		return nil, fmt.Errorf("no key set: %w", err)
	}
	set := jwk.NewSet()
	for n := range min(all.Len(), maxKeys) {
		if k, ok := all.Key(n); ok && ours(k) {
			if err := set.AddKey(k); err != nil {
				return nil, err
			}
		}
	}
	if set.Len() == 0 {
		return nil, errors.New("it has no key that signs sessions")
	}
	return set, nil
}

// ours reports whether a key may verify tokens: its algorithm is then never the
// token's to choose.
func ours(k jwk.Key) bool {
	public, ok := k.(jwk.OKPPublicKey)
	if private, err := jwk.IsPrivateKey(k); !ok || private || err != nil {
		return false
	}
	curve, _ := public.Crv()
	algorithm, _ := k.Algorithm()
	id, _ := k.KeyID()
	use, restricted := k.KeyUsage()
	x, _ := public.X()
	return len(x) == ed25519.PublicKeySize && curve == jwa.Ed25519() && algorithm == jwa.EdDSA() && id != "" && (!restricted || use == jwk.ForSignature.String())
}
