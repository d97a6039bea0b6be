package manage_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/apikey"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

type keys struct {
	Keys []map[string]any `json:"api_keys"`
	Page struct {
		More bool    `json:"has_next_page"`
		End  *string `json:"end_cursor"`
	} `json:"page_info"`
}

func TestAPIKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		by, admin := w.all(), w.member(w.org, permission.Admin)
		until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		a := w.call(by, "POST", "/v1/api-keys", map[string]any{"name": " Import ", "scopes": []string{"works:read"}, "expires_at": until, "max_file_size_bytes": 10, "test": true}).ok(201)
		made := into[map[string]any](a)
		if made["name"] != "Import" || !strings.HasPrefix(made["token"].(string), "afo_sk_test_") || fmt.Sprint(made["scopes"]) != "[works:read]" || made["expires_at"] != until || made["max_file_size_bytes"] != 10.0 {
			t.Errorf("%s", a.body)
		}
		second := into[apikey.Created](w.call(admin, "POST", "/v1/organizations/"+w.org+"/api-keys", map[string]any{"name": "By a member", "scopes": []string{"works:read"}}).ok(201))
		if !strings.HasSuffix(second.CreatedBy, "@songs.example") {
			t.Errorf("created by %q", second.CreatedBy)
		}
		list := w.call(by, "GET", "/v1/api-keys?first=2", nil).ok(200)
		page := into[keys](list)
		if len(page.Keys) != 2 || !page.Page.More || page.Keys[0]["id"] != second.ID || strings.Contains(list.body, second.Token[12:]) || page.Keys[1]["last4"] == "" {
			t.Errorf("%s", list.body)
		}
		rest := into[keys](w.call(by, "GET", "/v1/api-keys?first=2&after="+*page.Page.End, nil).ok(200))
		if len(rest.Keys) != 1 || rest.Page.More || rest.Keys[0]["last_used_at"] == nil {
			t.Errorf("%+v", rest)
		}

		// A revocation acts from the next request on, and repeats without an effect.
		mine := bearer(second.Token)
		w.call(mine, "GET", "/v1/api-keys", nil).refused(403, fault.CodeAPIKeyScopeDenied)
		once := w.call(by, "DELETE", "/v1/api-keys/"+second.ID, nil).ok(200)
		if again := w.call(by, "DELETE", "/v1/organizations/"+strings.ToUpper(w.org)+"/api-keys/"+strings.ToUpper(second.ID), nil).ok(200); again.body != once.body {
			t.Errorf("%s, then %s", once.body, again.body)
		}
		w.call(mine, "GET", "/v1/api-keys", nil).refused(401, fault.CodeAPIKeyRevoked)

		for what, c := range map[string]struct {
			body   any
			status int
			code   fault.Code
		}{
			"no name":         {map[string]any{"scopes": []string{"works:read"}}, 422, fault.CodeAPIKeyInvalidName},
			"no scope":        {map[string]any{"name": "n"}, 422, fault.CodeAPIKeyScopesRequired},
			"unknown scope":   {map[string]any{"name": "n", "scopes": []string{"all"}}, 422, fault.CodeAPIKeyUnknownScope},
			"a webhook URL":   {map[string]any{"name": "n", "scopes": []string{"works:read"}, "webhook_url": "http://127.0.0.1/"}, 422, fault.CodeAPIKeyWebhookURLInvalid},
			"no time":         {map[string]any{"name": "n", "scopes": []string{"works:read"}, "expires_at": "tomorrow"}, 422, fault.CodeCommonValidationFailed},
			"the past":        {map[string]any{"name": "n", "scopes": []string{"works:read"}, "expires_at": "2001-01-01T00:00:00Z"}, 422, fault.CodeCommonValidationFailed},
			"unknown member":  {`{"name":"n","scopes":["works:read"],"scope":"x"}`, 422, fault.CodeCommonValidationFailed},
			"member twice":    {`{"name":"n","name":"m","scopes":["works:read"]}`, 422, fault.CodeCommonValidationFailed},
			"not JSON":        {`name=n`, 422, fault.CodeCommonValidationFailed},
			"a wrong type":    {`{"name":1,"scopes":"works:read"}`, 422, fault.CodeCommonValidationFailed},
			"invalid UTF-8":   {"{\"name\":\"\xff\"}", 422, fault.CodeCommonValidationFailed},
			"a page of 0":     {nil, 422, fault.CodeCommonValidationFailed},
			"a wrong cursor":  {nil, 422, fault.CodeCommonValidationFailed},
			"no such key":     {nil, 404, fault.CodeCommonNotFound},
			"a malformed id":  {nil, 404, fault.CodeCommonNotFound},
			"a key elsewhere": {nil, 404, fault.CodeCommonNotFound},
		} {
			method, path := "POST", "/v1/api-keys"
			switch what {
			case "a page of 0":
				method, path = "GET", "/v1/api-keys?first=0"
			case "a wrong cursor":
				method, path = "GET", "/v1/api-keys?after=x"
			case "no such key":
				method, path = "DELETE", "/v1/api-keys/01890000-0000-7000-8000-0000000000ff"
			case "a malformed id":
				method, path = "DELETE", "/v1/api-keys/x"
			case "a key elsewhere":
				method, path = "DELETE", "/v1/api-keys/"+w.key(w.organization("Other"), nil, permission.ScopeRead).ID
			}
			t.Run(what, func(t *testing.T) { w.call(by, method, path, c.body).refused(c.status, c.code) })
		}
		for range apikey.MaxLive - 2 {
			w.key(w.org, nil, permission.ScopeRead)
		}
		w.call(by, "POST", "/v1/api-keys", map[string]any{"name": "n", "scopes": []string{"works:read"}}).refused(429, fault.CodeAPIKeyLimitReached)
	})
}

// 50 equal creations at once make one key, and every caller receives its token.
func TestIdempotentCreation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		by := w.all().with("Idempotency-Key", "first key")
		var mu sync.Mutex
		bodies := map[string]int{}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for {
					a := w.call(by, "POST", "/v1/api-keys", map[string]any{"name": "n", "scopes": []string{"works:read"}})
					if a.code == fault.CodeIdempotencyInProgress {
						continue
					}
					mu.Lock()
					defer mu.Unlock()
					bodies[a.ok(201).body]++
					return
				}
			})
		}
		wg.Wait()
		list := into[keys](w.call(by, "GET", "/v1/api-keys", nil).ok(200))
		if len(bodies) != 1 || len(list.Keys) != 2 {
			t.Errorf("%d answers, %d keys", len(bodies), len(list.Keys))
		}
		w.call(by, "POST", "/v1/api-keys", map[string]any{"name": "m", "scopes": []string{"works:read"}}).refused(422, fault.CodeIdempotencyKeyReused)
	})
}

// A test key never makes or changes what reaches a live network.
func TestTestKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		live := w.key(w.org, nil, permission.ScopeRead)
		by := bearer(w.key(w.org, func(r *apikey.Request) { r.Test = true }, permission.Scopes()...).Token)
		body := func(test bool) map[string]any {
			return map[string]any{"name": "n", "scopes": []string{"works:read"}, "test": test}
		}
		w.call(by, "POST", "/v1/api-keys", body(false)).refused(403, fault.CodeCommonForbidden)
		made := into[apikey.Created](w.call(by, "POST", "/v1/api-keys", body(true)).ok(201))
		w.call(by, "DELETE", "/v1/api-keys/"+live.ID, nil).refused(403, fault.CodeCommonForbidden)
		w.call(by, "DELETE", "/v1/api-keys/"+made.ID, nil).ok(200)
		w.call(by, "POST", "/v1/integrations", map[string]any{}).refused(403, fault.CodeCommonForbidden)
		w.call(by, "POST", "/v1/integrations", map[string]any{"test": true}).ok(201)
		w.call(by, "PATCH", "/v1/settings", map[string]any{"name": "x"}).refused(403, fault.CodeCommonForbidden)
		w.call(by, "POST", "/v1/origins", map[string]any{"origin": "a.example"}).refused(403, fault.CodeCommonForbidden)
		w.call(by, "GET", "/v1/settings", nil).ok(200)
	})
}
