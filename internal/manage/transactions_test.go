package manage_test

import (
	"strings"
	"testing"

	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/webhook"
)

// The id of a new transaction reads its access code, for everybody. So a caller who may only read sees the
// beginning of the id, wherever it is.
func TestReadersSeeNoWholeTransaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		const transaction = "01890000-0000-7abc-8def-0000000000aa"
		admin := w.member(w.org, permission.Admin)
		in := "/v1/organizations/" + w.org
		hook := into[map[string]any](w.call(admin, "POST", in+"/webhooks", map[string]any{"url": "https://hooks.songs.example/"}).ok(201))["id"].(string)
		w.must(db.Tx(t.Context(), func(tx *store.Tx) error {
			if err := credits.Grant(t.Context(), tx, audit.CommandLine(), w.org, 100, "first"); err != nil {
				return err
			}
			if err := credits.Hold(t.Context(), tx, w.org, transaction, 30); err != nil {
				return err
			}
			return webhook.TransactionEnded(t.Context(), tx, webhook.Ended{Event: webhook.WorkRegistered, Transaction: transaction, Organization: w.org, Network: "testnet", At: tx.Now, AccessCode: true})
		}))
		deliveries := in + "/webhooks/" + hook + "/deliveries"
		delivery := into[struct{ Deliveries []struct{ ID string } }](w.call(admin, "GET", deliveries, nil).ok(200)).Deliveries[0].ID
		for path, needs := range map[string]permission.Permission{
			in + "/credits/ledger": permission.CreditsRead, deliveries: permission.WebhooksRead, deliveries + "/" + delivery: permission.WebhooksRead,
		} {
			callers := map[string]caller{"viewer": w.member(w.org, permission.Viewer), "developer": w.member(w.org, permission.Developer)}
			whole := map[string]bool{"developer": true}
			for _, s := range []permission.Scope{permission.ScopeReadSettings, permission.ScopeWebhooks} {
				if s.May(needs) {
					callers[string(s)], whole[string(s)] = bearer(w.key(w.org, func(r *apikey.Request) { r.Name = string(s) }, s).Token), s == permission.ScopeWebhooks
				}
			}
			for name, by := range callers {
				a := w.call(by, "GET", path, nil).ok(200)
				if strings.Contains(a.body, transaction) != whole[name] || !strings.Contains(a.body, transaction[:18]) {
					t.Errorf("%s as %s: %s", path, name, a.body)
				}
			}
		}
	})
}
