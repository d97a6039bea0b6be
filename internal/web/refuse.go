package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/fault"
	"timbre.example/internal/store"
)

// catalogued turns any error into the refusal for the client. An unavailable database is
// common.service_unavailable, not common.internal.
func catalogued(err error) *fault.Error {
	var known *fault.Error
	if !errors.As(err, &known) && store.Unavailable(err) {
		f := fault.CommonServiceUnavailable(2 * time.Second).Because(err)
		if store.Unknown(err) {
			f = f.With("outcome", "unknown")
		}
		return f
	}
	return fault.From(err)
}

// RenderError writes a refusal. It is the only place where an error becomes a response,
// whatever layer it comes from.
func RenderError(w http.ResponseWriter, r *http.Request, err error) {
	f := catalogued(err)
	x := exchangeOf(r.Context())
	x.fault = f
	head := w.Header()
	refusalHeaders(f, x, head.Set)
	head.Set("Content-Type", "application/json")
	w.WriteHeader(f.Status())
	if r.Method != http.MethodHead {
		w.Write(f.MarshalEnvelope(x.id))
	}
}

// Refusal returns the refusal of an error for a stream, which has begun its answer already.
func Refusal(ctx context.Context, err error) fault.Body {
	f, x := catalogued(err), exchangeOf(ctx)
	x.fault = f
	return f.Envelope(x.id).Error
}

// RenderUnknown writes a refusal that is not in the catalogue: for rehearsals alone, in which
// a client meets the code of another release.
func RenderUnknown(w http.ResponseWriter, r *http.Request, code fault.Code, message string) {
	x := exchangeOf(r.Context())
	refusalHeaders(&fault.Error{Code: code}, x, w.Header().Set)
	w.Header().Del("Retry-After")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(fault.Envelope{Error: fault.Body{Code: code, Message: message, RequestID: x.id}})
}

// refusalHeaders sets the headers of a refusal.
func refusalHeaders(f *fault.Error, x *exchange, set func(name, value string)) {
	if s := f.RetryAfterSeconds(); s > 0 {
		set("Retry-After", strconv.Itoa(s))
	}
	set("Cache-Control", "no-store") // also where the answer would have been public
	set("Link", "<"+x.help+string(f.Code)+`>; rel="help"`)
}

// refusal is a catalogued error in the form that huma writes.
type refusal struct {
	fault.Envelope
	status int
}

func (r *refusal) Error() string             { return string(r.Envelope.Error.Code) }
func (r *refusal) GetStatus() int            { return r.status }
func (r *refusal) ContentType(string) string { return "application/json" }

// huma has one renderer of errors for the whole process: it is set here and nowhere else.
func init() {
	huma.NewErrorWithContext = refuse
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError { return refuse(nil, status, msg, errs...) }
}

// refuse makes every error response of huma. huma's own errors (a body that is not JSON or
// has the wrong types) become common.validation_failed. A catalogued error among several
// wins: it is about the caller, and the others are about the body.
func refuse(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
	var f *fault.Error
	switch {
	case errors.As(errors.Join(errs...), &f):
		f = catalogued(errors.Join(errs...))
	case status >= http.StatusInternalServerError && len(errs) > 0:
		f = catalogued(errs[0])
	case status >= http.StatusInternalServerError:
		f = fault.CommonInternal()
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		f = fault.CommonNotFound()
	default:
		f = fault.CommonValidationFailed(fields(status, errs))
	}
	id := ""
	if ctx != nil {
		x := exchangeOf(ctx.Context())
		x.fault, id = f, x.id
		refusalHeaders(f, x, ctx.SetHeader)
	}
	return &refusal{Envelope: f.Envelope(id), status: f.Status()}
}

// fields lists the parts of a request that could not be read.
func fields(status int, errs []error) []fault.Field {
	if status == http.StatusUnsupportedMediaType {
		return []fault.Field{{Field: "content-type", Rule: "json", Message: "The body must be application/json."}}
	}
	var out []fault.Field
	for _, err := range errs {
		var d huma.ErrorDetailer
		if d, _ = err.(huma.ErrorDetailer); d == nil {
			continue
		}
		detail := d.ErrorDetail()
		name, in := strings.CutPrefix(detail.Location, "body.")
		if !in {
			name = strings.TrimPrefix(strings.TrimPrefix(detail.Location, "query."), "header.")
		}
		rule, message := "type", "Wrong type: "+detail.Message+"."
		if name == "body" || name == "" {
			name, rule, message = "body", "json", "The body is not the documented JSON."
		}
		out = append(out, fault.Field{Field: name, Rule: rule, Message: message})
	}
	if len(out) == 0 {
		out = []fault.Field{{Field: "body", Rule: "json", Message: "The body is not the documented JSON."}}
	}
	return out
}
