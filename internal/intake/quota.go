package intake

import (
	"context"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// checkQuota refuses to begin a job that the quota would not allow to be confirmed.
// Registrations of test keys are counted separately, with the same quota.
func (s *Service) checkQuota(ctx context.Context, tx *store.Tx, c access.Caller) error {
	if c.Quota == 0 {
		return nil
	}
	from := time.Date(tx.Now.Year(), tx.Now.Month(), 1, 0, 0, 0, 0, time.UTC)
	used, err := tx.CountTransactions(ctx, query.CountTransactionsParams{OrganizationID: c.Organization, Since: store.Micros(from), Test: c.Test})
	if err != nil || used < c.Quota {
		return err
	}
	until := from.AddDate(0, 1, 0)
	return fault.CommonQuotaExceeded(c.Quota, used, until)
}

// claimQuota is checkQuota for a confirm. Confirms of one organization with a quota are
// counted one after the other.
func (s *Service) claimQuota(ctx context.Context, tx *store.Tx, c access.Caller) error {
	if c.Quota == 0 {
		return nil
	}
	if err := tx.LockOrganization(ctx, c.Organization); err != nil {
		return err
	}
	return s.checkQuota(ctx, tx, c)
}
