package metrics_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/metrics"
)

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if t.Failed() {
		t.Log(regexp.MustCompile(`(?m)^(# |go_|process_).*\n`).ReplaceAllString(text, ""))
	}
}

// Each event moves its own metric.
func TestEvents(t *testing.T) {
	t.Parallel()
	m := metrics.New("1.2.3", "testnet", "mainnet")
	has(t, scrape(t, m), `timbre_info{version="1.2.3"} 1`, `timbre_transactions_total{network="mainnet",outcome="failed"} 0`)
	m.Request("GET", "/v1/stats", 200, "", 20*time.Millisecond, false)
	m.Request("BREW", "unknown", 404, "common.not_found", time.Millisecond, false)
	m.Request("GET", "/stream", 200, "", time.Hour, true)
	m.Confirmed("mainnet", 62)
	m.Confirmed("mainnet", 62)
	m.Final("mainnet", 62, 7*time.Second)
	m.Failed("mainnet", 62)
	m.CertificateMade(300 * time.Millisecond)
	m.CertificateFailed()
	m.TimestampMade()
	m.TimestampFailed()
	m.TimestampFailed()
	m.TimestampAbandoned()
	m.Erased(3)
	m.Block("testnet", 40, 30*time.Millisecond)
	text := scrape(t, m)
	has(t, text,
		`timbre_requests_total{code="",method="GET",route="/v1/stats",status="200"} 1`,
		`timbre_requests_total{code="common.not_found",method="other",route="unknown",status="404"} 1`,
		`timbre_request_seconds_bucket{route="/v1/stats",le="0.025"} 1`,
		`timbre_transactions_total{network="mainnet",outcome="confirmed"} 2`,
		`timbre_transactions_total{network="mainnet",outcome="final"} 1`,
		`timbre_transactions_total{network="mainnet",outcome="failed"} 1`,
		`timbre_transactions_total{network="testnet",outcome="failed"} 0`,
		`timbre_transaction_seconds_sum{network="mainnet"} 7`,
		`timbre_credits_total{kind="held",network="mainnet"} 124`,
		`timbre_credits_total{kind="captured",network="mainnet"} 62`,
		`timbre_credits_total{kind="released",network="mainnet"} 62`,
		`timbre_certificates_made_total 1`, `timbre_certificates_failed_total 1`, `timbre_certificate_seconds_sum 0.3`,
		`timbre_timestamps_made_total 1`, `timbre_timestamps_failed_total 2`, `timbre_timestamps_abandoned_total 1`,
		`timbre_erasures_total 3`,
		`timbre_log_block_seconds_sum{network="testnet"} 0.03`, `timbre_log_block_entries_sum{network="testnet"} 40`,
	)
	if strings.Contains(text, `route="/stream",le`) {
		t.Error("the duration of a stream was observed")
	}
	var none *metrics.Metrics // a part of a server without metrics
	none.Confirmed("mainnet", 1)
	none.Final("mainnet", 1, time.Second)
	none.Request("GET", "/", 200, "", 0, false)
	none.Block("mainnet", 1, 0)
	none.CertificateMade(0)
}

// A scrape reads its sources. The counts of rows are read once in five seconds, however many
// scrapes come, also while reads fail. After a failure they are NaN, and not old.
func TestSources(t *testing.T) {
	t.Parallel()
	var (
		mu    sync.Mutex
		now   = time.Unix(1_800_000_000, 0)
		reads int
		fails error
	)
	set := func(f func()) { mu.Lock(); defer mu.Unlock(); f() }
	m := metrics.New("test", "testnet", "mainnet")
	m.Read(metrics.Sources{
		Now:       func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
		Followers: func() int { return 3 },
		Uploads:   func() (int, int64) { return 2, 1000 },
		Places:    func() []metrics.Place { return []metrics.Place{{Name: "uploads", Free: 10, Reserved: 1}} },
		Database: func() metrics.Database {
			return metrics.Database{Timeouts: 1, Retries: 2, Transactions: 30, Commits: 10}
		},
		Limits: func() (bool, int64) { return true, 4 },
		Workers: func() []metrics.Worker {
			return []metrics.Worker{{Name: "sweep", Steps: 9, Failed: 3, InARow: 2}}
		},
		Staged: func(context.Context) (int64, error) { return 77, nil },
		Log: func(ctx context.Context, network string) (metrics.Log, error) {
			if network == "testnet" {
				return metrics.Log{}, errors.New("no answer")
			}
			return metrics.Log{Stopped: true, Blocks: 5, Entries: 50, Refused: 1, SequencerAt: now.Add(-4 * time.Second), BlockAt: now.Add(-time.Minute), ClockJumps: 2}, nil
		},
		Witnesses: func(ctx context.Context, network string) ([]metrics.Witness, error) {
			if network == "testnet" {
				return nil, errors.New("no answer")
			}
			return []metrics.Witness{{Name: "ben", Behind: 3, CosignedAt: now.Add(-7 * time.Second), FailingSince: now.Add(-5 * time.Second), Alarm: true}, {Name: "new"}}, nil
		},
		Funds: func(ctx context.Context, network string) (metrics.Funds, error) {
			if network == "testnet" {
				return metrics.Funds{}, errors.New("no answer")
			}
			return metrics.Funds{Accounts: []metrics.Account{{Address: "5Gx", Free: 7e12, Reserved: 11e12, Works: 4, Capacity: 1000, Open: 2, Low: true}}, Total: 9e11, Last: 8e10}, nil
		},
		Proofs: func(ctx context.Context, network string) (*metrics.Proofs, error) {
			if network == "testnet" {
				return nil, nil
			}
			return &metrics.Proofs{Waiting: 3, Missed: 1, Oldest: now.Add(-9 * time.Minute)}, nil
		},
		Stamps: func(context.Context) (metrics.Stamps, error) {
			return metrics.Stamps{Blocks: []metrics.BlockStamps{{Network: "mainnet", Kind: "ots", Waiting: 2, Pending: 3}, {Network: "mainnet", Kind: "token", Waiting: 4}}, RenewalsDue: 5, RenewalsMissed: 6, NextEnd: now.Add(time.Hour)}, nil
		},
		Rows: func(ctx context.Context) (metrics.Rows, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("a read has no timeout")
			}
			mu.Lock()
			defer mu.Unlock()
			reads++
			return metrics.Rows{
				InFlight: []metrics.InFlight{
					{Network: "mainnet", State: "staged", Count: 4, Oldest: now.Add(-90 * time.Second)},
					{Network: "mainnet", State: "broadcast", Count: 1, Oldest: now.Add(-30 * time.Second)},
				},
				CertificatesWaiting: 6, TimestampsWaiting: 7, ErasuresWaiting: 8, ErasuresStuck: 1, JobsExpired: 9, JobsLeftover: 10,
				Credits: map[string]int64{"issued": 100, "available": 70, "held": 10, "spent": 20},
			}, fails
		},
	})
	lines := []string{
		`timbre_followers 3`, `timbre_uploads_running 2`, `timbre_uploads_running_bytes 1000`, `timbre_uploads_staged_bytes 77`,
		`timbre_storage_free_bytes{place="uploads"} 10`, `timbre_storage_reserve_bytes{place="uploads"} 1`,
		`timbre_database_timeouts_total 1`, `timbre_database_retries_total 2`, `timbre_database_transactions_total 30`, `timbre_database_commits_total 10`,
		`timbre_limits_alone 1`, `timbre_limits_alone_total 4`,
		`timbre_worker_steps_total{worker="sweep"} 9`, `timbre_worker_failures_total{worker="sweep"} 3`, `timbre_worker_failing{worker="sweep"} 2`,
		`timbre_database_answers 1`,
		`timbre_transactions{network="mainnet",state="staged"} 4`, `timbre_transactions{network="mainnet",state="broadcast"} 1`, `timbre_transactions{network="mainnet",state="confirmed"} 0`,
		`timbre_transactions{network="testnet",state="staged"} 0`,
		`timbre_transactions_oldest_seconds{network="mainnet"} 90`, `timbre_transactions_oldest_seconds{network="testnet"} 0`,
		`timbre_certificates_waiting 6`, `timbre_timestamps_waiting 7`, `timbre_erasures_waiting 8`, `timbre_erasures_stuck 1`,
		`timbre_sweeper_waiting{work="expired"} 9`, `timbre_sweeper_waiting{work="leftover"} 10`,
		`timbre_credits{account="issued"} 100`, `timbre_credits{account="held"} 10`,
		`timbre_log_witness_behind_entries{network="mainnet",witness="ben"} 3`, `timbre_log_witness_cosigned_age_seconds{network="mainnet",witness="ben"} 7`,
		`timbre_log_witness_failing_seconds{network="mainnet",witness="ben"} 5`, `timbre_log_witness_alarm{network="mainnet",witness="ben"} 1`,
		`timbre_log_witness_cosigned_age_seconds{network="mainnet",witness="new"} NaN`, `timbre_log_witness_failing_seconds{network="mainnet",witness="new"} 0`,
		`timbre_log_stopped{network="mainnet"} 1`, `timbre_log_blocks_total{network="mainnet"} 5`, `timbre_log_entries_total{network="mainnet"} 50`, `timbre_log_refused_total{network="mainnet"} 1`,
		`timbre_log_sequencer_age_seconds{network="mainnet"} 4`, `timbre_log_block_age_seconds{network="mainnet"} 60`, `timbre_clock_jumps_total{network="mainnet"} 2`,
		`timbre_log_blocks_total{network="testnet"} NaN`,
		`timbre_block_stamps_waiting{kind="ots",network="mainnet"} 2`, `timbre_block_stamps_waiting{kind="token",network="mainnet"} 4`, `timbre_block_stamps_pending{network="mainnet"} 3`,
		`timbre_account_free{account="5Gx",network="mainnet"} 7e+12`, `timbre_account_reserved{account="5Gx",network="mainnet"} 1.1e+13`,
		`timbre_account_works{account="5Gx",network="mainnet"} 4`, `timbre_account_capacity{account="5Gx",network="mainnet"} 1000`,
		`timbre_account_open{account="5Gx",network="mainnet"} 2`, `timbre_account_low{account="5Gx",network="mainnet"} 1`,
		`timbre_proofs_waiting{network="mainnet"} 3`, `timbre_proofs_oldest_seconds{network="mainnet"} 540`, `timbre_proofs_missed{network="mainnet"} 1`,
		`timbre_chain_fees_total{network="mainnet"} 9e+11`, `timbre_chain_fee_last{network="mainnet"} 8e+10`,
		`timbre_renewals_due 5`, `timbre_renewals_missed 6`, `timbre_renewals_next_end_seconds 3600`,
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { scrape(t, m) })
	}
	wg.Wait()
	has(t, scrape(t, m), lines...)
	if reads != 1 {
		t.Errorf("%d reads for 21 scrapes at one time", reads)
	}
	set(func() { now, fails = now.Add(6*time.Second), errors.New("no answer") })
	for range 5 {
		has(t, scrape(t, m), `timbre_database_answers 0`, `timbre_transactions{network="mainnet",state="staged"} NaN`, `timbre_certificates_waiting NaN`, `timbre_credits{account="held"} NaN`)
	}
	if reads != 2 {
		t.Errorf("%d reads after scrapes of a database that does not answer, want 2", reads)
	}
	set(func() { now, fails = now.Add(-time.Hour), nil }) // the clock was set back
	has(t, scrape(t, m), `timbre_database_answers 1`, `timbre_certificates_waiting 6`)
}
