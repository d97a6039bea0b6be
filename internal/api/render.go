package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/fault"
)

// retryHeader sets what a refusal says besides its body.
func retryHeader(f *fault.Error, set func(name, value string)) {
	if s := f.RetryAfterSeconds(); s > 0 {
		set("Retry-After", strconv.Itoa(s))
	}
	set("Cache-Control", "no-store")
}

// refusal is a catalogued error in the form that huma writes.
type refusal struct {
	fault.Envelope
	status int
}

func (r *refusal) Error() string             { return string(r.Envelope.Error.Code) }
func (r *refusal) GetStatus() int            { return r.status }
func (r *refusal) ContentType(string) string { return "application/json" }

// refuse is how huma makes every error response: those that handlers return,
// and those of its own (a body that is too long, too slow, no JSON, or of the
// wrong types), which all mean common.validation_failed.
func refuse(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
	var f *fault.Error
	switch {
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
		retryHeader(f, ctx.SetHeader)
	}
	return &refusal{Envelope: f.Envelope(id), status: f.Status()}
}

// fields says what of a request could not be read.
func fields(status int, errs []error) []fault.Field {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return []fault.Field{{Field: "body", Rule: "max_bytes", Message: "The body is larger than " + strconv.Itoa(maxBody) + " bytes."}}
	case http.StatusRequestTimeout:
		return []fault.Field{{Field: "body", Rule: "timeout", Message: "The body did not arrive in time."}}
	case http.StatusUnsupportedMediaType:
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
		rule, message := "type", strings.ToUpper(detail.Message[:min(1, len(detail.Message))])+detail.Message[min(1, len(detail.Message)):]+"."
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
