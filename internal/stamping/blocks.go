package stamping

import (
	"context"
	"errors"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
)

// StampDue requests the tokens of blocks that have none, the newest first. A token that is lost
// before it is stored is requested again.
func (s *Service) StampDue(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "stamp blocks")
	if err := s.enroll(ctx, kindToken); err != nil {
		return err
	}
	for {
		now := s.DB.Now()
		if now.Before(s.authority.at) {
			return s.abandon(ctx, kindToken, &s.tokensEnded)
		}
		rows, err := s.DB.Read().DueBlockStamps(ctx, query.DueBlockStampsParams{Kind: kindToken, Now: store.Micros(now), Lim: atOnce})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return s.abandon(ctx, kindToken, &s.tokensEnded)
		}
		for _, row := range rows {
			if err := s.stampBlock(ctx, row); err != nil {
				return err
			}
			if s.authority.wait > 0 {
				break
			}
		}
		if err := s.enroll(ctx, kindToken); err != nil { // newer blocks go first
			return err
		}
	}
}

// stampBlock requests the token of one block.
func (s *Service) stampBlock(ctx context.Context, row query.DueBlockStampsRow) error {
	mine, err := s.claim(ctx, row)
	if err != nil || !mine {
		return err
	}
	s.Reached("stamp.begun")
	token, ends, err := s.token(ctx, [32]byte(row.Digest))
	if err != nil {
		if ctx.Err() == nil {
			s.authority.failed(s.DB.Now())
			s.Events.TimestampFailed()
			s.Log.WarnContext(ctx, "no time-stamp of a block", "network", row.Network, "block", row.Block, "again_in", s.authority.wait, "error", err)
		}
		return errors.Join(ctx.Err(), s.release(ctx, row, turns.Pause(row.Tries, LastPause)))
	}
	s.authority = retry{}
	s.Reached("stamp.answered")
	if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		kept, err := tx.KeepBlockStamp(ctx, query.KeepBlockStampParams{Network: row.Network, Block: row.Block, Kind: kindToken, Before: []byte{}, Content: token, Complete: 1})
		if err != nil || kept == 0 { // another process was faster
			return err
		}
		return watch(ctx, tx, token, ends)
	}); err != nil {
		return errors.Join(err, s.release(ctx, row, 0))
	}
	s.Reached("stamp.committed")
	if s.Stamped != nil {
		s.Stamped()
	}
	return nil
}
