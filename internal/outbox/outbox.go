// Package outbox is the queue of everything that is delivered after a state change, in one
// table. The transaction that changes the state also enqueues the delivery, so neither exists
// without the other. A row leaves the table in the transaction that records its end.
//
// Organizations take turns (package turns). A lease of [turns.Lease] gives a delivery to one
// worker, and a killed worker's delivery becomes due again. A failed delivery is retried with
// growing pauses and is never given up. A delivery may happen twice, so it must be safe to
// repeat. The package never delivers anything, and does not know what a subject is.
//
// The deliveries of a kind that goes to many places have lanes instead of turns: see [Lanes].
// The caller of Lanes has its own schedule, and may give a delivery up.
package outbox

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/turns"
)

// Kind is what a delivery makes.
type Kind string

// The kinds.
const (
	// Certificate is the certificate of a version. Its subject is the version's transaction.
	Certificate Kind = "certificate"
	// Signature is the levels of a certificate's signature that were not reached at once. Its
	// subject is the version's transaction.
	Signature Kind = "signature"
	// Webhook is an event that one endpoint receives. Its subject is the delivery's id, and
	// its lane is the endpoint's.
	Webhook Kind = "webhook"
)

// Kinds lists the kinds.
func Kinds() []Kind { return []Kind{Certificate, Signature, Webhook} }

// Delivery is one thing to deliver. Kind and Subject identify it.
type Delivery struct {
	Kind    Kind
	Subject string
	// Lane is the part of the kind that the delivery belongs to; "" in a kind without lanes.
	Lane string
	// Work is the id of the work that the delivery is about, or "". The erasure of the work
	// removes the delivery.
	Work         string
	Organization string
	// Attempts is the number of failed attempts.
	Attempts int64

	seen, lease int64 // due_at before the lease, and with it
}

// Enqueue adds a delivery to the transaction that causes it. A delivery that is already
// queued stays as it is.
func Enqueue(ctx context.Context, tx *store.Tx, d Delivery) error {
	return tx.EnqueueDelivery(ctx, query.EnqueueDeliveryParams{Kind: string(d.Kind), Subject: d.Subject, WorkID: d.Work, OrganizationID: d.Organization, Now: store.Micros(tx.Now)})
}

// Finish removes a delivery, in the transaction that records its result. It succeeds
// also without the lease: the result is there.
func Finish(ctx context.Context, tx *store.Tx, d Delivery) error {
	return tx.FinishDelivery(ctx, query.FinishDeliveryParams{Kind: string(d.Kind), Subject: d.Subject})
}

// FinishAll is Finish for several deliveries of one kind, whose subjects have one length: one
// statement.
func FinishAll(ctx context.Context, tx *store.Tx, kind Kind, subjects []string) error {
	if len(subjects) == 0 {
		return nil
	}
	return tx.FinishDeliveries(ctx, query.FinishDeliveriesParams{Kind: string(kind), Count: int64(len(subjects)), Joined: strings.Join(subjects, ""), Length: int64(len(subjects[0]))})
}

// Queue takes the deliveries of one kind. It has one caller; several processes may take
// deliveries from one database.
type Queue struct {
	DB   *store.DB
	Kind Kind

	served string // the organization that was served last
	oldest bool   // the next turn begins with the oldest delivery
}

// Take is TakeSome for one delivery. It returns [sql.ErrNoRows] when nothing is due.
func (q *Queue) Take(ctx context.Context) (Delivery, error) {
	all, err := q.TakeSome(ctx, 1)
	if err == nil && len(all) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return Delivery{}, err
	}
	return all[0], nil
}

// TakeSome leases at most most deliveries that are due, in turns of the organizations, which share
// them equally. Within one organization half of them are the newest and half the oldest. So a new
// delivery is made soon, and also one that waits behind many newer ones. Deliveries that failed
// come last. TakeSome returns none when nothing is due.
func (q *Queue) TakeSome(ctx context.Context, most int) (all []Delivery, err error) {
	defer operation.Wrap(&err, "take deliveries of the kind %s", q.Kind)
	organizations, err := q.due(ctx, most)
	if err != nil || len(organizations) == 0 {
		return nil, err
	}
	leases := make([]query.LeaseTurnParams, len(organizations))
	for i, organization := range organizations {
		share := (most + i) / len(organizations)
		older := share / 2
		if q.oldest && share%2 == 1 {
			older++
		}
		q.oldest = !q.oldest
		leases[i] = query.LeaseTurnParams{OrganizationID: organization, Newest: int32(share - older), Oldest: int32(older)}
	}
	taken, err := q.lease(ctx, leases)
	if err == nil && len(slices.Concat(taken...)) == 0 { // only deliveries that were tried, or another worker was first
		for i, l := range leases {
			leases[i].Newest, leases[i].Oldest = l.Newest+l.Oldest, 0
		}
		taken, err = q.lease(ctx, leases)
	}
	if err != nil {
		return nil, err
	}
	for i, some := range taken {
		if len(some) > 0 {
			q.served = organizations[i]
		}
	}
	for k := range most { // the first of each, then the second of each
		for _, some := range taken {
			if k < len(some) {
				all = append(all, some[k])
			}
		}
	}
	return all, nil
}

// due returns the next organizations with a delivery that is due, at most most. After the last
// organization it continues with the first.
func (q *Queue) due(ctx context.Context, most int) ([]string, error) {
	from := slices.Compact([]string{q.served, ""})
	found := make([][]string, len(from))
	err := q.DB.Each(ctx, len(from), func(r *query.Queries, i int) (err error) {
		found[i], err = r.DueOrganizations(ctx, query.DueOrganizationsParams{Kind: string(q.Kind), After: from[i], Now: store.Micros(q.DB.Now()), Lim: int32(most)})
		return err
	})
	var all []string
	for _, organization := range slices.Concat(found...) {
		if len(all) < most && !slices.Contains(all, organization) {
			all = append(all, organization)
		}
	}
	return all, err
}

// lease takes deliveries of some organizations, the newest first.
func (q *Queue) lease(ctx context.Context, leases []query.LeaseTurnParams) (taken [][]Delivery, err error) {
	taken = make([][]Delivery, len(leases))
	err = q.DB.One(ctx, func(tx *store.Tx) error {
		now, until := store.Micros(tx.Now), store.Micros(tx.Now.Add(turns.Lease))
		return tx.Each(len(leases), func(tx *store.Tx, i int) error {
			lease := leases[i]
			lease.Kind, lease.Now, lease.Until = string(q.Kind), now, until
			rows, err := tx.LeaseTurn(ctx, lease)
			taken[i] = nil // the database may ask to run it again
			for _, row := range rows {
				d := Delivery{Kind: q.Kind, Subject: row.Subject, Work: row.WorkID, Organization: row.OrganizationID, Attempts: row.Attempts, lease: until}
				if d.Attempts > 0 {
					d.seen = now
				}
				taken[i] = append(taken[i], d)
			}
			slices.SortFunc(taken[i], func(a, b Delivery) int { return strings.Compare(b.Subject, a.Subject) })
			return err
		})
	})
	if err != nil && ctx.Err() != nil { // the server stops, and the leases may be committed
		err = errors.Join(err, q.Return(context.WithoutCancel(ctx), slices.Concat(taken...)...))
	}
	return taken, err
}

// Return gives back deliveries that were not tried, such as when the store is unavailable. They
// keep their places.
func (q *Queue) Return(ctx context.Context, all ...Delivery) error {
	if len(all) == 0 {
		return nil
	}
	return q.DB.Tx(ctx, func(tx *store.Tx) error {
		for _, d := range all {
			if err := tx.ReturnDelivery(ctx, query.ReturnDeliveryParams{Kind: string(d.Kind), Subject: d.Subject, Lease: d.lease, DueAt: d.seen}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Postpone gives back deliveries that need not be tried before these times, one for each. They
// can be given back to their places with Return until then. Postpone changes the deliveries.
func (q *Queue) Postpone(ctx context.Context, all []Delivery, until []time.Time) (err error) {
	defer operation.Wrap(&err, "postpone deliveries of the kind %s", q.Kind)
	if len(all) == 0 {
		return nil
	}
	err = q.DB.Tx(ctx, func(tx *store.Tx) error {
		for i, d := range all {
			if err := tx.ReturnDelivery(ctx, query.ReturnDeliveryParams{Kind: string(d.Kind), Subject: d.Subject, Lease: d.lease, DueAt: store.Micros(until[i])}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		for i := range all {
			all[i].lease = store.Micros(until[i])
		}
	}
	return err
}

// Retry gives back a delivery that failed, and returns the pause before its next attempt. Its
// row keeps the cause. Return and Retry change nothing after the lease has expired and another
// worker took the delivery.
func (q *Queue) Retry(ctx context.Context, d Delivery, cause error) (time.Duration, error) {
	wait := turns.Pause(d.Attempts, turns.LastPause)
	return wait, q.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.RetryDelivery(ctx, query.RetryDeliveryParams{
			Kind: string(d.Kind), Subject: d.Subject, Lease: d.lease, DueAt: store.Micros(tx.Now.Add(wait)), LastError: stored(cause.Error()),
		})
	})
}

// maxError is the longest stored cause, in bytes.
const maxError = 500

// stored is a cause as both databases can store it.
func stored(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s[:min(len(s), maxError)], "\x00", ""), "")
}

// Counts describes the queue of one kind.
type Counts struct {
	// Waiting counts all deliveries, Due those that a worker may take now, and Failing those
	// with a failed attempt.
	Waiting, Due, Failing int64
	// Oldest is when the oldest delivery was enqueued; zero without any.
	Oldest time.Time
}

// Count returns the counts of a kind. It reads indexes only.
func Count(ctx context.Context, db *store.DB, kind Kind) (Counts, error) {
	row, err := db.Read().CountDeliveries(ctx, query.CountDeliveriesParams{Kind: string(kind), Now: store.Micros(db.Now())})
	if err != nil {
		return Counts{}, err
	}
	c := Counts{Waiting: row.Waiting, Due: row.Due, Failing: row.Failing}
	if row.Waiting > 0 {
		c.Oldest = store.Time(row.Oldest)
	}
	return c, nil
}
