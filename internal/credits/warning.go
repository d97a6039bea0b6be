package credits

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// Low is the kind of the delivery of a [Warning]. Its subject is the warning's id.
const Low outbox.Kind = "credits_low"

// Warning says that a hold took the balance of an organization below its level. Each crossing
// of the level makes one warning.
type Warning struct {
	ID           string    `json:"id"` // UUIDv7
	Organization string    `json:"organization_id"`
	Level        int64     `json:"level"`   // the organization's low_credits
	Balance      int64     `json:"balance"` // available after the hold
	At           time.Time `json:"at"`
}

// warn enqueues a warning if a hold of amount took the balance below the level.
func warn(ctx context.Context, tx *store.Tx, organization string, amount int64) error {
	row, err := tx.BelowLevel(ctx, query.BelowLevelParams{OrganizationID: organization, Amount: -amount})
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	if err := tx.InsertCreditWarning(ctx, query.InsertCreditWarningParams{ID: id.String(), OrganizationID: organization, Level: row.Level, Balance: row.Balance, CreatedAt: store.Micros(tx.Now)}); err != nil {
		return err
	}
	return outbox.Enqueue(ctx, tx, outbox.Delivery{Kind: Low, Subject: id.String(), Organization: organization})
}

func warning(w query.CreditWarning) Warning {
	return Warning{ID: w.ID, Organization: w.OrganizationID, Level: w.Level, Balance: w.Balance, At: store.Time(w.CreatedAt)}
}

// maxWarnings is the largest number of warnings that one call lists.
const maxWarnings = 1000

// Warnings lists the newest warnings of an organization, at most limit, up to 1000.
func Warnings(ctx context.Context, q *query.Queries, organization string, limit int) (_ []Warning, err error) {
	defer operation.Wrap(&err, "list the credit warnings of organization %s", organization)
	rows, err := q.ListCreditWarnings(ctx, query.ListCreditWarningsParams{OrganizationID: organization, Before: store.LastID, Lim: int32(min(max(limit, 0), maxWarnings))})
	out := make([]Warning, len(rows))
	for i, r := range rows {
		out[i] = warning(r)
	}
	return out, err
}

// Teller passes each warning once to everything that reports it to people.
type Teller struct {
	DB *store.DB
	// Tell are called in the one transaction that also ends the delivery. They enqueue a mail
	// or a webhook, and send nothing themselves. An error repeats all of them later.
	Tell []func(context.Context, *store.Tx, Warning) error
	// Reached is called at each point between two effects; nil: nothing is. See package crash.
	Reached func(point string)
	Log     *slog.Logger

	queue *outbox.Queue
}

// Worker returns the worker that passes on warnings.
func (t *Teller) Worker() *work.Worker {
	return &work.Worker{Name: "credit warnings", Step: t.Due, Every: 5 * time.Second, Log: t.Log}
}

// Due passes on the warnings that are due. It has one caller.
func (t *Teller) Due(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "pass on credit warnings")
	if t.queue == nil {
		t.queue = &outbox.Queue{DB: t.DB, Kind: Low}
	}
	for {
		d, err := t.queue.Take(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		t.reached("warning.taken")
		if err := t.one(ctx, d); err != nil {
			_, again := t.queue.Retry(ctx, d, err)
			return errors.Join(fmt.Errorf("warning %s: %w", d.Subject, err), again)
		}
		t.reached("warning.passed")
	}
}

func (t *Teller) one(ctx context.Context, d outbox.Delivery) error {
	return t.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.GetCreditWarning(ctx, d.Subject)
		if err != nil {
			return err
		}
		for _, tell := range t.Tell {
			if err := tell(ctx, tx, warning(row)); err != nil {
				return err
			}
		}
		t.reached("warning.told") // and not committed
		return outbox.Finish(ctx, tx, d)
	})
}

func (t *Teller) reached(point string) {
	if t.Reached != nil {
		t.Reached(point)
	}
}
