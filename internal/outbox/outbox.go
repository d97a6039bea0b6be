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
	"strings"
	"time"

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
	// Webhook is an event that one endpoint receives. Its subject is the delivery's id, and
	// its lane is the endpoint's.
	Webhook Kind = "webhook"
)

// Kinds lists the kinds.
func Kinds() []Kind { return []Kind{Certificate, Webhook} }

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
	oldest bool   // the next turn takes the oldest delivery
}

// Take leases the next delivery that is due, in turns of the organizations. Within one
// organization the newest and the oldest alternate. So a new delivery is made soon, and also
// one that waits behind many newer ones. Deliveries that failed come last. Take returns
// [sql.ErrNoRows] when nothing is due.
func (q *Queue) Take(ctx context.Context) (Delivery, error) {
	for {
		row, err := q.next(ctx)
		if err != nil {
			return Delivery{}, err
		}
		q.served = row.OrganizationID
		d := Delivery{Kind: q.Kind, Subject: row.Subject, Work: row.WorkID, Organization: row.OrganizationID, Attempts: row.Attempts, seen: row.DueAt}
		var mine int64
		if err := q.DB.Tx(ctx, func(tx *store.Tx) (err error) {
			d.lease = store.Micros(tx.Now.Add(turns.Lease))
			mine, err = tx.LeaseDelivery(ctx, query.LeaseDeliveryParams{Kind: string(q.Kind), Subject: d.Subject, Seen: d.seen, Until: d.lease})
			return err
		}); err != nil {
			if ctx.Err() != nil && d.lease != 0 { // the server stops, and the lease may be committed
				err = errors.Join(err, q.Return(context.WithoutCancel(ctx), d))
			}
			return Delivery{}, err
		}
		if mine > 0 { // 0: another worker was first
			return d, nil
		}
	}
}

func (q *Queue) next(ctx context.Context) (query.Delivery, error) {
	row, err := turns.Next(q.served, func(after string) (query.Delivery, error) {
		return q.DB.Read().NextDelivery(ctx, query.NextDeliveryParams{Kind: string(q.Kind), After: after, Now: store.Micros(q.DB.Now())})
	})
	if err != nil || row.DueAt != 0 {
		return row, err
	}
	if q.oldest = !q.oldest; q.oldest {
		return row, nil
	}
	old, err := q.DB.Read().OldestDelivery(ctx, query.OldestDeliveryParams{Kind: string(q.Kind), OrganizationID: row.OrganizationID})
	if errors.Is(err, sql.ErrNoRows) { // another worker was first
		return row, nil
	}
	return old, err
}

// Return gives back a delivery that was not tried, such as when the store is unavailable. It
// keeps its place.
func (q *Queue) Return(ctx context.Context, d Delivery) error {
	return q.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.ReturnDelivery(ctx, query.ReturnDeliveryParams{Kind: string(d.Kind), Subject: d.Subject, Lease: d.lease, DueAt: d.seen})
	})
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
