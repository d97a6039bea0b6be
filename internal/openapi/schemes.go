package openapi

import (
	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/fault"
)

// Scheme is a way in which a caller proves its identity.
type Scheme struct {
	huma.SecurityScheme
	// With names the schemes that a call needs in addition.
	With []string
	// Codes are the refusals of the guards of this scheme.
	Codes []fault.Code
}

// The names of the schemes. A guard names its scheme.
const (
	BySession = "session"
	bySiteKey = "site_key"
	ByAPIKey  = "api_key"
	ByCookie  = "console"
)

// schemes are those of all faces. A document has the ones that its operations use.
var schemes = map[string]Scheme{
	BySession: {
		SecurityScheme: huma.SecurityScheme{Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A session token from `POST /v1/sessions`. A browser also sends its `Origin`, which must be on the organization's list."},
		With:           []string{bySiteKey},
		Codes: []fault.Code{
			fault.CodeCommonAuthMissingToken, fault.CodeCommonAuthInvalidToken, fault.CodeCommonAuthExpired, fault.CodeCommonAuthInvalidAPIKey,
			fault.CodeCommonAuthJWKSUnavailable, fault.CodeCommonAuthBackendUnavailable,
			fault.CodeSessionInvalidToken, fault.CodeSessionKeyInactive, fault.CodeSessionWidgetNotEnabled, fault.CodeSessionOriginNotAllowed, fault.CodeSessionRateLimited,
			fault.CodeOrganizationNotFound, fault.CodeOrganizationInactive, fault.CodeOrganizationNoIntegration,
		},
	},
	bySiteKey: {SecurityScheme: huma.SecurityScheme{Type: "apiKey", In: "header", Name: "X-Site-Key", Description: "The site key: `cpk_` (`cpk_test_` for a test key) and 64 hex digits. It is public."}},
	ByAPIKey: {
		SecurityScheme: huma.SecurityScheme{Type: "http", Scheme: "bearer", Description: "An API key of the organization: `afo_sk_live_` or `afo_sk_test_`, and 48 hex digits. It is a secret of a backend, and never belongs in a browser."},
		Codes: []fault.Code{
			fault.CodeCommonAuthMissingToken, fault.CodeCommonAuthInvalidToken, fault.CodeCommonAuthBackendUnavailable,
			fault.CodeAPIKeyInvalidFormat, fault.CodeAPIKeyNotFound, fault.CodeAPIKeyRevoked, fault.CodeAPIKeyExpired, fault.CodeAPIKeyScopeDenied, fault.CodeAPIKeyOrgInactive,
			fault.CodeCommonForbidden,
		},
	},
	ByCookie: {
		SecurityScheme: huma.SecurityScheme{Type: "apiKey", In: "cookie", Name: "timbre_session", Description: "A session of the console. A call that changes something needs the `Origin` of the console's own pages. The member's role decides."},
		Codes:          []fault.Code{fault.CodeCommonAuthExpired, fault.CodeCommonForbidden, fault.CodeOrganizationNotFound, fault.CodeOrganizationInactive},
	},
}
