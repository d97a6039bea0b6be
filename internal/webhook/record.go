package webhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/events"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

func missing(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// deliver makes one attempt, and has it recorded. leave gives the slot back. An attempt that
// takes long leaves a quick slot before its end, so that slow endpoints never hold all of them.
func (s *Service) deliver(ctx context.Context, d outbox.Delivery, b *batch, leave func(), slow bool) result {
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
	ended := s.unrecorded.begins()
	m, ok := s.attempt(ctx, d, b)
	if ok {
		s.keep(ctx, m)
	}
	ended()
	return result{ok && m.acknowledged(), m.took}
}

// attempt sends a delivery once. ok is false if there is nothing to record.
func (s *Service) attempt(ctx context.Context, d outbox.Delivery, b *batch) (m made, ok bool) {
	row := b.rows[d.Subject]
	body, err := s.body(ctx, row)
	if err != nil { // not the receiver's fault: it is tried again later
		s.report(ctx, "sign a delivery", err)
		b.lane.rest(d)
		return m, false
	}
	s.Reached("webhook.taken")
	now := s.DB.Now()
	m = made{Delivery: d, lane: b.lane, row: row, url: b.to.Url, answer: post(ctx, s.client, s.UserAgent, b.to.Url, row.ID, b.secrets(now), body, now)}
	if ctx.Err() != nil && m.status == 0 { // the server stops: the receiver has not failed
		b.lane.done(d)
		return m, false
	}
	s.Reached("webhook.sent")
	var again bool
	m.wait, again = pause(d.Attempts+1, m.retryAfter)
	switch {
	case m.acknowledged():
		m.state = Delivered
	case m.final(), !again:
		m.state = Failed
	default:
		m.state = Waiting
	}
	return m, true
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

// recordTogether stores attempts, and what follows from them, in one transaction: the ends of
// the deliveries or their next attempts, and the states of their endpoints.
func (s *Service) recordTogether(ctx context.Context, all []made) error {
	var after []func()
	attempts := make([]query.WebhookAttempt, 0, len(all))
	for _, m := range all {
		attempts = append(attempts, query.WebhookAttempt{
			DeliveryID: m.row.ID, Url: m.url, StartedAt: store.Micros(m.began), Duration: m.took.Microseconds(), Status: int64(m.status), Headers: encode(m.headers), Body: withoutCodes(readable(m.body, kept)), Error: m.err,
		})
	}
	err := s.DB.Tx(ctx, func(tx *store.Tx) (err error) {
		after = nil
		counted, err := count(ctx, tx, all)
		if err != nil {
			return err
		}
		var (
			ended []string
			rows  []query.WebhookAttempt
		)
		for i, m := range all {
			if c, ok := counted[m.row.ID]; ok { // the delivery is gone otherwise
				attempts[i].Number, attempts[i].WorkID = c.Attempts, c.WorkID
				rows = append(rows, attempts[i])
			}
			if m.state != Waiting {
				ended = append(ended, m.Subject)
			} else if err := outbox.RetryAt(ctx, tx, m.Delivery, tx.Now.Add(m.wait), m.err); err != nil {
				return err
			}
		}
		if err := tx.InsertWebhookAttempts(ctx, rows); err != nil {
			return err
		}
		if err := outbox.FinishAll(ctx, tx, outbox.Webhook, ended); err != nil {
			return err
		}
		after, err = s.healths(ctx, tx, all)
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range all {
		s.Events.WebhookAttempt(ctx, events.Webhook{
			Delivery: m.row.ID, Event: m.row.Event, Job: m.row.TransactionID, Organization: m.row.OrganizationID, Endpoint: m.row.EndpointID,
		}, string(m.state), m.status, m.Attempts+1, m.took)
		if m.state == Waiting && m.wait < time.Minute { // sooner than the worker looks by itself
			time.AfterFunc(m.wait, s.Wake)
		}
	}
	for _, tell := range after {
		tell()
	}
	return nil
}

// count counts attempts in their deliveries, and ends the deliveries without another attempt.
// It returns the counted deliveries by id. No delivery is there twice.
func count(ctx context.Context, tx *store.Tx, all []made) (counted map[string]query.AcknowledgeWebhookDeliveriesRow, err error) {
	counted = make(map[string]query.AcknowledgeWebhookDeliveriesRow, len(all))
	ids := map[int][]string{} // of acknowledged ones, by status
	for _, m := range all {
		if m.acknowledged() {
			ids[m.status] = append(ids[m.status], m.row.ID)
		} else if err := failedOne(ctx, tx, m, counted); err != nil {
			return nil, err
		}
	}
	for _, status := range slices.Sorted(maps.Keys(ids)) {
		rows, err := tx.AcknowledgeWebhookDeliveries(ctx, query.AcknowledgeWebhookDeliveriesParams{
			LastStatus: int64(status), Now: store.Micros(tx.Now), Joined: strings.Join(ids[status], ""), Count: int64(len(ids[status])),
		})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			counted[row.ID] = row
		}
	}
	return counted, nil
}

// failedOne counts a failed attempt, and ends its delivery if no other attempt follows. A row
// that is gone changes nothing.
func failedOne(ctx context.Context, tx *store.Tx, m made, counted map[string]query.AcknowledgeWebhookDeliveriesRow) error {
	if m.state != Waiting {
		rows, err := tx.FailWebhookDelivery(ctx, query.FailWebhookDeliveryParams{LastStatus: int64(m.status), Now: store.Micros(tx.Now), ID: m.row.ID})
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			counted[m.row.ID] = query.AcknowledgeWebhookDeliveriesRow(rows[0])
			return nil
		}
	}
	rows, err := tx.TriedWebhookDelivery(ctx, query.TriedWebhookDeliveryParams{LastStatus: int64(m.status), ID: m.row.ID})
	if err == nil && len(rows) > 0 {
		counted[m.row.ID] = query.AcknowledgeWebhookDeliveriesRow(rows[0])
	}
	return err
}

// healths keeps what attempts say about their endpoints, in the order of the attempts. Of
// several acknowledgements without a failure between them, one counts.
func (s *Service) healths(ctx context.Context, tx *store.Tx, all []made) (after []func(), err error) {
	works := map[string]bool{}
	for _, m := range all {
		id := m.row.EndpointID
		if m.acknowledged() {
			if !works[id] {
				err = tx.WebhookWorks(ctx, id)
			}
			if works[id] = true; err != nil {
				return nil, err
			}
			continue
		}
		works[id] = false
		to, err := tx.WebhookEndpointByID(ctx, id)
		if missing(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		told, err := s.failure(ctx, tx, to, m.answer)
		if err != nil {
			return nil, err
		}
		after = append(after, told...)
	}
	return after, nil
}

// failure keeps what a failed attempt says about its endpoint, and disables an endpoint that
// wants nothing, or has failed for days after a warning. after is called after the commit.
func (s *Service) failure(ctx context.Context, tx *store.Tx, to query.WebhookEndpoint, a answer) (after []func(), err error) {
	now := store.Micros(tx.Now)
	failing := tx.Now.Sub(store.Time(to.FailingSince))
	switch {
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
