package intake

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/access"
	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/operation"
	"timbre.example/internal/quota"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// UpdateRequest begins another version of a work. The title stays.
type UpdateRequest struct {
	Creators []Creator
	// NewFile says that the version has another recording, named Filename. Without it the
	// latest version's recording stays.
	NewFile  bool
	Filename string
	Announced
	// Language is the language of the new version's certificate, as for [InitRequest].
	Language string
	Opened   Opened
}

// InitUpdate spends the session and opens a job that adds a version to the editor's work.
// Without a new file the slot has no URL, and the job can be prepared at once.
func (s *Service) InitUpdate(ctx context.Context, e access.Editor, in UpdateRequest) (_ Slot, err error) {
	defer operation.Wrap(&err, "init an update of work %s", e.WorkID())
	c := e.Caller()
	if err := e.Begin(); err != nil {
		return Slot{}, err
	}
	var bad fault.Refused
	d := described{creators: creators(bad.Refuse, in.Creators)}
	if in.NewFile {
		d.filename = filename(bad.Refuse, in.Filename)
	}
	if err := bad.Err(); err != nil {
		return Slot{}, err
	}
	job, err := newJob(c, record.KindUpdate, d, in.Language)
	if err != nil {
		return Slot{}, err
	}
	if in.NewFile {
		if err := announce(&job, c, in.Announced); err != nil {
			return Slot{}, err
		}
	}
	if err := s.room(in.SizeBytes); err != nil {
		return Slot{}, err
	}
	var slot Slot
	err = s.DB.Repeat(ctx, func(tx *store.Tx) error {
		if made, err := madeEarlier(ctx, tx, job.ID); err != nil || made {
			return err
		}
		var w query.Work
		if err := tx.Together(
			func(tx *store.Tx) error { return c.Spend(ctx, tx, job.ID) },
			// The next two only save work, as in Init: confirm decides.
			func(tx *store.Tx) error { return quota.Check(ctx, tx, quotaOf(c)) },
			func(tx *store.Tx) error {
				if _, err := tx.TransactionInFlight(ctx, e.WorkID()); err == nil {
					return fault.VersionAlreadyInProgress("in_flight")
				} else if !errors.Is(err, sql.ErrNoRows) {
					return err
				}
				return nil
			},
			func(tx *store.Tx) error { // locked, so that nothing is copied from a work during its redaction
				n, err := tx.LockWork(ctx, e.WorkID())
				if err == nil && n == 0 {
					err = fault.WorkNotFound()
				}
				return err
			},
			func(tx *store.Tx) (err error) { w, err = tx.GetWork(ctx, e.WorkID()); return err },
		); err != nil {
			return err
		}
		job.WorkID, job.AtsID, job.Title, job.TitleKey, job.BaseVersion = w.ID, w.AtsID, w.Title, legible.Key(w.Title), w.LatestVersion
		if !in.NewFile {
			v, err := tx.GetVersion(ctx, query.GetVersionParams{WorkID: w.ID, Version: w.LatestVersion})
			if err != nil {
				return err
			}
			job.MediaHash, job.Media, job.Filename = v.MediaHash, v.Media, v.Filename
		} else if err := announcedOwner(ctx, tx, job); err != nil {
			return err
		}
		slot, err = s.open(ctx, tx, job, in.NewFile, in.Opened)
		return err
	})
	if err != nil {
		return Slot{}, err
	}
	s.Reached("init.committed")
	return slot, nil
}
