package manage_test

import (
	"net/http"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// A test key with every scope changes nothing live, on any route: what it may change is a test
// key, a test key pair or nothing.
func TestTestKeysChangeNothingLive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		live := w.key(w.org, nil, "works:read")
		pair, err := account.CreateKeys(t.Context(), db, audit.CommandLine(), w.org, "live", false)
		w.must(err)
		test := w.key(w.org, func(r *apikey.Request) { r.Test = true }, permission.Scopes()...)
		by := bearer(test.Token)
		state := func() string {
			t.Helper()
			all := ""
			for _, path := range []string{"/v1/settings", "/v1/origins", "/v1/integrations", "/v1/webhooks", "/v1/credits", "/v1/api-keys/" + live.ID} {
				all += path + " " + w.call(by, "GET", path, nil).ok(200).body + "\n"
			}
			return all
		}
		before := state()
		bodies := map[string]any{
			"POST /v1/api-keys":                       map[string]any{"name": "n", "scopes": []string{"works:register"}},
			"POST /v1/origins":                        map[string]any{"origin": "https://songs.example"},
			"POST /v1/integrations":                   map[string]any{"label": "made by a test key"},
			"PATCH /v1/integrations":                  map[string]any{"widget_enabled": false},
			"PATCH /v1/integrations/{site_key}":       map[string]any{"enabled": false},
			"PATCH /v1/settings":                      map[string]any{"quota": 5},
			"PATCH /v1/credits":                       map[string]any{"warning_level": 5},
			"POST /v1/webhooks":                       map[string]any{"url": "https://songs.example/hooks"},
			"POST /v1/integrations/{site_key}/rotate": map[string]any{},
		}
		routes := 0
		for _, r := range w.face.Routes() {
			if r.Method == http.MethodGet {
				continue
			}
			routes++
			path := strings.NewReplacer("{site_key}", pair.SiteKey, "/api-keys/{id}", "/api-keys/"+live.ID).Replace(r.Path)
			path = strings.ReplaceAll(path, "{id}", "01890000-0000-7000-8000-000000000000")
			for _, at := range []string{path, strings.Replace(path, "/v1/", "/v1/organizations/"+w.org+"/", 1)} {
				var body any
				if b, ok := bodies[r.Method+" "+r.Path]; ok {
					body = b
				} else if r.Method != http.MethodDelete {
					body = map[string]any{}
				}
				if r.Path == "/v1/origins" && r.Method == http.MethodDelete {
					at += "?origin=https%3A%2F%2Fsongs.example"
				}
				w.call(by, r.Method, at, body).refused(403, fault.CodeCommonForbidden)
			}
		}
		if routes < 12 {
			t.Errorf("%d routes change something", routes)
		}
		if after := state(); after != before {
			t.Errorf("changed:\n%s\nbefore:\n%s", after, before)
		}
		// Its own kind it may make and end.
		made := into[apikey.Created](w.call(by, "POST", "/v1/api-keys", map[string]any{"name": "n", "scopes": []string{"works:read"}, "test": true}).ok(201))
		w.call(by, "DELETE", "/v1/api-keys/"+made.ID, nil).ok(200)
	})
}
