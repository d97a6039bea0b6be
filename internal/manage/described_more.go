package manage

import (
	"timbre.example/internal/fault"
	"timbre.example/internal/openapi"
)

// The descriptions of webhooks, of the ledger and of members.

const (
	exampleEndpoint = `"id":"0190a0e6-2f5c-7000-8000-00000000e001","organization_id":"` + exampleOrg + `","api_key_id":null,"url":"https://hooks.your-domain.example/timbre","description":"Catalogue","events":["work_registered","work_updated","work_failed"],"network":null,"enabled":true,"disabled_reason":null,"disabled_at":null,"failing_since":null,"previous_secret_until":null,"revision":1,"created_at":"` + exampleTime + `","updated_at":"` + exampleTime + `"`
	exampleSecret   = `,"secret":"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","secret_base64":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="`
	exampleDelivery = `"id":"0190a0e6-2f5c-7000-8000-00000000f001","webhook_id":"0190a0e6-2f5c-7000-8000-00000000e001","event":"work_registered","transaction_id":"0190a0e6-2f5c-7000-8000-00000000c001","state":"delivered","attempt_count":1,"last_status":200,"created_at":"` + exampleTime + `","ended_at":"` + exampleTime + `"`
)

func init() {
	endpoint := map[string]any{"id": "0190a0e6-2f5c-7000-8000-00000000e001"}
	delivery := map[string]any{"id": "0190a0e6-2f5c-7000-8000-00000000e001", "delivery": "0190a0e6-2f5c-7000-8000-00000000f001"}
	period := map[string]any{"since": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}
	with := func(a, b map[string]any) map[string]any {
		out := map[string]any{}
		for _, one := range []map[string]any{a, b} {
			for name, value := range one {
				out[name] = value
			}
		}
		return out
	}
	conflict := []fault.Code{fault.CodeCommonNotFound, fault.CodeCommonConflict}
	for id, d := range map[string]openapi.Description{
		"create-webhook":        {Text: "Creates an endpoint. The answer alone has its secret.", Codes: []fault.Code{fault.CodeAPIKeyWebhookURLInvalid, fault.CodeCommonConflict}, Request: `{"url":"https://hooks.your-domain.example/timbre","events":["work_registered"]}`, Response: `{` + exampleEndpoint + exampleSecret + `}`},
		"list-webhooks":         {Text: "Lists the endpoints, without their secrets.", Response: `{"webhooks":[{` + exampleEndpoint + `}],` + examplePage + `}`},
		"webhook":               {Text: "Reads an endpoint, without its secret.", Codes: notFound, Parameters: endpoint, Response: `{` + exampleEndpoint + `}`},
		"change-webhook":        {Text: "Changes the members that the body names. With `revision`, an edit in between refuses the call with `common.conflict`.", Codes: append(conflict, fault.CodeAPIKeyWebhookURLInvalid), Parameters: endpoint, Request: `{"enabled":true,"revision":1}`, Response: `{` + exampleEndpoint + `}`},
		"delete-webhook":        {Text: "Deletes an endpoint with its deliveries.", Codes: notFound, Parameters: endpoint, Response: `{` + exampleEndpoint + `}`},
		"rotate-webhook-secret": {Text: "Replaces the secret. Both secrets sign during the overlap. The answer alone has the new secret.", Codes: notFound, Parameters: endpoint, Request: `{"overlap_seconds":86400}`, Response: `{` + exampleEndpoint + exampleSecret + `}`},
		"test-webhook":          {Text: "Sends a test event to the endpoint.", Codes: conflict, Parameters: endpoint, Response: `{` + exampleDelivery + `}`},
		"list-deliveries":       {Text: "Lists the deliveries of the last 30 days, newest first.", Codes: notFound, Parameters: with(with(endpoint, period), map[string]any{"state": "failed", "event": "work_registered"}), Response: `{"deliveries":[{` + exampleDelivery + `}],` + examplePage + `}`},
		"delivery":              {Text: "Reads a delivery with the answers to its attempts.", Codes: notFound, Parameters: delivery, Response: `{` + exampleDelivery + `,"payload":"{\"event\":\"work_registered\"}","next_attempt_at":null,"attempts":[{"number":1,"url":"https://hooks.your-domain.example/timbre","at":"` + exampleTime + `","duration_ms":41,"status":200,"headers":[],"body":"","error":null}]}`},
		"replay-delivery":       {Text: "Sends a delivery again, under the same id.", Codes: conflict, Parameters: delivery, Response: `{` + exampleDelivery + `}`},
		"replay-deliveries":     {Text: "Sends the deliveries of a time range again that were not acknowledged, at most 1000 with each call.", Codes: conflict, Parameters: endpoint, Request: `{"since":"2026-03-01T00:00:00Z","until":"2026-03-02T00:00:00Z"}`, Response: `{"replayed":12,` + examplePage + `}`},
	} {
		d.Tag = openapi.Webhooks
		described[id] = d
	}
	for id, d := range map[string]openapi.Description{
		"list-transfers":   {Text: "Lists the transfers of credits, newest first.", Parameters: with(period, map[string]any{"kind": "hold", "transaction_id": "0190a0e6-2f5c-7000-8000-00000000c001"}), Response: `{"transfers":[],` + examplePage + `}`},
		"export-transfers": {Text: "The ledger as CSV, newest first. A cell that a spreadsheet would calculate begins with an apostrophe.", Parameters: with(period, map[string]any{"kind": "hold", "transaction_id": "0190a0e6-2f5c-7000-8000-00000000c001"})},
		"list-holds":       {Text: "Lists the credits that running transactions hold, newest first.", Response: `{"holds":[],` + examplePage + `}`},
		"list-members":     {Text: "Lists the members with their roles.", Parameters: map[string]any{"search": "ada"}, Response: `{"members":[{"id":"0190a0e6-2f5c-7000-8000-000000000009","email":"ada@songs.example","name":"Ada Example","role":"owner","second_factor":true,"since":"` + exampleTime + `"}],` + examplePage + `}`},
		"test-origin":      {Text: "Says whether a page may use the widget, and which entry of the allowlist decides.", Parameters: map[string]any{"origin": "https://www.your-domain.example/shop"}, Response: `{"origin":"https://www.your-domain.example","shown":"https://www.your-domain.example","allowed":true,"pattern":"https://www.your-domain.example","refused":[],"looks_like":[]}`},
	} {
		d.Tag = openapi.Organization
		described[id] = d
	}
}
