package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// Each transaction of a shared commit can fail, panic or be cancelled without the others.
func TestSharedCommitKeepsTransactionsApart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		boom := errors.New("boom")
		var wg sync.WaitGroup
		const n = 200
		for i := range n {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				defer func() { recover() }()
				id := fmt.Sprint(i)
				err := db.Tx(ctx, func(tx *store.Tx) error {
					if err := insertSession(id)(tx); err != nil {
						return err
					}
					switch i % 4 {
					case 1:
						return boom
					case 2:
						panic(boom)
					case 3:
						cancel()
					}
					return nil
				})
				if (err == nil) != (i%4 == 0) {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		wg.Wait()
		c := db.Counts()
		if db.Dialect() == "sqlite3" && (c.Commits < 1 || c.Commits > c.Transactions || c.Transactions < n/4) || db.Dialect() == "postgres" && (c.Commits != n/4 || c.Transactions != n/4) {
			t.Errorf("%s: %+v after %d commits", db.Dialect(), c, n/4)
		}
		for i := range n {
			_, err := db.Read().GetSession(t.Context(), fmt.Sprint(i))
			if (err == nil) != (i%4 == 0) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
}
