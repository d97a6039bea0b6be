package main

import (
	"context"
	"fmt"

	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/metrics"
	"timbre.example/internal/network"
	"timbre.example/internal/outbox"
	"timbre.example/internal/registry"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
)

// sources returns what a scrape reads. Counts over the whole database are read by workers
// alone, so that every process more does not mean more queries.
func (f serverFlags) sources(st storage, who identity, w works, requests *requestlog.Log, streams func() int, skew *clockSkew) metrics.Sources {
	out := metrics.Sources{
		Now:       st.db.Now,
		Followers: streams,
		ClockSkew: skew.last,
		Limits:    who.limits.Alone,
		Requests:  requests.Counts,
		Database: func() metrics.Database {
			c := st.db.Counts()
			return metrics.Database{Timeouts: c.Timeouts, Retries: c.Retries, Transactions: c.Transactions, Commits: c.Commits}
		},
		Places: func() (all []metrics.Place) {
			for _, p := range st.space.States() {
				all = append(all, metrics.Place{Name: p.Name, Free: p.Free, Reserved: p.Reserved})
			}
			return all
		},
	}
	for n := range w.chains {
		out.Chains = append(out.Chains, string(n))
	}
	if w.registry == nil {
		return out
	}
	out.Staged = w.registry.Intake.StagedBytes
	if disk, ok := st.blobs.(*blob.Disk); ok && f.has(ats) {
		out.Uploads = disk.Running
	}
	if f.has(worker) {
		out.Parts = func() (unfinished, bytes, aborted, temporary int64) {
			left, aborted, temporary := w.registry.Erasing.Swept()
			return left.Uploads, left.Bytes, aborted, temporary
		}
		out.Workers = func() (all []metrics.Worker) {
			for _, w := range w.registry.Workers() {
				at := w.Status()
				all = append(all, metrics.Worker{Name: at.Name, Steps: at.Steps, Failed: at.Failed, InARow: at.FailuresInARow})
			}
			return all
		}
		out.Rows = func(ctx context.Context) (metrics.Rows, error) { return countRows(ctx, st.db, w.registry) }
	}
	out.Log = func(ctx context.Context, n string) (metrics.Log, error) {
		o, ok := w.network(n).(network.Observed)
		if !ok {
			return metrics.Log{}, fmt.Errorf("network %s has no numbers", n)
		}
		at, err := o.Status(ctx)
		return metrics.Log(at), err
	}
	if f.has(worker) {
		out.Stamps = func(ctx context.Context) (metrics.Stamps, error) { return countStamps(ctx, st.db, f.renewBefore()) }
	}
	out.Funds = func(ctx context.Context, n string) (metrics.Funds, error) {
		return countFunds(ctx, w.network(n))
	}
	out.Proofs = func(ctx context.Context, n string) (*metrics.Proofs, error) {
		proving, ok := w.network(n).(network.Proving)
		if !ok {
			return nil, nil
		}
		count, err := proving.Proving(ctx)
		return &metrics.Proofs{Waiting: count.Waiting, Oldest: count.Oldest, Missed: count.Missed}, err
	}
	out.Witnesses = func(ctx context.Context, n string) ([]metrics.Witness, error) {
		return countWitnesses(ctx, w.network(n))
	}
	return out
}

// countFunds reads the accounts and the fees of a network, which may have none.
func countFunds(ctx context.Context, n network.Network) (out metrics.Funds, err error) {
	funded, ok := n.(network.Funded)
	if !ok {
		return out, nil
	}
	kept, err := funded.Accounts(ctx)
	if err != nil {
		return out, err
	}
	for _, a := range kept {
		out.Accounts = append(out.Accounts, metrics.Account{Address: a.Address, Free: a.Free.Float(), Reserved: a.Reserved.Float(), Works: a.Works, Capacity: a.Capacity, Open: a.Open, Low: a.Low})
	}
	fees, err := funded.Fees(ctx)
	out.Total, out.Last = fees.Total.Float(), fees.Last.Float()
	return out, err
}

// countWitnesses reads the state of the witnesses of a network, which may have none.
func countWitnesses(ctx context.Context, n network.Network) (all []metrics.Witness, err error) {
	seen, ok := n.(network.Witnessed)
	o, ok2 := n.(network.Observed)
	if !ok || !ok2 {
		return nil, nil
	}
	kept, err := seen.Witnesses(ctx)
	if err != nil || len(kept) == 0 {
		return nil, err
	}
	at, err := o.Status(ctx)
	for _, w := range kept {
		all = append(all, metrics.Witness{Name: w.Name, Behind: max(0, at.Entries-w.Size), CosignedAt: w.CosignedAt, FailingSince: w.FailingSince, Alarm: w.Alarm != ""})
	}
	return all, err
}

// conditions returns the checks of a process that are not those of its API: an older
// schema, a network that no process works on, and a log that a witness proves to be forked.
func conditions(db *store.DB, networks network.Set) []web.Check {
	return []web.Check{
		{Name: "schema", Reason: "migrations_pending", Run: func(ctx context.Context) error {
			behind, err := db.Pending(ctx)
			if err == nil && behind > 0 {
				err = fmt.Errorf("the database lacks %d migrations of this release", behind)
			}
			return err
		}},
		{Name: "log", Reason: "log_silent", Run: func(ctx context.Context) error {
			for _, n := range networks.All() {
				if o, ok := n.(network.Observed); ok {
					if err := o.Sequenced(ctx); err != nil {
						return err
					}
				}
			}
			return nil
		}},
		{Name: "log", Reason: "log_forked", Run: func(ctx context.Context) error {
			for _, n := range networks.All() {
				if w, ok := n.(network.Witnessed); ok {
					if err := w.Forked(ctx); err != nil {
						return err
					}
				}
			}
			return nil
		}},
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
	for _, kind := range outbox.Kinds() {
		c, err := outbox.Count(ctx, db, kind)
		if err != nil {
			return metrics.Rows{}, err
		}
		out.Outbox = append(out.Outbox, metrics.Outbox{Kind: string(kind), Waiting: c.Waiting, Due: c.Due, Failing: c.Failing, Oldest: c.Oldest})
	}
	for _, f := range b.InFlight {
		out.InFlight = append(out.InFlight, metrics.InFlight{Network: f.Network, State: string(f.State), Count: f.Count, Oldest: store.Time(f.Oldest)})
	}
	return out, nil
}
