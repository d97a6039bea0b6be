package log

import (
	"context"

	"timbre.example/internal/network"
	"timbre.example/internal/store"
)

// Status implements network.Observed. It reads one row, by its key.
func (l *Log) Status(ctx context.Context) (network.Status, error) {
	row, err := l.db.Read().GetLog(ctx, string(l.config.Network))
	if err != nil {
		return network.Status{}, l.fail("status", err)
	}
	return network.Status{
		Stopped: row.Stopped != "", Blocks: row.Blocks, Entries: row.Size, Refused: row.Refused,
		SequencerAt: store.Time(row.SequencerAt), BlockAt: store.Time(row.BlockAt), ClockJumps: l.ClockJumps(),
	}, nil
}
