package mail

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/work"
)

// MaxAge is how long a mail is tried. An older one is dropped: its link would be a surprise.
const MaxAge = 24 * time.Hour

// Owner completes a mail at its delivery. It returns the mail with its kind and language, and
// the link; send is false for a mail that has lost its reason. Its work can be repeated.
type Owner func(context.Context, Message) (_ Message, link string, send bool, err error)

// Courier delivers the waiting mails.
type Courier struct {
	DB    *store.DB
	SMTP  SMTP
	Owner Owner
	Log   *slog.Logger

	queue *outbox.Queue
}

// Worker returns the worker that delivers mails.
func (c *Courier) Worker() *work.Worker {
	return &work.Worker{Name: "mail", Step: c.DeliverDue, Every: time.Second, Retry: 5 * time.Second, MaxRetry: time.Minute, Log: c.Log}
}

// DeliverDue delivers the mails that are due. A mail that the server refuses for good, and an
// old one, are dropped with a log line that names the mail's id.
func (c *Courier) DeliverDue(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "deliver mails")
	if c.queue == nil {
		c.queue = &outbox.Queue{DB: c.DB, Kind: Delivery}
	}
	for ctx.Err() == nil {
		d, err := c.queue.Take(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		if cause := c.deliver(ctx, d.Subject); cause != nil {
			if ctx.Err() != nil { // the server stops: another one sends it at once
				return errors.Join(cause, c.queue.Return(context.WithoutCancel(ctx), d))
			}
			if !errors.Is(cause, ErrRefused) {
				if _, err := c.queue.Retry(context.WithoutCancel(ctx), d, cause); err != nil {
					return err
				}
				continue
			}
			c.Log.WarnContext(ctx, "mail dropped", "mail", d.Subject, "error", cause)
		}
		if err := c.DB.Tx(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			if err := tx.DeleteMail(ctx, d.Subject); err != nil {
				return err
			}
			return outbox.Finish(ctx, tx, d)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (c *Courier) deliver(ctx context.Context, id string) error {
	row, err := c.DB.Read().GetMail(ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // delivered
	} else if err != nil {
		return err
	}
	if c.DB.Now().Sub(store.Time(row.CreatedAt)) > MaxAge {
		c.Log.WarnContext(ctx, "mail dropped", "mail", id, "error", "it waited for more than "+MaxAge.String())
		return nil
	}
	m, err := message(row)
	if err != nil {
		return err
	}
	m, link, send, err := c.Owner(ctx, m)
	if err != nil || !send {
		return err
	}
	return c.SMTP.send(ctx, id, m, link)
}

func message(row query.Mail) (Message, error) {
	m := Message{Kind: Kind(row.Kind), Ref: row.Ref, Organization: row.OrganizationID, Recipient: row.Recipient, Language: row.Language}
	err := json.Unmarshal([]byte(row.Words), &m.Words)
	return m, err
}
