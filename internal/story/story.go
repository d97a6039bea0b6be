// Package story reads the attempts of an organization to register something, and the whole story
// of each: its calls, steps, credits, certificate and end. An attempt is a job, with its
// transaction once it was confirmed.
//
// Every query has the organization: an attempt of another organization is answered as absent. The
// package changes nothing, and never returns an access code, a token or an object's key.
package story

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Service reads stories.
type Service struct {
	db       *store.DB
	requests *requestlog.Log
}

// New makes a service that reads the calls of attempts from the request log.
func New(db *store.DB, requests *requestlog.Log) *Service { return &Service{db, requests} }

// Status says how far an attempt is.
type Status string

// The statuses of attempts.
const (
	Begun      Status = "begun"      // not confirmed yet: nothing was paid
	Running    Status = "running"    // confirmed, on its way to the network
	Registered Status = "registered" // final
	Failed     Status = "failed"     // the network refused it; the credits were released
	Expired    Status = "expired"    // its deadline passed before it was confirmed
)

// Statuses lists the statuses in their order.
func Statuses() []Status { return []Status{Begun, Running, Registered, Failed, Expired} }

// Attempt is one attempt to register a work or a version.
type Attempt struct {
	// ID is the id of the job and of its transaction. While a transaction is new, the id also
	// reads the access code: show [Attempt.Short] to members who may only read.
	ID      string
	Kind    string // record.KindRegister or record.KindUpdate
	Network network.Name
	Test    bool // made with a test key
	Status  Status
	// Title is "" when it was erased.
	Title     string
	Reference string // the host's reference of the end-user, or ""
	WorkID    string
	Number    int64 // the registration number; 0: none yet
	Version   int64 // 0: none yet
	Credits   int64 // of its quote
	// Failure is the code of a failed transaction, or "".
	Failure  fault.Code
	Rehearse fault.Code // the code that a test session rehearses, or ""
	Began    time.Time
	Changed  time.Time

	session string // the id of the session that began it
}

// Short is the beginning of the id: it finds the attempt within its organization, and without 62
// random bits it opens nothing.
func (a Attempt) Short() string { return a.ID[:min(len(a.ID), shortID)] }

const shortID = 18

// row is the form that all queries of attempts share.
type row = query.AttemptsRow

func attempt(r row) Attempt {
	a := Attempt{
		ID: r.ID, Kind: r.Kind, Network: network.Name(r.Network), Test: r.Test, Title: r.Title, Reference: r.ExternalUserRef, WorkID: r.WorkID, Number: r.AtsID, Version: r.Version,
		Credits: r.TotalCredits, Rehearse: fault.Code(r.Rehearse), Began: store.Time(r.CreatedAt), Changed: store.Time(max(r.UpdatedAt, r.ChangedAt)), session: r.SessionJti,
	}
	switch outcome := state.Transaction(r.Outcome); {
	case outcome == state.TransactionFinal:
		a.Status = Registered
	case outcome == state.TransactionFailed:
		a.Status = Failed
		var failure record.Refusal
		if json.Unmarshal([]byte(r.Failure), &failure) == nil {
			a.Failure = failure.Code
		}
	case outcome != "":
		a.Status = Running
	case r.State == state.JobExpired:
		a.Status = Expired
	default:
		a.Status = Begun
	}
	return a
}

// MaxPage is the largest number of attempts on one page.
const MaxPage = 100

// Filter says which attempts a page has. Its zero value is all of them.
type Filter struct {
	// Text is a transaction id or its beginning, a request id, a registration number, or the
	// reference of an end-user; "": everything.
	Text    string
	Status  Status
	Network network.Name
	// Since and Until are the times of the first call; zero: no limit.
	Since, Until time.Time
	// Before is the id after which, in the order newest first, the page begins; "": the newest.
	Before string
	First  int // 1 to MaxPage
}

// Page is a page of attempts, newest first.
type Page struct {
	Attempts []Attempt
	// More: there are older attempts. Next is the cursor of their page.
	More bool
	Next string
}

var (
	idForm     = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}(-[0-9a-f]{0,4}(-[0-9a-f]{0,12})?)?$`)
	numberForm = regexp.MustCompile(`^#?([0-9]{1,15})$`)
)

// afterAll is greater than every id.
const afterAll = "g"

// idAt returns the beginning of the ids of a time: UUIDv7 begin with milliseconds.
func idAt(t time.Time) string {
	hex := fmt.Sprintf("%012x", max(t.UnixMilli(), 0))
	return hex[:8] + "-" + hex[8:12]
}

// source reads attempts in the order newest first, from before on.
type source func(before string, limit int32) ([]row, error)

// scanned is the largest number of rows that a page reads to find attempts that match. A page may
// have fewer attempts than asked for, with More.
const scanned = 1000

// List reads a page of an organization's attempts.
func (s *Service) List(ctx context.Context, organization string, f Filter) (page Page, err error) {
	defer operation.Wrap(&err, "list the attempts of organization %s", organization)
	if f.Before != "" && !idForm.MatchString(f.Before) {
		return Page{}, fault.CommonValidationFailed([]fault.Field{{Field: "after", Rule: "cursor", Message: "Must be the cursor of a page."}})
	}
	n := min(max(f.First, 1), MaxPage)
	since, before := "", cmp.Or(f.Before, afterAll)
	if !f.Since.IsZero() {
		since = idAt(f.Since)
	}
	if !f.Until.IsZero() {
		before = min(before, idAt(f.Until))
	}
	sources, err := s.sources(ctx, organization, f, since)
	if err != nil {
		return Page{}, err
	}
	for read := 0; ; {
		rows, err := merged(sources, before, n+1)
		if err != nil {
			return Page{}, err
		}
		read += len(rows)
		for _, r := range rows[:min(len(rows), n)] {
			before = r.ID
			if a := attempt(r); f.matches(a) {
				page.Attempts = append(page.Attempts, a)
			}
			if page.More = len(page.Attempts) == n && r.ID != rows[len(rows)-1].ID; page.More {
				break
			}
		}
		if page.Next = before; len(page.Attempts) == n || len(rows) <= n {
			return page, nil
		}
		if read >= scanned {
			page.More = true
			return page, nil
		}
	}
}

// matches applies what the query of a search did not.
func (f Filter) matches(a Attempt) bool {
	return (f.Status == "" || a.Status == f.Status) && (f.Network == "" || a.Network == f.Network)
}

// merged reads the newest rows of all sources.
func merged(sources []source, before string, n int) (all []row, err error) {
	for _, read := range sources {
		rows, err := read(before, int32(n))
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b row) int { return strings.Compare(b.ID, a.ID) })
	all = slices.CompactFunc(all, func(a, b row) bool { return a.ID == b.ID })
	return all[:min(len(all), n)], nil
}

// sources returns the queries of a filter. Each has an index that it reads from the newest row on.
func (s *Service) sources(ctx context.Context, organization string, f Filter, since string) ([]source, error) {
	if text := strings.TrimSpace(f.Text); strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return nil, nil // nothing stored has such a text
	} else if text != "" {
		return s.searched(ctx, organization, text, since)
	}
	q := s.db.Read()
	var all []source
	for _, n := range network.Names() {
		n := string(n)
		if f.Network != "" && string(f.Network) != n {
			continue
		}
		switch f.Status {
		case Begun, Expired:
			states := []state.Job{state.JobExpired}
			if f.Status == Begun {
				states = []state.Job{state.JobOpen, state.JobPrepared}
			}
			for _, in := range states {
				all = append(all, func(before string, lim int32) ([]row, error) {
					rows, err := q.AttemptsUnconfirmed(ctx, query.AttemptsUnconfirmedParams{OrganizationID: organization, Network: n, State: in, Before: before, Since: since, Lim: lim})
					return converted(rows, func(r query.AttemptsUnconfirmedRow) row { return row(r) }), err
				})
			}
		case Running:
			for _, in := range []state.Transaction{state.TransactionConfirmed, state.TransactionStaged, state.TransactionBroadcast} {
				all = append(all, func(before string, lim int32) ([]row, error) {
					rows, err := q.AttemptsInFlight(ctx, query.AttemptsInFlightParams{OrganizationID: organization, Network: n, State: in, Before: before, Since: since, Lim: lim})
					return converted(rows, func(r query.AttemptsInFlightRow) row { return row(r) }), err
				})
			}
		case Registered, Failed:
			in := state.TransactionFinal
			if f.Status == Failed {
				in = state.TransactionFailed
			}
			all = append(all, func(before string, lim int32) ([]row, error) {
				rows, err := q.AttemptsEnded(ctx, query.AttemptsEndedParams{OrganizationID: organization, Network: n, State: in, Before: before, Since: since, Lim: lim})
				return converted(rows, func(r query.AttemptsEndedRow) row { return row(r) }), err
			})
		case "":
			all = append(all, func(before string, lim int32) ([]row, error) {
				return q.Attempts(ctx, query.AttemptsParams{OrganizationID: organization, Network: n, Before: before, Since: since, Lim: lim})
			})
		}
	}
	return all, nil
}

// searched returns the queries of a search.
func (s *Service) searched(ctx context.Context, organization, text, since string) (all []source, err error) {
	q := s.db.Read()
	id := strings.ToLower(text)
	if call, err := s.requests.Get(ctx, organization, text); err == nil {
		job, err := s.jobOf(ctx, organization, call)
		if err != nil || job == "" {
			return nil, err
		}
		id = job
	} else if !errors.Is(err, fault.CodeCommonNotFound) {
		return nil, err
	}
	if idForm.MatchString(id) {
		return []source{func(before string, lim int32) ([]row, error) {
			rows, err := q.AttemptsOfID(ctx, query.AttemptsOfIDParams{OrganizationID: organization, First: max(id, since), After: min(id+afterAll, before), Lim: lim})
			return converted(rows, func(r query.AttemptsOfIDRow) row { return row(r) }), err
		}}, nil
	}
	if found := numberForm.FindStringSubmatch(text); found != nil {
		number, err := strconv.ParseInt(found[1], 10, 64)
		if err != nil {
			return nil, err
		}
		all = append(all, func(before string, lim int32) ([]row, error) {
			rows, err := q.AttemptsOfNumber(ctx, query.AttemptsOfNumberParams{OrganizationID: organization, AtsID: number, Before: before, Since: since, Lim: lim})
			return converted(rows, func(r query.AttemptsOfNumberRow) row { return row(r) }), err
		})
	}
	return append(all, func(before string, lim int32) ([]row, error) {
		rows, err := q.AttemptsOfEndUser(ctx, query.AttemptsOfEndUserParams{OrganizationID: organization, ExternalUserRef: text, Before: before, Since: since, Lim: lim})
		return converted(rows, func(r query.AttemptsOfEndUserRow) row { return row(r) }), err
	}), nil
}

func converted[R any](rows []R, one func(R) row) []row {
	out := make([]row, len(rows))
	for i, r := range rows {
		out[i] = one(r)
	}
	return out
}

// jobOf returns the id of the job that a call belongs to, or "".
func (s *Service) jobOf(ctx context.Context, organization string, call requestlog.Call) (string, error) {
	if call.Job != "" || call.Caller.Session == "" {
		return call.Job, nil
	}
	calls, err := s.requests.Of(ctx, organization, call.Caller.Session)
	for _, c := range calls {
		if c.Job != "" {
			// The call may name a job of another organization: the caller looks the job up.
			return c.Job, nil
		}
	}
	return "", err
}

// Transfer is a change of the credits that are held for an attempt.
type Transfer struct {
	Kind    string // hold | capture | release
	Credits int64
	At      time.Time
}

// Certificate says whether the certificate of an attempt can be downloaded.
type Certificate string

// The states of a certificate.
const (
	CertificateNone    Certificate = ""        // there is no version, or its data was erased
	CertificateWaiting Certificate = "waiting" // it is being made
	CertificateReady   Certificate = "ready"
)

// Story is everything that is known of one attempt, or of a session that began none.
type Story struct {
	// Attempt is nil if no call began a job.
	Attempt *Attempt
	// Calls are in the order of time. More: there are further calls.
	Calls []requestlog.Call
	More  bool
	// Confirmed is the request id of the confirm, or "".
	Confirmed string
	Steps     []record.Step
	// Quote is nil before the prepare.
	Quote     *credits.Quote
	Transfers []Transfer
	// Failure is the refusal of a failed transaction.
	Failure *fault.Error
	// Registration is nil before the end.
	Registration *Registration
	// Deadline is when an attempt that is not confirmed expires.
	Deadline time.Time
}

// Registration is the end of a successful attempt.
type Registration struct {
	WorkID           string
	Version          int64
	TxHash           string
	Block            int64
	Final, BlockHash [32]byte // hashes of the transaction and of the block on the network
	At               time.Time
	Certificate      Certificate
	TimestampWaiting bool
	Erased           bool
}

// Read reads the story of an attempt by its id or the beginning of its id, or by the id of any of
// its requests. An unknown one, or one of another organization, is transaction.not_found.
func (s *Service) Read(ctx context.Context, organization, id string) (_ Story, err error) {
	defer operation.Wrap(&err, "read a story of organization %s", organization)
	if call, err := s.requests.Get(ctx, organization, id); err == nil {
		job, err := s.jobOf(ctx, organization, call)
		if err != nil {
			return Story{}, err
		}
		if job != "" {
			out, err := s.read(ctx, organization, job)
			if !errors.Is(err, fault.CodeTransactionNotFound) {
				return out, err
			}
		}
		calls, err := s.requests.Of(ctx, organization, call.Correlation())
		if len(calls) == 0 {
			calls = []requestlog.Call{call}
		}
		return Story{Calls: calls, More: len(calls) >= requestlog.MaxOfOne}, err
	} else if !errors.Is(err, fault.CodeCommonNotFound) {
		return Story{}, err
	}
	return s.read(ctx, organization, strings.ToLower(strings.TrimSpace(id)))
}

func (s *Service) read(ctx context.Context, organization, id string) (Story, error) {
	if !idForm.MatchString(id) {
		return Story{}, fault.TransactionNotFound()
	}
	q := s.db.Read()
	rows, err := q.AttemptsOfID(ctx, query.AttemptsOfIDParams{OrganizationID: organization, First: id, After: id + afterAll, Lim: 2})
	if err != nil {
		return Story{}, err
	}
	if len(rows) != 1 { // two attempts have this beginning: neither is the right one
		return Story{}, fault.TransactionNotFound()
	}
	a := attempt(row(rows[0]))
	out := Story{Attempt: &a}
	if out.Calls, err = s.requests.Of(ctx, organization, a.session, a.ID); err != nil {
		return Story{}, err
	}
	out.More = len(out.Calls) >= requestlog.MaxOfOne
	job, err := q.JobOfOrganization(ctx, query.JobOfOrganizationParams{ID: a.ID, OrganizationID: organization})
	if err != nil {
		return Story{}, err
	}
	if job.State == state.JobPrepared || job.State == state.JobConfirmed {
		out.Quote = &credits.Quote{}
		if err := json.Unmarshal([]byte(job.Quote), out.Quote); err != nil {
			return Story{}, fmt.Errorf("the quote of job %s is corrupt: %w", job.ID, err)
		}
	}
	if a.Status == Begun {
		out.Deadline = store.Time(job.Deadline)
	}
	if a.Status == Begun || a.Status == Expired {
		return out, nil
	}
	return out, s.confirmed(ctx, organization, &out)
}

// confirmed adds what a transaction has.
func (s *Service) confirmed(ctx context.Context, organization string, out *Story) error {
	q, id := s.db.Read(), out.Attempt.ID
	t, err := q.TransactionOfOrganization(ctx, query.TransactionOfOrganizationParams{ID: id, OrganizationID: organization})
	if err != nil {
		return err
	}
	out.Confirmed = t.RequestID
	if out.Steps, err = record.TransactionSteps(t); err != nil {
		return err
	}
	transfers, err := q.TransfersOfTransaction(ctx, query.TransfersOfTransactionParams{TransactionID: id, OrganizationID: organization})
	if err != nil {
		return err
	}
	for _, x := range transfers {
		out.Transfers = append(out.Transfers, Transfer{Kind: x.Kind, Credits: max(x.Amount, -x.Amount), At: store.Time(x.CreatedAt)})
	}
	switch t.State { //nolint:exhaustive // other states have not ended
	case state.TransactionFailed:
		failure, err := record.TransactionFailure(t)
		if err != nil {
			return err
		}
		out.Failure = failure.Err()
	case state.TransactionFinal:
		v, err := q.VersionInStory(ctx, query.VersionInStoryParams{TransactionID: id, OrganizationID: organization})
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("transaction %s is final and has no version", id)
		} else if err != nil {
			return err
		}
		r := &Registration{WorkID: v.WorkID, Version: v.Version, TxHash: record.Hex(t.TxHash), Block: t.BlockNumber, At: store.Time(v.RegisteredAt), TimestampWaiting: v.TimestampUntil > 0, Erased: v.RedactedAt.Valid}
		switch {
		case r.Erased:
		case v.CertificateKey != "":
			r.Certificate = CertificateReady
		default:
			r.Certificate = CertificateWaiting
		}
		copy(r.Final[:], t.TxHash)
		copy(r.BlockHash[:], t.BlockHash)
		out.Registration = r
	}
	return nil
}

// Refused returns the code that ended the attempt: that of the failed transaction, or of the last
// call if it was refused; "" if nothing was.
func (s Story) Refused() fault.Code {
	if s.Failure != nil {
		return s.Failure.Code
	}
	if len(s.Calls) == 0 || s.Attempt != nil && (s.Attempt.Status == Registered || s.Attempt.Status == Running) {
		return ""
	}
	return fault.Code(s.Calls[len(s.Calls)-1].Code)
}

// FirstCall returns the request id of the first call, or "".
func (s Story) FirstCall() string {
	if len(s.Calls) == 0 {
		return ""
	}
	return s.Calls[0].RequestID
}
