package apikeys

import (
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/apikey"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, Area(nil), ".")
}

// Create a key, see its token once, call nothing with it, revoke it. A viewer sees no form, and
// can send none.
func TestPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		site := shelltest.Open(t, db, Area(&apikey.Service{DB: db, Log: slog.New(slog.DiscardHandler)}))
		admin, viewer := site.As("admin"), site.As("viewer")
		root := "/o/" + site.Organization + "/api-keys"
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
		has(admin.Get(root), 200, "No API key yet", "New API key")
		has(admin.Post(root, url.Values{"name": {"Import"}}), 422, "Import")
		has(admin.Post(root, url.Values{"name": {"Import"}, "scopes": {"works:read"}, "expires": {"2001-01-01"}}), 422, "Choose a day in the future")
		made := has(admin.Post(root, url.Values{"name": {"<script>"}, "scopes": {"works:read"}}), 303)
		shown := has(admin.Follow(made), 200, "afo_sk_live_", "&lt;script&gt;")
		if token := regexp.MustCompile(`afo_sk_live_[0-9a-f]{48}`).FindString(shown.Body); !apikey.WellFormed(token) || strings.Contains(shown.Body, "<script>") {
			t.Errorf("%s", shown.Body)
		}
		again := has(admin.Get(root), 200, "Active", "Never")
		if regexp.MustCompile(`afo_sk_live_[0-9a-f]{48}`).MatchString(again.Body) {
			t.Error("the token is shown twice")
		}
		at := root + "/" + regexp.MustCompile(`api-keys/([0-9a-f-]{36})`).FindStringSubmatch(again.Body)[1]
		if seen := has(viewer.Get(at), 200); strings.Contains(seen.Body, "<h2 id=\"end\"") {
			t.Error("a viewer sees the form")
		}
		has(viewer.Post(at+"/revoke", url.Values{"sure": {"yes"}}), 403)
		has(admin.Post(at+"/revoke", url.Values{}), 422)
		has(admin.Post(at+"/revoke", url.Values{"sure": {"yes"}}), 303)
		has(admin.Get(root), 200, "Revoked")
		has(admin.Get(root+"/01890000-0000-7000-8000-0000000000ff"), 404)
	})
}
