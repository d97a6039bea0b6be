package outbox

import (
	"context"
	"slices"
	"strings"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Lanes takes the deliveries of one kind in lanes. A lane is a part of the kind, such as all
// deliveries to one endpoint. Its deliveries are taken together, the oldest first, and a lane
// that is slow delays no other one. The caller decides when a delivery is tried again, and
// when it is given up. Several processes may take deliveries from one database.
type Lanes struct {
	DB   *store.DB
	Kind Kind
	// Lease is how long a taken delivery belongs to its worker.
	Lease time.Duration
}

// EnqueueAt adds a delivery with a lane to the transaction that causes it. It is due at this
// time. A delivery that is already queued stays as it is.
func EnqueueAt(ctx context.Context, tx *store.Tx, d Delivery, due time.Time) error {
	return tx.EnqueueInLane(ctx, query.EnqueueInLaneParams{
		Kind: string(d.Kind), Subject: d.Subject, Lane: d.Lane, WorkID: d.Work, OrganizationID: d.Organization, Now: store.Micros(tx.Now), DueAt: store.Micros(due),
	})
}

// Due returns the first lanes after one lane, in their order, that have a delivery that is due.
func (l *Lanes) Due(ctx context.Context, after string, most int) ([]string, error) {
	return l.DB.Read().DueLanes(ctx, query.DueLanesParams{Kind: string(l.Kind), After: after, Now: store.Micros(l.DB.Now()), Lim: int32(most)})
}

// Take leases up to most deliveries of a lane, the oldest first. Two workers never take the
// same delivery. Take may return none while another worker takes from the same lane.
func (l *Lanes) Take(ctx context.Context, lane string, most int) (all []Delivery, err error) {
	err = l.DB.Tx(ctx, func(tx *store.Tx) error {
		all = nil // the database may ask to run it again
		until := store.Micros(tx.Now.Add(l.Lease))
		rows, err := tx.LeaseLane(ctx, query.LeaseLaneParams{Kind: string(l.Kind), Lane: lane, Now: store.Micros(tx.Now), Until: until, Lim: int32(most)})
		for _, row := range rows {
			all = append(all, Delivery{
				Kind: l.Kind, Subject: row.Subject, Lane: lane, Work: row.WorkID, Organization: row.OrganizationID, Attempts: row.Attempts, seen: store.Micros(tx.Now), lease: until,
			})
		}
		return err
	})
	slices.SortFunc(all, func(a, b Delivery) int { return strings.Compare(a.Subject, b.Subject) })
	return all, err
}

// Return gives back deliveries that were not tried. They are due at once.
func (l *Lanes) Return(ctx context.Context, all ...Delivery) error { return giveBack(ctx, l.DB, all) }

// RetryAt gives back a delivery that failed, in the transaction that records the failure. It
// is due at this time. RetryAt changes nothing after the lease has expired and another worker
// took the delivery.
func RetryAt(ctx context.Context, tx *store.Tx, d Delivery, due time.Time, cause string) error {
	return tx.RetryDelivery(ctx, query.RetryDeliveryParams{Kind: string(d.Kind), Subject: d.Subject, Lease: d.lease, DueAt: store.Micros(due), LastError: stored(cause)})
}

// Hurry makes a delivery that waits for a retry due now, and forgets its failed attempts.
func Hurry(ctx context.Context, tx *store.Tx, d Delivery) error {
	_, err := tx.HurryDelivery(ctx, query.HurryDeliveryParams{Kind: string(d.Kind), Subject: d.Subject, Now: store.Micros(tx.Now)})
	return err
}
