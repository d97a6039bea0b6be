package registry

import (
	"context"
	"fmt"

	"timbre.example/internal/files"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Backlog is how much work waits, over the whole database.
type Backlog struct {
	InFlight []query.CountInFlightRow
	// CertificatesWaiting and TimestampsWaiting are versions without them.
	CertificatesWaiting, TimestampsWaiting int64
	// ErasuresWaiting are files of erased works that still exist, ErasuresStuck those whose
	// deletion failed.
	ErasuresWaiting, ErasuresStuck int64
	// JobsExpired and JobsLeftover are jobs that the sweeper must close or clean.
	JobsExpired, JobsLeftover int64
}

// Backlog counts what waits. Every count runs over a partial index or a small table, so its
// cost follows the backlog and not the number of works.
func (r *Registry) Backlog(ctx context.Context) (b Backlog, err error) {
	q, now := r.db.Read(), r.db.Now()
	if b.InFlight, err = q.CountInFlight(ctx); err != nil {
		return b, fmt.Errorf("backlog: transactions in flight: %w", err)
	}
	if b.CertificatesWaiting, err = q.CountUncertified(ctx); err != nil {
		return b, fmt.Errorf("backlog: certificates: %w", err)
	}
	if b.TimestampsWaiting, err = q.CountUnstamped(ctx); err != nil {
		return b, fmt.Errorf("backlog: time stamps: %w", err)
	}
	erasures, err := q.CountErasures(ctx)
	if err != nil {
		return b, fmt.Errorf("backlog: erasures: %w", err)
	}
	b.ErasuresWaiting, b.ErasuresStuck = erasures.Waiting, erasures.Stuck
	if b.JobsExpired, err = q.CountExpiredJobs(ctx, store.Micros(now.Add(-files.ClockSkew))); err != nil {
		return b, fmt.Errorf("backlog: expired jobs: %w", err)
	}
	if b.JobsLeftover, err = q.CountLeftovers(ctx, store.Micros(now.Add(-files.Settling(r.slot)))); err != nil {
		return b, fmt.Errorf("backlog: leftover files: %w", err)
	}
	return b, nil
}
