// Package integration is the pages that put the widget on a site: key pairs, origins with their
// tester, the snippet, the theme, and the rehearsal of error codes with the real widget. A secret
// key is shown once, by the page after its creation, and is in no other page.
package integration

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/limit"
	"timbre.example/internal/permission"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
)

// Config is what the pages show and change. Every field is required unless noted.
type Config struct {
	DB       *store.DB
	Sessions *session.Service
	Limits   *limit.Limits
	// PublicURL is the base URL for browsers, without a final slash. Rehearsals are valid at its
	// origin alone.
	PublicURL string
	// UploadOrigin is the origin to which the widget uploads, if it is not the server's; optional.
	UploadOrigin string
}

type pages struct{ Config }

// The paths of the pages.
const (
	homePath      = "/o/{org}/integration"
	keyPath       = "/o/{org}/integration/keys/{key}"
	snippetPath   = "/o/{org}/integration/snippet"
	themePath     = "/o/{org}/integration/theme"
	rehearsalPath = "/o/{org}/integration/rehearsal"
)

// status sets the status of a page whose query has an invalid value.
func (p pages) status(c *shell.Call) {
	if c.R.Method == http.MethodGet && !c.Form.OK() {
		c.Status(http.StatusUnprocessableEntity)
	}
}

// keys returns the key pairs of the organization that are not deleted.
func (p pages) keys(c *shell.Call) (live []account.KeyPair, err error) {
	all, err := account.ListKeys(c.Context(), p.DB, c.Organization())
	for _, k := range all {
		if k.Status != account.KeyDeleted {
			live = append(live, k)
		}
	}
	return live, err
}

// testKey returns the site key of an active test key pair, or "".
func testKey(keys []account.KeyPair) string {
	for _, k := range keys {
		if k.Test && k.Status == account.KeyActive {
			return k.SiteKey
		}
	}
	return ""
}

// preview is what a page needs to show the real widget.
type preview struct {
	Key  string // of a test key pair; "": there is none
	URL  string
	Code string
	Mode string
	// Off: the widget is off, so it shows that it is disabled.
	Off bool
	// May: the member may create sessions.
	May bool
}

// preview allows the widget's parts in the policy of the page.
func (p pages) preview(c *shell.Call, keys []account.KeyPair) (preview, error) {
	o, err := account.GetOrganization(c.Context(), p.DB, c.Organization())
	if err != nil {
		return preview{}, err
	}
	c.Allow("trusted-types", "lit-html")
	c.Allow("trusted-types", "ats-widget")
	if p.UploadOrigin != "" {
		c.Allow("connect-src", p.UploadOrigin)
	}
	out := preview{Key: testKey(keys), URL: p.PublicURL, Mode: modes[0], Off: !o.WidgetEnabled, May: c.May(permission.WorksRegister)}
	out.store(c)
	return out, nil
}

// store puts the values into the form with which the script asks for a session.
func (p preview) store(c *shell.Call) {
	c.Store("session", "key", p.Key)
	c.Store("session", "code", p.Code)
	c.Store("session", "mode", p.Mode)
}

// Shown reports whether the widget can be shown.
func (p preview) Shown() bool { return p.Key != "" && p.May && !p.Off }

// modes are the modes of the widget, the default one first.
var modes = []string{"register", "update", "download"}

// actions are the actions of a session for each mode.
var actions = map[string]session.Action{"register": session.Register, "update": session.UpdateVersion, "download": session.Access}

// overlaps are how long the secret key before a rotation stays valid.
var overlaps = []string{"1d", "1h", "7d", "30d", "none"}

var overlapOf = map[string]time.Duration{"none": 0, "1h": time.Hour, "1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour}

// organization reads the organization of a call.
func (p pages) organization(ctx context.Context, id string) (account.Organization, error) {
	return account.GetOrganization(ctx, p.DB, id)
}

// origin is the console's own origin, as browsers send it.
func (p pages) origin() string {
	u, err := url.Parse(p.PublicURL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
