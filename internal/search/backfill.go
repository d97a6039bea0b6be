package search

import (
	"context"
	"log/slog"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// some is how many versions get their words in one transaction of the worker.
const some = 100

// Backfill adds the words of versions that lack them: those from before the index, and those that a process of an
// older release made. It returns when none is left.
func Backfill(ctx context.Context, db *store.DB) (err error) {
	defer operation.Wrap(&err, "add missing words of works")
	for {
		n := 0
		if err := db.Tx(ctx, func(tx *store.Tx) error {
			rows, err := tx.VersionsWithoutWords(ctx, some)
			if err != nil {
				return err
			}
			n = len(rows)
			for _, r := range rows {
				// An erasure waits for this row, or has erased the work already.
				held, err := tx.LockWork(ctx, r.Work.ID)
				if err != nil {
					return err
				}
				if err := tx.MarkVersionWords(ctx, query.MarkVersionWordsParams{Rule: Rule, WorkID: r.Work.ID, Version: r.Version.Version}); err != nil {
					return err
				}
				if held == 0 {
					continue
				}
				e := Entry{
					Organization: r.Work.OrganizationID, Work: r.Work.ID, Scope: Scope{r.Work.Network, r.Work.Test}, Version: r.Version.Version,
					Title: r.Work.Title, Reference: r.Work.ExternalUserRef, Hashes: [][]byte{r.Version.MediaHash, r.Version.Commitment, r.Version.TxHash},
				}
				if e.Creators, err = record.VersionCreators(r.Version); err != nil {
					return err
				}
				if err := Add(ctx, tx, e); err != nil {
					return err
				}
			}
			return nil
		}); err != nil || n == 0 {
			return err
		}
	}
}

// Worker adds missing words in the background.
func Worker(db *store.DB, log *slog.Logger) *work.Worker {
	return &work.Worker{Name: "search words", Every: time.Minute, Retry: 10 * time.Second, Log: log, Step: func(ctx context.Context) error { return Backfill(ctx, db) }}
}
