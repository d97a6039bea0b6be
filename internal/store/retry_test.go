package store_test

import (
	"database/sql"
	"errors"
	"sync"
	"testing"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// Two transactions look for a row, miss it, and add it at the same moment. The second one runs again, and finds the
// row of the first one.
func TestSameRowAtOnce(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, storetest.PostgresURL(t)) // SQLite has one writer at a time
	var missed sync.WaitGroup
	missed.Add(2)
	errTaken := errors.New("taken")
	add := func(id string) (err error) {
		first := true
		return db.Tx(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.PersonByEmail(t.Context(), "ana@label.example"); err == nil {
				return errTaken
			} else if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if first {
				first = false
				missed.Done()
				missed.Wait()
			}
			return tx.InsertPerson(t.Context(), query.InsertPersonParams{ID: id, Email: "ana@label.example"})
		})
	}
	ended := make(chan error, 2)
	for _, id := range []string{"one", "two"} {
		go func() { ended <- add(id) }()
	}
	one, two := <-ended, <-ended
	if !(one == nil && errors.Is(two, errTaken) || two == nil && errors.Is(one, errTaken)) {
		t.Errorf("%v, %v", one, two)
	}
}
