package people

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// DeviceLife is how long a browser stays known, and SecondLife how long the second step waits.
const (
	DeviceLife = 180 * 24 * time.Hour
	SecondLife = secondLife
	maxDevices = 20
	maxTries   = 5 // codes of one second step
)

// failed records a failed sign-in, and returns why. The entry of an unknown account has no
// subject; it costs the same. A flood of failures is recorded in part only.
func (s *Service) failed(ctx context.Context, personID, method string, from Client, why error) error {
	if !s.budgets.entries.Take(ctx, "all").Allowed {
		return why
	}
	if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
		actor := audit.Server()
		actor.RequestID = from.RequestID
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "sign_in.failed", Subject: personID,
			Changes: []audit.Change{{Field: "method", New: method}, {Field: "address", New: from.Address}},
		})
	}); err != nil {
		return err
	}
	return why
}

// enter begins a session: every way to sign in ends here.
func (s *Service) enter(ctx context.Context, tx *store.Tx, row query.Person, device string, from Client, method string) (out Entry, err error) {
	out.Person = person(row)
	if out.Session, err = s.begin(ctx, tx, row.ID, from); err != nil {
		return out, err
	}
	// The browser's token changes with each sign-in, so that a copied one is noticed as unknown.
	if device != "" {
		if err := tx.DeleteKnownDevice(ctx, hashToken(device)); err != nil {
			return out, err
		}
	}
	out.Device = newToken()
	if err := tx.InsertKnownDevice(ctx, query.InsertKnownDeviceParams{
		Hash: hashToken(out.Device), PersonID: row.ID, ExpiresAt: store.Micros(tx.Now.Add(DeviceLife)),
	}); err != nil {
		return out, err
	}
	if err := tx.DeleteOldestKnownDevices(ctx, query.DeleteOldestKnownDevicesParams{PersonID: row.ID, Keep: maxDevices}); err != nil {
		return out, err
	}
	return out, audit.Record(ctx, tx, audit.Entry{
		Actor: out.Person.Actor(from.RequestID), Action: "sign_in.succeeded", Subject: row.ID,
		Changes: []audit.Change{{Field: "method", New: method}, {Field: "address", New: from.Address}},
	})
}

// knownDevice returns the person who has signed in with a browser, or "".
func (s *Service) knownDevice(ctx context.Context, token string) (string, error) {
	id, err := s.DB.Read().KnownDevice(ctx, query.KnownDeviceParams{Hash: hashToken(token), Now: store.Micros(s.DB.Now())})
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// trySecond counts a try of a second step. An unknown, expired or used-up step is ErrLink.
func (s *Service) trySecond(ctx context.Context, token string) (step query.PersonLink, err error) {
	err = s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		step, err = tx.TryPersonLink(ctx, query.TryPersonLinkParams{Hash: hashToken(token), Kind: linkSecond, Now: store.Micros(tx.Now), Most: maxTries})
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrLink
	}
	return step, err
}
