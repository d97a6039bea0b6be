package main

import (
	"timbre.example/internal/web"
	"timbre.example/internal/webhook"
)

// describeWebhooks adds the events of webhooks to the description of the API.
func describeWebhooks(r *web.Router) {
	const (
		members   = `"transaction_id":"0190a0e6-2f5c-7000-8000-00000000c001","organization_id":"0190a0e6-2f5c-7000-8000-000000000001","api_key_id":null,"external_user_ref":"user-7","network":"mainnet"`
		hash      = `"0x9b1c7f3e5a2d4860b1c7f3e5a2d4860f9b1c7f3e5a2d4860b1c7f3e5a2d4860f"`
		succeeded = members + `,"ats_id":4201,"tx_hash":` + hash + `,"block_number":41,"block_hash":` + hash + `,"access_code":null,"explorer_url":"https://timbre.example/explorer/mainnet/tx/0x9b1c","finalized_at":"2026-03-01T12:11:30Z"}`
	)
	payloads := webhook.Payloads()
	for _, e := range []struct {
		event                  webhook.Event
		summary, text, example string
	}{
		{webhook.WorkRegistered, "A work is registered", "The network has the first version of a work.", succeeded},
		{webhook.WorkUpdated, "A work has a new version", "The network has a further version of a work.", succeeded},
		{webhook.WorkFailed, "A registration has failed", "The network refused the transaction. The credits are given back.", members + `,"reason":"the network said no","failed_at":"2026-03-01T12:11:30Z"}`},
		{webhook.CreditsLow, "The credits are low", "A registration took the balance below the level of the warning.", `"organization_id":"0190a0e6-2f5c-7000-8000-000000000001","available":87,"level":100,"at":"2026-03-01T12:11:30Z"}`},
		{webhook.Test, "A test", "A person or a program asked for a test event.", `"organization_id":"0190a0e6-2f5c-7000-8000-000000000001","endpoint_id":"0190a0e6-2f5c-7000-8000-00000000e001","at":"2026-03-01T12:11:30Z"}`},
	} {
		r.DescribeWebhook(string(e.event), e.summary, e.text, `{"event":"`+string(e.event)+`",`+e.example, payloads[e.event])
	}
}
