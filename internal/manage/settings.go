package manage

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
)

// settings adds the routes of an organization's settings.
func (f *Face) settings() {
	do(f, operation{method: "GET", path: "/settings", id: "settings", summary: "The settings", needs: permission.SettingsRead}, f.readSettings)
	submit(f, operation{method: "PATCH", path: "/settings", id: "change-settings", summary: "Change some of the settings", needs: permission.SettingsManage}, f.changeSettings)
	submit(f, operation{method: "PUT", path: "/settings/logo", id: "set-logo", summary: "Replace the logo", needs: permission.SettingsManage, body: MaxLogoBody}, f.setLogo)
	do(f, operation{method: "DELETE", path: "/settings/logo", id: "remove-logo", summary: "Remove the logo", needs: permission.SettingsManage}, f.removeLogo)
}

// MaxLogoBody bounds the body with a logo, in bytes: the largest logo in base64, and the other members.
const MaxLogoBody = account.MaxLogoBytes * 3 / 2

type wireSettings struct {
	OrganizationID  string    `json:"organization_id" format:"uuid"`
	Name            string    `json:"name"`
	Revision        int64     `json:"revision" doc:"Grows with each change"`
	Suspended       bool      `json:"suspended" doc:"Only the operator changes this"`
	WidgetEnabled   bool      `json:"widget_enabled"`
	MaxFileSize     int64     `json:"max_file_size_bytes" doc:"0: the system's limit"`
	AccessCodeTTL   int64     `json:"access_code_ttl_seconds" doc:"0: access codes do not expire"`
	DuplicateTitles bool      `json:"duplicate_titles"`
	AssetStorage    string    `json:"asset_storage" doc:"keep, or none: only hashes are registered"`
	Quota           int64     `json:"quota" doc:"Registrations and updates in a calendar month; 0: no quota"`
	LowCredits      int64     `json:"low_credits" doc:"The level of the low-balance warning; 0: no warning"`
	IssuerName      string    `json:"issuer_name" doc:"The issuer on certificates; empty: the name"`
	Imprint         string    `json:"imprint" doc:"The line below the issuer; empty: none"`
	LogoSHA256      string    `json:"logo_sha256" doc:"The hash of the logo on certificates; empty: none"`
	CreatedAt       time.Time `json:"created_at"`
}

type settingsOutput struct {
	ETag string `header:"ETag" doc:"The revision, for If-Match"`
	Body wireSettings
}

func settingsOf(o account.Organization) *settingsOutput {
	return &settingsOutput{ETag: `"` + strconv.FormatInt(o.Revision, 10) + `"`, Body: wireSettings{
		OrganizationID: o.ID, Name: o.Name, Revision: o.Revision, Suspended: o.Suspended, WidgetEnabled: o.WidgetEnabled, MaxFileSize: o.MaxFileSize,
		AccessCodeTTL: int64(o.AccessCodeTTL / time.Second), DuplicateTitles: o.DuplicateTitles, AssetStorage: o.AssetStorage, Quota: o.Quota, LowCredits: o.LowCredits,
		IssuerName: o.IssuerName, Imprint: o.Imprint, LogoSHA256: o.LogoSHA256, CreatedAt: o.CreatedAt,
	}}
}

func (f *Face) readSettings(c *Call, _ *struct{}) (*settingsOutput, error) {
	o, err := account.GetOrganization(c, f.DB, c.Organization)
	if err != nil {
		return nil, err
	}
	return settingsOf(o), nil
}

type changeSettingsInput struct {
	IfMatch string `header:"If-Match" required:"false" doc:"The ETag that the caller has read, or *"`
	Body    struct {
		Revision        *int64  `json:"revision" required:"false" nullable:"true" doc:"The revision that the caller has read, instead of If-Match"`
		Name            *string `json:"name" required:"false" nullable:"true" doc:"1 to 200 characters. A missing or null member of this body stays as it is"`
		WidgetEnabled   *bool   `json:"widget_enabled" required:"false" nullable:"true"`
		MaxFileSize     *int64  `json:"max_file_size_bytes" required:"false" nullable:"true" doc:"0: the system's limit"`
		AccessCodeTTL   *int64  `json:"access_code_ttl_seconds" required:"false" nullable:"true" doc:"0: access codes do not expire"`
		DuplicateTitles *bool   `json:"duplicate_titles" required:"false" nullable:"true"`
		AssetStorage    *string `json:"asset_storage" required:"false" nullable:"true" doc:"keep or none"`
		Quota           *int64  `json:"quota" required:"false" nullable:"true" doc:"0: no quota"`
		LowCredits      *int64  `json:"low_credits" required:"false" nullable:"true" doc:"0: no warning"`
		IssuerName      *string `json:"issuer_name" required:"false" nullable:"true" doc:"At most 200 characters; empty: the name"`
		Imprint         *string `json:"imprint" required:"false" nullable:"true" doc:"At most 200 characters; empty: none"`
	}
}

// revision returns the revision that the caller has read, from If-Match or the member of the body; 0 accepts any.
func revision(ifMatch string, member *int64) (int64, error) {
	var read int64
	if text := strings.TrimSpace(ifMatch); text != "" && text != "*" {
		n, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(text, "W/"), `"`), 10, 64)
		if err != nil || n < 1 {
			return 0, fault.CommonBadRequest("if_match")
		}
		read = n
	}
	switch {
	case member == nil:
		return read, nil
	case *member < 1 || read != 0 && read != *member:
		return 0, fault.CommonValidationFailed([]fault.Field{{Field: "revision", Rule: "range", Message: "Must be the revision of the settings, as in If-Match."}})
	default:
		return *member, nil
	}
}

func (f *Face) changeSettings(c *Call, in *changeSettingsInput) (*settingsOutput, error) {
	read, err := revision(in.IfMatch, in.Body.Revision)
	if err != nil {
		return nil, err
	}
	b := in.Body
	const most = int64(1<<63-1) / int64(time.Second)
	if b.AccessCodeTTL != nil && (*b.AccessCodeTTL < 0 || *b.AccessCodeTTL > most) {
		return nil, fault.CommonValidationFailed([]fault.Field{{Field: "access_code_ttl_seconds", Rule: "range", Message: "Must be 0 for no end, or one minute to 100 years."}})
	}
	o, err := account.ChangeOrganization(c, f.DB, c.Actor, c.Organization, read, func(o *account.Organization) {
		set(&o.Name, b.Name)
		set(&o.WidgetEnabled, b.WidgetEnabled)
		set(&o.MaxFileSize, b.MaxFileSize)
		set(&o.DuplicateTitles, b.DuplicateTitles)
		set(&o.AssetStorage, b.AssetStorage)
		set(&o.Quota, b.Quota)
		set(&o.LowCredits, b.LowCredits)
		set(&o.IssuerName, b.IssuerName)
		set(&o.Imprint, b.Imprint)
		if b.AccessCodeTTL != nil {
			o.AccessCodeTTL = time.Duration(*b.AccessCodeTTL) * time.Second
		}
	})
	if err != nil {
		return nil, err
	}
	return settingsOf(o), nil
}

type setLogoInput struct {
	IfMatch string `header:"If-Match" required:"false" doc:"The ETag that the caller has read, or *"`
	Body    struct {
		Revision *int64 `json:"revision" required:"false" nullable:"true" doc:"The revision that the caller has read, instead of If-Match"`
		Logo     string `json:"logo" format:"base64" doc:"A PNG or JPEG of at most 1 MiB, in base64: 16 to 4096 pixels on each side, at most 4,194,304 in all"`
	}
}

func (f *Face) setLogo(c *Call, in *setLogoInput) (*settingsOutput, error) {
	read, err := revision(in.IfMatch, in.Body.Revision)
	if err != nil {
		return nil, err
	}
	upload, err := base64.StdEncoding.DecodeString(in.Body.Logo)
	if err != nil {
		return nil, fault.CommonValidationFailed([]fault.Field{{Field: "logo", Rule: "base64", Message: "Must be a picture in base64, with padding."}})
	}
	o, err := account.SetLogo(c, f.DB, c.Actor, c.Organization, read, upload)
	if err != nil {
		return nil, err
	}
	return settingsOf(o), nil
}

type removeLogoInput struct {
	IfMatch string `header:"If-Match" required:"false" doc:"The ETag that the caller has read, or *"`
}

func (f *Face) removeLogo(c *Call, in *removeLogoInput) (*settingsOutput, error) {
	read, err := revision(in.IfMatch, nil)
	if err != nil {
		return nil, err
	}
	o, err := account.SetLogo(c, f.DB, c.Actor, c.Organization, read, nil)
	if err != nil {
		return nil, err
	}
	return settingsOf(o), nil
}

// set replaces a value by the member of a body, if the body has it.
func set[T any](value *T, member *T) {
	if member != nil {
		*value = *member
	}
}
