package manage

import (
	"context"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
	"timbre.example/internal/webhook"
)

// webhooks adds the routes of endpoints and their deliveries.
func (f *Face) webhooks() {
	submit(f, operation{method: "POST", path: "/webhooks", id: "create-webhook", summary: "Create a webhook endpoint", needs: permission.WebhooksManage, status: 201}, f.createWebhook)
	do(f, operation{method: "GET", path: "/webhooks", id: "list-webhooks", summary: "Webhook endpoints, oldest first", needs: permission.WebhooksRead}, f.listWebhooks)
	do(f, operation{method: "GET", path: "/webhooks/{id}", id: "webhook", summary: "One webhook endpoint", needs: permission.WebhooksRead}, f.webhook)
	submit(f, operation{method: "PATCH", path: "/webhooks/{id}", id: "change-webhook", summary: "Change, enable or disable a webhook endpoint", needs: permission.WebhooksManage}, f.changeWebhook)
	do(f, operation{method: "DELETE", path: "/webhooks/{id}", id: "delete-webhook", summary: "Delete a webhook endpoint", needs: permission.WebhooksManage}, f.deleteWebhook)
	submit(f, operation{method: "POST", path: "/webhooks/{id}/rotate-secret", id: "rotate-webhook-secret", summary: "Replace the secret of a webhook endpoint", needs: permission.WebhooksManage}, f.rotateWebhook)
	do(f, operation{method: "POST", path: "/webhooks/{id}/test", id: "test-webhook", summary: "Send a test event", needs: permission.WebhooksManage, status: 202}, f.testWebhook)
	do(f, operation{method: "GET", path: "/webhooks/{id}/deliveries", id: "list-deliveries", summary: "Deliveries, newest first", needs: permission.WebhooksRead}, f.listDeliveries)
	do(f, operation{method: "GET", path: "/webhooks/{id}/deliveries/{delivery}", id: "delivery", summary: "One delivery with its attempts", needs: permission.WebhooksRead}, f.delivery)
	do(f, operation{method: "POST", path: "/webhooks/{id}/deliveries/{delivery}/replay", id: "replay-delivery", summary: "Send a delivery again", needs: permission.WebhooksManage, status: 202}, f.replayDelivery)
	submit(f, operation{method: "POST", path: "/webhooks/{id}/replay", id: "replay-deliveries", summary: "Send the deliveries of a range again that were not acknowledged", needs: permission.WebhooksManage, status: 202}, f.replayDeliveries)
}

// wireWebhook is an endpoint as the API shows it. Only its creation and rotation show a secret.
type wireWebhook struct {
	ID             string          `json:"id"`
	OrganizationID string          `json:"organization_id"`
	APIKeyID       *string         `json:"api_key_id" nullable:"true" doc:"The key whose transactions alone are sent here; null: the organization's"`
	URL            string          `json:"url"`
	Description    string          `json:"description"`
	Events         []webhook.Event `json:"events"`
	Network        *string         `json:"network" nullable:"true" doc:"null: all networks"`
	Enabled        bool            `json:"enabled"`
	DisabledReason *string         `json:"disabled_reason" nullable:"true" doc:"manual, gone (it answered 410) or failing"`
	DisabledAt     *time.Time      `json:"disabled_at" nullable:"true"`
	FailingSince   *time.Time      `json:"failing_since" nullable:"true" doc:"The first failed attempt after the last success"`
	PreviousUntil  *time.Time      `json:"previous_secret_until" nullable:"true" doc:"Until then the previous secret signs, too"`
	Revision       int64           `json:"revision" doc:"Grows with each change: send it with a change, so that no other change is lost"`
	CreatedAt      time.Time       `json:"created_at"`
	UpdatedAt      time.Time       `json:"updated_at"`
	Secret         string          `json:"secret,omitempty" doc:"whsec_ and base64; shown once"`
	SecretBase64   string          `json:"secret_base64,omitempty" doc:"The same secret without whsec_; shown once"`
}

func endpointOf(e webhook.Endpoint, secret webhook.Secret) wireWebhook {
	w := wireWebhook{
		ID: e.ID, OrganizationID: e.Organization, APIKeyID: some(e.APIKey), URL: e.URL, Description: e.Description, Events: e.Events, Network: some(e.Network), Enabled: e.Enabled(), DisabledReason: some(string(e.Disabled)),
		DisabledAt: some(e.DisabledAt), FailingSince: some(e.FailingSince), PreviousUntil: some(e.PreviousUntil), Revision: e.Revision, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
	}
	if secret != nil {
		w.Secret, w.SecretBase64 = secret.Standard(), secret.Base64()
	}
	return w
}

// some is null for the zero value.
func some[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}

type webhookOutput struct {
	Body wireWebhook
}

type createWebhookInput struct {
	Body struct {
		URL         string   `json:"url" required:"false" doc:"https, with a public address"`
		Description string   `json:"description" required:"false" doc:"For people: at most 200 characters"`
		Events      []string `json:"events" required:"false" nullable:"true" doc:"work_registered, work_updated, work_failed, credits_low; all of them when left out"`
		Network     *string  `json:"network" required:"false" nullable:"true" doc:"testnet or mainnet; null: all"`
	}
}

func eventsOf(names []string) []webhook.Event {
	if names == nil {
		return nil
	}
	all := make([]webhook.Event, 0, len(names))
	for _, name := range names {
		all = append(all, webhook.Event(name))
	}
	return all
}

func (f *Face) createWebhook(c *Call, in *createWebhookInput) (*webhookOutput, error) {
	out := &webhookOutput{}
	_, _, err := f.Webhooks.CreateEndpoint(c, c.Organization, webhook.EndpointInput{
		URL: in.Body.URL, Description: in.Body.Description, Events: eventsOf(in.Body.Events), Network: of(in.Body.Network),
		Stored: func(ctx context.Context, tx *store.Tx, e webhook.Endpoint, secret webhook.Secret) error {
			out.Body = endpointOf(e, secret)
			return web.Keep(ctx, tx, out.Body)
		},
	}, c.Actor)
	if err != nil {
		return nil, err
	}
	return out, nil
}

type webhooksOutput struct {
	Body struct {
		Webhooks []wireWebhook `json:"webhooks"`
		PageInfo wirePage      `json:"page_info"`
	}
}

func (f *Face) listWebhooks(c *Call, in *listAPIKeysInput) (*webhooksOutput, error) {
	var bad fault.Refused
	first, after := in.first(&bad), cursor(&bad, in.After)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	all, err := f.Webhooks.ListEndpoints(c, c.Organization, after, first+1)
	if err != nil {
		return nil, err
	}
	out := &webhooksOutput{}
	more := len(all) > first
	all = all[:min(first, len(all))]
	out.Body.Webhooks, out.Body.PageInfo = []wireWebhook{}, pageOf(more, "")
	for _, e := range all {
		out.Body.Webhooks = append(out.Body.Webhooks, endpointOf(e, nil))
		out.Body.PageInfo = pageOf(more, e.ID)
	}
	return out, nil
}

// WebhookPath names an endpoint. Its name is exported like that of Paging.
type WebhookPath struct {
	ID string `path:"id" doc:"The endpoint's id, a UUID"`
}

func (f *Face) webhook(c *Call, in *WebhookPath) (*webhookOutput, error) {
	e, err := f.Webhooks.Endpoint(c, c.Organization, in.ID)
	if err != nil {
		return nil, err
	}
	return &webhookOutput{Body: endpointOf(e, nil)}, nil
}

type changeWebhookInput struct {
	WebhookPath
	Body struct {
		URL         *string  `json:"url" required:"false"`
		Description *string  `json:"description" required:"false"`
		Events      []string `json:"events" required:"false"`
		Network     *string  `json:"network" required:"false" doc:"testnet or mainnet; empty: all"`
		Enabled     *bool    `json:"enabled" required:"false" doc:"true forgets earlier failures; what was skipped can be replayed"`
		Revision    int64    `json:"revision" required:"false" doc:"The revision that this change is based on. When another change came first, it is common.conflict. Without it, this change overwrites"`
	}
}

func (f *Face) changeWebhook(c *Call, in *changeWebhookInput) (*webhookOutput, error) {
	e, err := f.Webhooks.UpdateEndpoint(c, c.Organization, in.ID, webhook.EndpointChange{
		URL: in.Body.URL, Description: in.Body.Description, Events: eventsOf(in.Body.Events), Network: in.Body.Network, Enabled: in.Body.Enabled, Revision: in.Body.Revision,
	}, c.Actor)
	if err != nil {
		return nil, err
	}
	return &webhookOutput{Body: endpointOf(e, nil)}, nil
}

func (f *Face) deleteWebhook(c *Call, in *WebhookPath) (*webhookOutput, error) {
	e, err := f.Webhooks.Endpoint(c, c.Organization, in.ID)
	if err != nil {
		return nil, err
	}
	if err := f.Webhooks.DeleteEndpoint(c, c.Organization, in.ID, c.Actor); err != nil {
		return nil, err
	}
	return &webhookOutput{Body: endpointOf(e, nil)}, nil
}

type rotateWebhookInput struct {
	WebhookPath
	Body struct {
		OverlapSeconds *int64 `json:"overlap_seconds" required:"false" nullable:"true" doc:"How long the previous secret signs, too: 0 to 604800; 86400 when left out"`
	}
}

func (f *Face) rotateWebhook(c *Call, in *rotateWebhookInput) (*webhookOutput, error) {
	overlap := webhook.DefaultOverlap
	if s := in.Body.OverlapSeconds; s != nil {
		if *s < 0 || *s > int64(webhook.MaxOverlap/time.Second) {
			return nil, fault.CommonValidationFailed([]fault.Field{{Field: "overlap_seconds", Rule: "range", Message: "Must be 0 to 604800."}})
		}
		overlap = time.Duration(*s) * time.Second
	}
	out := &webhookOutput{}
	_, _, err := f.Webhooks.RotateSecret(c, c.Organization, in.ID, overlap, c.Actor, func(ctx context.Context, tx *store.Tx, e webhook.Endpoint, secret webhook.Secret) error {
		out.Body = endpointOf(e, secret)
		return web.Keep(ctx, tx, out.Body)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// WireDelivery is a delivery as the API shows it. Its name is exported like that of Paging.
type WireDelivery struct {
	ID            string        `json:"id" doc:"The header webhook-id of all attempts"`
	WebhookID     string        `json:"webhook_id"`
	Event         webhook.Event `json:"event"`
	TransactionID *string       `json:"transaction_id" nullable:"true"`
	State         webhook.State `json:"state" doc:"waiting, delivered, failed or skipped"`
	AttemptCount  int64         `json:"attempt_count"`
	LastStatus    *int64        `json:"last_status" nullable:"true" doc:"null: there was no answer, or no attempt yet"`
	CreatedAt     time.Time     `json:"created_at"`
	EndedAt       *time.Time    `json:"ended_at" nullable:"true"`
}

func deliveryOf(d webhook.Delivery) WireDelivery {
	return WireDelivery{
		ID: d.ID, WebhookID: d.Endpoint, Event: d.Event, TransactionID: some(d.Transaction), State: d.State, AttemptCount: d.Attempts, LastStatus: some(d.LastStatus), CreatedAt: d.CreatedAt, EndedAt: some(d.EndedAt),
	}
}

// wireAttempt is one POST of a delivery.
type wireAttempt struct {
	Number     int64            `json:"number"`
	URL        string           `json:"url"`
	At         time.Time        `json:"at"`
	DurationMS int64            `json:"duration_ms"`
	Status     *int64           `json:"status" nullable:"true" doc:"null: there was no answer"`
	Headers    []webhook.Header `json:"headers" doc:"Of the answer, at most 4 KiB"`
	Body       string           `json:"body" doc:"The first 4 KiB of the answer"`
	Error      *string          `json:"error" nullable:"true" doc:"Why it failed, in words"`
}

type deliveryOutput struct {
	Body struct {
		WireDelivery
		Payload       string        `json:"payload" doc:"The JSON that is sent; its access_code is null here"`
		NextAttemptAt *time.Time    `json:"next_attempt_at" nullable:"true"`
		Attempts      []wireAttempt `json:"attempts" doc:"Newest first, at most 100"`
	}
}

type listDeliveriesInput struct {
	WebhookPath
	Paging
	State string `query:"state" doc:"waiting, delivered, failed or skipped; all when left out"`
	Event string `query:"event" doc:"An event; all when left out"`
	Since string `query:"since" doc:"From this time on, as in RFC 3339"`
	Until string `query:"until" doc:"Before this time"`
}

type deliveriesOutput struct {
	Body struct {
		Deliveries []WireDelivery `json:"deliveries"`
		PageInfo   wirePage       `json:"page_info"`
	}
}

func (f *Face) listDeliveries(c *Call, in *listDeliveriesInput) (*deliveriesOutput, error) {
	var bad fault.Refused
	filter := webhook.Filter{
		State: webhook.State(in.State), Event: webhook.Event(in.Event), Since: of(instant(&bad, "since", &in.Since)), Until: of(instant(&bad, "until", &in.Until)),
		After: cursor(&bad, in.After), Limit: in.first(&bad),
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	all, next, err := f.Webhooks.ListDeliveries(c, c.Organization, in.ID, filter)
	if err != nil {
		return nil, err
	}
	out := &deliveriesOutput{}
	out.Body.Deliveries, out.Body.PageInfo = []WireDelivery{}, pageOf(next != "", "")
	for _, d := range all {
		out.Body.Deliveries = append(out.Body.Deliveries, deliveryOf(d.Shown(c.shown)))
		out.Body.PageInfo = pageOf(next != "", d.ID)
	}
	return out, nil
}

// DeliveryPath names a delivery of an endpoint. Its name is exported like that of Paging.
type DeliveryPath struct {
	WebhookPath
	Delivery string `path:"delivery" doc:"The delivery's id, a UUID"`
}

func (f *Face) delivery(c *Call, in *DeliveryPath) (*deliveryOutput, error) {
	d, attempts, err := f.Webhooks.Delivery(c, c.Organization, in.ID, in.Delivery)
	if err != nil {
		return nil, err
	}
	d = d.Shown(c.shown, attempts...)
	out := &deliveryOutput{}
	out.Body.WireDelivery, out.Body.Payload, out.Body.NextAttemptAt, out.Body.Attempts = deliveryOf(d), d.Payload, some(d.NextAttempt), []wireAttempt{}
	for _, a := range attempts {
		out.Body.Attempts = append(out.Body.Attempts, wireAttempt{Number: a.Number, URL: a.URL, At: a.At, DurationMS: a.Duration.Milliseconds(), Status: some(a.Status), Headers: a.Headers, Body: a.Body, Error: some(a.Error)})
	}
	return out, nil
}

type startedOutput struct {
	Body WireDelivery
}

func (f *Face) replayDelivery(c *Call, in *DeliveryPath) (*startedOutput, error) {
	d, err := f.Webhooks.Replay(c, c.Organization, in.ID, in.Delivery, c.Actor)
	if err != nil {
		return nil, err
	}
	return &startedOutput{Body: deliveryOf(d)}, nil
}

func (f *Face) testWebhook(c *Call, in *WebhookPath) (*startedOutput, error) {
	d, err := f.Webhooks.SendTest(c, c.Organization, in.ID, c.Actor)
	if err != nil {
		return nil, err
	}
	return &startedOutput{Body: deliveryOf(d)}, nil
}

type replayInput struct {
	WebhookPath
	Body struct {
		Since *string `json:"since" required:"false" format:"date-time" doc:"From this time of the event on"`
		Until *string `json:"until" required:"false" format:"date-time" doc:"Before this time; now when left out"`
		After string  `json:"after" required:"false" doc:"end_cursor of the call before"`
	}
}

type replayedOutput struct {
	Body struct {
		Replayed int      `json:"replayed" doc:"How many deliveries wait again because of this call, at most 1000"`
		PageInfo wirePage `json:"page_info"` // has_next_page: repeat the call with after, until it is false
	}
}

func (f *Face) replayDeliveries(c *Call, in *replayInput) (*replayedOutput, error) {
	var bad fault.Refused
	r := webhook.Range{Since: of(instant(&bad, "since", in.Body.Since)), Until: of(instant(&bad, "until", in.Body.Until)), After: cursor(&bad, in.Body.After)}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if r.Until.IsZero() {
		r.Until = f.DB.Now()
	}
	got, err := f.Webhooks.ReplayRange(c, c.Organization, in.ID, r, c.Actor)
	if err != nil {
		return nil, err
	}
	out := &replayedOutput{}
	out.Body.Replayed, out.Body.PageInfo = got.Count, pageOf(got.Next != "", got.Next)
	return out, nil
}
