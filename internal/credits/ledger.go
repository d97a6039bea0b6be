package credits

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/sheet"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Transfer is one line of an organization's ledger.
type Transfer struct {
	ID            string    `json:"id"`
	Kind          string    `json:"kind"`   // see Kinds
	Amount        int64     `json:"amount"` // credits moved, more than zero
	TransactionID string    `json:"transaction_id,omitempty"`
	Note          string    `json:"note,omitempty"`
	At            time.Time `json:"at"`
	// Available is the balance after the transfer; nil if an older release wrote it while
	// this one ran. Transfers of the same moment may be listed in another order than they
	// moved the balance.
	Available *int64 `json:"available,omitempty"`
}

// Change returns what the transfer added to the available balance: negative for a hold, 0 for
// a capture.
func (t Transfer) Change() int64 {
	switch t.Kind {
	case KindHold:
		return -t.Amount
	case KindCapture:
		return 0
	}
	return t.Amount
}

// Kinds lists the kinds of transfers.
func Kinds() []string { return []string{KindGrant, KindHold, KindCapture, KindRelease} }

// Filter selects transfers: those that match every member that is not empty.
type Filter struct {
	Kind          string
	TransactionID string
	// Since and Until are the bounds of the time: Since is included, Until is not.
	Since, Until time.Time
	// Shown returns an id of a transaction as the reader may see it; nil: as it is.
	Shown func(id string) string
}

// MaxPage is the largest number of transfers or holds that one call returns.
const MaxPage = 10_000

// Ledger lists an organization's transfers, newest first: at most limit transfers that are
// older than the transfer with the id before ("" starts with the newest). next is the before
// of the next page; "" after the last one.
func Ledger(ctx context.Context, q *query.Queries, organization string, f Filter, before string, limit int) (_ []Transfer, next string, err error) {
	defer operation.Wrap(&err, "list transfers of organization %s", organization)
	if err := f.check(before); err != nil {
		return nil, "", err
	}
	limit = min(max(limit, 1), MaxPage)
	if f.TransactionID != "" {
		rows, err := q.HistoryOfTransaction(ctx, query.HistoryOfTransactionParams{TransactionID: f.TransactionID, OrganizationID: organization})
		if err != nil {
			return nil, "", err
		}
		all := make([]query.HistoryRow, len(rows))
		for i, r := range rows {
			all[i] = query.HistoryRow(r)
		}
		slices.SortStableFunc(all, func(a, b query.HistoryRow) int { return strings.Compare(b.ID, a.ID) })
		list := slices.DeleteFunc(transfers(all), func(t Transfer) bool {
			return f.Kind != "" && t.Kind != f.Kind || !f.Since.IsZero() && t.At.Before(f.Since) || !f.Until.IsZero() && !t.At.Before(f.Until)
		})
		return list, "", balances(ctx, q, organization, list, true)
	}
	last, first := store.LastID, ""
	if !f.Until.IsZero() {
		last = store.FirstID(f.Until)
	}
	if !f.Since.IsZero() {
		first = store.FirstID(f.Since)
	}
	if before != "" && before < last {
		last = before
	}
	var rows []query.HistoryRow
	if f.Kind == "" {
		rows, err = q.History(ctx, query.HistoryParams{OrganizationID: organization, First: first, Before: last, Lim: int32(limit) + 1})
	} else {
		var of []query.HistoryOfKindRow
		of, err = q.HistoryOfKind(ctx, query.HistoryOfKindParams{OrganizationID: organization, Kind: f.Kind, First: first, Before: last, Lim: int32(limit) + 1})
		for _, r := range of {
			rows = append(rows, query.HistoryRow(r))
		}
	}
	if err != nil {
		return nil, "", err
	}
	list := transfers(rows)
	if len(list) > limit {
		list, next = list[:limit], list[limit-1].ID
	}
	if f.Shown != nil {
		for i := range list {
			list[i].TransactionID = f.Shown(list[i].TransactionID)
		}
	}
	return list, next, balances(ctx, q, organization, list, f.Kind != "")
}

func (f Filter) check(before string) error {
	var bad []fault.Field
	if f.Kind != "" && !slices.Contains(Kinds(), f.Kind) {
		bad = append(bad, fault.Field{Field: "kind", Rule: "one_of", Message: "Must be grant, hold, capture or release."})
	}
	for _, one := range []struct{ field, value string }{{"transaction_id", f.TransactionID}, {"after", before}} {
		if len(one.value) > 36 || strings.Trim(one.value, "0123456789abcdefABCDEF-") != "" {
			bad = append(bad, fault.Field{Field: one.field, Rule: "uuid", Message: "Must be an id."})
		}
	}
	if bad != nil {
		return fault.CommonValidationFailed(bad)
	}
	return nil
}

// transfers joins the entries of each transfer. Available is set where the transfer has an
// entry of that account.
func transfers(rows []query.HistoryRow) []Transfer {
	out := []Transfer{}
	for _, r := range rows {
		if n := len(out); n == 0 || out[n-1].ID != r.ID {
			out = append(out, Transfer{ID: r.ID, Kind: r.Kind, TransactionID: r.TransactionID, Note: r.Note, At: store.Time(r.CreatedAt)})
		}
		t := &out[len(out)-1]
		t.Amount = max(t.Amount, r.Amount) // the other entry is negative
		if r.Account == available && r.Balance.Valid {
			t.Available = &r.Balance.Int64
		}
	}
	return out
}

// balances sets the available balance of captures, which have no entry of that account: it is
// the one of the transfer before. filtered: the transfers before are not in the list.
func balances(ctx context.Context, q *query.Queries, organization string, list []Transfer, filtered bool) error {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Kind != KindCapture {
			continue
		}
		if i+1 < len(list) && !filtered {
			list[i].Available = list[i+1].Available
			continue
		}
		b, err := q.BalanceBefore(ctx, query.BalanceBeforeParams{Account: available, OrganizationID: organization, Before: list[i].ID})
		if errors.Is(err, sql.ErrNoRows) {
			continue
		} else if err != nil {
			return err
		}
		if b.Valid {
			list[i].Available = &b.Int64
		}
	}
	return nil
}

// MaxCSV is the largest number of transfers in one file.
const MaxCSV = 200_000

// WriteCSV writes the selected transfers as CSV, newest first, at most MaxCSV. A cell that a
// spreadsheet program would run as a formula gets an apostrophe.
func WriteCSV(ctx context.Context, w io.Writer, q *query.Queries, organization string, f Filter) (err error) {
	defer operation.Wrap(&err, "write transfers of organization %s as CSV", organization)
	out := sheet.NewWriter(w)
	if err := out.Row("at", "kind", "change", "amount", "available", "transaction_id", "note", "id"); err != nil {
		return err
	}
	written := 0
	for before := ""; ; {
		list, next, err := Ledger(ctx, q, organization, f, before, 1000)
		if err != nil {
			return err
		}
		for _, t := range list {
			left := ""
			if t.Available != nil {
				left = strconv.FormatInt(*t.Available, 10)
			}
			if err := out.Row(t.At.Format(time.RFC3339), t.Kind, strconv.FormatInt(t.Change(), 10), strconv.FormatInt(t.Amount, 10), left, t.TransactionID, t.Note, t.ID); err != nil {
				return err
			}
			written++
		}
		if next == "" || written >= MaxCSV {
			return out.Flush()
		}
		before = next
	}
}

// Held is what one transaction holds until the network accepts or refuses it.
type Held struct {
	TransactionID string    `json:"transaction_id"`
	Network       string    `json:"network"`
	Kind          string    `json:"transaction_type"` // register | add_version
	Amount        int64     `json:"amount"`
	Since         time.Time `json:"since"`
}

// Holds lists what an organization's transactions hold, newest first: at most limit that are
// older than before. next is the before of the next page: the time of a transaction, in the form of an
// id. shown is as Filter.Shown.
func Holds(ctx context.Context, q *query.Queries, organization, before string, limit int, shown func(id string) string) (_ []Held, next string, err error) {
	defer operation.Wrap(&err, "list the holds of organization %s", organization)
	if err := (Filter{}).check(before); err != nil {
		return nil, "", err
	}
	if before == "" {
		before = store.LastID
	}
	limit = min(max(limit, 1), MaxPage)
	rows, err := q.ListHolds(ctx, query.ListHoldsParams{OrganizationID: organization, Before: before, Lim: int32(limit) + 1})
	out, last := []Held{}, ""
	for _, r := range rows {
		if len(out) == limit {
			return out, last[:18] + "-8000-000000000000", nil
		}
		last = r.ID
		id := r.ID
		if shown != nil {
			id = shown(id)
		}
		out = append(out, Held{TransactionID: id, Network: r.Network, Kind: r.Kind, Amount: r.Amount, Since: store.Time(r.CreatedAt)})
	}
	return out, "", err
}

// estimateDays is the time whose use an estimate takes as the use of the future.
const estimateDays = 30

// Estimate says when the credits end if their use stays as it was in the last 30 days.
type Estimate struct {
	// Spent is what was spent in the last Days days: 30, or fewer for a younger ledger.
	Spent int64 `json:"spent"`
	Days  int   `json:"days"`
	// EndsAt is when the available credits are spent; nil if nothing was spent, or if it is
	// more than 10 years away.
	EndsAt *time.Time `json:"ends_at,omitempty"`
}

// EstimateEnd reads an organization's use, and estimates when its credits end.
func EstimateEnd(ctx context.Context, q *query.Queries, organization string, now time.Time) (_ Estimate, err error) {
	defer operation.Wrap(&err, "estimate the end of the credits of organization %s", organization)
	e := Estimate{Days: estimateDays}
	first, err := q.FirstTransfer(ctx, organization)
	if errors.Is(err, sql.ErrNoRows) {
		return e, nil
	} else if err != nil {
		return e, err
	}
	const day = 24 * time.Hour
	window := min(max(now.Sub(store.Time(first)), day), estimateDays*day)
	e.Days = int(window.Round(day) / day)
	b, err := Of(ctx, q, organization)
	if err != nil {
		return e, err
	}
	earlier, err := q.SpentBefore(ctx, query.SpentBeforeParams{OrganizationID: organization, Before: store.FirstID(now.Add(-estimateDays * day))})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return e, err
	}
	e.Spent = b.Spent - earlier.Int64
	if e.Spent <= 0 {
		return e, nil
	}
	if left := float64(b.Available) / float64(e.Spent) * window.Hours() / 24; left < 3653 {
		end := now.Add(time.Duration(left * float64(day))).UTC().Truncate(time.Second)
		e.EndsAt = &end
	}
	return e, nil
}
