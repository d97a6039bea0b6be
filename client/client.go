package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says which server a [Client] calls, and as whom.
type Config struct {
	// URL is the address of the server, such as https://ats.example. It is required.
	URL string
	// APIKey is a key of an organization (afo_sk_…). Every call needs it, except for [Client.Mint], [Client.Revoke],
	// [Client.Transaction] and [Client.Follow].
	APIKey string
	// SecretKey is the secret key of a key pair (csk_…), for [Client.Mint] and [Client.Revoke] alone.
	SecretKey string
	// Origin is the page that embeds the widget, such as https://www.your-domain.example, for [Client.Mint] alone.
	Origin string
	// HTTP carries the calls; nil: a client with suitable timeouts. A Timeout of another one ends uploads and [Client.Follow],
	// too. No redirect is followed: a server never redirects a call, and a key must not reach another host.
	HTTP *http.Client
	// Wait is the longest time that one call waits between its attempts, in all; 0: two minutes. A negative one means one
	// attempt. The waits are those of Retry-After, or grow from a quarter of a second to 8 seconds.
	Wait time.Duration
}

// Client calls one server. It is safe for several goroutines.
type Client struct {
	config Config
	base   *url.URL
	http   *http.Client

	mu    sync.Mutex
	stats *stats
}

// New returns a client. It makes no call. The error says which part of the configuration is invalid.
func New(config Config) (*Client, error) {
	base, err := url.Parse(config.URL)
	switch {
	case err != nil:
		return nil, errors.New("client: URL is not an address")
	case base.Scheme != "https" && base.Scheme != "http" || base.Host == "":
		return nil, errors.New("client: URL must begin with https:// or http:// and have a host")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("client: URL must have no user, query or fragment")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	for name, value := range map[string]string{"APIKey": config.APIKey, "SecretKey": config.SecretKey} {
		if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("client: %s has white space or other characters that no key has", name)
		}
	}
	switch {
	case config.Wait == 0:
		config.Wait = 2 * time.Minute
	case config.Wait < 0:
		config.Wait = 0
	}
	own := defaultHTTP()
	if config.HTTP != nil {
		*own = *config.HTTP
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{config: config, base: base, http: own}, nil
}

func defaultHTTP() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
			ForceAttemptHTTP2:   true,
			TLSHandshakeTimeout: 15 * time.Second,
			MaxIdleConns:        1024, MaxIdleConnsPerHost: 1024, IdleConnTimeout: 60 * time.Second,
			WriteBufferSize: 64 << 10, ReadBufferSize: 8 << 10,
		},
	}
}

const (
	maxAnswer   = 64 << 20        // bytes of an answer in memory
	maxRefusal  = 1 << 20         // bytes of a refusal
	callTimeout = 2 * time.Minute // of one attempt of a call with a body in memory
	stall       = 2 * time.Minute // without a byte, a transfer has failed
)

// request is one call with a body in memory.
type request struct {
	operation operation
	path      []any // the values of the path's parameters
	query     url.Values
	in        any
	header    http.Header
	token     string // of Authorization; "": none
}

// call makes a call until it succeeds, is refused for good, or has waited for Config.Wait. It returns the body of a success.
func (c *Client) call(ctx context.Context, r request) (body []byte, err error) {
	var in []byte
	if r.in != nil {
		if in, err = json.Marshal(r.in); err != nil {
			return nil, fmt.Errorf("%s: %w", r.operation.name(), err)
		}
	}
	at := c.base.JoinPath(r.operation.fill(r.path))
	at.RawQuery = r.query.Encode()
	err = c.repeat(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, r.operation.method, at.String(), bytes.NewReader(in))
		if err != nil {
			return err
		}
		for name, values := range r.header {
			req.Header[name] = values
		}
		if in != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		if r.token != "" {
			req.Header.Set("Authorization", "Bearer "+r.token)
		}
		body, err = c.answer(req, maxAnswer)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.operation.name(), err)
	}
	return body, nil
}

// ask is call, with an API key and with the answer as JSON.
func (c *Client) ask(ctx context.Context, r request, out any) error {
	if r.token = c.config.APIKey; r.token == "" {
		return errors.New("client: this call needs Config.APIKey")
	}
	return c.decode(ctx, r, out)
}

func (c *Client) decode(ctx context.Context, r request, out any) error {
	body, err := c.call(ctx, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil || !object(body) {
		return fmt.Errorf("%s: %w", r.operation.name(), errAnother)
	}
	return nil
}

// object reports whether a text is a JSON object, as all answers of a Timbre server are. Another server may answer with a page,
// such as one to sign in.
func object(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) && json.Valid(text)
}

var errAnother = errors.New("the answer is not one of a Timbre server")

// Call makes any other call, such as those of the management API, with the API key, and with the same repeats and errors. path
// begins with /v1/ and may have a query. in is sent as JSON, and out is filled with the answer; both may be nil. Other methods
// than GET are repeated, too: a call that must not happen twice needs an Idempotency-Key in header.
func (c *Client) Call(ctx context.Context, method, path string, header http.Header, in, out any) error {
	at, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/v1/") || at.Fragment != "" {
		return errors.New("client: the path of a call begins with /v1/")
	}
	r := request{operation: operation{method: method, path: at.EscapedPath()}, query: at.Query(), in: in, header: header}
	if out != nil {
		return c.ask(ctx, r, out)
	}
	if r.token = c.config.APIKey; r.token == "" {
		return errors.New("client: this call needs Config.APIKey")
	}
	_, err = c.call(ctx, r)
	return err
}

// answer makes one attempt, and reads its answer. A refusal is an *Error.
func (c *Client) answer(req *http.Request, limit int64) ([]byte, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, plain(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return nil, refusal(res)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, plain(err)
	}
	if int64(len(body)) > limit {
		return nil, &final{fmt.Errorf("the answer has more than %d bytes", limit)}
	}
	return body, nil
}

// plain removes the address from an error of net/http: an upload URL is a permission.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// final is an error that no other attempt corrects.
type final struct{ error }

func (f *final) Unwrap() error { return f.error }

// repeat runs an attempt until it succeeds, fails for good, or has waited for Config.Wait.
func (c *Client) repeat(ctx context.Context, attempt func(context.Context) error) error {
	left := c.config.Wait
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 8*time.Second) {
		err := attempt(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		wait, again := passes(err, pause)
		if !again || wait > left {
			return err
		}
		left -= wait
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// passes reports whether a failure can pass, and how long to wait. pause is for failures without a time of their own.
func passes(err error, pause time.Duration) (wait time.Duration, again bool) {
	var e *Error
	if errors.As(err, new(*final)) {
		return 0, false
	}
	if !errors.As(err, &e) {
		return jitter(pause), true // no answer arrived
	}
	switch {
	case e.RetryAfter > 0 && (e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable || e.Code == CodeIdempotencyInProgress):
		return e.RetryAfter + jitter(pause), true // not all callers at once
	case e.Status == http.StatusBadGateway, e.Status == http.StatusServiceUnavailable, e.Status == http.StatusGatewayTimeout,
		e.Status == http.StatusTooManyRequests && e.Code == "": // of a proxy or a store
		return jitter(pause), true
	}
	return 0, false
}

// jitter returns a random time from half of d to d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// watch ends a transfer that has stalled: it returns a context, a function that is called with each byte, and its end.
func watch(ctx context.Context) (_ context.Context, moved, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := time.AfterFunc(stall, func() { cancel(errStalled) })
	return ctx, func() { t.Reset(stall) }, func() { t.Stop(); cancel(nil) }
}

var errStalled = fmt.Errorf("no byte moved for %s", stall)

// seconds reads Retry-After. Dates, which this server never sends, are 0. A wait that is too long is the caller's decision.
func seconds(h http.Header) time.Duration {
	n, err := strconv.ParseInt(h.Get("Retry-After"), 10, 64)
	if err != nil || n < 0 || n > 1e9 {
		return 0
	}
	return time.Duration(n) * time.Second
}
