package people

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
)

// budgets limit what somebody without a session can try. Known and unknown e-mail addresses
// have the same budgets, so a refusal does not tell which exist.
type budgets struct {
	address *limit.Budget // tries from one network address
	account *limit.Budget // tries for one e-mail address, from browsers that never signed in
	device  *limit.Budget // tries from one browser that has signed in before
	codes   *limit.Budget // codes of second factors, for one person
	mails   *limit.Budget // mails to one address that a stranger can cause
	invited *limit.Budget // mails to one invited address that members can cause
	entries *limit.Budget // entries of failures in the audit log
	links   *limit.Budget // links opened from one network address
}

func newBudgets(l *limit.Limits) budgets {
	rate := func(count int, per time.Duration, burst int) limit.Rate {
		return limit.Rate{Count: count, Per: per, Burst: burst}
	}
	return budgets{
		address: l.Budget("sign_in_address", rate(60, 10*time.Minute, 30)),
		account: l.Budget("sign_in_account", rate(20, time.Hour, 10)),
		device:  l.Budget("sign_in_device", rate(20, time.Hour, 10)),
		codes:   l.Budget("sign_in_codes", rate(10, 15*time.Minute, 10)),
		mails:   l.Budget("sign_in_mails", rate(3, time.Hour, 3)),
		invited: l.Budget("invitation_mails", rate(3, time.Hour, 3)),
		entries: l.Budget("sign_in_entries", rate(600, 10*time.Minute, 300)),
		links:   l.Budget("sign_in_links", rate(60, 10*time.Minute, 30)),
	}
}

// keyOf is the name of an account in a budget. A budget stores no e-mail address.
func keyOf(email string) string {
	h := sha256.Sum256([]byte(email))
	return hex.EncodeToString(h[:16])
}

// take takes one try from each budget, in order, or refuses with common.rate_limited.
func take(ctx context.Context, tries ...try) error {
	for _, t := range tries {
		if state := t.of.Take(ctx, t.key); !state.Allowed {
			return fault.CommonRateLimited(state.Wait).With("reason", t.reason)
		}
	}
	return nil
}

type try struct {
	of          *limit.Budget
	key, reason string
}
