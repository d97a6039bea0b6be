// Package tally counts how the transactions of an organization end: one number for each day, network, kind and code. The
// transaction that records an end counts it, so that no page counts rows. It never counts an end twice, and has no personal
// data.
package tally

import (
	"context"
	"log/slog"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/state"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// Day is a number of days since 1970 in UTC.
type Day int64

// DayOf returns the day of a time.
func DayOf(t time.Time) Day { return Day(t.Unix() / 86400) }

// Time is the beginning of a day.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Final counts a transaction whose registration is final at a time, in the transaction that records it: FinishTransaction
// marks it as counted, and changes it once.
func Final(ctx context.Context, tx *store.Tx, row query.Transaction, at time.Time) (err error) {
	defer operation.Wrap(&err, "count the end of transaction %s", row.ID)
	return count(ctx, tx, row, at, "", "", row.TotalCredits)
}

// Failed counts a transaction that the network has refused, after FailTransaction, likewise.
func Failed(ctx context.Context, tx *store.Tx, row query.Transaction, at time.Time, reason string) (err error) {
	defer operation.Wrap(&err, "count the end of transaction %s", row.ID)
	return count(ctx, tx, row, at, string(fault.CodeTransactionFailed), reason, 0)
}

func count(ctx context.Context, tx *store.Tx, row query.Transaction, at time.Time, code, reason string, credits int64) error {
	return tx.CountEnd(ctx, query.CountEndParams{
		OrganizationID: row.OrganizationID, Day: int64(DayOf(at)), Network: row.Network, Test: row.Test, Kind: row.Kind, Code: code, Reason: short(reason), Credits: credits,
	})
}

// short cuts a network's own name for a failure.
func short(reason string) string {
	const most = 100
	if r := []rune(reason); len(r) > most {
		return string(r[:most])
	}
	return reason
}

// Count is one number of one day.
type Count struct {
	Day          Day
	Network      string
	Test         bool
	Kind         string
	Code, Reason string // "" for final registrations
	Count        int64
	Credits      int64 // captured
}

// Days returns an organization's numbers of some days, the first and the last one included. Days without an end have no
// number.
func Days(ctx context.Context, db *store.DB, organization string, first, last Day) (all []Count, err error) {
	defer operation.Wrap(&err, "read the daily numbers of organization %s", organization)
	rows, err := db.Read().DailyCounts(ctx, query.DailyCountsParams{OrganizationID: organization, Since: int64(first), Until: int64(last)})
	for _, r := range rows {
		all = append(all, Count{Day: Day(r.Day), Network: r.Network, Test: r.Test, Kind: r.Kind, Code: r.Code, Reason: r.Reason, Count: r.Count, Credits: r.Credits})
	}
	return all, err
}

// some is how many ends are counted in one transaction of the worker.
const some = 200

// Backfill counts the ends that are not counted: those from before the numbers, and those that a process of an older release
// recorded. It returns when none is left.
func Backfill(ctx context.Context, db *store.DB) (err error) {
	defer operation.Wrap(&err, "count ends of transactions")
	for {
		n := 0
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			rows, err := tx.UncountedEnds(ctx, some)
			if err != nil {
				return err
			}
			n = len(rows)
			for _, r := range rows {
				if err := tx.MarkEndCounted(ctx, query.MarkEndCountedParams{OrganizationID: r.OrganizationID, Network: r.Network, State: r.State, TransactionID: r.ID}); err != nil {
					return err
				}
				if n, err := tx.MarkCounted(ctx, r.ID); err != nil {
					return err
				} else if n == 0 { // the release before counted it while migration 43 copied it
					continue
				}
				at := store.Time(r.UpdatedAt)
				if r.State == state.TransactionFinal {
					err = Final(ctx, tx, r, at)
				} else {
					var why record.Refusal
					if why, err = record.TransactionFailure(r); err == nil {
						reason, _ := why.Details["reason"].(string)
						err = Failed(ctx, tx, r, at, reason)
					}
				}
				if err != nil {
					return err
				}
			}
			return nil
		}); err != nil || n == 0 {
			return err
		}
	}
}

// Worker counts in the background what older releases have recorded.
func Worker(db *store.DB, log *slog.Logger) *work.Worker {
	return &work.Worker{Name: "daily counts", Every: time.Minute, Retry: 10 * time.Second, Log: log, Step: func(ctx context.Context) error { return Backfill(ctx, db) }}
}
