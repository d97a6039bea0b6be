package erasing

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
)

// ErasuresInTurn is how many files of one organization are removed in its turn.
const ErasuresInTurn = 16

// Erase removes the files of redacted works, and orphans, in turns of their organizations.
// Files of works are removed twice: at once, and again when no earlier upload or certificate
// can still be in progress. Orphans are removed at that later time.
func (s *Service) Erase(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "erase files")
	served := "" // the organization that was served last
	var all []error
	for {
		now, before := store.Micros(s.DB.Now()), s.settled()
		org, err := turns.Next(served, func(after string) (string, error) {
			return s.DB.Read().NextErasing(ctx, query.NextErasingParams{After: after, Now: now, Before: before})
		})
		if errors.Is(err, sql.ErrNoRows) {
			return errors.Join(all...)
		}
		var rows []query.DueErasuresRow
		if err == nil {
			served = org
			rows, err = s.DB.Read().DueErasures(ctx, query.DueErasuresParams{OrganizationID: org, Now: now, Before: before, Lim: ErasuresInTurn})
		}
		if err != nil {
			return errors.Join(append(all, err)...)
		}
		erased, stuck, failed := removeEach(ctx, s, rows, func(row query.DueErasuresRow) leftFiles { return leftFiles{asset: row.ObjectKey} })
		s.Reached("redact.erased")
		err = s.DB.Tx(ctx, func(tx *store.Tx) error {
			for _, row := range erased {
				if err := tx.MarkErased(ctx, query.MarkErasedParams{ObjectKey: row.ObjectKey, DueAt: s.settledAt(row.Since)}); err != nil {
					return err
				}
				if err := tx.ForgetErasure(ctx, query.ForgetErasureParams{ObjectKey: row.ObjectKey, Before: before}); err != nil {
					return err
				}
			}
			for _, row := range stuck {
				again := store.Micros(tx.Now.Add(turns.Pause(row.Tries, turns.LastPause)))
				if err := tx.PostponeErasure(ctx, query.PostponeErasureParams{DueAt: again, ObjectKey: row.ObjectKey}); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && len(erased) > 0 {
			s.Events.Erased(ctx, org, len(erased))
		}
		if all = append(all, failed); err != nil { // perhaps the disk has no space for a row: remove files without one
			return errors.Join(append(all, err, s.eraseUnwritten(ctx))...)
		}
		if len(stuck) == maxStuck { // the store is unavailable
			return errors.Join(all...)
		}
	}
}

// eraseUnwritten removes the files of all due erasures and writes no row: on a full disk,
// removing files makes the space that rows need. A later round finds the files gone and
// writes the rows.
func (s *Service) eraseUnwritten(ctx context.Context) error {
	now, before := store.Micros(s.DB.Now()), s.settled()
	for last := ""; ctx.Err() == nil; {
		keys, err := s.DB.Read().DueErasureKeys(ctx, query.DueErasureKeysParams{After: last, Now: now, Before: before, Lim: rowsAtOnce})
		if err != nil || len(keys) == 0 {
			return err
		}
		last = keys[len(keys)-1]
		if _, stuck, failed := removeEach(ctx, s, keys, func(key string) leftFiles { return leftFiles{asset: key} }); len(stuck) == maxStuck {
			return failed
		}
	}
	return ctx.Err()
}
