package stamping

import (
	"context"
	"errors"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
)

// CalendarsDue submits the hashes of new blocks to the calendars, and asks for the rest of
// proofs that are pending.
func (s *Service) CalendarsDue(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "ask the calendars")
	for {
		if err := s.enroll(ctx, kindProof); err != nil {
			return err
		}
		rows, err := s.DB.Read().DueBlockStamps(ctx, query.DueBlockStampsParams{Kind: kindProof, Now: store.Micros(s.DB.Now()), Lim: atOnce})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return s.abandon(ctx, kindProof, &s.proofsEnded)
		}
		for _, row := range rows {
			if err := s.askCalendars(ctx, row); err != nil {
				return err
			}
		}
	}
}

// askCalendars makes one attempt for one block.
func (s *Service) askCalendars(ctx context.Context, row query.DueBlockStampsRow) error {
	mine, err := s.claim(ctx, row)
	if err != nil || !mine {
		return err
	}
	s.Reached("calendar.begun")
	var file []byte
	var complete bool
	first := len(row.Content) == 0
	if first {
		file, err = s.Calendars.Submit(ctx, [32]byte(row.Digest))
	} else {
		var changed bool
		if file, complete, changed, err = s.Calendars.Complete(ctx, row.Content); err == nil && !changed {
			err = errNotYet
		} else if changed {
			err = nil
		}
	}
	if err != nil {
		if errors.Is(err, errNotYet) {
			return errors.Join(ctx.Err(), s.release(ctx, row, pollPause(row.Tries)))
		}
		if ctx.Err() == nil && row.Tries == 0 {
			s.Log.WarnContext(ctx, "the calendars gave no proof of a block", "network", row.Network, "block", row.Block, "error", err)
		}
		wait := pollPause(row.Tries)
		if first {
			wait = turns.Pause(row.Tries, firstPoll)
		}
		return errors.Join(ctx.Err(), s.release(ctx, row, wait))
	}
	s.Reached("calendar.answered")
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		p := query.KeepBlockStampParams{Network: row.Network, Block: row.Block, Kind: kindProof, Before: append([]byte{}, row.Content...), Content: file}
		if complete {
			p.Complete = 1
		} else {
			p.AgainAt, p.Until = store.Micros(tx.Now.Add(firstPoll)), store.Micros(tx.Now.Add(CalendarTimeout))
		}
		_, err := tx.KeepBlockStamp(ctx, p)
		return err
	})
	if err != nil {
		return errors.Join(err, s.release(ctx, row, 0))
	}
	s.Reached("calendar.committed")
	return nil
}

// pollPause is the pause after a calendar that had not completed a proof.
func pollPause(tries int64) time.Duration { return min(firstPoll<<min(tries, 10), lastPoll) }
