package manage_test

import (
	"net/http"
	"strings"
	"testing"

	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// No page of another origin may read an answer of the face: neither after a preflight nor
// without one, and neither a success nor a refusal. The console's own pages call as before.
func TestNoForeignPageReads(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		hidden := func(what string, h http.Header) {
			t.Helper()
			for name := range h {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s: %s: %v", what, name, h[name])
				}
			}
		}
		key, member := w.all(), w.member(w.org, permission.Owner)
		fill := strings.NewReplacer("{org}", w.org, "{id}", "x", "{delivery}", "x", "{site_key}", "cpk_x")
		for _, route := range w.face.Routes() {
			for _, path := range []string{route.Path, "/v1/organizations/{org}" + strings.TrimPrefix(route.Path, "/v1")} {
				path = fill.Replace(path)
				for _, origin := range []string{"https://elsewhere.example", "null"} {
					foreign := func(by caller) caller { return by.with("Origin", origin) }
					a := w.call(caller(nobody).with("Origin", origin).with("Access-Control-Request-Method", route.Method).with("Access-Control-Request-Headers", "authorization,content-type"), http.MethodOptions, path, nil)
					hidden("preflight of "+path, a.refused(404, fault.CodeCommonNotFound).header)
					hidden("refusal of "+path, w.call(foreign(nobody), route.Method, path, nil).header)
					if route.Method == http.MethodGet {
						hidden("read of "+path, w.call(foreign(key), route.Method, path, nil).header)
						hidden("read by a member of "+path, w.call(foreign(member), route.Method, path, nil).header)
					}
				}
			}
		}
		settings := "/v1/organizations/" + w.org + "/settings"
		w.call(member, "GET", settings, nil).ok(200)
		w.call(member, "POST", "/v1/organizations/"+w.org+"/origins", map[string]any{"origin": "https://songs.example"}).ok(201)
		w.call(member.with("Origin", "https://elsewhere.example"), "POST", "/v1/organizations/"+w.org+"/origins", map[string]any{"origin": "https://other.example"}).refused(403, fault.CodeCommonForbidden)
	})
}
