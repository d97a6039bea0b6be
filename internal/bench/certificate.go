package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
)

// benchCertificate measures what a certificate costs a server in place: registrations leave a
// backlog, and the row is the processor time of the whole process until the backlog is gone, for
// each certificate. So it has the pauses, cold caches, the files, the commits and the collector.
func benchCertificate(ctx context.Context, b *bench) error {
	return b.onEach(ctx, "certificate", func(s *server, engine string) (err error) {
		db, err := store.Open(ctx, s.DatabaseURL)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		c := s.client("testnet")
		n := sized(b, 30, 3) // of each client
		err = together(ctx, clients, func(ctx context.Context, _ int) error {
			file := wav(64 << 10)
			for range n {
				unique(file)
				transaction, err := c.register(ctx, file)
				if err == nil {
					err = c.final(ctx, transaction)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		waiting := func() (int64, error) {
			counts, err := outbox.Count(ctx, db, outbox.Certificate)
			return counts.Waiting, err
		}
		backlog, err := waiting()
		if err != nil {
			return err
		}
		began, used := time.Now(), s.processor()
		for left := backlog; left > 0; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
			if left, err = waiting(); err != nil {
				return err
			}
		}
		if backlog == 0 {
			b.skip("certificate in place, "+engine, "every certificate was made before the last registration ended")
			return nil
		}
		took := time.Since(began).Seconds()
		b.add(row{
			What: "certificate in place, " + engine, Unit: "ms", Ours: 1000 * (s.processor() - used).Seconds() / float64(backlog), Goal: oursAtMost(3),
			Note: fmt.Sprintf("processor time of the server, without the database's; %d certificates, %s/s", backlog, number(float64(backlog)/took)),
		})
		return nil
	})
}
