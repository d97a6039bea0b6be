// Package apikeys is the console's page of an organization's API keys: the list with their last
// use, the creation with the token shown once, and the revocation. It decides nothing about keys,
// and never stores a token.
package apikeys

import (
	"embed"
	"time"

	"timbre.example/internal/apikey"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/permission"
)

//go:embed templates texts
var files embed.FS

const (
	list = "/o/{org}/api-keys"
	page = 25
)

// Area returns the pages.
func Area(keys *apikey.Service) shell.Area {
	p := pages{keys}
	var scopes []string
	for _, s := range permission.Scopes() {
		scopes = append(scopes, string(s))
	}
	return shell.Area{Name: "apikeys", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: list, Needs: shell.To(permission.KeysRead), Nav: shell.Nav{Order: 60, Icon: "key"}, Handle: p.list},
		{Method: "POST", Path: list, Needs: shell.To(permission.KeysManage), Name: "create", Handle: p.create, Again: p.list, Fields: []shell.Field{
			shell.Text("name", apikey.MaxName).Must(), shell.Many("scopes", scopes...), shell.Text("expires", 10).Type("date"), shell.Check("test"),
		}},
		{Method: "GET", Path: list + "/{id}", Needs: shell.To(permission.KeysRead), Handle: p.show},
		{Method: "POST", Path: list + "/{id}/revoke", Needs: shell.To(permission.KeysManage), Name: "revoke", Handle: p.revoke, Again: p.show, Fields: []shell.Field{shell.Check("sure").Must()}},
	}}
}

type pages struct{ keys *apikey.Service }

// shown is a key with its state, by the name of its text.
type shown struct {
	apikey.Key
	State string
}

func shownOf(k apikey.Key, now time.Time) shown {
	state := "active"
	switch {
	case k.RevokedAt != nil:
		state = "revoked"
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		state = "expired"
	}
	return shown{k, state}
}

func (p pages) list(c *shell.Call) error {
	all, more, err := p.keys.List(c.Context(), c.Organization(), apikey.Page{First: page, After: c.After()})
	if err != nil {
		return err
	}
	rows := make([]shown, len(all), len(all)+1)
	for i, k := range all {
		rows[i] = shownOf(k, c.Now)
	}
	if more { // Window cuts the row that says so
		rows = append(rows, rows[len(rows)-1])
	}
	rows, neighbours := shell.Window(c, rows, page, func(k shown) string { return k.ID })
	neighbours.Previous = ""
	return c.Render("list", struct {
		Keys []shown
		Most int64
		shell.List
	}{rows, apikey.MaxLive, neighbours})
}

func (p pages) create(c *shell.Call) error {
	r := apikey.Request{Name: c.Form.Text("name"), Scopes: c.Form.All("scopes"), Test: c.Form.Checked("test")}
	if day := c.Form.Text("expires"); day != "" {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil || !at.After(c.Now) {
			c.Form.Fail("expires", "future")
			return nil
		}
		r.ExpiresAt = &at
	}
	k, err := p.keys.Create(c.Context(), c.Actor(), c.Organization(), r)
	if err != nil {
		return err
	}
	return c.Redirect(list, shell.Say("created", "name", k.Name), shell.Reveal("token", k.Token))
}

func (p pages) show(c *shell.Call) error {
	k, err := p.keys.Get(c.Context(), c.Organization(), c.Path("id"))
	if err != nil {
		return err
	}
	return c.Render("key", shownOf(k, c.Now))
}

func (p pages) revoke(c *shell.Call) error {
	k, err := p.keys.Revoke(c.Context(), c.Actor(), c.Organization(), c.Path("id"))
	if err != nil {
		return err
	}
	return c.Redirect(list, shell.Say("revoked_now", "name", k.Name))
}
