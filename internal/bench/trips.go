package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"timbre.example/internal/store/storetest"
)

// benchLeast measures registrations on Postgres against the least server: until they are final,
// and until their certificates are there. It also counts their round trips to the database.
func benchLeast(ctx context.Context, b *bench) error {
	if err := os.Setenv("TIMBRE_TEST_FSYNC", "1"); err != nil {
		return err
	}
	url, err := storetest.NewPostgres()
	if err != nil {
		b.skip("registrations against the least server", err.Error())
		return nil
	}
	dir, err := os.MkdirTemp(b.dir, "server-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := b.start(ctx, dir, blockTime, url)
	if err != nil {
		return err
	}
	l, err := startLeast(ctx, s.DatabaseURL, dir)
	if err == nil {
		err = errors.Join(againstLeast(ctx, b, s, l), l.close())
	}
	return errors.Join(err, s.stop(), b.trips(ctx))
}

func againstLeast(ctx context.Context, b *bench, s *server, l *least) error {
	turn, rounds := sized(b, 4*time.Second, 300*time.Millisecond), sized(b, 5, 1)
	db, err := sql.Open("pgx", s.DatabaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	note := "16 clients; floor: the least server that keeps the same promises, called by the same clients"
	for _, size := range []struct {
		name  string
		bytes int
		goal  *goal
	}{{"64 KiB", 64 << 10, ratioAtLeast(0.6)}, {"5 MB", 5 << 20, ratioAtLeast(0.8)}} {
		ours, floor := newLoad(s.client("testnet"), size.bytes), newLoad(l.client(), size.bytes)
		for _, warm := range []*load{ours, floor} {
			if _, _, err := warm.run(ctx, turn/4); err != nil {
				return err
			}
		}
		once := func(l *load) func() (float64, error) {
			return func() (float64, error) { perSecond, _, err := l.run(ctx, turn); return perSecond, err }
		}
		o, f, ratio, err := pairs(rounds, once(ours), once(floor))
		if err != nil {
			return err
		}
		b.add(row{What: "registrations of " + size.name + " against the least server, Postgres", Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: size.goal, Note: note})
	}
	ours, floor := newLoad(s.client("testnet"), 64<<10), newLoad(l.client(), 64<<10)
	if err := certified(ctx, db); err != nil {
		return err
	}
	o, f, ratio, err := pairs(sized(b, 3, 1), func() (float64, error) {
		begun := time.Now()
		_, n, err := ours.run(ctx, turn/4)
		if err == nil {
			err = certified(ctx, db)
		}
		return float64(n) / time.Since(begun).Seconds(), err
	}, func() (float64, error) { perSecond, _, err := floor.run(ctx, turn/4); return perSecond, err })
	if err != nil {
		return err
	}
	b.add(row{What: "registrations of 64 KiB until the certificate, Postgres", Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtLeast(0.38), Note: note + "; the least server makes no certificate"})
	c := s.client("testnet")
	least := l.client()
	each := func(c *client) func() (float64, error) {
		return func() (float64, error) {
			return rate(ctx, clients, turn/2, func(ctx context.Context, _ int) error { _, err := c.mint(ctx); return err })
		}
	}
	if o, f, ratio, err = pairs(rounds, each(c), each(least)); err != nil {
		return err
	}
	b.add(row{What: "mint over HTTP against the least server, Postgres", Unit: "/s", Ours: o, Floor: f, Ratio: ratio, Goal: ratioAtLeast(0.6), Note: note})
	return nil
}

// certified waits until no certificate is missing.
func certified(ctx context.Context, db *sql.DB) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var missing int
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM versions WHERE certificate_key = ''").Scan(&missing); err != nil || missing == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// trips counts the round trips of registrations of 16 clients, through a proxy.
func (b *bench) trips(ctx context.Context) error {
	url, err := storetest.NewPostgres()
	if err != nil {
		return err
	}
	proxy, err := storetest.CountTrips(url)
	if err != nil {
		return err
	}
	defer proxy.Close()
	dir, err := os.MkdirTemp(b.dir, "server-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := b.start(ctx, dir, blockTime, proxy.URL)
	if err != nil {
		return err
	}
	count := func() error {
		db, err := sql.Open("pgx", url)
		if err != nil {
			return err
		}
		defer db.Close()
		l := newLoad(s.client("testnet"), 64<<10)
		if _, _, err := l.run(ctx, sized(b, 2*time.Second, 200*time.Millisecond)); err != nil {
			return err
		}
		if err := certified(ctx, db); err != nil {
			return err
		}
		proxy.Made()
		_, n, err := l.run(ctx, sized(b, 4*time.Second, 300*time.Millisecond))
		if err != nil {
			return err
		}
		final := len(proxy.Made())
		if err := certified(ctx, db); err != nil {
			return err
		}
		all := final + len(proxy.Made())
		note := fmt.Sprintf("16 clients, %d registrations; with the work of the background", n)
		b.add(row{What: "round trips to Postgres of a registration", Ours: float64(final) / float64(n), Goal: oursAtMost(12), Note: note})
		b.add(row{What: "… until its certificate", Ours: float64(all) / float64(n), Goal: oursAtMost(16), Note: note})
		return nil
	}
	return errors.Join(count(), s.stop())
}
