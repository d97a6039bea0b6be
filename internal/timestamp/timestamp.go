// Package timestamp asks a time-stamp authority (RFC 3161) for its word on a
// commitment.
//
// It holds the one call, and lets no token out that does not hold or is about
// something else. It never keeps a token, never asks twice, and never says who the
// authority is: whoever verifies decides whom to trust.
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

	"timbre.example/commitment"
	"timbre.example/evidence"
)

// maxAnswer is how many bytes an authority may answer. A token with its chain of
// certificates has some thousands.
const maxAnswer = 64 << 10

// DefaultTimeout is how long an authority may take for its whole answer.
const DefaultTimeout = 10 * time.Second

// Client asks one authority. It is safe for concurrent use.
type Client struct {
	url  string
	http *http.Client
}

// New makes a client of the authority at an http or https URL, which whoever runs
// the server chose: it may be anywhere, also on a private network. A user and
// password in it are sent as such.
func New(address string, timeout time.Duration) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return nil, errors.New("timestamp: the authority's address is no http or https URL") // it may hold a password
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxResponseHeaderBytes = 2, 64<<10
	return &Client{url: u.String(), http: &http.Client{Transport: t, Timeout: timeout, CheckRedirect: sameHost}}, nil
}

// sameHost follows what sends the same request elsewhere on the same host. Nobody
// chose another one.
func sameHost(next *http.Request, before []*http.Request) error {
	first := before[0]
	if next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host || next.Method != first.Method || len(before) > 3 {
		return errors.New("it leads elsewhere")
	}
	return nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Stamp returns a token, in DER, whose imprint is SHA-256 with exactly the bytes of
// sum: what is committed to is such a hash already, and is not hashed again.
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
		return nil, fmt.Errorf("it answers more than %d bytes", maxAnswer)
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
		return nil, errors.New("the token is of another request")
	}
	return token, nil
}

// read takes the token out of an answer that grants one.
func read(answer []byte) (token []byte, err error) {
	defer func() { // a library reads what anybody may have sent
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
