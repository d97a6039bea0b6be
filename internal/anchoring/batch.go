package anchoring

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Batch is how many transactions go through a step at once. They share a commit, so one
// worker keeps up with many clients.
const Batch = 256

// rowsTogether is how many rows share one database transaction of a batch, and its round
// trips. On Postgres these transactions run in parallel. On SQLite they share one commit.
const rowsTogether = 64

// change changes one row in a transaction. The function that it returns records what
// happened, and is called after the commit; nil: nothing happened.
type change func(tx *store.Tx, row int) (committed func(), err error)

// each runs f for every row, several rows in one transaction.
func (s *Service) each(ctx context.Context, rows []query.Transaction, f change) error {
	return s.parts(ctx, s.DB.Tx, rows, f)
}

// eachAtOnce is each for an f with a single statement: the statements of several rows are one
// round trip.
func (s *Service) eachAtOnce(ctx context.Context, rows []query.Transaction, f change) error {
	return s.parts(ctx, s.DB.One, rows, f)
}

type transact func(context.Context, func(*store.Tx) error) error

func (s *Service) parts(ctx context.Context, run transact, rows []query.Transaction, f change) error {
	errs := make([]error, (len(rows)+rowsTogether-1)/rowsTogether)
	var wg sync.WaitGroup
	for i := range errs {
		from := i * rowsTogether
		wg.Go(func() { errs[i] = s.together(ctx, run, rows, from, min(from+rowsTogether, len(rows)), f) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// together runs f for the rows from up to before to in one transaction. If the transaction fails while the database is available, each row is tried
// alone. So one stuck row does not hold up the others.
func (s *Service) together(ctx context.Context, run transact, rows []query.Transaction, from, to int, f change) error {
	var committed []func()
	err := run(ctx, func(tx *store.Tx) error {
		committed = committed[:0] // the database may ask to run it again
		return tx.Each(to-from, func(tx *store.Tx, i int) error {
			done, err := f(tx, from+i)
			if err != nil {
				return fmt.Errorf("transaction %s: %w", rows[from+i].ID, err)
			}
			if done != nil {
				committed = append(committed, done)
			}
			return nil
		})
	})
	if err == nil {
		for _, done := range committed {
			done()
		}
		return nil
	}
	if to-from == 1 || store.Unavailable(err) || ctx.Err() != nil {
		return err
	}
	var all []error
	for i := from; i < to; i++ {
		all = append(all, s.together(ctx, run, rows, i, i+1, f))
	}
	return errors.Join(all...)
}
