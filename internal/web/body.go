package web

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
)

const (
	// DefaultBodyTimeout is how long the arrival of a body may take.
	DefaultBodyTimeout = 10 * time.Second
	// bodyWait is how long a request waits for space in the budgets below.
	bodyWait = 2 * time.Second
)

// Bodies are the budgets, in bytes, of the JSON bodies that a process reads at the same time.
// 0 is the default.
type Bodies struct {
	// Open is for calls without an organization, such as mints; 64 MiB by default.
	Open int64
	// Known is for calls with an organization; 64 MiB by default.
	Known int64
	// Organization is one organization's share of Known; 8 MiB by default.
	Organization int64
	// Address is the share of each address in both budgets; 2 MiB by default.
	Address int64
}

// bodies count the JSON bodies that this process reads at the same time. Calls without an
// organization have their own budget, so holders of tokens cannot use it up. A few addresses
// cannot fill either budget, although their bodies may stall for the body timeout.
type bodies struct {
	addresses *limit.Bytes // the share of each address in both other budgets
	open      *limit.Bytes
	known     *limit.Bytes // shared by organization
	// decoding has one place for each processor. A decoded body is larger than its bytes,
	// and decoding never waits for a client.
	decoding chan struct{}
}

func newBodies(b Bodies) *bodies {
	return &bodies{
		addresses: limit.NewBytes(math.MaxInt64, cmp.Or(b.Address, 2<<20)),
		open:      limit.NewBytes(cmp.Or(b.Open, 64<<20), math.MaxInt64), known: limit.NewBytes(cmp.Or(b.Known, 64<<20), cmp.Or(b.Organization, 8<<20)),
		decoding: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
}

type withheldKey struct{}

type humaContext = huma.Context // an embedded field named Context would hide the method

// withheld hides the body from huma, which would decode it into a tree.
type withheld struct {
	humaContext
	r *http.Request
	w http.ResponseWriter
}

func withhold(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	body := &withheld{ctx, r, w}
	next(huma.WithValue(body, withheldKey{}, body))
}

// BodyReader returns an empty object, for huma.
func (*withheld) BodyReader() io.Reader { return strings.NewReader("{}") }

// Header hides the body's content type.
func (b *withheld) Header(name string) string {
	if name == "Content-Type" {
		return ""
	}
	return b.humaContext.Header(name)
}

// SetReadDeadline does nothing: the body keeps its deadline.
func (*withheld) SetReadDeadline(time.Time) error { return nil }

// Unwrap is for huma's adapter.
func (b *withheld) Unwrap() huma.Context { return b.humaContext }

// receive reads the body of a call into a struct, within the limits of bytes and time and
// within the caller's budget. refuse may refuse the call before the errors
// in the body are reported.
func (a *bodies) receive(ctx context.Context, into any, most int64, strict bool, refuse func() error) error {
	body := ctx.Value(withheldKey{}).(*withheld)
	if bad := body.announced(most); bad != nil {
		body.w.Header().Set("Connection", "close") // the rest of the body is not read
		return fault.CommonValidationFailed([]fault.Field{*bad})
	}
	text, release, err := a.read(ctx, body, most)
	defer release()
	if err != nil {
		body.w.Header().Set("Connection", "close")
		return err
	}
	// The body has arrived, so its timeout ends: the handler may take longer.
	_ = http.NewResponseController(body.w).SetReadDeadline(time.Time{})
	if !isText(text) {
		return fault.CommonValidationFailed([]fault.Field{{Field: "body", Rule: "utf8", Message: "The body is not valid UTF-8, or contains an unpaired surrogate."}})
	}
	a.decoding <- struct{}{}
	found, err := decode(text, into, strict)
	<-a.decoding
	if len(found.misnamed) > 0 && err == nil {
		return fault.CommonValidationFailed(append(found.misnamed, found.mistyped...))
	}
	if err := refuse(); err != nil {
		return err
	}
	switch {
	case err != nil:
		return fault.CommonValidationFailed([]fault.Field{{Field: "body", Rule: "json", Message: "The body is not the documented JSON."}})
	case len(found.mistyped) > 0:
		return fault.CommonValidationFailed(found.mistyped)
	}
	return nil
}

// announced refuses a body by its headers, before a byte of it is read.
func (b *withheld) announced(most int64) *fault.Field {
	kind, _, _ := strings.Cut(b.r.Header.Get("Content-Type"), ";")
	switch kind = strings.TrimSpace(kind); {
	case kind != "" && !strings.EqualFold(kind, "application/json"):
		return &fault.Field{Field: "content-type", Rule: "json", Message: "The body must be application/json."}
	case !strings.EqualFold(cmp.Or(b.r.Header.Get("Content-Encoding"), "identity"), "identity"):
		return &fault.Field{Field: "content-encoding", Rule: "identity", Message: "The body must not be compressed."}
	case b.r.ContentLength > most:
		return tooLarge(most)
	}
	return nil
}

func tooLarge(most int64) *fault.Field {
	return &fault.Field{Field: "body", Rule: "max_bytes", Message: "The body is larger than " + strconv.FormatInt(most, 10) + " bytes."}
}

// hold reserves n bytes in the caller's budgets.
func (a *bodies) hold(ctx context.Context, n int64) (release func(), err error) {
	x := exchangeOf(ctx)
	leave, err := a.addresses.Hold(ctx, x.address, n, bodyWait)
	if err != nil {
		return nil, noRoom(err)
	}
	budget := a.open
	if x.organization != "" {
		budget = a.known
	}
	free, err := budget.Hold(ctx, x.organization, n, bodyWait)
	if err != nil {
		leave()
		return nil, noRoom(err)
	}
	return func() { free(); leave() }, nil
}

// noRoom is the refusal of a body for which a budget has no space.
func noRoom(err error) error {
	switch {
	case errors.Is(err, limit.ErrShare):
		return fault.CommonRateLimited(time.Second).With("reason", "bodies_in_flight").Because(err)
	case errors.Is(err, limit.ErrFull):
		return fault.CommonServiceUnavailable(time.Second).With("reason", "bodies_in_flight").Because(err)
	}
	return err
}

// firstBytes is the space that is reserved before the first byte arrives.
const firstBytes = 512

// read reads the whole body. It reserves space as the bytes arrive, and doubles it each
// time: a Content-Length that is announced but never sent reserves nothing. The space stays
// reserved until release is called, also after an error.
func (a *bodies) read(ctx context.Context, b *withheld, most int64) (text []byte, release func(), err error) {
	var held []func()
	release = func() {
		for _, free := range held {
			free()
		}
	}
	if b.r.ContentLength >= 0 {
		most = b.r.ContentLength
	}
	for size := min(firstBytes, most); ; size = min(2*size, most) {
		if more := size - int64(cap(text)); more > 0 {
			free, err := a.hold(ctx, more)
			if err != nil {
				return nil, release, err
			}
			held = append(held, free)
		}
		room := size
		if size == most {
			room++ // for one byte too many, or the end
		}
		text = append(make([]byte, 0, room), text...)
		for len(text) < cap(text) {
			n, err := b.r.Body.Read(text[len(text):cap(text)])
			switch text = text[:len(text)+n]; {
			case int64(len(text)) > most:
				return nil, release, fault.CommonValidationFailed([]fault.Field{*tooLarge(most)})
			case err == io.EOF:
				return text, release, nil
			case errors.Is(err, os.ErrDeadlineExceeded):
				return nil, release, fault.CommonValidationFailed([]fault.Field{{Field: "body", Rule: "timeout", Message: "The body did not arrive in time."}})
			case err != nil:
				return nil, release, fault.CommonValidationFailed([]fault.Field{{Field: "body", Rule: "incomplete", Message: "The body ended early."}})
			}
		}
	}
}

// isText reports whether a body is valid Unicode text. encoding/json replaces invalid text
// with a replacement character. Such a title would be anchored permanently. Two end-users
// whose references differ only in invalid bytes would become one.
func isText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	for rest := body; ; {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 || i+2 > len(rest) {
			return true
		}
		r, size := escaped(rest[i:])
		if utf16.IsSurrogate(r) {
			low, more := escaped(rest[i+size:])
			if utf16.DecodeRune(r, low) == unicode.ReplacementChar {
				return false
			}
			size += more
		}
		rest = rest[i+size:]
	}
}

// escaped reads the \uXXXX at the start of text, and returns its length. For any other
// escape it returns -1 and two bytes.
func escaped(text []byte) (r rune, size int) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1, min(2, len(text))
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1, 2 // invalid JSON: decode reports it
	}
	return rune(n), 6
}
