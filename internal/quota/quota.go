// Package quota counts the registrations of an organization in each month, in a row that the
// confirm and a failure move. A quota is therefore one number to read, however many registrations
// the month has. Registrations of test keys are counted separately, with the same quota. The
// package never counts transactions, except once for a month without a row. It knows no job.
package quota

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Of is a quota of an organization.
type Of struct {
	Organization string
	Test         bool  // of test keys
	Limit        int64 // registrations in a month; 0: no quota
}

// month is a number of months since 1970, UTC.
type month int64

func monthOf(t time.Time) month {
	t = t.UTC()
	return month(t.Year()-1970)*12 + month(t.Month()) - 1
}

// begins returns the first moment of a month.
func (m month) begins() time.Time { return time.Date(1970, time.Month(m+1), 1, 0, 0, 0, 0, time.UTC) }

// Check refuses with common.quota_exceeded when the quota allows no further registration now. It
// reserves nothing.
func Check(ctx context.Context, tx *store.Tx, of Of) (err error) {
	defer operation.Wrap(&err, "check the quota of organization %s", of.Organization)
	if of.Limit == 0 {
		return nil
	}
	m := monthOf(tx.Now)
	for {
		used, err := tx.QuotaUsed(ctx, query.QuotaUsedParams{OrganizationID: of.Organization, Month: int64(m), Test: of.Test})
		if err == nil {
			return of.refuse(used, m)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := begin(ctx, tx, of, m); err != nil {
			return err
		}
	}
}

// Claim counts a registration in the transaction that confirms it, or refuses it as Check does.
// Claims of one organization are made one after the other. Without a quota nothing is counted.
func Claim(ctx context.Context, tx *store.Tx, of Of) (err error) {
	defer operation.Wrap(&err, "count a registration of organization %s", of.Organization)
	if of.Limit == 0 {
		return nil
	}
	m := monthOf(tx.Now)
	for {
		n, err := tx.ClaimQuota(ctx, query.ClaimQuotaParams{OrganizationID: of.Organization, Month: int64(m), Test: of.Test, Quota: of.Limit})
		if err != nil || n == 1 {
			return err
		}
		if err := Check(ctx, tx, of); err != nil {
			return err
		}
		// The month had no row, or a registration was returned between the two statements.
	}
}

// Return takes back a claim, in the transaction that records that the registration failed. at is
// the time of its confirm. Call it before the transaction locks another row that a confirm locks.
func Return(ctx context.Context, tx *store.Tx, organization string, test bool, at time.Time) (err error) {
	defer operation.Wrap(&err, "count a failed registration of organization %s", organization)
	back := query.MoveQuotaParams{By: -1, OrganizationID: organization, Month: int64(monthOf(at)), Test: test}
	n, err := tx.MoveQuota(ctx, back)
	if err != nil || n == 1 {
		return err
	}
	// The row is missing, or another transaction begins it now. The lock waits for that
	// transaction. A count that begins later sees the failure.
	if err := tx.LockOrganization(ctx, organization); err != nil {
		return err
	}
	_, err = tx.MoveQuota(ctx, back)
	return err
}

func (of Of) refuse(used int64, m month) error {
	if used < of.Limit {
		return nil
	}
	return fault.CommonQuotaExceeded(of.Limit, used, (m + 1).begins())
}

// begin makes the row of a month: of a new month, or after the quota was set. It counts day by
// day, so that each statement is short.
func begin(ctx context.Context, tx *store.Tx, of Of, m month) error {
	if err := tx.LockOrganization(ctx, of.Organization); err != nil {
		return err
	}
	n, err := tx.BeginQuota(ctx, query.BeginQuotaParams{OrganizationID: of.Organization, Month: int64(m), Test: of.Test})
	if err != nil || n == 0 { // 0: another transaction was first
		return err
	}
	var sum int64
	for day, end := m.begins(), (m + 1).begins(); day.Before(end); day = day.AddDate(0, 0, 1) {
		n, err := tx.CountTransactions(ctx, query.CountTransactionsParams{
			OrganizationID: of.Organization, Since: store.Micros(day), Until: store.Micros(day.AddDate(0, 0, 1)), Test: of.Test,
		})
		if err != nil {
			return err
		}
		sum += n
	}
	_, err = tx.MoveQuota(ctx, query.MoveQuotaParams{By: sum, OrganizationID: of.Organization, Month: int64(m), Test: of.Test})
	return err
}

// Forget drops the counts of an organization, in the transaction that changes its quota: without
// a quota nothing is counted. The next Claim or Check counts again.
func Forget(ctx context.Context, tx *store.Tx, organization string) (err error) {
	defer operation.Wrap(&err, "drop the counts of organization %s", organization)
	return tx.DropQuota(ctx, organization)
}
