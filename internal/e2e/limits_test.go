package e2e_test

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/store/storetest"
)

// TestInstancesShareALimit lets two processes on one Postgres be called as fast
// as they answer. Together they let through what one of them would, to the call.
//
// The test has the machine for itself: a process counts alone when Postgres needs longer than
// half a second. The metrics tell that, and then there is another round.
func TestInstancesShareALimit(t *testing.T) {
	const burst, rounds = int64(20), 5
	o := harness.Options{Roles: "organizations", DatabaseURL: storetest.PostgresURL(t), Data: t.TempDir(), Args: []string{"--limits-mint", "1/1h,burst=20"}}
	one := harness.Start(t, o)
	other := harness.Start(t, o)
	for round := 1; ; round++ {
		before := countedAlone(t, one, other)
		minted, limited := mintAtOnce(t, burst, one, other)
		switch {
		case minted == burst && limited == 2*burst:
			return
		case countedAlone(t, one, other) == before:
			t.Fatalf("%d minted and %d refused, want %d and %d", minted, limited, burst, 2*burst)
		case minted < burst || minted > 2*burst || minted+limited != 3*burst:
			t.Fatalf("%d minted and %d refused while a process counted alone: want at most one budget for each process", minted, limited)
		case round == rounds:
			t.Fatalf("in each of %d rounds Postgres needed longer than the servers wait", rounds)
		}
		t.Logf("round %d: Postgres needed longer than a server waits; %d minted", round, minted)
		if !harness.Eventually(func() bool {
			return !strings.Contains(get(t, one.URL+"/metrics")+get(t, other.URL+"/metrics"), "timbre_limits_alone 1")
		}) {
			t.Fatal("a server counts alone for good")
		}
	}
}

// mintAtOnce makes a new organization, and asks both servers for three times its burst of
// sessions. It returns how many were minted and how many were refused by the limit.
func mintAtOnce(t *testing.T, burst int64, one, other *harness.Server) (minted, limited int64) {
	t.Helper()
	one.NewOrganization()
	other.SiteKey, other.SecretKey = one.SiteKey, one.SecretKey
	var wg sync.WaitGroup
	var passed, refused atomic.Int64
	for i := range 3 * burst {
		wg.Go(func() {
			song := &harness.Song{Server: []*harness.Server{one, other}[i%2]}
			err := song.Mint(t.Context())
			var r *harness.Refusal
			switch {
			case err == nil:
				passed.Add(1)
			case errors.As(err, &r) && r.Code == "session.rate_limited" && r.Status == 429 && r.RetryAfter > 0:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return passed.Load(), refused.Load()
}

// countedAlone returns how often the servers began to count without their database.
func countedAlone(t *testing.T, servers ...*harness.Server) (times int) {
	t.Helper()
	for _, s := range servers {
		m := regexp.MustCompile(`(?m)^timbre_limits_alone_total (\d+)$`).FindStringSubmatch(get(t, s.URL+"/metrics"))
		if m == nil {
			t.Fatal("no metric timbre_limits_alone_total")
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		times += n
	}
	return times
}
