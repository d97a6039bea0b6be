package intake

import (
	"context"

	"github.com/google/uuid"

	"timbre.example/internal/access"
	"timbre.example/internal/claims"
	"timbre.example/internal/legible"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/quota"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
)

// InitRequest begins a registration.
type InitRequest struct {
	Description
	Network network.Name
	// ExternalUserRef is the session's, the one that an API key names, or empty.
	ExternalUserRef string
	Announced
	// Language is the language of the certificate, as an Accept-Language header: see
	// [Language].
	Language string
	Opened   Opened
}

// Init spends the session, checks all that is known before the upload, and opens a job with
// an upload slot.
func (s *Service) Init(ctx context.Context, r access.Registrant, in InitRequest) (_ Slot, err error) {
	defer operation.Wrap(&err, "init a registration on %s", in.Network)
	c, err := r.Begin(in.Network, in.ExternalUserRef)
	if err != nil {
		return Slot{}, err
	}
	d, err := describe(in.Description, in.Network)
	if err != nil {
		return Slot{}, err
	}
	job, err := newJob(c, record.KindRegister, d, in.Language)
	if err != nil {
		return Slot{}, err
	}
	if err := announce(&job, c, in.Announced); err != nil {
		return Slot{}, err
	}
	workID, err := uuid.NewV7()
	if err != nil {
		return Slot{}, err
	}
	job.WorkID, job.Title, job.TitleKey = workID.String(), d.title, legible.Key(d.title)
	if err := s.room(in.SizeBytes); err != nil {
		return Slot{}, err
	}
	var slot Slot
	err = s.DB.Repeat(ctx, func(tx *store.Tx) error {
		if made, err := madeEarlier(ctx, tx, job.ID); err != nil || made {
			return err
		}
		if err := tx.Together(
			func(tx *store.Tx) error { return c.Spend(ctx, tx, job.ID) },
			func(tx *store.Tx) error { return quota.Check(ctx, tx, quotaOf(c)) },
			func(tx *store.Tx) error { // only saves an upload: the unique row at confirm decides
				if c.DuplicateTitles {
					return nil
				}
				return claims.Title(ctx, tx.Queries, asJob(job))
			},
			func(tx *store.Tx) error { return announcedOwner(ctx, tx, job) },
		); err != nil {
			return err
		}
		slot, err = s.open(ctx, tx, job, true, in.Opened)
		return err
	})
	if err != nil {
		return Slot{}, err
	}
	s.Reached("init.committed")
	return slot, nil
}
