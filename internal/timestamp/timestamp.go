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
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

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
	body, err := asn1.Marshal(request{Version: 1, Imprint: imprint{algorithm{oidSHA256, asn1.NullRawValue}, sum[:]}, Nonce: nonce, Certificates: true})
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

// request is a query (RFC 3161, section 2.4.1).
type request struct {
	Version      int
	Imprint      imprint
	Nonce        *big.Int
	Certificates bool // the token must contain the authority's certificate
}

type imprint struct {
	Algorithm algorithm
	Hash      []byte
}

type algorithm struct {
	Name       asn1.ObjectIdentifier
	Parameters asn1.RawValue
}

var oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}

// response is an answer (RFC 3161, section 2.4.2).
type response struct {
	Status struct {
		Code    int
		Text    []string       `asn1:"optional,utf8"`
		Failure asn1.BitString `asn1:"optional"`
	}
	Token asn1.RawValue `asn1:"optional"`
}

// statuses and failures are the reasons that an authority can give.
var (
	statuses = map[int]string{1: "granted with modifications", 2: "rejected", 3: "waiting", 4: "revocation warning", 5: "revoked"}
	failures = []struct {
		bit  int
		text string
	}{
		{0, "unknown hash algorithm"}, {2, "unsupported request"}, {5, "wrong data format"}, {14, "no time source"},
		{15, "unknown policy"}, {16, "unknown extension"}, {17, "missing information"}, {25, "system failure"},
	}
)

// read returns the token of a successful answer. It does not read the token.
func read(answer []byte) ([]byte, error) {
	var r response
	switch rest, err := asn1.Unmarshal(answer, &r); {
	case err != nil:
		return nil, fmt.Errorf("the answer is malformed: %w", err)
	case len(rest) > 0:
		return nil, errors.New("the answer is malformed: asn1: trailing data")
	}
	if code := r.Status.Code; code != 0 {
		why, known := statuses[code]
		if !known {
			why = fmt.Sprintf("status %d", code)
		}
		for _, f := range failures {
			if r.Status.Failure.At(f.bit) != 0 {
				why += ", " + f.text
			}
		}
		if len(r.Status.Text) > 0 {
			why += fmt.Sprintf(": %.200q", strings.Join(r.Status.Text, ", "))
		}
		return nil, errors.New("it answers: " + why)
	}
	if len(r.Token.Bytes) == 0 {
		return nil, errors.New("the answer has no token")
	}
	return r.Token.FullBytes, nil
}
