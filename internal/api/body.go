package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
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

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/intake"
	"timbre.example/internal/limit"
	"timbre.example/internal/session"
)

// The bounds of JSON bodies, in bytes.
const (
	// MaxSmallBody is for a mint and for bodies that name a job: a few short members.
	MaxSmallBody = 8 << 10
	// MaxWorkBody is for the description of a work. It is the sum of the fields' limits,
	// with each character written as two escapes of six bytes (\uD83C\uDFB5).
	MaxWorkBody  = (commitment.MaxCreators*creatorBytes + (intake.MaxTitle+intake.MaxFilename+session.MaxExternalUserRef)*escaped12 + 4<<10) &^ 1023
	creatorBytes = (intake.MaxName+intake.MaxEmail)*escaped12 + 256 // 256: the members' names, roles, IPI and ISNI
	escaped12    = 12
)

const (
	// bodyTimeout is how long the arrival of a body may take.
	bodyTimeout = 10 * time.Second
	// bodyWait is how long a request waits for space in the budgets below.
	bodyWait = 2 * time.Second
)

// bodies are the budgets, in bytes, of the JSON bodies that this process reads at the same
// time. Mints have their own budget, so holders of tokens cannot use it up. A few addresses
// cannot fill either budget, although their bodies may stall for [bodyTimeout].
type bodies struct {
	addresses *limit.Bytes // the share of each address in both other budgets
	mints     *limit.Bytes
	works     *limit.Bytes // shared by organization
	// decoding has one place for each processor. A decoded body is larger than its bytes,
	// and decoding never waits for a client.
	decoding chan struct{}
}

func newBodies() *bodies {
	return &bodies{
		addresses: limit.NewBytes(math.MaxInt64, 2<<20),
		mints:     limit.NewBytes(64<<20, math.MaxInt64), works: limit.NewBytes(64<<20, 8<<20),
		decoding: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
}

// posted is an input with a JSON body.
type posted interface {
	// body returns the struct that the body is decoded into.
	body() any
	// most returns the body's limit in bytes. A strict body must not have unknown members.
	most() (bytes int64, strict bool)
}

// prior is an input that may be refused before the errors in its body are reported.
type prior interface{ refuse(context.Context) error }

// post declares an operation with a JSON body. The body is read only after every check that
// does not need it has passed.
func post[I, O any, P interface {
	*I
	posted
}](a *API, h huma.API, o huma.Operation, handler func(context.Context, *I) (*O, error)) {
	most, _ := P(new(I)).most()
	a.bounds[o.Path] = most
	o.Middlewares = append(o.Middlewares, withhold)
	o.SkipValidateBody = true
	huma.Register(h, o, func(ctx context.Context, in *I) (*O, error) {
		if err := a.receive(ctx, P(in)); err != nil {
			return nil, err
		}
		return handler(ctx, in)
	})
}

// BodyBounds returns the largest JSON body in bytes, by route. No other route reads one.
func (a *API) BodyBounds() map[string]int64 { return maps.Clone(a.bounds) }

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

// receive reads the body of a call into its input, within the limits of bytes and time and
// within the caller's budget.
func (a *API) receive(ctx context.Context, in posted) error {
	body := ctx.Value(withheldKey{}).(*withheld)
	most, strict := in.most()
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
	a.bodies.decoding <- struct{}{}
	found, err := decode(text, in.body(), strict)
	<-a.bodies.decoding
	if len(found.misnamed) > 0 && err == nil {
		return fault.CommonValidationFailed(append(found.misnamed, found.mistyped...))
	}
	if p, ok := in.(prior); ok {
		if err := p.refuse(ctx); err != nil {
			return err
		}
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
func (a *API) hold(ctx context.Context, b *withheld, n int64) (release func(), err error) {
	leave, err := a.bodies.addresses.Hold(ctx, addressOf(b.r, a.TrustedProxies), n, bodyWait)
	if err != nil {
		return nil, noRoom(err)
	}
	budget, key := a.bodies.mints, ""
	if c, ok := ctx.Value(callerKey{}).(session.Caller); ok {
		budget, key = a.bodies.works, c.Organization
	}
	free, err := budget.Hold(ctx, key, n, bodyWait)
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
func (a *API) read(ctx context.Context, b *withheld, most int64) (text []byte, release func(), err error) {
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
			free, err := a.hold(ctx, b, more)
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
