package registry

import (
	"bytes"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"timbre.example/internal/audit"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
)

// lines is a log that several goroutines write.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns the lines since the last call, without their times.
func (l *lines) take() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		_, line, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		all = append(all, line)
	}
	l.text.Reset()
	return all
}

// values are the counters and gauges of Timbre, by name and labels.
type values map[string]float64

var sample = regexp.MustCompile(`(?m)^(timbre_\w+(?:\{[^}]*\})?) (\S+)$`)

func (w *world) values() values {
	rec := httptest.NewRecorder()
	w.metrics.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	v := values{}
	for _, m := range sample.FindAllStringSubmatch(rec.Body.String(), -1) {
		v[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	return v
}

func (w *world) metric(name string) float64 { return w.values()[name] }

// moved returns the counters that moved since before, without buckets and sums.
func (v values) moved(before values) (all []string) {
	for name, now := range v {
		if now != before[name] && !strings.Contains(name, "_bucket{") && !strings.Contains(name, "_sum") {
			all = append(all, name+" "+strconv.FormatFloat(now-before[name], 'g', -1, 64))
		}
	}
	return all
}

func wantLine(t *testing.T, got []string, pattern string) {
	t.Helper()
	if len(got) != 1 || !regexp.MustCompile("^"+pattern+"$").MatchString(got[0]) {
		t.Errorf("lines %q, want one that matches %s", got, pattern)
	}
}

func wantMoved(t *testing.T, got []string, want ...string) {
	t.Helper()
	left := map[string]bool{}
	for _, g := range got {
		left[g] = true
	}
	for _, one := range want {
		if !left[one] {
			t.Errorf("%s did not move; moved: %q", one, got)
		}
		delete(left, one)
	}
	for one := range left {
		t.Errorf("%s moved too", one)
	}
}

// A confirmed registration that the network refuses leaves exactly one line, and moves the
// metric of failed transactions: an operator does not learn of it from a customer. The
// credits that it gives back are counted with it.
func TestARefusalIsSeen(t *testing.T) {
	for name, plan := range map[string]func(*networktest.Fake){
		"when staged":  func(f *networktest.Fake) { f.Refuse(networktest.Stage, "no more works today") },
		"on the chain": func(f *networktest.Fake) { f.IncludeFailed("no more works today") },
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				s := w.confirmed("Orchard in Six", 1)
				w.logged.take()
				before := w.values()
				plan(w.net)
				w.advance()
				s.wantFailed("no more works today")
				w.advance() // again: nothing more happens
				wantLine(t, w.logged.take(), `level=INFO msg=failed job=`+s.slot.JobID[:18]+` network=testnet kind=register organization=\S+ credits=\d+ code=transaction.failed reason=".*no more works today"`)
				got := w.values().moved(before)
				price := strconv.FormatFloat(w.metric(`timbre_credits_total{kind="held",network="testnet"}`), 'g', -1, 64)
				wantMoved(t, got, `timbre_transactions_total{network="testnet",outcome="failed"} 1`, `timbre_credits_total{kind="released",network="testnet"} `+price)
			})
		})
	}
}

// Each event of a life has one line and one metric, and no line has a word of the song, its
// people or its codes.
func TestEventsOfALife(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.stamps(t)
		w.logged.take()
		before := w.values()
		var all []string
		event := func(pattern string, metrics ...string) {
			t.Helper()
			got, now := w.logged.take(), w.values()
			all = append(all, got...)
			wantLine(t, got, pattern)
			wantMoved(t, now.moved(before), metrics...)
			before = now
		}
		s := w.quoted("Last Ferry", 1)
		c, err := s.confirm()
		if err != nil {
			t.Fatal(err)
		}
		job := s.slot.JobID[:18]
		credits := strconv.FormatFloat(w.metric(`timbre_credits_total{kind="held",network="testnet"}`), 'g', -1, 64)
		event(`level=INFO msg=confirmed job=`+job+` network=testnet kind=register organization=\S+ credits=`+credits,
			`timbre_transactions_total{network="testnet",outcome="confirmed"} 1`, `timbre_credits_total{kind="held",network="testnet"} `+credits)
		if _, err := s.confirm(); err == nil {
			t.Error("confirmed twice")
		}
		w.advance()
		s.wantFinal()
		work := s.view().Done.WorkID
		event(`level=INFO msg=final job=`+job+` network=testnet kind=register organization=\S+ credits=`+credits+` work=`+work+` version=1 block=1 took=\S+`,
			`timbre_transactions_total{network="testnet",outcome="final"} 1`, `timbre_transaction_seconds_count{network="testnet"} 1`, `timbre_credits_total{kind="captured",network="testnet"} `+credits)
		w.mustStamp(t)
		event(`level=INFO msg=time-stamped work=`+work+` version=1 took=\S+`, `timbre_timestamps_made_total 1`)
		s.certify(t)
		event(`level=INFO msg=certificate work=`+work+` version=1 took=\S+`, `timbre_certificates_made_total 1`, `timbre_certificate_seconds_count 1`)
		row, err := w.db.Read().GetWork(t.Context(), work)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.Erasing.Redact(t.Context(), audit.CommandLine(), network.Testnet, row.AtsID); err != nil {
			t.Fatal(err)
		}
		event(`level=INFO msg=erased organization=\S+ files=3`, `timbre_erasures_total 3`)
		for _, secret := range []string{"Last", "Ferry", "Ada", "Example", "ada@", "take.wav", c.AccessCode, s.slot.JobID} {
			if secret == "" || strings.Contains(strings.Join(all, "\n"), secret) {
				t.Errorf("the lines have %q: %q", secret, all)
			}
		}
	})
}

// The backlog counts what waits, and nothing that is done.
func TestBacklog(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.stamps(t)
		w.finality(t) // waits for its token
		w.net.Hold()
		confirmed := w.confirmed("Orchard in Six", 2)
		b, err := w.reg.Backlog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(b.InFlight) != 1 || b.InFlight[0].State != "confirmed" || b.InFlight[0].Count != 1 || b.InFlight[0].Network != "testnet" || b.TimestampsWaiting != 1 || b.CertificatesWaiting != 1 || b.JobsExpired != 0 {
			t.Errorf("%+v", b)
		}
		w.begin("Never Confirmed", 3)
		w.advance()
		w.mustStamp(t)
		w.pass(w.reg.slot * 100)
		if b, err = w.reg.Backlog(t.Context()); err != nil || len(b.InFlight) != 1 || b.InFlight[0].State != "broadcast" || b.TimestampsWaiting != 0 || b.JobsExpired != 1 {
			t.Errorf("%+v, %v", b, err)
		}
		w.net.Release()
		w.advance()
		confirmed.wantFinal()
	})
}

// A corrupt row gives an error that names the operation, its subject, the table and the
// column, and nothing of what the row held.
func TestACorruptColumnIsNamed(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		raw := w.raw(t)
		corrupt := func(text string, args ...any) {
			t.Helper()
			if done, err := raw.ExecContext(t.Context(), text, args...); err != nil {
				t.Fatal(err)
			} else if n, err := done.RowsAffected(); n != 1 || err != nil {
				t.Fatalf("%d rows, %v", n, err)
			}
		}
		want := func(err error, words ...string) {
			t.Helper()
			for _, word := range words {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%v does not say %q", err, word)
				}
			}
			if err != nil && strings.Contains(err.Error(), "Ada") {
				t.Errorf("%v has a name", err)
			}
		}
		s := w.begin("Last Ferry", 1)
		var was string
		if err := raw.QueryRowContext(t.Context(), "SELECT creators FROM jobs WHERE id = $1", s.slot.JobID).Scan(&was); err != nil {
			t.Fatal(err)
		}
		corrupt("UPDATE jobs SET creators = 'Ada' WHERE id = $1", s.slot.JobID)
		_, err := s.prepare()
		want(err, "prepare job "+s.slot.JobID, "column jobs.creators")
		corrupt("UPDATE jobs SET creators = $1 WHERE id = $2", was, s.slot.JobID)
		if _, err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		id := s.view().Done.WorkID
		corrupt("UPDATE versions SET media = 'Ada' WHERE work_id = $1", id)
		_, err = w.reg.Issuing.Evidence(t.Context(), id, 1)
		want(err, "evidence of work "+id, "column versions.media")
		corrupt("UPDATE versions SET media = '{}' WHERE work_id = $1", id)
		if err := raw.QueryRowContext(t.Context(), "SELECT steps FROM transactions WHERE id = $1", s.slot.JobID).Scan(&was); err != nil {
			t.Fatal(err)
		}
		corrupt("UPDATE transactions SET steps = 'Ada' WHERE id = $1", s.slot.JobID)
		_, err = w.reg.Works.Transaction(t.Context(), s.slot.JobID)
		want(err, "read transaction "+s.slot.JobID, "column transactions.steps")
		corrupt("UPDATE transactions SET steps = $1 WHERE id = $2", was, s.slot.JobID)
	})
}
