package registry

import (
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"

	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/work"
)

// A follower whose read failed is woken again when the database is back, although nothing
// has changed since.
func TestWokenWhenTheDatabaseIsBack(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	direct := storetest.PostgresURL(t)
	storetest.Open(t, direct) // migrates it
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	proxy := faultproxy.New(t, "unix", filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"))
	db, err := store.Open(ctx, "postgres://postgres@"+proxy.Addr+u.Path+"?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r := New(Config{DB: db, Log: slog.New(slog.DiscardHandler)})
	changed := work.NewSignal()
	stop := r.Works.Progress.Follow("nobody's", changed.Ring)
	defer stop()
	go r.Works.Progress.Worker().Run(ctx)

	proxy.Refuse()
	proxy.Cut()
	if _, err := r.Works.Followed(ctx, "nobody's"); !errors.Is(err, fault.CodeTransactionStoreUnavailable) {
		t.Fatal(err)
	}
	proxy.Await(func(c faultproxy.Counts) bool { return c.Refused >= 2 }) // Watch was refused too
	select {
	case <-changed:
		t.Fatal("woken, and there is nothing to see")
	default:
	}
	proxy.Pass()
	<-changed
	if _, err := r.Works.Followed(ctx, "nobody's"); !errors.Is(err, fault.CodeTransactionNotFound) {
		t.Error(err)
	}
}
