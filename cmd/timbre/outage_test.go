package main

import (
	"context"
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/store/storetest"
)

// While the database is cut off, silent or refusing, each line of the server's background work says
// that the database failed, and at which operation. The lines end when the database is back.
func TestLinesOfAnOutage(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(storetest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := faultproxy.New(t, "unix", filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"))
	dir, logged := t.TempDir(), &buffer{}
	if err := makeSecret(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	f := smallServer(dir)
	f.DatabaseURL = "postgres://postgres@" + proxy.Addr + u.Path + "?sslmode=disable"
	s, err := newServer(t.Context(), f, f.logger(logged))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	read := 0
	// lines are those of level WARN and ERROR that were not returned before.
	lines := func() (out []map[string]any) {
		text := logged.String()
		end := strings.LastIndex(text, "\n") + 1
		for line := range strings.Lines(text[read:end]) {
			var one map[string]any
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if one["level"] == "ERROR" || one["level"] == "WARN" {
				out = append(out, one)
			}
		}
		read = end
		return out
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	until := func(what string, ok func() bool) {
		t.Helper()
		limit := time.After(60 * time.Second)
		for !ok() {
			select {
			case <-look.C:
			case <-limit:
				t.Fatalf("%s: the log is\n%s", what, logged)
			}
		}
	}
	until("it begins to work", func() bool { return s.db.Counts().Commits > 0 })
	if all := lines(); len(all) > 0 {
		t.Errorf("before the outage: %v", all)
	}
	for fault, begin := range map[string]func(){"cut": proxy.Cut, "refusing": func() { proxy.Refuse(); proxy.Cut() }, "silent": proxy.Swallow} {
		begin()
		failed := map[any]bool{}
		until(fault, func() bool {
			for _, line := range lines() {
				text, _ := line["error"].(string)
				if !strings.Contains(text, "database: ") || strings.Contains(text, "database: : ") {
					t.Errorf("%s: a line does not name the database and the operation: %v", fault, line)
				}
				failed[line["worker"]] = true
			}
			return len(failed) >= 3 || fault == "cut" // one cut may meet no statement
		})
		proxy.Pass()
		ping := func() bool { return s.db.Ping(ctx) == nil }
		until("the database is back", ping)
	}
}
