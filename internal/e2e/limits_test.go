package e2e_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/store/storetest"
)

// TestInstancesShareALimit lets two processes on one Postgres be called as fast
// as they answer. Together they let through what one of them would, to the call.
func TestInstancesShareALimit(t *testing.T) {
	t.Parallel()
	const burst = 20
	o := harness.Options{Roles: "organizations", DatabaseURL: storetest.PostgresURL(t), Data: t.TempDir(), Args: []string{"--limits-mint", "1/1h,burst=20"}}
	one := harness.Start(t, o)
	other := harness.Start(t, o)
	one.NewOrganization()
	other.SiteKey, other.SecretKey = one.SiteKey, one.SecretKey
	var wg sync.WaitGroup
	var minted, limited atomic.Int64
	for i := range 3 * burst {
		wg.Go(func() {
			song := &harness.Song{Server: []*harness.Server{one, other}[i%2]}
			err := song.Mint(t.Context())
			var r *harness.Refusal
			switch {
			case err == nil:
				minted.Add(1)
			case errors.As(err, &r) && r.Code == "session.rate_limited" && r.Status == 429 && r.RetryAfter > 0:
				limited.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if minted.Load() != burst || limited.Load() != 2*burst {
		t.Errorf("%d minted and %d refused, want %d and %d", minted.Load(), limited.Load(), burst, 2*burst)
	}
}
