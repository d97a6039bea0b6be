package web

import (
	"context"
	"net/http"

	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/requestlog"
)

// exchange collects what is known of a request while it is served, for one log line at its
// end.
type exchange struct {
	id           string
	help         string // the address that explains codes, up to the code
	address      string // of the caller, as it is counted
	fault        *fault.Error
	organization string
	job          string
	caller       requestlog.Caller
	header       http.Header // of the answer
}

type exchangeKey struct{}

// exchangeOf returns the request's exchange; outside a request it is an empty one.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{header: http.Header{}}
}

// RequestID returns the id of the request that is served, or "" outside a request.
func RequestID(ctx context.Context) string { return exchangeOf(ctx).id }

// Address returns the caller's network address as it is counted: an IPv6 address is truncated to
// its /64. It is "" outside a request.
func Address(ctx context.Context) string { return exchangeOf(ctx).address }

// Identify records the organization whose permission a call has. The log line names it, and
// the body of the call comes from its budget.
func Identify(ctx context.Context, organization string) { exchangeOf(ctx).organization = organization }

// Caller records who makes a call, for the request log. Faces call it as soon as the
// organization is known, also before checks that may refuse the call: so the organization can
// read its refused calls. It gives no permission.
func Caller(ctx context.Context, organization string, c requestlog.Caller) {
	x := exchangeOf(ctx)
	x.organization, x.caller = organization, c
}

// Trace records the job of a call, for the log line.
func Trace(ctx context.Context, job string) { exchangeOf(ctx).job = job }

// ReportBudget reports a budget in the headers of the answer.
func ReportBudget(ctx context.Context, b *limit.Budget, s limit.State) {
	if policy, standing := b.Headers(s); policy != "" {
		h := exchangeOf(ctx).header
		h.Set("RateLimit-Policy", policy)
		h.Set("RateLimit", standing)
	}
}
