// Package webhooks is the pages of endpoints and their deliveries: what is sent where, what the
// receivers answered, and how to send it again. It decides nothing, and shows a secret only
// when it is made.
package webhooks

import (
	"bytes"
	"embed"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/webhook"
)

//go:embed templates texts
var files embed.FS

const (
	list      = "/o/{org}/webhooks"
	endpoint  = list + "/{id}"
	delivered = endpoint + "/deliveries/{delivery}"
	page      = 25
)

// The text "secret.once" of this area replaces the shell's: these secrets are stored
// encrypted, and not as a hash.

// Area returns the pages.
func Area(hooks *webhook.Service) shell.Area {
	p := pages{hooks}
	var events, states []string
	for _, e := range webhook.Events() {
		events = append(events, string(e))
	}
	for _, s := range webhook.States() {
		states = append(states, string(s))
	}
	read, manage := shell.To(permission.WebhooksRead), shell.To(permission.WebhooksManage)
	url := shell.Text("url", webhook.MaxURL).Must().Type("url")
	if hooks != nil && len(hooks.Allow) > 0 { // the networks are the operator's own matter
		url = url.Hinted("url.hint.allowed")
	}
	content := []shell.Field{
		url, shell.Text("description", webhook.MaxDescription), shell.Many("events", events...), shell.Choice("network", "", "testnet", "mainnet"),
	}
	return shell.Area{Name: "webhooks", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: list, Needs: read, Nav: shell.Nav{Order: 70, Icon: "webhook"}, Handle: p.list},
		{Method: "POST", Path: list, Needs: manage, Name: "create", Fields: content, Handle: p.create, Again: p.list},
		{Method: "GET", Path: endpoint, Needs: read, Handle: p.show, Fields: []shell.Field{
			shell.Choice("state", append([]string{""}, states...)...), shell.Choice("event", append([]string{""}, append(slices.Clone(events), string(webhook.Test))...)...),
		}},
		{Method: "POST", Path: endpoint + "/change", Needs: manage, Name: "change", Fields: append(slices.Clone(content), shell.Hidden("revision", 20)), Handle: p.change, Again: p.show},
		{Method: "POST", Path: endpoint + "/enable", Needs: manage, Name: "enable", Handle: p.enable(true), Again: p.show},
		{Method: "POST", Path: endpoint + "/disable", Needs: manage, Name: "disable", Handle: p.enable(false), Again: p.show},
		{Method: "POST", Path: endpoint + "/rotate", Needs: manage, Name: "rotate", Fields: []shell.Field{shell.Choice("overlap", "86400", "3600", "604800", "0")}, Handle: p.rotate, Again: p.show},
		{Method: "POST", Path: endpoint + "/test", Needs: manage, Name: "test", Handle: p.test, Again: p.show},
		{Method: "POST", Path: endpoint + "/replay", Needs: manage, Name: "range", Fields: []shell.Field{shell.Text("since", 10).Must().Type("date"), shell.Text("until", 10).Must().Type("date")}, Handle: p.replayRange, Again: p.show},
		{Method: "POST", Path: endpoint + "/delete", Needs: manage, Name: "remove", Fields: []shell.Field{shell.Check("sure").Must()}, Handle: p.remove, Again: p.show},
		{Method: "GET", Path: delivered, Needs: read, Handle: p.delivery},
		{Method: "POST", Path: delivered + "/replay", Needs: manage, Name: "again", Handle: p.replay, Again: p.delivery},
	}}
}

type pages struct{ hooks *webhook.Service }

func (p pages) list(c *shell.Call) error {
	all, err := p.hooks.ListEndpoints(c.Context(), c.Organization(), c.After(), page+1)
	if err != nil {
		return err
	}
	var events []string
	for _, e := range webhook.Events() {
		events = append(events, string(e))
	}
	c.Store("create", "events", events...)
	rows, neighbours := shell.Window(c, all, page, func(e webhook.Endpoint) string { return e.ID })
	neighbours.Previous = ""
	return c.Render("list", struct {
		Endpoints []webhook.Endpoint
		shell.List
	}{rows, neighbours})
}

// chosen returns the events of a form.
func chosen(c *shell.Call) []webhook.Event {
	all := []webhook.Event{} // not nil: nothing chosen is refused
	for _, e := range c.Form.All("events") {
		all = append(all, webhook.Event(e))
	}
	return all
}

func (p pages) create(c *shell.Call) error {
	e, secret, err := p.hooks.CreateEndpoint(c.Context(), c.Organization(), webhook.EndpointInput{
		URL: c.Form.Text("url"), Description: c.Form.Text("description"), Events: chosen(c), Network: c.Form.Text("network"),
	}, c.Actor())
	if err != nil {
		return err
	}
	return c.To(c.Address(endpoint, "id", e.ID), shell.Say("created"), shell.Reveal("secret", secret.Standard()))
}

func (p pages) show(c *shell.Call) error {
	ctx, org := c.Context(), c.Organization()
	e, err := p.hooks.Endpoint(ctx, org, c.Path("id"))
	if err != nil {
		return err
	}
	var events []string
	for _, one := range e.Events {
		events = append(events, string(one))
	}
	c.Store("change", "url", e.URL)
	c.Store("change", "description", e.Description)
	c.Store("change", "events", events...)
	c.Store("change", "network", e.Network)
	c.Store("change", "revision", strconv.FormatInt(e.Revision, 10))
	c.Store("range", "since", c.Now.Add(-webhook.Retention).UTC().Format(time.DateOnly))
	c.Store("range", "until", c.Now.UTC().Format(time.DateOnly))
	f := webhook.Filter{State: webhook.State(c.Form.Text("state")), Event: webhook.Event(c.Form.Text("event")), After: c.After(), Limit: page + 1}
	all, _, err := p.hooks.ListDeliveries(ctx, org, e.ID, f)
	if err != nil {
		return err
	}
	rows, neighbours := shell.Window(c, all, page, func(d webhook.Delivery) string { return d.ID })
	neighbours.Previous = ""
	return c.Render("endpoint", struct {
		Endpoint   webhook.Endpoint
		Deliveries []webhook.Delivery
		Filtered   bool
		shell.List
	}{e, rows, f.State != "" || f.Event != "", neighbours})
}

func (p pages) change(c *shell.Call) error {
	url, description, network := c.Form.Text("url"), c.Form.Text("description"), c.Form.Text("network")
	revision, err := strconv.ParseInt(c.Form.Text("revision"), 10, 64)
	if err != nil || revision < 1 {
		return fault.CommonBadRequest("revision")
	}
	if _, err := p.hooks.UpdateEndpoint(c.Context(), c.Organization(), c.Path("id"), webhook.EndpointChange{URL: &url, Description: &description, Events: chosen(c), Network: &network, Revision: revision}, c.Actor()); err != nil {
		return err
	}
	return c.Redirect(endpoint, shell.Say("changed"))
}

func (p pages) enable(on bool) func(*shell.Call) error {
	return func(c *shell.Call) error {
		if _, err := p.hooks.UpdateEndpoint(c.Context(), c.Organization(), c.Path("id"), webhook.EndpointChange{Enabled: &on}, c.Actor()); err != nil {
			return err
		}
		return c.Redirect(endpoint, shell.Say("changed"))
	}
}

func (p pages) rotate(c *shell.Call) error {
	overlap := time.Duration(c.Form.Number("overlap")) * time.Second
	_, secret, err := p.hooks.RotateSecret(c.Context(), c.Organization(), c.Path("id"), overlap, c.Actor(), nil)
	if err != nil {
		return err
	}
	return c.Redirect(endpoint, shell.Say("rotated"), shell.Reveal("secret", secret.Standard()))
}

func (p pages) test(c *shell.Call) error {
	d, err := p.hooks.SendTest(c.Context(), c.Organization(), c.Path("id"), c.Actor())
	if err != nil {
		return err
	}
	return c.To(c.Address(delivered, "delivery", d.ID), shell.Say("sent"))
}

// mostCalls bounds what one form replays: 20 times webhook.MaxReplay. A repeated form continues.
const mostCalls = 20

func (p pages) replayRange(c *shell.Call) error {
	since, badSince := time.Parse(time.DateOnly, c.Form.Text("since"))
	until, badUntil := time.Parse(time.DateOnly, c.Form.Text("until"))
	if badSince != nil {
		c.Form.Fail("since", "invalid")
	}
	if badUntil != nil || until.Before(since) {
		c.Form.Fail("until", "invalid")
	}
	if !c.Form.OK() {
		return nil
	}
	r, count := webhook.Range{Since: since, Until: until.AddDate(0, 0, 1)}, 0 // the last day counts
	for range mostCalls {
		got, err := p.hooks.ReplayRange(c.Context(), c.Organization(), c.Path("id"), r, c.Actor())
		if err != nil {
			return err
		}
		count += got.Count
		if r.After = got.Next; r.After == "" {
			break
		}
	}
	return c.Redirect(endpoint, shell.Say("replayed", "count", count))
}

func (p pages) remove(c *shell.Call) error {
	if err := p.hooks.DeleteEndpoint(c.Context(), c.Organization(), c.Path("id"), c.Actor()); err != nil {
		return err
	}
	return c.Redirect(list, shell.Say("removed"))
}

func (p pages) delivery(c *shell.Call) error {
	d, attempts, err := p.hooks.Delivery(c.Context(), c.Organization(), c.Path("id"), c.Path("delivery"))
	if err != nil {
		return err
	}
	e, err := p.hooks.Endpoint(c.Context(), c.Organization(), c.Path("id"))
	if err != nil {
		return err
	}
	d = d.Shown(func(id string) string { return permission.TransactionID(id, c.May) }, attempts...)
	var payload bytes.Buffer
	if err := json.Indent(&payload, []byte(d.Payload), "", "  "); err != nil {
		return err
	}
	return c.Render("delivery", struct {
		Delivery webhook.Delivery
		Attempts []webhook.Attempt
		Payload  string
		Enabled  bool
	}{d, attempts, payload.String(), e.Enabled()})
}

func (p pages) replay(c *shell.Call) error {
	if _, err := p.hooks.Replay(c.Context(), c.Organization(), c.Path("id"), c.Path("delivery"), c.Actor()); err != nil {
		return err
	}
	return c.Redirect(delivered, shell.Say("sent"))
}
