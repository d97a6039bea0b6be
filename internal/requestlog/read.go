package requestlog

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// MaxPage is the largest number of calls on one page.
const MaxPage = 100

// Filter says which calls of an organization a page has.
type Filter struct {
	Code  string    // of a refusal; "": all calls
	Since time.Time // zero: no limit
	// Before is the request id after which, in the order newest first, the page begins; "":
	// the newest call.
	Before string
	First  int // 1 to MaxPage
}

// Page is a page of calls, newest first.
type Page struct {
	Calls []Call
	More  bool // there are older ones
}

// List reads a page of the calls of an organization.
func (l *Log) List(ctx context.Context, organization string, f Filter) (_ Page, err error) {
	defer operation.Wrap(&err, "list the calls of organization %s", organization)
	before, n := afterAll, min(max(f.First, 1), MaxPage)
	if f.Before != "" {
		if before, err = ParseID(f.Before); err != nil {
			return Page{}, fault.CommonValidationFailed([]fault.Field{{Field: "after", Rule: "cursor", Message: "Must be the cursor of a page."}})
		}
	}
	since := First(f.Since)
	var rows []query.Request
	if f.Code != "" {
		rows, err = l.db.Read().ListRefusedRequests(ctx, query.ListRefusedRequestsParams{OrganizationID: organization, Code: f.Code, Before: before, Since: since, Lim: int32(n + 1)})
	} else {
		rows, err = l.db.Read().ListRequests(ctx, query.ListRequestsParams{OrganizationID: organization, Before: before, Since: since, Lim: int32(n + 1)})
	}
	if err != nil {
		return Page{}, err
	}
	return Page{Calls: calls(rows[:min(len(rows), n)]), More: len(rows) > n}, nil
}

// Get reads one call of an organization. A call that is unknown, was swept, or is of another
// organization is common.not_found.
func (l *Log) Get(ctx context.Context, organization, requestID string) (_ Call, err error) {
	defer operation.Wrap(&err, "read call %s of organization %s", requestID, organization)
	id, err := ParseID(requestID)
	if err != nil {
		return Call{}, fault.CommonNotFound()
	}
	row, err := l.db.Read().GetRequest(ctx, query.GetRequestParams{OrganizationID: organization, RequestID: id})
	if errors.Is(err, sql.ErrNoRows) {
		return Call{}, fault.CommonNotFound()
	}
	return call(row), err
}

// MaxOfOne is the largest number of calls of one registration that are read: a session that
// retries for hours has more.
const MaxOfOne = 200

// Of reads the calls with any of the correlation ids, in the order of time.
func (l *Log) Of(ctx context.Context, organization string, correlations ...string) (all []Call, err error) {
	defer operation.Wrap(&err, "read the calls of one registration of organization %s", organization)
	slices.Sort(correlations)
	for _, id := range slices.Compact(correlations) {
		if id == "" {
			continue
		}
		rows, err := l.db.Read().RequestsOfCorrelation(ctx, query.RequestsOfCorrelationParams{OrganizationID: organization, CorrelationID: id, Lim: MaxOfOne})
		if err != nil {
			return nil, err
		}
		all = append(all, calls(rows)...)
	}
	slices.SortFunc(all, func(a, b Call) int { return strings.Compare(a.RequestID, b.RequestID) })
	return all, nil
}

// Group is the refusals of an organization with one code.
type Group struct {
	Code string
	// Count stops at MaxCount.
	Count  int64
	Latest string // the request id of the newest one
}

// MaxCount is the count at which Errors stops counting the refusals of one code.
const MaxCount = 1000

// Errors counts the refusals of an organization since a time, the most frequent code first.
func (l *Log) Errors(ctx context.Context, organization string, since time.Time) (groups []Group, err error) {
	defer operation.Wrap(&err, "count the refusals of organization %s", organization)
	rows, err := l.db.Read().CountRefusals(ctx, query.CountRefusalsParams{OrganizationID: organization, Since: First(since), Most: MaxCount})
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if r.Count > 0 {
			groups = append(groups, Group{Code: r.Code, Count: r.Count, Latest: r.Latest})
		}
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return int(b.Count - a.Count) })
	return groups, nil
}

func calls(rows []query.Request) []Call {
	out := make([]Call, len(rows))
	for i, r := range rows {
		out[i] = call(r)
	}
	return out
}

func call(r query.Request) Call {
	c := Call{
		Organization: r.OrganizationID, RequestID: r.RequestID, Job: r.JobID, Method: r.Method, Route: r.Route, Status: int(r.Status), Code: r.Code, Reason: r.Reason,
		Caller: Caller{Kind: Kind(r.CallerKind), ID: r.Caller}, Origin: r.Origin, AddressClass: r.AddressClass, At: store.Time(r.CreatedAt), Took: time.Duration(r.Took) * time.Microsecond,
	}
	if r.CorrelationID != r.JobID {
		c.Caller.Session = r.CorrelationID
	}
	return c
}
