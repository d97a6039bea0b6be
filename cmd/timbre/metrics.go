package main

import (
	"context"
	"fmt"

	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/limit"
	"timbre.example/internal/metrics"
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/registry"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
	"timbre.example/internal/work"
)

// measured are the parts of a server that its metrics read. Those of other roles are nil.
type measured struct {
	limits            *limit.Limits
	followed, working *registry.Registry
	workers           []*work.Worker
	logs              map[network.Name]*netlog.Log
	space             *space.Guard
}

// sources returns what a scrape reads. Counts over the whole database are read by workers
// alone, so that every process more does not mean more queries.
func (s *server) sources(of measured) metrics.Sources {
	out := metrics.Sources{
		Now:       s.db.Now,
		Followers: func() int { return 0 },
		Limits:    of.limits.Alone,
		Database: func() metrics.Database {
			c := s.db.Counts()
			return metrics.Database{Timeouts: c.Timeouts, Retries: c.Retries, Transactions: c.Transactions, Commits: c.Commits}
		},
		Places: func() (all []metrics.Place) {
			for _, p := range of.space.States() {
				all = append(all, metrics.Place{Name: p.Name, Free: p.Free, Reserved: p.Reserved})
			}
			return all
		},
	}
	if of.followed != nil {
		out.Followers = of.followed.Works.Progress.Followers
		out.Staged = of.followed.Intake.StagedBytes
		if disk, ok := s.blobs.(*blob.Disk); ok {
			out.Uploads = disk.Running
		}
	}
	if len(of.workers) > 0 {
		out.Workers = func() (all []metrics.Worker) {
			for _, w := range of.workers {
				at := w.Status()
				all = append(all, metrics.Worker{Name: at.Name, Steps: at.Steps, Failed: at.Failed, InARow: at.FailuresInARow})
			}
			return all
		}
	}
	if of.working != nil {
		out.Staged = of.working.Intake.StagedBytes
		out.Rows = func(ctx context.Context) (metrics.Rows, error) { return countRows(ctx, s.db, of.working) }
	}
	if len(of.logs) > 0 {
		out.Log = func(ctx context.Context, n string) (metrics.Log, error) {
			l, ok := of.logs[network.Name(n)]
			if !ok {
				return metrics.Log{}, fmt.Errorf("network %s has no log", n)
			}
			at, err := l.Status(ctx)
			return metrics.Log(at), err
		}
	}
	return out
}

// unready returns why a process cannot do its work: a database that was set back to an older
// schema, a log that is stopped, or a log without a worker.
func unready(db *store.DB, logs map[network.Name]*netlog.Log) func(context.Context) (about, reason string, err error) {
	return func(ctx context.Context) (about, reason string, err error) {
		if behind, err := db.Pending(ctx); err != nil || behind > 0 {
			if err == nil {
				err = fmt.Errorf("the database lacks %d migrations of this release", behind)
			}
			return "schema", "migrations_pending", err
		}
		for name, l := range logs {
			if err := l.Stopped(ctx); err != nil {
				return "log", "log_stopped", fmt.Errorf("log %s: %w", name, err)
			}
			if err := l.Sequenced(ctx); err != nil {
				return "log", "log_silent", err
			}
		}
		return "", "", nil
	}
}

// countRows reads the counts over the whole database.
func countRows(ctx context.Context, db *store.DB, works *registry.Registry) (metrics.Rows, error) {
	b, err := works.Backlog(ctx)
	if err != nil {
		return metrics.Rows{}, err
	}
	totals, err := credits.Totals(ctx, db.Read())
	if err != nil {
		return metrics.Rows{}, err
	}
	out := metrics.Rows{
		CertificatesWaiting: b.CertificatesWaiting, TimestampsWaiting: b.TimestampsWaiting, ErasuresWaiting: b.ErasuresWaiting, ErasuresStuck: b.ErasuresStuck,
		JobsExpired: b.JobsExpired, JobsLeftover: b.JobsLeftover, Credits: totals,
	}
	for _, f := range b.InFlight {
		out.InFlight = append(out.InFlight, metrics.InFlight{Network: f.Network, State: f.State, Count: f.Count, Oldest: store.Time(f.Oldest)})
	}
	return out, nil
}
