package stamping

import (
	"context"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// State is what is kept, and what is to do.
type State struct {
	// Blocks has one element for each log and kind of date, in a fixed order.
	Blocks []Blocks
	// RenewalsDue are tokens whose certificates end soon, and which have no renewal yet.
	// RenewalsMissed are those whose certificates have ended without one: no renewal helps any
	// more. Unwatched are tokens whose end is not read yet.
	RenewalsDue, RenewalsMissed, Unwatched int64
	// NextEnd is when the next certificates of a token end; zero: none is kept.
	NextEnd time.Time
}

// Blocks is the state of the blocks of one log.
type Blocks struct {
	Network string
	Kind    string // token, ots or anchor
	// Seen is the newest block that was taken into the queue. Waiting are blocks without a date,
	// Pending those whose proof no block of Bitcoin completes yet. For anchors, Seen is the newest
	// block on the chain, and Waiting are the blocks of an anchor that is not final yet.
	Seen, Waiting, Pending int64
}

// Status reads the state. renewBefore is that of the configuration.
func Status(ctx context.Context, db *store.DB, renewBefore time.Duration) (out State, err error) {
	defer operation.Wrap(&err, "read the state of stamps")
	rows, err := db.Read().CountBlockStamps(ctx)
	if err != nil {
		return out, err
	}
	for _, row := range rows {
		out.Blocks = append(out.Blocks, Blocks{Network: row.Network, Kind: row.Kind, Seen: row.Next - 1, Waiting: row.Waiting, Pending: row.Pending})
	}
	anchors, err := db.Read().CountLogAnchors(ctx)
	if err != nil {
		return out, err
	}
	for _, row := range anchors {
		if row.Last > 0 || row.Open > 0 { // otherwise the log has never been anchored
			out.Blocks = append(out.Blocks, Blocks{Network: row.Network, Kind: kindAnchor, Seen: row.Last, Waiting: max(0, row.Open-row.Last)})
		}
	}
	now := db.Now()
	n, err := db.Read().CountRenewals(ctx, query.CountRenewalsParams{Now: store.Micros(now), Soon: store.Micros(now.Add(renewBefore))})
	if err != nil {
		return out, err
	}
	out.RenewalsDue, out.RenewalsMissed, out.Unwatched = n.Due, n.Ended, n.Unwatched
	if n.Next > 0 {
		out.NextEnd = store.Time(n.Next)
	}
	return out, nil
}
