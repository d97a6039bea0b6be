package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
)

// Take takes one call from a key's budget, or refuses the call. refusal makes the error from
// the time until the next call is allowed. The headers of the answer report the last budget
// that was checked: the caller's own, unless another budget refused.
func Take(ctx context.Context, b *limit.Budget, key string, refusal func(wait time.Duration) *fault.Error) error {
	s := b.Take(ctx, key)
	ReportBudget(ctx, b, s)
	if s.Allowed {
		return nil
	}
	return refusal(s.Wait)
}

// The limits of a request before its body. net/http itself refuses more than
// [MaxHeaderBytes].
const (
	maxTarget  = 8 << 10 // bytes of path and query
	maxHeaders = 100     // header fields
)

// MaxHeaderBytes is the largest request line with headers, in bytes, for http.Server.
const MaxHeaderBytes = 16 << 10

// limitHead refuses more parts than any of Timbre's clients sends.
func limitHead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fields := 0
		for _, values := range r.Header {
			fields += len(values)
		}
		switch {
		case len(r.RequestURI) > maxTarget:
			w.Header().Set("Connection", "close")
			RenderError(w, r, fault.CommonValidationFailed([]fault.Field{{Field: "url", Rule: "max_bytes", Message: "Path and query are longer than " + strconv.Itoa(maxTarget) + " bytes."}}))
		case fields > maxHeaders:
			w.Header().Set("Connection", "close")
			RenderError(w, r, fault.CommonValidationFailed([]fault.Field{{Field: "headers", Rule: "max_items", Message: "There are more than " + strconv.Itoa(maxHeaders) + " headers."}}))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// limitAddress takes every counted call from the budget of its address, before any other
// check. Preflights are not counted: cors has already answered them.
func limitAddress(l *limit.Limits) func(http.Handler) http.Handler {
	refusal := func(wait time.Duration) *fault.Error {
		return fault.CommonRateLimited(wait).With("reason", "address")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if Counts(r.URL.Path) {
				if err := Take(r.Context(), l.Address, exchangeOf(r.Context()).address, refusal); err != nil {
					RenderError(w, r, err)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}
