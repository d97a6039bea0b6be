package integration

import (
	"cmp"
	"strconv"
	"strings"

	"timbre.example/internal/account"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/fault"
)

type homeData struct {
	Keys    []account.KeyPair
	Origins []account.Origin
	On      bool
	// Tested is the result of the tester; nil: nothing was tested. Problem is why no browser sends
	// such an origin.
	Tested  *account.Tested
	Problem string
}

func (p pages) home(c *shell.Call) (err error) {
	p.status(c)
	var data homeData
	if data.Keys, err = p.keys(c); err != nil {
		return err
	}
	if data.Origins, err = account.ListOrigins(c.Context(), p.DB, c.Organization()); err != nil {
		return err
	}
	o, err := p.organization(c.Context(), c.Organization())
	if err != nil {
		return err
	}
	if data.On = o.WidgetEnabled; data.On {
		c.Store("widget", "widget", "off") // the button changes it
	} else {
		c.Store("widget", "widget", "on")
	}
	c.Store("widget", "revision", strconv.FormatInt(o.Revision, 10))
	if typed := c.R.URL.Query().Get("test"); typed != "" && c.R.Method == "GET" && c.Form.OK() {
		tested, err := account.TestOrigin(c.Context(), p.DB, c.Organization(), typed)
		switch bad := fieldsOf(err); {
		case len(bad) > 0:
			data.Problem = bad[0].Message
		case err != nil:
			return err
		default:
			data.Tested = &tested
		}
	}
	return c.Render("home", data)
}

// fieldsOf returns the fields of a common.validation_failed.
func fieldsOf(err error) []fault.Field {
	if f := (*fault.Error)(nil); as(err, &f) {
		fields, _ := f.Details["fields"].([]fault.Field)
		return fields
	}
	return nil
}

func (p pages) widget(c *shell.Call) error {
	revision, err := strconv.ParseInt(c.Form.Text("revision"), 10, 64)
	if err != nil || revision < 1 {
		return fault.CommonBadRequest("form")
	}
	on := c.Form.Text("widget") == "on"
	if _, err := account.ChangeOrganization(c.Context(), p.DB, c.Actor(), c.Organization(), revision, func(o *account.Organization) { o.WidgetEnabled = on }); err != nil {
		return err
	}
	if on {
		return c.Redirect(homePath, shell.Say("said.on"))
	}
	return c.Redirect(homePath, shell.Say("said.off"))
}

func (p pages) create(c *shell.Call) error {
	k, err := account.CreateKeys(c.Context(), p.DB, c.Actor(), c.Organization(), c.Form.Text("label"), c.Form.Text("kind") == "test")
	if err != nil {
		return err
	}
	return c.Redirect(homePath, shell.Say("said.created"), shell.Reveal("site_key", k.SiteKey), shell.Reveal("secret_key", k.SecretKey))
}

func (p pages) allow(c *shell.Call) error {
	origin, err := account.AddOrigin(c.Context(), p.DB, c.Actor(), c.Organization(), c.Form.Text("origin"))
	if err != nil {
		return err
	}
	return c.Redirect(homePath, shell.Say("said.allowed", "origin", origin))
}

func (p pages) forbid(c *shell.Call) error {
	origin := c.Form.Text("origin")
	if err := account.RemoveOrigin(c.Context(), p.DB, c.Actor(), c.Organization(), origin); err != nil {
		return err
	}
	return c.Redirect(homePath, shell.Say("said.removed", "origin", origin))
}

type keyData struct {
	account.KeyPair
	Active bool
}

func (p pages) key(c *shell.Call) error {
	keys, err := p.keys(c)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.SiteKey == c.Path("key") {
			c.Store("label", "label", k.Label)
			if k.Status == account.KeyActive {
				c.Store("state", "state", "disabled") // the button changes it
			} else {
				c.Store("state", "state", "active")
			}
			return c.Render("key", keyData{k, k.Status == account.KeyActive})
		}
	}
	return fault.CommonNotFound()
}

func (p pages) label(c *shell.Call) error {
	if err := account.LabelKey(c.Context(), p.DB, c.Actor(), c.Organization(), c.Path("key"), c.Form.Text("label")); err != nil {
		return err
	}
	return c.Redirect(keyPath, shell.Say("said.saved"))
}

func (p pages) state(c *shell.Call) error {
	on := c.Form.Text("state") == "active"
	if err := account.EnableKey(c.Context(), p.DB, c.Actor(), c.Organization(), c.Path("key"), on); err != nil {
		return err
	}
	if on {
		return c.Redirect(keyPath, shell.Say("said.enabled"))
	}
	return c.Redirect(keyPath, shell.Say("said.disabled"))
}

func (p pages) rotate(c *shell.Call) error {
	k, err := account.RotateKey(c.Context(), p.DB, c.Actor(), c.Organization(), c.Path("key"), overlapOf[cmp.Or(c.Form.Text("overlap"), overlaps[0])])
	if err != nil {
		return err
	}
	return c.Redirect(keyPath, shell.Say("said.rotated"), shell.Reveal("secret_key", k.SecretKey))
}

func (p pages) remove(c *shell.Call) error {
	if err := account.DeleteKey(c.Context(), p.DB, c.Actor(), c.Organization(), c.Path("key")); err != nil {
		return err
	}
	return c.Redirect(homePath, shell.Say("said.deleted", "key", short(c.Path("key"))))
}

// short is the beginning and the end of a key.
func short(key string) string {
	if len(key) < 24 {
		return key
	}
	return key[:strings.LastIndexByte(key[:10], '_')+7] + "…" + key[len(key)-4:]
}
