package log

import (
	"context"
	"time"

	"timbre.example/internal/store"
)

// Status is the state of a log, for operators.
type Status struct {
	// Stopped reports that no block is made until the operator acts or the clock is right.
	Stopped bool
	// Blocks, Entries and Refused count since the log began.
	Blocks, Entries, Refused int64
	// SequencerAt is the last sign of life of a sequencer, BlockAt the newest block's time.
	SequencerAt, BlockAt time.Time
	// ClockJumps counts the jumps of the clock that this process saw.
	ClockJumps int64
}

// Status reads the state of the log: one row, by its key.
func (l *Log) Status(ctx context.Context) (Status, error) {
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	if err != nil {
		return Status{}, l.fail("status", err)
	}
	return Status{
		Stopped: row.Stopped != "", Blocks: row.Blocks, Entries: row.Size, Refused: row.Refused,
		SequencerAt: store.Time(row.SequencerAt), BlockAt: store.Time(row.BlockAt), ClockJumps: l.ClockJumps(),
	}, nil
}
