// Package settings is the console's page of an organization's settings: its name, limits,
// recordings and certificates. An edit of older values is shown beside the current ones.
//
// The package reads and changes settings only through package account.
package settings

import (
	"embed"
	"net/http"
	"strconv"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
)

//go:embed templates texts
var files embed.FS

// The units of the page.
const (
	megabyte = 1 << 20
	day      = 24 * time.Hour
)

// Area returns the pages.
func Area(db *store.DB) shell.Area {
	p := pages{db}
	return shell.Area{Name: "settings", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: "/o/{org}/settings", Needs: shell.To(permission.SettingsRead), Nav: shell.Nav{Order: 80, Icon: "settings"}, Handle: p.show},
		{Method: "POST", Path: "/o/{org}/settings", Needs: shell.To(permission.SettingsManage), Name: "save", Handle: p.save, Again: p.show, Fields: []shell.Field{
			shell.Text("name", 200).Must().Auto("organization"),
			shell.Check("widget_enabled"), shell.Check("duplicate_titles"), shell.Choice("asset_storage", account.StoreKeep, account.StoreNone),
			// In megabytes and in days: names as in the API, so that its refusals find their fields.
			shell.Number("max_file_size_bytes", 0, 1<<30), shell.Number("access_code_ttl", 0, 36500), shell.Number("quota", 0, 1_000_000_000_000),
			shell.Text("issuer_name", 200), shell.Text("imprint", 200), shell.Hidden("revision", 20),
		}},
		{Method: "GET", Path: "/o/{org}/settings/logo", Needs: shell.To(permission.SettingsRead), Handle: p.logo},
		{Method: "POST", Path: "/o/{org}/settings/logo", Needs: shell.To(permission.SettingsManage), Name: "logo", Handle: p.setLogo, Again: p.show, Fields: []shell.Field{
			shell.File("logo", account.MaxLogoBytes, "image/png,image/jpeg").Must(), shell.Hidden("revision", 20),
		}},
		{Method: "POST", Path: "/o/{org}/settings/logo/remove", Needs: shell.To(permission.SettingsManage), Name: "unlogo", Handle: p.removeLogo, Again: p.show, Fields: []shell.Field{shell.Hidden("revision", 20)}},
	}}
}

type pages struct{ db *store.DB }

// rounded returns n in units, rounded up; 0 stays 0.
func rounded(n, unit int64) int64 { return (n + unit - 1) / unit }

// number is the text of a number; "" for 0, which means that nothing is limited.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func check(is bool) []string {
	if is {
		return []string{"yes"}
	}
	return nil
}

func (p pages) show(c *shell.Call) error {
	o, err := account.GetOrganization(c.Context(), p.db, c.Organization())
	if err != nil {
		return err
	}
	some := func(text string) []string {
		if text == "" {
			return nil
		}
		return []string{text}
	}
	revision := strconv.FormatInt(o.Revision, 10)
	c.Store("save", "name", o.Name)
	c.Store("save", "widget_enabled", check(o.WidgetEnabled)...)
	c.Store("save", "duplicate_titles", check(o.DuplicateTitles)...)
	c.Store("save", "asset_storage", o.AssetStorage)
	c.Store("save", "max_file_size_bytes", some(number(rounded(o.MaxFileSize, megabyte)))...)
	c.Store("save", "access_code_ttl", some(number(rounded(int64(o.AccessCodeTTL), int64(day))))...)
	c.Store("save", "quota", some(number(o.Quota))...)
	c.Store("save", "issuer_name", some(o.IssuerName)...)
	c.Store("save", "imprint", some(o.Imprint)...)
	for _, form := range []string{"save", "logo", "unlogo"} {
		c.Store(form, "revision", revision)
	}
	return c.Render("settings", struct {
		account.Organization
		Megabytes, Days int64
	}{o, rounded(o.MaxFileSize, megabyte), rounded(int64(o.AccessCodeTTL), int64(day))})
}

// save changes the settings. The rules that package account checks have texts that begin with "rule.".
func (p pages) save(c *shell.Call) error {
	_, err := account.ChangeOrganization(c.Context(), p.db, c.Actor(), c.Organization(), revision(c), func(o *account.Organization) {
		o.Name, o.WidgetEnabled, o.DuplicateTitles, o.AssetStorage = c.Form.Text("name"), c.Form.Checked("widget_enabled"), c.Form.Checked("duplicate_titles"), c.Form.Text("asset_storage")
		o.Quota, o.IssuerName, o.Imprint = c.Form.Number("quota"), c.Form.Text("issuer_name"), c.Form.Text("imprint")
		// A value that the page shows rounded stays as it is, unless somebody changed it.
		if n := c.Form.Number("max_file_size_bytes"); n != rounded(o.MaxFileSize, megabyte) {
			o.MaxFileSize = n * megabyte
		}
		if n := c.Form.Number("access_code_ttl"); n != rounded(int64(o.AccessCodeTTL), int64(day)) {
			o.AccessCodeTTL = time.Duration(n) * day
		}
	})
	if err != nil {
		return err
	}
	return c.Redirect("/o/{org}/settings", shell.Say("saved"))
}

// revision is the revision that the form was made from. A form without one is older than every revision.
func revision(c *shell.Call) int64 {
	if n, err := strconv.ParseInt(c.Form.Text("revision"), 10, 64); err == nil && n > 0 {
		return n
	}
	return -1
}

// logo answers with the picture itself. The address of the page has its hash, so that a changed one is loaded.
func (p pages) logo(c *shell.Call) error {
	l, err := account.GetLogo(c.Context(), p.db, c.Organization())
	if err != nil {
		return err
	}
	h := c.W.Header()
	h.Set("Content-Type", "image/png")
	h.Set("Content-Length", strconv.Itoa(len(l.PNG)))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	c.W.WriteHeader(http.StatusOK)
	_, _ = c.W.Write(l.PNG) // an error means that the browser has left
	return nil
}

func (p pages) setLogo(c *shell.Call) error {
	if _, err := account.SetLogo(c.Context(), p.db, c.Actor(), c.Organization(), revision(c), c.Form.File("logo").Data); err != nil {
		return err
	}
	return c.Redirect("/o/{org}/settings", shell.Say("logo.set"))
}

func (p pages) removeLogo(c *shell.Call) error {
	if _, err := account.SetLogo(c.Context(), p.db, c.Actor(), c.Organization(), revision(c), nil); err != nil {
		return err
	}
	return c.Redirect("/o/{org}/settings", shell.Say("logo.removed"))
}
