package webhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/events"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

func missing(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// deliver makes one attempt and records it. leave gives the slot back. An attempt that takes
// long leaves a quick slot before its end, so that slow endpoints never hold all of them.
func (s *Service) deliver(ctx context.Context, d outbox.Delivery, to query.WebhookEndpoint, leave func(), slow bool) result {
	var late chan bool
	if !slow {
		late = make(chan bool, 1)
		timer := time.AfterFunc(lateAfter, func() {
			left := s.lanes.overtime()
			if left {
				leave()
			}
			late <- left
		})
		defer func() {
			if timer.Stop() {
				leave()
			} else if <-late {
				s.lanes.overtimeEnded()
			} else {
				leave()
			}
		}()
	} else {
		defer leave()
	}
	row, err := s.DB.Read().WebhookDelivery(ctx, d.Subject)
	if missing(err) { // the work was redacted, or the row is too old
		err = s.DB.Tx(ctx, func(tx *store.Tx) error { return outbox.Finish(ctx, tx, d) })
		s.report(ctx, "finish a delivery", err)
		return result{acknowledged: true}
	}
	var body []byte
	var secrets []Secret
	if err == nil {
		body, err = s.body(ctx, row)
	}
	if err == nil {
		secrets, err = s.secrets(to)
	}
	if err != nil { // not the receiver's fault: the lease ends, and it is tried again
		s.report(ctx, "sign a delivery", err)
		return result{}
	}
	s.Reached("webhook.taken")
	a := post(ctx, s.client, s.UserAgent, to.Url, row.ID, secrets, body, s.DB.Now())
	if ctx.Err() != nil && a.status == 0 { // the server stops: the receiver has not failed
		if err := s.queue.Return(context.WithoutCancel(ctx), d); err != nil {
			s.report(ctx, "return a delivery", err)
		}
		return result{}
	}
	s.Reached("webhook.sent")
	if err := s.record(context.WithoutCancel(ctx), d, row, to, a); err != nil {
		s.report(ctx, "record an attempt", err)
	}
	s.Reached("webhook.recorded")
	return result{a.acknowledged(), a.took}
}

// body is the payload of an attempt. The access code is derived now, and only while it is
// still the code of the work and the event is new (CodeLifetime). Otherwise it is null: an
// access code is shown once, and a month of replays to another URL must not collect them.
func (s *Service) body(ctx context.Context, row query.WebhookDelivery) ([]byte, error) {
	if !row.AccessCode || s.DB.Now().Sub(store.Time(row.CreatedAt)) >= CodeLifetime {
		return []byte(row.Payload), nil
	}
	w, err := s.DB.Read().WebhookAccessCode(ctx, row.WorkID)
	if missing(err) || err == nil && (w.RedactedAt.Valid || w.AccessCodeGeneration != 0 || w.ExternalUserRef != "") {
		return []byte(row.Payload), nil
	} else if err != nil {
		return nil, err
	}
	var p succeeded
	if err := json.Unmarshal([]byte(row.Payload), &p); err != nil {
		return nil, err
	}
	code := s.Codes.Code(row.WorkID, 0)
	p.AccessCode = &code
	return json.Marshal(p)
}

// secrets returns the secrets that sign now, the newest first.
func (s *Service) secrets(to query.WebhookEndpoint) ([]Secret, error) {
	one, err := open(s.Key, to.ID, to.Secret)
	if err != nil {
		return nil, err
	}
	all := []Secret{one}
	if to.PreviousUntil > store.Micros(s.DB.Now()) {
		before, err := open(s.Key, to.ID, to.PreviousSecret)
		if err != nil {
			return nil, err
		}
		all = append(all, before)
	}
	return all, nil
}

// record stores the attempt, and what follows from it: the end of the delivery or its next
// attempt, and the state of its endpoint.
func (s *Service) record(ctx context.Context, d outbox.Delivery, row query.WebhookDelivery, to query.WebhookEndpoint, a answer) error {
	wait, again := pause(d.Attempts+1, a.retryAfter)
	state := Waiting
	switch {
	case a.acknowledged():
		state = Delivered
	case a.final(), !again:
		state = Failed
	}
	var after []func()
	err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		after = nil
		if err := attempted(ctx, tx, row.ID, to.Url, state, a); err != nil {
			return err
		}
		if state == Waiting {
			err = outbox.RetryAt(ctx, tx, d, tx.Now.Add(wait), a.err)
		} else {
			err = outbox.Finish(ctx, tx, d)
		}
		if err != nil {
			return err
		}
		after, err = s.health(ctx, tx, to, a)
		return err
	})
	if err != nil {
		return err
	}
	if state == Waiting && wait < time.Minute { // sooner than the worker looks by itself
		time.AfterFunc(wait, s.Wake)
	}
	s.Events.WebhookAttempt(ctx, events.Webhook{
		Delivery: row.ID, Event: row.Event, Job: row.TransactionID, Organization: row.OrganizationID, Endpoint: row.EndpointID,
	}, string(state), a.status, d.Attempts+1, a.took)
	for _, tell := range after {
		tell()
	}
	return nil
}

// attempted stores an attempt. A row that is gone stores nothing.
func attempted(ctx context.Context, tx *store.Tx, id, url string, state State, a answer) error {
	n := int64(0)
	var err error
	if state != Waiting {
		if n, err = tx.EndWebhookDelivery(ctx, query.EndWebhookDeliveryParams{State: string(state), LastStatus: int64(a.status), Now: store.Micros(tx.Now), ID: id}); err != nil {
			return err
		}
	}
	if n == 0 {
		if err := tx.TriedWebhookDelivery(ctx, query.TriedWebhookDeliveryParams{LastStatus: int64(a.status), ID: id}); err != nil {
			return err
		}
	}
	return tx.InsertWebhookAttempt(ctx, query.InsertWebhookAttemptParams{
		ID: id, Url: url, StartedAt: store.Micros(a.began), Duration: a.took.Microseconds(), Status: int64(a.status), Headers: encode(a.headers), Body: withoutCodes(readable(a.body, kept)), Error: a.err,
	})
}

// health keeps what an attempt says about its endpoint, and disables an endpoint that wants
// nothing, or has failed for days after a warning. after is called after the commit.
func (s *Service) health(ctx context.Context, tx *store.Tx, to query.WebhookEndpoint, a answer) (after []func(), err error) {
	now := store.Micros(tx.Now)
	failing := tx.Now.Sub(store.Time(to.FailingSince))
	switch {
	case a.acknowledged():
		if to.FailingSince != 0 {
			err = tx.WebhookWorks(ctx, to.ID)
		}
		return nil, err
	case a.gone():
		return s.disable(ctx, tx, to, Gone)
	case to.FailingSince == 0:
		return nil, tx.WebhookFails(ctx, query.WebhookFailsParams{Now: now, ID: to.ID})
	case failing >= DisableAfter && to.WarnedAt != 0 && tx.Now.Sub(store.Time(to.WarnedAt)) >= DisableAfter-WarnAfter:
		return s.disable(ctx, tx, to, Failing)
	case failing >= WarnAfter && to.WarnedAt == 0:
		n, err := tx.WarnWebhook(ctx, query.WarnWebhookParams{Now: now, ID: to.ID})
		if err != nil || n == 0 { // another worker was first
			return nil, err
		}
		return s.tell(ctx, tx, to, "webhook.warned", "")
	}
	return nil, nil
}

func (s *Service) disable(ctx context.Context, tx *store.Tx, to query.WebhookEndpoint, why Reason) ([]func(), error) {
	n, err := tx.DisableWebhook(ctx, query.DisableWebhookParams{Now: store.Micros(tx.Now), Reason: string(why), ID: to.ID})
	if err != nil || n == 0 {
		return nil, err
	}
	return s.tell(ctx, tx, to, "webhook.disabled", why)
}

// tell records what the server decided about an endpoint, and tells the organization.
func (s *Service) tell(ctx context.Context, tx *store.Tx, to query.WebhookEndpoint, action string, why Reason) ([]func(), error) {
	what := []audit.Change{{Field: "failing_since", New: wire(store.Time(to.FailingSince))}}
	if to.FailingSince == 0 {
		what = nil
	}
	if why != "" {
		what = append(what, audit.Change{Field: "enabled", Old: "true", New: "false"}, audit.Change{Field: "disabled_reason", New: string(why)})
	}
	if err := audit.Record(ctx, tx, audit.Entry{Organization: to.OrganizationID, Actor: audit.Server(), Action: action, Subject: to.ID, Changes: what}); err != nil {
		return nil, err
	}
	if s.Warn != nil {
		if err := s.Warn(ctx, tx, Warning{Organization: to.OrganizationID, Endpoint: to.ID, URL: shown(to.Url), Since: when(to.FailingSince), Disabled: why}); err != nil {
			return nil, err
		}
	}
	return []func(){func() { s.Events.WebhookEndpoint(ctx, to.OrganizationID, to.ID, string(why)) }}, nil
}
