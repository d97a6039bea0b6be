package manage

import (
	"timbre.example/internal/fault"
	"timbre.example/internal/openapi"
)

// The values of the examples.
const (
	exampleID   = "0190a0e6-2f5c-7000-8000-00000000d001"
	exampleOrg  = "0190a0e6-2f5c-7000-8000-000000000001"
	exampleSite = "cpk_5f0c1e8a9d3b7c264e1f0a8b5d7c9e3f2a6b4c8d0e1f3a5b7c9d2e4f6a8b0c1d"
	exampleTime = "2026-03-01T12:11:30Z"
	examplePage = `"page_info":{"has_next_page":false,"end_cursor":"` + exampleID + `"}`

	exampleKeyMembers      = `"id":"` + exampleID + `","name":"Import","prefix":"afo_sk_live_","last4":"1f0a","scopes":["works:register","works:read"],"test":false,"created_at":"` + exampleTime + `","created_by":"ada@songs.example"`
	exampleKey             = `{` + exampleKeyMembers + `}`
	examplePair            = `{"site_key":"` + exampleSite + `","status":"active","test":false,"label":"Shop","created_at":"` + exampleTime + `"}`
	examplePairMade        = `{"site_key":"` + exampleSite + `","secret_key":"csk_0000000000000000000000000000000000000000000000000000000000000000","status":"active","test":false,"label":"Shop","created_at":"` + exampleTime + `"}`
	exampleSettings        = `{"organization_id":"` + exampleOrg + `","name":"Songs","revision":4,"suspended":false,"widget_enabled":true,"max_file_size_bytes":0,"access_code_ttl_seconds":0,"duplicate_titles":false,"asset_storage":"keep","quota":0,"low_credits":100,"issuer_name":"","imprint":"","logo_sha256":"","created_at":"` + exampleTime + `"}`
	exampleBalance         = `{"available":913,"held":87,"spent":0,"estimate":{"spent":0,"days":30,"ends_at":null},"warning_level":100}`
	exampleHookMembers     = `"id":"` + exampleID + `","organization_id":"` + exampleOrg + `","api_key_id":null,"url":"https://hooks.your-domain.example/timbre","description":"Backend","events":[],"network":null,"enabled":true,"disabled_reason":null,"disabled_at":null,"failing_since":null,"previous_secret_until":null,"revision":1,"created_at":"` + exampleTime + `","updated_at":"` + exampleTime + `"`
	exampleHook            = `{` + exampleHookMembers + `}`
	exampleDeliveryMembers = `"id":"` + exampleID + `","webhook_id":"` + exampleID + `","event":"work_registered","transaction_id":"` + exampleID + `","state":"delivered","attempt_count":1,"last_status":200,"created_at":"` + exampleTime + `","ended_at":"` + exampleTime + `"`
	exampleDelivery        = `{` + exampleDeliveryMembers + `}`
	exampleHookMade        = `{` + exampleHookMembers + `,"secret":"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","secret_base64":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`
	exampleLogo            = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQAQAAAAA3iMLMAAAADklEQVR42mPg/8BACgIAd7cP8V8mgawAAAAASUVORK5CYII="
	exampleOrigin          = `{"origin":"https://www.your-domain.example"}`
)

// described has the description of each operation, by its id: what the types cannot tell.
var described = map[string]openapi.Description{
	"create-api-key": {
		Tag: openapi.Organization, Text: "Creates an API key. The answer alone has the key and the secret of its webhook. An organization has at most ten live keys.",
		Codes:   []fault.Code{fault.CodeAPIKeyInvalidName, fault.CodeAPIKeyScopesRequired, fault.CodeAPIKeyUnknownScope, fault.CodeAPIKeyWebhookURLInvalid, fault.CodeAPIKeyLimitReached},
		Request: `{"name":"Import","scopes":["works:register","works:read"]}`, Response: `{` + exampleKeyMembers + `,"token":"afo_sk_live_000000000000000000000000000000000000000000000000"}`,
	},
	"list-api-keys":  {Tag: openapi.Organization, Text: "Lists the API keys, newest first, without their secrets.", Response: `{"api_keys":[` + exampleKey + `],` + examplePage + `}`},
	"api-key":        {Tag: openapi.Organization, Text: "Reads one API key, without its secret.", Codes: notFound, Parameters: map[string]any{"id": exampleID}, Response: exampleKey},
	"revoke-api-key": {Tag: openapi.Organization, Text: "Revokes an API key, from the next call on. A repeated call changes nothing.", Codes: notFound, Parameters: map[string]any{"id": exampleID}, Response: exampleKey},

	"list-origins":  {Tag: openapi.Organization, Text: "Lists the origins of pages that may embed the widget.", Parameters: map[string]any{"search": "your-domain"}, Response: `{"origins":[{"origin":"https://www.your-domain.example","created_at":"` + exampleTime + `"}],` + examplePage + `}`},
	"add-origin":    {Tag: openapi.Organization, Text: "Allows an origin. An international name is stored as punycode.", Request: exampleOrigin, Response: exampleOrigin},
	"remove-origin": {Tag: openapi.Organization, Text: "Removes an origin. Its pages are refused from the next call on.", Codes: notFound, Parameters: map[string]any{"origin": "https://www.your-domain.example"}, Response: exampleOrigin},

	"list-integrations":  {Tag: openapi.Organization, Text: "Lists the key pairs of the widget, without their secret keys.", Parameters: map[string]any{"status": "active"}, Response: `{"widget_enabled":true,"integrations":[` + examplePair + `],` + examplePage + `}`},
	"create-integration": {Tag: openapi.Organization, Text: "Creates a key pair: a public site key and a secret key. The answer alone has the secret key.", Request: `{"label":"Shop"}`, Response: examplePairMade},
	"switch-widget":      {Tag: openapi.Organization, Text: "Switches the widget of the organization on or off, at once.", Request: `{"widget_enabled":false}`, Response: `{"widget_enabled":false}`},
	"change-integration": {Tag: openapi.Organization, Text: "Enables or disables a key pair, or changes its label. A missing member stays as it is.", Codes: notFound, Parameters: bySite, Request: `{"enabled":false}`, Response: examplePair},
	"rotate-integration": {Tag: openapi.Organization, Text: "Replaces the secret key of a key pair. Both secret keys mint sessions during the overlap.", Codes: notFound, Parameters: bySite, Request: `{"overlap_seconds":86400}`, Response: examplePairMade},
	"remove-integration": {Tag: openapi.Organization, Text: "Removes a key pair. Its sessions end at once.", Codes: notFound, Parameters: bySite, Response: examplePair},

	"settings": {Tag: openapi.Organization, Text: "Reads the settings with their revision.", Headers: []string{"ETag"}, Response: exampleSettings},
	"change-settings": {
		Tag: openapi.Organization, Text: "Changes the settings that the body names. With `If-Match` or `revision`, an edit in between refuses the call with `common.conflict`.", Headers: []string{"ETag"},
		Codes: []fault.Code{fault.CodeCommonBadRequest, fault.CodeCommonConflict}, Parameters: map[string]any{"If-Match": `"4"`}, Request: `{"name":"Songs","low_credits":100}`, Response: exampleSettings,
	},
	"set-logo": {
		Tag: openapi.Organization, Text: "Replaces the logo of certificates that are made from now on. Only the pixels are stored: a transparent picture gets a white ground, and a large one is made smaller. SVG is refused.", Headers: []string{"ETag"},
		Codes: []fault.Code{fault.CodeCommonBadRequest, fault.CodeCommonConflict}, Parameters: map[string]any{"If-Match": `"4"`}, Request: `{"logo":"` + exampleLogo + `"}`, Response: exampleSettings,
	},
	"remove-logo": {
		Tag: openapi.Organization, Text: "Removes the logo. Certificates that are made from now on have none. A repeated call changes nothing.", Headers: []string{"ETag"},
		Codes: []fault.Code{fault.CodeCommonBadRequest, fault.CodeCommonConflict}, Parameters: map[string]any{"If-Match": `"4"`}, Response: exampleSettings,
	},

	"test-origin": {Tag: openapi.Organization, Text: "Tests whether a page may embed the widget, and says which pattern allows it, or why each refuses it.", Parameters: map[string]any{"origin": "https://www.your-domain.example"}, Response: `{"origin":"https://www.your-domain.example","shown":"https://www.your-domain.example","allowed":true,"pattern":"https://www.your-domain.example","refused":[],"looks_like":[]}`},

	"list-transfers": {
		Tag: openapi.Organization, Text: "Lists the transfers of credits, newest first.", Parameters: ofLedger,
		Response: `{"transfers":[{"id":"` + exampleID + `","kind":"hold","amount":87,"transaction_id":"` + exampleID + `","at":"` + exampleTime + `","available":913}],` + examplePage + `}`,
	},
	"export-transfers": {Tag: openapi.Organization, Text: "Writes the transfers of credits as CSV, newest first. No cell is run as a formula.", Parameters: ofLedger, Headers: []string{"Content-Disposition"}},
	"list-holds":       {Tag: openapi.Organization, Text: "Lists the credits that running transactions hold, newest first.", Response: `{"holds":[{"transaction_id":"` + exampleID + `","network":"testnet","transaction_type":"register","amount":87,"since":"` + exampleTime + `"}],` + examplePage + `}`},
	"list-members":     {Tag: openapi.Organization, Text: "Lists the members, by e-mail address.", Parameters: map[string]any{"search": "ada"}, Response: `{"members":[{"id":"` + exampleID + `","email":"ada@songs.example","name":"Ada","role":"owner","second_factor":true,"since":"` + exampleTime + `"}],"page_info":{"has_next_page":false,"end_cursor":"ada@songs.example"}}`},

	"create-webhook": {
		Tag: openapi.Organization, Text: "Creates an endpoint. The answer alone has its secret.", Codes: []fault.Code{fault.CodeAPIKeyWebhookURLInvalid},
		Request: `{"url":"https://hooks.your-domain.example/timbre","description":"Backend"}`, Response: exampleHookMade,
	},
	"list-webhooks":         {Tag: openapi.Organization, Text: "Lists the endpoints, oldest first, without their secrets.", Response: `{"webhooks":[` + exampleHook + `],` + examplePage + `}`},
	"webhook":               {Tag: openapi.Organization, Text: "Reads one endpoint, without its secret.", Codes: notFound, Parameters: byID, Response: exampleHook},
	"change-webhook":        {Tag: openapi.Organization, Text: "Changes an endpoint. With `revision`, an edit in between refuses the call with `common.conflict`.", Codes: []fault.Code{fault.CodeCommonNotFound, fault.CodeCommonConflict}, Parameters: byID, Request: `{"enabled":false}`, Response: exampleHook},
	"delete-webhook":        {Tag: openapi.Organization, Text: "Deletes an endpoint with its deliveries.", Codes: notFound, Parameters: byID, Response: exampleHook},
	"rotate-webhook-secret": {Tag: openapi.Organization, Text: "Replaces the secret. Both secrets sign during the overlap.", Codes: notFound, Parameters: byID, Request: `{"overlap_seconds":86400}`, Response: exampleHookMade},
	"test-webhook":          {Tag: openapi.Organization, Text: "Sends a test event.", Codes: []fault.Code{fault.CodeCommonNotFound, fault.CodeCommonConflict}, Parameters: byID, Response: exampleDelivery},
	"list-deliveries":       {Tag: openapi.Organization, Text: "Lists the deliveries to an endpoint, newest first.", Codes: notFound, Parameters: map[string]any{"id": exampleID, "state": "failed", "event": "work_registered", "since": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}, Response: `{"deliveries":[` + exampleDelivery + `],` + examplePage + `}`},
	"delivery":              {Tag: openapi.Organization, Text: "Reads one delivery with its attempts.", Codes: notFound, Parameters: byDelivery, Response: `{` + exampleDeliveryMembers + `,"payload":"{}","next_attempt_at":null,"attempts":[]}`},
	"replay-delivery":       {Tag: openapi.Organization, Text: "Sends a delivery again.", Codes: []fault.Code{fault.CodeCommonNotFound, fault.CodeCommonConflict}, Parameters: byDelivery, Response: exampleDelivery},
	"replay-deliveries":     {Tag: openapi.Organization, Text: "Sends the deliveries of a range again that were not acknowledged.", Codes: []fault.Code{fault.CodeCommonNotFound, fault.CodeCommonConflict}, Parameters: byID, Request: `{"since":"` + exampleTime + `","until":"` + exampleTime + `"}`, Response: `{"replayed":3,"page_info":{"has_next_page":false,"end_cursor":null}}`},

	"credits":        {Tag: openapi.Organization, Text: "Reads the balance.", Response: exampleBalance},
	"change-credits": {Tag: openapi.Organization, Text: "Changes the level of the warning about a low balance.", Request: `{"warning_level":100}`, Response: exampleBalance},

	"audit-log": {
		Tag: openapi.Organization, Text: "Lists the changes of the organization, newest first. No entry can be changed or removed.",
		Parameters: map[string]any{"actor_kind": "person", "actor_id": exampleID, "action": "origin.added", "subject": "https://www.your-domain.example", "since": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z", "search": "your-domain"},
		Response:   `{"entries":[],` + examplePage + `}`,
	},
}

var (
	notFound   = []fault.Code{fault.CodeCommonNotFound}
	byID       = map[string]any{"id": exampleID}
	byDelivery = map[string]any{"id": exampleID, "delivery": exampleID}
	ofLedger   = map[string]any{"kind": "hold", "transaction_id": exampleID, "since": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}
	bySite     = map[string]any{"site_key": exampleSite}
)
