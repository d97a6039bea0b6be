package outbox

import (
	"context"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Lanes takes the deliveries of one kind in lanes. A lane is a part of the kind, such as all
// deliveries to one endpoint. One worker serves a lane at a time: it claims the lane, takes the
// deliveries in their order, the oldest first, and releases the lane. A lane that is slow delays
// no other one. The caller decides when a delivery is tried again, and when it is given up.
// Several processes may take deliveries from one database.
//
// Taking a delivery writes nothing: the lease is the lane's. So Take returns a delivery again
// until the caller has recorded its end or its next attempt.
type Lanes struct {
	DB   *store.DB
	Kind Kind
	// Owner is the worker. It is unique, and new after each start.
	Owner string
	// Lease is how long a claim lasts without a renewal. After a kill, another worker takes the
	// lane then.
	Lease time.Duration
}

// Place is a place in the order of a lane: that of a delivery. The zero value is its beginning.
type Place struct {
	due     int64
	subject string
}

// EnqueueAt adds a delivery with a lane to the transaction that causes it. It is due at this
// time. A delivery that is already queued stays as it is.
func EnqueueAt(ctx context.Context, tx *store.Tx, d Delivery, due time.Time) error {
	return tx.EnqueueInLane(ctx, query.EnqueueInLaneParams{
		Kind: string(d.Kind), Subject: d.Subject, Lane: d.Lane, WorkID: d.Work, OrganizationID: d.Organization, Now: store.Micros(tx.Now), DueAt: store.Micros(due),
	})
}

// Due returns the first lanes after one lane, in their order, that have a delivery that is due.
// A lane that another worker serves is left out.
func (l *Lanes) Due(ctx context.Context, after string, most int) ([]string, error) {
	return l.DB.Read().DueLanes(ctx, query.DueLanesParams{Kind: string(l.Kind), After: after, Owner: l.Owner, Now: store.Micros(l.DB.Now()), Lim: int32(most)})
}

// Claim begins to serve a lane. It reports false while another worker serves the lane.
func (l *Lanes) Claim(ctx context.Context, lane string) (mine bool, err error) {
	err = l.DB.Tx(ctx, func(tx *store.Tx) error {
		n, err := tx.ClaimLane(ctx, query.ClaimLaneParams{Kind: string(l.Kind), Lane: lane, Owner: l.Owner, Until: store.Micros(tx.Now.Add(l.Lease)), Now: store.Micros(tx.Now)})
		mine = n > 0
		return err
	})
	return mine, err
}

// Renew makes the claims of the worker last for another Lease.
func (l *Lanes) Renew(ctx context.Context) error {
	return l.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.RenewLanes(ctx, query.RenewLanesParams{Kind: string(l.Kind), Owner: l.Owner, Until: store.Micros(tx.Now.Add(l.Lease))})
	})
}

// Release ends a claim. The lane of another worker stays as it is.
func (l *Lanes) Release(ctx context.Context, lane string) error {
	return l.DB.Tx(ctx, func(tx *store.Tx) error {
		return tx.ReleaseLane(ctx, query.ReleaseLaneParams{Kind: string(l.Kind), Lane: lane, Owner: l.Owner})
	})
}

// Take returns up to most deliveries of a claimed lane that are due, the oldest first, and only
// those after a place. It returns none when the claim has expired and another worker took the
// lane. next is the place of the last one.
func (l *Lanes) Take(ctx context.Context, lane string, after Place, most int) (all []Delivery, next Place, err error) {
	rows, err := l.DB.Read().LaneDeliveries(ctx, query.LaneDeliveriesParams{
		Kind: string(l.Kind), Lane: lane, Owner: l.Owner, Now: store.Micros(l.DB.Now()), AfterDue: after.due, AfterSubject: after.subject, Lim: int32(most),
	})
	next = after
	for _, row := range rows {
		all = append(all, Delivery{Kind: l.Kind, Subject: row.Subject, Lane: lane, Work: row.WorkID, Organization: row.OrganizationID, Attempts: row.Attempts, seen: row.DueAt})
		next = Place{row.DueAt, row.Subject}
	}
	return all, next, err
}

// RetryAt gives back a delivery that failed, in the transaction that records the failure. It
// is due at this time. RetryAt changes nothing after another worker has recorded an attempt.
func RetryAt(ctx context.Context, tx *store.Tx, d Delivery, due time.Time, cause string) error {
	return tx.RetryDelivery(ctx, query.RetryDeliveryParams{Kind: string(d.Kind), Subject: d.Subject, Lease: d.seen, DueAt: store.Micros(due), LastError: stored(cause)})
}

// Hurry makes a delivery that waits for a retry due now, and forgets its failed attempts.
func Hurry(ctx context.Context, tx *store.Tx, d Delivery) error {
	_, err := tx.HurryDelivery(ctx, query.HurryDeliveryParams{Kind: string(d.Kind), Subject: d.Subject, Now: store.Micros(tx.Now)})
	return err
}
