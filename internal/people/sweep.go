package people

import (
	"context"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/work"
)

// keepInvitations is how long an expired invitation stays in the list, to be sent again.
const keepInvitations = 30 * 24 * time.Hour

// Worker returns the worker that removes what has expired.
func (s *Service) Worker() *work.Worker {
	return &work.Worker{Name: "people", Step: s.Sweep, Every: 10 * time.Minute, Log: s.Log}
}

// Sweep removes expired sessions, links, known browsers, visits and invitations.
func (s *Service) Sweep(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "remove expired sessions and links")
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		now := store.Micros(tx.Now)
		for _, sweep := range []func(context.Context, int64) (int64, error){
			tx.SweepPersonSessions, tx.SweepPersonLinks, tx.SweepKnownDevices, tx.SweepOperatorVisits,
		} {
			if _, err := sweep(ctx, now); err != nil {
				return err
			}
		}
		_, err := tx.SweepInvitations(ctx, store.Micros(tx.Now.Add(-keepInvitations)))
		return err
	})
}
