package people

import (
	"context"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
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
	for _, sweep := range []func(tx *store.Tx, now int64, most int32) (int64, error){
		func(tx *store.Tx, now int64, most int32) (int64, error) {
			return tx.SweepPersonSessions(ctx, query.SweepPersonSessionsParams{Now: now, Lim: most})
		},
		func(tx *store.Tx, now int64, most int32) (int64, error) {
			return tx.SweepPersonLinks(ctx, query.SweepPersonLinksParams{Now: now, Lim: most})
		},
		func(tx *store.Tx, now int64, most int32) (int64, error) {
			return tx.SweepKnownDevices(ctx, query.SweepKnownDevicesParams{Now: now, Lim: most})
		},
		func(tx *store.Tx, now int64, most int32) (int64, error) {
			return tx.SweepOperatorVisits(ctx, query.SweepOperatorVisitsParams{Now: now, Lim: most})
		},
		func(tx *store.Tx, now int64, most int32) (int64, error) {
			return tx.SweepInvitations(ctx, query.SweepInvitationsParams{Before: now - keepInvitations.Microseconds(), Lim: most})
		},
	} {
		if _, err := s.DB.Sweep(ctx, func(tx *store.Tx, most int32) (int64, error) { return sweep(tx, store.Micros(tx.Now), most) }); err != nil {
			return err
		}
	}
	return nil
}
