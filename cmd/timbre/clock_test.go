package main

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// A clock that differs from the database's is an error of the worker that compares them.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := &clockSkew{db: db}
		off := time.Duration(0)
		now := db.Now
		db.Now = func() time.Time { return now().Add(off) }
		if err := c.compare(t.Context()); err != nil || c.last().Abs() > time.Second {
			t.Errorf("%s, %v", c.last(), err)
		}
		for _, off = range []time.Duration{time.Hour, -time.Hour} {
			err := c.compare(t.Context())
			if !strings.Contains(t.Name(), "ostgres") { // SQLite has no clock of its own
				if err != nil || c.last() != 0 {
					t.Errorf("%s, %v", c.last(), err)
				}
				continue
			}
			if err == nil || (c.last()+off).Abs() > time.Second {
				t.Errorf("off by %s: %s, %v", off, c.last(), err)
			}
		}
	})
}

// Processes share a database, and their clocks differ. Each reports its own difference in its
// metric. A process whose clock is too far away says so in its log, and stays ready: its clock may
// be right, and that of the database wrong.
func TestClocksOfInstances(t *testing.T) {
	t.Parallel()
	database, dir := storetest.EmptyPostgresURL(t), t.TempDir()
	if err := makeSecret(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`(?m)^timbre_clock_skew_seconds (\S+)$`)
	for _, ahead := range []time.Duration{3 * time.Second, 40 * time.Second, -40 * time.Second} { // the first one starts the log
		logged := &buffer{}
		f := smallServer(dir)
		f.DatabaseURL = database
		s, err := newServer(t.Context(), f, f.logger(logged))
		if err != nil {
			t.Fatal(err)
		}
		now := s.db.Now
		s.db.Now = func() time.Time { return now().Add(ahead) }
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.run(ctx) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		get := func(path string) *httptest.ResponseRecorder {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
			r.Host = "127.0.0.1"
			if path == "/metrics" {
				s.web.MetricsHandler(nil).ServeHTTP(w, r)
			} else {
				s.web.ServeHTTP(w, r)
			}
			return w
		}
		far := ahead.Abs() > mostSkew
		look, limit := time.NewTicker(10*time.Millisecond), time.After(30*time.Second)
		defer look.Stop()
		for seen := false; !seen; {
			select {
			case <-look.C:
			case <-limit:
				t.Fatalf("%s ahead: the metric is %q, and the log has:\n%s", ahead, metric.FindString(get("/metrics").Body.String()), logged)
			}
			m := metric.FindStringSubmatch(get("/metrics").Body.String())
			if m == nil {
				t.Fatal("no metric")
			}
			behind, err := strconv.ParseFloat(m[1], 64)
			seen = err == nil && (time.Duration(behind*float64(time.Second))+ahead).Abs() < time.Second && strings.Contains(logged.String(), `"worker":"clock"`) == far
		}
		if far && !strings.Contains(logged.String(), "synchronize both with a time server (NTP)") {
			t.Errorf("%s ahead: the log does not say what to do:\n%s", ahead, logged)
		}
		if w := get("/readyz?exclude=storage&exclude=log"); w.Code != 200 {
			t.Errorf("%s ahead: not ready: %s", ahead, w.Body)
		}
	}
}
