package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"timbre.example/internal/outbound"
)

// schedule has the pauses after the failed attempts of one round. The attempt after the last
// pause is the last one.
var schedule = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour,
}

// maxRetryAfter bounds the wait that an answer demands with Retry-After.
const maxRetryAfter = 24 * time.Hour

// pause returns the pause after the failed attempt number n of a round, from 1; ok is false
// after the last one. A pause grows by at most a tenth, so that many failed deliveries do not
// come back at one moment. It also grows to what the receiver demands.
func pause(n int64, retryAfter time.Duration) (_ time.Duration, ok bool) {
	if n > int64(len(schedule)) {
		return 0, false
	}
	wait := schedule[n-1]
	wait += time.Duration(rand.Int64N(int64(wait/10) + 1))
	return max(wait, min(retryAfter, maxRetryAfter)), true
}

// answer is the result of one attempt.
type answer struct {
	began      time.Time
	took       time.Duration
	status     int // 0: no answer
	headers    []header
	body       []byte // at most kept
	retryAfter time.Duration
	err        string // why there was no acknowledgement, in words for the receiver's people
}

// header is one line of an answer's header.
type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// acknowledged reports a success: the status alone counts.
func (a answer) acknowledged() bool { return a.status/100 == 2 }

// final reports a failure after which no attempt follows: a 4xx, except those that ask for
// another attempt. A redirect is not followed, and is tried again: it may be a mistake.
func (a answer) final() bool {
	return a.status/100 == 4 && a.status != http.StatusRequestTimeout && a.status != http.StatusTooManyRequests
}

// gone reports that the receiver wants no delivery any more.
func (a answer) gone() bool { return a.status == http.StatusGone }

// post sends a body once.
func post(ctx context.Context, client *http.Client, agent, url, id string, secrets []Secret, body []byte, at time.Time) answer {
	a := answer{began: at}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, AttemptTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		a.err = "The URL of the endpoint is not valid."
		return a
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", agent)
	sign(req.Header, secrets, id, at, body)
	res, err := client.Do(req)
	if err == nil {
		a.status, a.headers, a.retryAfter = res.StatusCode, headersOf(res.Header), retryAfter(res.Header.Get("Retry-After"), at)
		drip := time.AfterFunc(bodyTime, cancel) // the status is known: the rest is for people
		a.body = readBody(res.Body)
		drip.Stop()
	}
	a.took = time.Since(begun)
	switch {
	case err != nil:
		a.err = explain(err)
	case a.acknowledged():
	case a.status/100 == 3:
		a.err = fmt.Sprintf("The answer was a redirect (%d). Redirects are not followed.", a.status)
	default:
		a.err = fmt.Sprintf("The answer was %d, and not 2xx.", a.status)
	}
	return a
}

// accessCode matches an access code, or its beginning where the bound of an answer cut it.
var accessCode = regexp.MustCompile(`atc_[0-9a-f]{4,64}`)

// withoutCodes leaves out the access codes of a text: a receiver may send back what it received, and its
// answer is shown to people who must not see a code.
func withoutCodes(text string) string {
	if !strings.Contains(text, "atc_") { // the expression costs more
		return text
	}
	return accessCode.ReplaceAllString(text, "(access code)")
}

// readBody reads at most maxBody, keeps the first bytes of it, and closes the body. A body that
// was read to its end leaves the connection for the next delivery.
func readBody(body io.ReadCloser) []byte {
	defer body.Close()
	first, _ := io.ReadAll(io.LimitReader(body, kept)) // what arrived before an error counts
	_, _ = io.Copy(io.Discard, io.LimitReader(body, maxBody-kept))
	return first
}

// explain says why there was no answer. It names no address: a name may lead into the
// operator's network.
func explain(err error) string {
	var (
		name *net.DNSError
		cert *tls.CertificateVerificationError
		line tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, outbound.ErrAddress):
		return "The host has an address to which nothing is delivered: it is private or reserved, or the port is refused."
	case errors.Is(err, outbound.ErrPlain):
		return "The URL begins with http, and the host is not in a network that the operator allowed."
	case errors.Is(err, context.DeadlineExceeded):
		return "There was no answer within 30 seconds."
	case errors.Is(err, context.Canceled):
		return "The server stopped during the attempt."
	case errors.As(err, &name):
		if name.IsNotFound {
			return "The name of the host is unknown."
		}
		return "The name server of the host did not answer."
	case errors.As(err, &cert):
		return "The TLS certificate is not valid: " + readable([]byte(cert.Err.Error()), 300)
	case errors.As(err, &line), strings.Contains(err.Error(), "tls: "):
		return "The host does not speak TLS as expected."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "The host refused the connection."
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return "The host closed the connection before its answer."
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "The host is not reachable."
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "The connection was not made in time."
	}
	return "The answer was no valid HTTP, or its header was too long."
}

// retryAfter reads the header Retry-After: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// headersOf returns the header of an answer, sorted by name and bounded. The values of cookies
// are left out: they may open something of the receiver's.
func headersOf(h http.Header) []header {
	all, size := []header{}, 0
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			if name == "Set-Cookie" {
				value = "(left out)"
			}
			one := header{readable([]byte(name), 100), withoutCodes(readable([]byte(value), 500))}
			if size += len(one.Name) + len(one.Value); size > kept || len(all) == 50 {
				return append(all, header{"…", "(more)"})
			}
			all = append(all, one)
		}
	}
	return all
}

// readable is what both databases and every page can hold of some bytes: at most most bytes of
// them, valid UTF-8 without NUL. Other bytes are written as \x and two digits.
func readable(b []byte, most int) string {
	cut := len(b) > most
	b = b[:min(len(b), most)]
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1 && cut && !utf8.FullRune(b): // the bound cut a character
			return out.String()
		case r == utf8.RuneError && n == 1, r == 0:
			fmt.Fprintf(&out, `\x%02x`, b[0])
		default:
			out.Write(b[:n])
		}
		b = b[n:]
	}
	return out.String()
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // plain structs of text
		return "[]"
	}
	return string(b)
}
