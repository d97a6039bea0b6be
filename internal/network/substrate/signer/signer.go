// Package signer asks another program for signatures, by the HTTP protocol of docs/chain.md. That
// program has the keys: an HSM, a wallet, or a process of another user.
//
// The package believes no answer: it verifies each signature. It never holds a key.
package signer

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"timbre.example/internal/network/substrate/sr25519"
)

const (
	// MaxAccounts bounds the accounts of a signer: each is read from the chain every minute.
	MaxAccounts = 256
	// Timeout is how long one answer may take. A signature is made inside of a transaction of the database.
	Timeout = 3 * time.Second
	// maxAnswer bounds an answer, in bytes: 256 accounts take 18 KB.
	maxAnswer = 64 << 10
)

// Config configures Dial.
type Config struct {
	// URL is where the signer listens: http://HOST:PORT/PATH, https://HOST/PATH, or unix:/PATH/OF/A/SOCKET.
	URL string
	// Token is sent with each request as "Authorization: Bearer TOKEN"; "" sends none. It is
	// never logged.
	Token string
}

// Remote is a signer that answered. It is safe for concurrent use.
type Remote struct {
	base, token string
	client      *http.Client
	accounts    [][32]byte
}

// Check returns an error if Dial cannot use a URL. The error names no part of the URL: it can hold a password.
func Check(text string) error {
	_, _, err := parse(text)
	return err
}

// parse returns the base of the requests, and the path of a socket or "".
func parse(text string) (base, socket string, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", "", errors.New("is not a URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", "", errors.New("must have no user, query or fragment")
	case u.Scheme == "unix":
		socket = u.Path
		if u.Opaque != "" || !strings.HasPrefix(socket, "/") || u.Host != "" {
			return "", "", errors.New("must name a socket from the root, as unix:/run/signer.sock")
		}
		return "http://signer", socket, nil
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", "", errors.New("must begin with http://HOST, https://HOST or unix:/")
	}
	return strings.TrimSuffix(u.String(), "/"), "", nil
}

// Dial asks the signer for its accounts. It asks once: a signer gets more accounts by a restart of this process.
func Dial(ctx context.Context, c Config) (*Remote, error) {
	base, socket, err := parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("signer: the URL %w", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	r := &Remote{base: base, token: c.Token, client: &http.Client{
		Transport: transport, Timeout: Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var answer struct{ Accounts []string }
	if err := r.call(ctx, http.MethodGet, "/v1/accounts", nil, &answer); err != nil {
		return nil, fmt.Errorf("signer: list the accounts: %w", err)
	}
	seen := map[[32]byte]bool{}
	for _, text := range answer.Accounts {
		account, err := unhex(text, 32)
		if err != nil || seen[[32]byte(account)] {
			return nil, errors.New("signer: list the accounts: each must be 0x and 64 hex digits, once")
		}
		seen[[32]byte(account)] = true
		r.accounts = append(r.accounts, [32]byte(account))
	}
	if n := len(r.accounts); n == 0 || n > MaxAccounts {
		return nil, fmt.Errorf("signer: list the accounts: there are %d, must be from 1 to %d", n, MaxAccounts)
	}
	return r, nil
}

// Accounts implements substrate.Signer.
func (r *Remote) Accounts() [][32]byte { return r.accounts }

// Sign implements substrate.Signer. It refuses a signature that does not verify.
func (r *Remote) Sign(ctx context.Context, account [32]byte, message []byte) (signature [sr25519.SignatureSize]byte, err error) {
	body, err := json.Marshal(map[string]string{"account": "0x" + hex.EncodeToString(account[:]), "message": "0x" + hex.EncodeToString(message)})
	if err != nil {
		return signature, fmt.Errorf("signer: sign: %w", err)
	}
	var answer struct{ Signature string }
	if err := r.call(ctx, http.MethodPost, "/v1/sign", body, &answer); err != nil {
		return signature, fmt.Errorf("signer: sign with %x: %w", account, err)
	}
	b, err := unhex(answer.Signature, sr25519.SignatureSize)
	if err != nil {
		return signature, fmt.Errorf("signer: sign with %x: the signature must be 0x and %d hex digits", account, 2*sr25519.SignatureSize)
	}
	signature = [sr25519.SignatureSize]byte(b)
	if !sr25519.Verify(account, message, signature) {
		return signature, fmt.Errorf("signer: sign with %x: the signature does not verify", account)
	}
	return signature, nil
}

// call makes one request, and reads the answer of a 200 into out.
func (r *Remote) call(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL is wrong") // the error names the URL
	}
	req.Header.Set("Content-Type", "application/json")
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("no complete answer: %w", err)
	case len(text) > maxAnswer:
		return fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("the answer is %d: %.200q", res.StatusCode, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer is not the expected JSON: %w", err)
	}
	return nil
}

// unhex reads 0x and the hex digits of size bytes.
func unhex(text string, size int) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != size {
		return nil, errors.New("wrong hex digits")
	}
	return b, nil
}
