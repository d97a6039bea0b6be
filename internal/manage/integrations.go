package manage

import (
	"slices"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
)

// integrations adds the routes of the widget: its key pairs, and whether it is on.
func (f *Face) integrations() {
	do(f, operation{method: "GET", path: "/integrations", id: "list-integrations", summary: "Key pairs of the widget, oldest first", needs: permission.IntegrationRead}, f.listIntegrations)
	submit(f, operation{method: "POST", path: "/integrations", id: "create-integration", summary: "Create a key pair", needs: permission.IntegrationManage, status: 201, test: true}, f.createIntegration)
	submit(f, operation{method: "PATCH", path: "/integrations", id: "switch-widget", summary: "Switch the widget on or off", needs: permission.IntegrationManage}, f.switchWidget)
	submit(f, operation{method: "PATCH", path: "/integrations/{site_key}", id: "change-integration", summary: "Enable, disable or label a key pair", needs: permission.IntegrationManage, test: true}, f.changeIntegration)
	submit(f, operation{method: "POST", path: "/integrations/{site_key}/rotate", id: "rotate-integration", summary: "Replace the secret key of a key pair", needs: permission.IntegrationManage, test: true}, f.rotateIntegration)
	do(f, operation{method: "DELETE", path: "/integrations/{site_key}", id: "remove-integration", summary: "Remove a key pair", needs: permission.IntegrationManage, test: true}, f.removeIntegration)
}

type listIntegrationsInput struct {
	Paging
	Status string `query:"status" doc:"active, disabled or deleted; all when left out"`
}

type integrationsOutput struct {
	Body struct {
		WidgetEnabled bool              `json:"widget_enabled" doc:"false: no key pair mints a session"`
		Integrations  []account.KeyPair `json:"integrations"`
		PageInfo      wirePage          `json:"page_info"`
	}
}

func (f *Face) listIntegrations(c *Call, in *listIntegrationsInput) (*integrationsOutput, error) {
	var bad fault.Refused
	first := in.first(&bad)
	if in.Status != "" && !slices.Contains([]string{account.KeyActive, account.KeyDisabled, account.KeyDeleted}, in.Status) {
		bad.Refuse("status", "one_of", "Must be active, disabled or deleted.")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	org, err := account.GetOrganization(c, f.DB, c.Organization)
	if err != nil {
		return nil, err
	}
	all, err := account.ListKeys(c, f.DB, c.Organization)
	if err != nil {
		return nil, err
	}
	if in.After != "" {
		at := slices.IndexFunc(all, func(k account.KeyPair) bool { return k.SiteKey == in.After })
		if at < 0 {
			return nil, fault.CommonValidationFailed([]fault.Field{{Field: "after", Rule: "cursor", Message: "Must be the end_cursor of a page."}})
		}
		all = all[at+1:]
	}
	if in.Status != "" {
		all = slices.DeleteFunc(all, func(k account.KeyPair) bool { return k.Status != in.Status })
	}
	out := &integrationsOutput{}
	page := all[:min(first, len(all))]
	out.Body.WidgetEnabled, out.Body.Integrations, out.Body.PageInfo.HasNextPage = org.WidgetEnabled, page, len(all) > first
	if n := len(page); n > 0 {
		out.Body.PageInfo.EndCursor = &page[n-1].SiteKey
	}
	return out, nil
}

type createIntegrationInput struct {
	Body struct {
		Label string `json:"label" required:"false" doc:"For people: at most 200 characters"`
		Test  bool   `json:"test" required:"false" doc:"A test key pair reaches only test networks"`
	}
}

type integrationOutput struct {
	Body account.KeyPair
}

func (f *Face) createIntegration(c *Call, in *createIntegrationInput) (*integrationOutput, error) {
	if c.Test && !in.Body.Test {
		return nil, fault.CommonForbidden("test_key")
	}
	k, err := account.CreateKeys(c, f.DB, c.Actor, c.Organization, in.Body.Label, in.Body.Test)
	if err != nil {
		return nil, err
	}
	return &integrationOutput{Body: k}, nil
}

type switchWidgetInput struct {
	Body struct {
		WidgetEnabled *bool `json:"widget_enabled" required:"false" doc:"false: no session is minted, and no running one continues"`
	}
}

type switchWidgetOutput struct {
	Body struct {
		WidgetEnabled bool `json:"widget_enabled"`
	}
}

func (f *Face) switchWidget(c *Call, in *switchWidgetInput) (*switchWidgetOutput, error) {
	if in.Body.WidgetEnabled == nil {
		return nil, fault.CommonValidationFailed([]fault.Field{{Field: "widget_enabled", Rule: "required", Message: "This is required."}})
	}
	o, err := account.ChangeOrganization(c, f.DB, c.Actor, c.Organization, 0, func(o *account.Organization) { o.WidgetEnabled = *in.Body.WidgetEnabled })
	if err != nil {
		return nil, err
	}
	out := &switchWidgetOutput{}
	out.Body.WidgetEnabled = o.WidgetEnabled
	return out, nil
}

// IntegrationPath names a key pair. Its name is exported like that of Paging.
type IntegrationPath struct {
	SiteKey string `path:"site_key" doc:"cpk_ and 64 hex digits, or cpk_test_ and 64 hex digits"`
}

// pair returns a key pair of the organization, which the caller may change.
func (f *Face) pair(c *Call, siteKey string) (account.KeyPair, error) {
	all, err := account.ListKeys(c, f.DB, c.Organization)
	if err != nil {
		return account.KeyPair{}, err
	}
	at := slices.IndexFunc(all, func(k account.KeyPair) bool { return k.SiteKey == siteKey })
	switch {
	case at < 0:
		return account.KeyPair{}, fault.CommonNotFound()
	case c.Test && !all[at].Test:
		return account.KeyPair{}, fault.CommonForbidden("test_key")
	}
	return all[at], nil
}

type changeIntegrationInput struct {
	IntegrationPath
	Body struct {
		Enabled *bool   `json:"enabled" required:"false" nullable:"true" doc:"false: the key pair mints no session, and its running ones are refused"`
		Label   *string `json:"label" required:"false" nullable:"true" doc:"At most 200 characters; empty: no label"`
	}
}

func (f *Face) changeIntegration(c *Call, in *changeIntegrationInput) (*integrationOutput, error) {
	if _, err := f.pair(c, in.SiteKey); err != nil {
		return nil, err
	}
	if in.Body.Label != nil {
		if err := account.LabelKey(c, f.DB, c.Actor, c.Organization, in.SiteKey, *in.Body.Label); err != nil {
			return nil, err
		}
	}
	if in.Body.Enabled != nil {
		if err := account.EnableKey(c, f.DB, c.Actor, c.Organization, in.SiteKey, *in.Body.Enabled); err != nil {
			return nil, err
		}
	}
	k, err := f.pair(c, in.SiteKey)
	if err != nil {
		return nil, err
	}
	return &integrationOutput{Body: k}, nil
}

type rotateIntegrationInput struct {
	IntegrationPath
	Body struct {
		OverlapSeconds int64 `json:"overlap_seconds" required:"false" doc:"How long the previous secret key stays valid: 0 to 2592000"`
	}
}

func (f *Face) rotateIntegration(c *Call, in *rotateIntegrationInput) (*integrationOutput, error) {
	if _, err := f.pair(c, in.SiteKey); err != nil {
		return nil, err
	}
	const most = int64(account.MaxOverlap / time.Second)
	if s := in.Body.OverlapSeconds; s < 0 || s > most {
		return nil, fault.CommonValidationFailed([]fault.Field{{Field: "overlap_seconds", Rule: "range", Message: "Must be 0 to 2592000."}})
	}
	k, err := account.RotateKey(c, f.DB, c.Actor, c.Organization, in.SiteKey, time.Duration(in.Body.OverlapSeconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return &integrationOutput{Body: k}, nil
}

func (f *Face) removeIntegration(c *Call, in *IntegrationPath) (*integrationOutput, error) {
	k, err := f.pair(c, in.SiteKey)
	if err != nil {
		return nil, err
	}
	if err := account.DeleteKey(c, f.DB, c.Actor, c.Organization, in.SiteKey); err != nil {
		return nil, err
	}
	k.Status = account.KeyDeleted
	return &integrationOutput{Body: k}, nil
}
