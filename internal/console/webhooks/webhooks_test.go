package webhooks

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/webhook"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, Area(nil), ".")
}

// The whole path in the pages: create an endpoint, see its secret once, send a test, and see the
// failed attempt. Then replay it and a range, rotate, disable, change with an old revision, delete.
// A viewer sees no form, and can send none.
func TestPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		status := http.StatusNotFound
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<b>answer</b>"))
		}))
		defer receiver.Close()
		hooks := webhook.New(webhook.Config{DB: db, Key: make([]byte, 32), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Log: slog.New(slog.DiscardHandler)})
		site := shelltest.Open(t, db, Area(hooks))
		admin, viewer := site.As("admin"), site.As("viewer")
		root := "/o/" + site.Organization + "/webhooks"
		has := func(a shelltest.Answer, status int, texts ...string) shelltest.Answer {
			t.Helper()
			if a.Status != status {
				t.Fatalf("%d, want %d: %s", a.Status, status, a.Body)
			}
			for _, text := range texts {
				if !strings.Contains(a.Body, text) {
					t.Errorf("no %q in %s", text, a.Body)
				}
			}
			return a
		}
		has(admin.Get(root), 200, "No endpoint yet", "New endpoint", "a network that the operator allows")
		public := shelltest.Open(t, db, Area(webhook.New(webhook.Config{DB: db, Key: make([]byte, 32), Log: slog.New(slog.DiscardHandler)})))
		if list := has(public.As("admin").Get("/o/"+public.Organization+"/webhooks"), 200, "https, with a public address"); strings.Contains(list.Body, "operator allows") {
			t.Error("the hint names networks that are not allowed")
		}
		has(admin.Post(root, url.Values{"url": {"http://10.0.0.1/"}, "events": {"work_failed"}}), 422, "http://10.0.0.1/")
		has(admin.Post(root, url.Values{"url": {receiver.URL}}), 422, "Enter a value")
		made := admin.Post(root, url.Values{"url": {receiver.URL + "/hook"}, "description": {"<script>"}, "events": {"work_failed", "work_registered"}})
		shown := has(admin.Follow(has(made, 303)), 200, "whsec_", "stores it encrypted")
		if strings.Contains(shown.Body, "<script>") {
			t.Error("a description is not escaped")
		}
		at := strings.TrimPrefix(strings.SplitN(made.Header.Get("Location"), "?", 2)[0], "/console")
		if again := has(admin.Get(at), 200); strings.Contains(again.Body, "whsec_") {
			t.Error("the secret is shown twice")
		}
		deliver := func() {
			t.Helper()
			if err := hooks.Workers()[0].Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			hooks.Wait()
		}
		sent := has(admin.Post(at+"/test", nil), 303)
		one := strings.TrimPrefix(sent.Header.Get("Location"), "/console")
		has(admin.Get(one), 200, "Waiting", `data-live="3"`, "Load again") // it updates while it waits
		deliver()
		if ended := has(admin.Get(one), 200); strings.Contains(ended.Body, "data-live=") || strings.Contains(ended.Body, "Load again") {
			t.Error("an ended delivery is loaded again and again")
		}
		has(admin.Get(one), 200, "404", "&lt;b&gt;answer", "webhook-id", "Failed")
		has(admin.Get(at+"?state=failed&event=test"), 200, "Failed")
		has(admin.Get(at+"?state=delivered"), 200, "No delivery matches")
		status = http.StatusOK
		has(admin.Post(one+"/replay", nil), 303)
		deliver()
		has(admin.Get(one), 200, "Attempt 2", "Delivered")
		has(admin.Post(at+"/replay", url.Values{"since": {"2001-01-01"}, "until": {"2999-01-01"}}), 303)
		has(admin.Post(at+"/replay", url.Values{"since": {"2001-01-02"}, "until": {"2001-01-01"}}), 422)
		has(admin.Follow(has(admin.Post(at+"/rotate", url.Values{"overlap": {"3600"}}), 303)), 200, "whsec_", "previous secret")
		revision := regexp.MustCompile(`name="revision" value="(\d+)"`).FindStringSubmatch(has(admin.Get(at), 200).Body)[1]
		has(admin.Post(at+"/disable", nil), 303)
		has(admin.Get(at), 200, "Disabled", "A member or an API key")
		has(admin.Post(at+"/change", url.Values{"url": {receiver.URL + "/two"}, "events": {"work_failed"}, "revision": {revision}}), 409, receiver.URL+"/hook", receiver.URL+"/two")
		has(admin.Post(at+"/test", nil), 422)
		has(admin.Post(at+"/enable", nil), 303)
		if v := has(viewer.Get(at), 200); strings.Contains(v.Body, at+"/test") || strings.Contains(v.Body, "/rotate") {
			t.Error("a viewer sees forms")
		}
		has(viewer.Post(at+"/test", nil), 403)
		// The id of a new transaction reads its access code: a viewer sees the beginning.
		const transaction = "01890000-0000-7abc-8def-0000000000aa"
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			return webhook.TransactionEnded(t.Context(), tx, webhook.Ended{Event: webhook.WorkFailed, Transaction: transaction, Organization: site.Organization, Network: "testnet", At: tx.Now})
		}); err != nil {
			t.Fatal(err)
		}
		failed := strings.TrimPrefix(regexp.MustCompile(`/console(/o/[^"]+/deliveries/[^"]+)`).FindString(has(admin.Get(at+"?event=work_failed"), 200).Body), "/console")
		has(admin.Get(failed), 200, transaction)
		if v := has(viewer.Get(failed), 200, transaction[:18]); strings.Contains(v.Body, transaction) {
			t.Error("a viewer sees the whole id of a transaction")
		}
		has(admin.Post(at+"/delete", nil), 422)
		has(admin.Post(at+"/delete", url.Values{"sure": {"yes"}}), 303)
		has(admin.Get(at), 404)
		for _, bad := range []string{"/nothing", "/%00", "/01a224cd-3139-7630-bd37-3ba9782bd6d4/deliveries/x"} {
			has(admin.Get(root+bad), 404)
		}
	})
}
