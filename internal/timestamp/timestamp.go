// Package timestamp requests a time-stamp token for a commitment from a time-stamp
// authority (RFC 3161).
//
// It returns only valid tokens for the requested commitment. It never stores a token
// and never retries. It does not decide whether the authority is trusted: that is for
// the verifier.
package timestamp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"time"

	"github.com/digitorus/timestamp"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

// maxAnswer is the maximum size of an answer, in bytes. A token with its chain of
// certificates has some thousands of bytes.
const maxAnswer = 64 << 10

// DefaultTimeout is the timeout for an authority's whole answer.
const DefaultTimeout = 10 * time.Second

// Client sends requests to one authority. It is safe for concurrent use.
type Client struct {
	url  string
	http *http.Client
}

// New returns a client of the authority at an http or https URL. The operator of the
// server chooses the URL, so it may also be on a private network. A user and password
// in the URL are sent with HTTP basic authentication.
func New(address string, timeout time.Duration) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return nil, errors.New("timestamp: the authority's address is not an http or https URL") // without the address: it may contain a password
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxResponseHeaderBytes = 2, 64<<10
	return &Client{url: u.String(), http: &http.Client{Transport: t, Timeout: timeout, CheckRedirect: sameHost}}, nil
}

// sameHost allows a redirect of the same request to another path on the same host.
// The operator has not allowed any other host.
func sameHost(next *http.Request, before []*http.Request) error {
	first := before[0]
	if next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host || next.Method != first.Method || len(before) > 3 {
		return errors.New("the answer is an unexpected redirect")
	}
	return nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Stamp returns a token, in DER, whose imprint is SHA-256 with exactly the bytes of
// sum. A commitment is already a SHA-256 hash, so Stamp does not hash it again.
func (c *Client) Stamp(ctx context.Context, sum [32]byte) ([]byte, error) {
	token, err := c.stamp(ctx, sum)
	if err != nil {
		return nil, fmt.Errorf("time-stamp authority: %w", err)
	}
	return token, nil
}

func (c *Client) stamp(ctx context.Context, sum [32]byte) ([]byte, error) {
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return nil, err
	}
	ask := timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Certificates: true, Nonce: nonce}
	body, err := ask.Marshal()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/timestamp-query")
	r.Header.Set("Accept", "application/timestamp-reply")
	resp, err := c.http.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the address
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d", resp.StatusCode)
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	token, err := read(answer)
	if err != nil {
		return nil, err
	}
	stamp, err := evidence.RFC3161{Token: token}.Open(commitment.Hash(sum))
	switch {
	case err != nil:
		return nil, err
	case stamp.Nonce == nil || stamp.Nonce.Cmp(nonce) != 0:
		return nil, errors.New("the token is for another request")
	}
	return token, nil
}

// read returns the token of a successful answer.
func read(answer []byte) (token []byte, err error) {
	defer func() { // a library parses untrusted input and may panic
		if r := recover(); r != nil {
			token, err = nil, errors.New("the answer is malformed")
		}
	}()
	t, err := timestamp.ParseResponse(answer)
	if err != nil {
		return nil, err
	}
	return t.RawToken, nil
}
