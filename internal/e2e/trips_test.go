package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/store/storetest"
)

// mostTrips has the largest number of round trips to Postgres of each step of a registration, for
// one client. Its last two numbers are those of a registration among those of 16 clients, with
// the work of the background.
//
// A slow machine reads again after a second: one trip of each step, two of confirm. Its blocks
// have few registrations, so that each pays more of the background's trips. The benchmark has
// the numbers of a machine without other work, and does not ask for the status at the end as
// follow does here.
var mostTrips = map[string]float64{
	"mint": 2, "init": 3, "PUT": 2, "prepare": 5, "confirm": 4, "follow": 3,
	"until final": 20, "until the certificate": 21,
}

// background has the statements of workers, which run beside the calls.
var background = []string{
	"ChangedTransactions", "OrganizationsInFlight", "InFlight", "FewInFlight", "PollLog", "GetLog", "ListWaitingLogEntries", "GetLogTile", "StageLogBlock", "FindLogEntries", "AdvanceLog", "SequenceLogEntry", "NoteSequencer",
	"StageTransaction", "BroadcastTransaction", "FinishTransaction", "InsertLogEntry", "FindLogEntry", "DueOrganizations", "LeaseTurn", "SetAllIssued", "IssuedTogether", "SetCertificates", "DueLanes", "InsertRequest", "GetOrganization",
	"UseKey", "UseSiteKeys", "ExpiredJobs", "InsertWork", "InsertVersion", "EndpointsOf", "CountEnd", "DismissTimestamps", "HasUnqueued", "HasUnneeded", "MarkCounted", "COMMIT", "ROLLBACK", "SweepSessions",
}

// A registration on Postgres makes few round trips. Their number does not depend on the machine.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	database := storetest.PostgresURL(t)
	trips, err := storetest.CountTrips(database)
	if err != nil {
		t.Fatal(err)
	}
	defer trips.Close()
	s := harness.Start(t, harness.Options{
		DatabaseURL: trips.URL, AdminURL: database,
		Settings: []string{"TIMBRE_SETTINGS_MAX_AGE=1s", "TIMBRE_LIMITS_MINT=off", "TIMBRE_LIMITS_SESSION=off", "TIMBRE_LIMITS_ADDRESS=off", "TIMBRE_LIMITS_ORGANIZATION=off"},
	})
	song := func(n int) *harness.Song {
		return &harness.Song{Server: s, Title: fmt.Sprint("Song ", n), Audio: harness.WAV(n)}
	}
	var measured []string
	seen := func(what string, n float64, shown []string) {
		measured = append(measured, fmt.Sprintf("%-22s %5.1f of at most %g", what, n, mostTrips[what]))
		if most, ok := mostTrips[what]; !ok || n > most {
			t.Errorf("%s: %.1f round trips, at most %g:\n%s", what, n, most, strings.Join(shown, "\n"))
		}
		measured = append(measured, shown...)
	}
	certified := func(n int) {
		t.Helper()
		db, err := registrytest.Open(database)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if !harness.Eventually(func() bool {
			var have int
			err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM versions WHERE certificate_key <> ''").Scan(&have)
			return err == nil && have == n
		}) {
			t.Fatalf("no certificates of %d songs", n)
		}
	}
	// Many at once first: the statements of most connections are prepared then.
	load := func(from, each int) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for k := range each {
					if err := register(t.Context(), song(from+i*each+k)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	load(0, 1)
	certified(16)
	trips.Made()
	const each = 3
	load(1000, each)
	final := worked(trips.Made())
	certified(16 + 16*each)
	after := worked(trips.Made())
	one := song(5000)
	steps := []struct {
		what string
		run  func(context.Context) error
	}{{"mint", one.Mint}, {"init", one.Init}, {"PUT", one.Put}, {"prepare", one.Prepare}, {"confirm", one.Confirm}, {"follow", one.Follow}}
	for _, step := range steps {
		trips.Made()
		if err := step.run(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		var shown []string
		for _, trip := range trips.Made() {
			if step.what == "follow" && !slices.Contains(trip, "TransactionForView") {
				continue // the worker's
			}
			if step.what != "prepare" && step.what != "confirm" && slices.Equal(trip, []string{"COMMIT"}) {
				continue // a worker's: only these two calls end a transaction by a trip of its own
			}
			if !slices.ContainsFunc(trip, func(s string) bool {
				return slices.Contains(background, s) && s != "COMMIT" || strings.HasPrefix(s, "--")
			}) {
				shown = append(shown, "    "+strings.Join(trip, ", "))
			}
		}
		seen(step.what, float64(len(shown)), shown)
	}
	seen("until final", float64(len(final))/(16*each), counted(final, 16*each))
	seen("until the certificate", float64(len(final)+len(after))/(16*each), counted(after, 16*each))
	t.Log("round trips to Postgres:\n" + strings.Join(measured, "\n"))
}

// polls are the statements of workers that look whether there is something to do: their number
// depends on the time.
var polls = []string{"ChangedTransactions", "PollLog", "DueOrganizations", "DueLanes", "NoteSequencer", "InsertRequest"}

// worked leaves polls out.
func worked(all []storetest.Trip) []storetest.Trip {
	return slices.DeleteFunc(all, func(trip storetest.Trip) bool {
		return !slices.ContainsFunc(trip, func(one string) bool { return !slices.Contains(polls, one) && !strings.HasPrefix(one, "--") })
	})
}

// counted returns the kinds of trips, with how often a registration made each.
func counted(all []storetest.Trip, registrations float64) (shown []string) {
	kinds := map[string]int{}
	for _, trip := range all {
		short := slices.Compact(slices.Clone(trip))
		if len(short) > 12 {
			short = append(short[:12], "…")
		}
		kinds[strings.Join(short, ", ")]++
	}
	for kind, n := range kinds {
		shown = append(shown, fmt.Sprintf("    %6.2f %s", float64(n)/registrations, kind))
	}
	slices.Sort(shown)
	slices.Reverse(shown)
	return shown[:min(len(shown), 40)]
}

func register(ctx context.Context, s *harness.Song) error {
	for _, step := range []func(context.Context) error{s.Mint, s.Init, s.Put, s.Prepare, s.Confirm, s.Follow} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}
