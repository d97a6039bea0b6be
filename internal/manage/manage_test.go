package manage_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"net/url"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

func TestOrigins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		by := w.all()
		type list struct {
			Origins []account.Origin `json:"origins"`
			Page    struct {
				More bool   `json:"has_next_page"`
				End  string `json:"end_cursor"`
			} `json:"page_info"`
		}
		for typed, stored := range map[string]string{"https://Songs.example": "https://songs.example", "*.bücher.example": "https://*.xn--bcher-kva.example", "localhost:3000": "localhost:3000"} {
			if got := into[map[string]string](w.call(by, "POST", "/v1/origins", map[string]string{"origin": typed}).ok(201))["origin"]; got != stored && !strings.HasSuffix(stored, got) {
				t.Errorf("%s is stored as %s", typed, got)
			}
		}
		first := into[list](w.call(by, "GET", "/v1/origins?first=2", nil).ok(200))
		second := into[list](w.call(by, "GET", "/v1/origins?first=2&after="+url.QueryEscape(first.Page.End), nil).ok(200))
		if len(first.Origins) != 2 || !first.Page.More || len(second.Origins) != 1 || second.Page.More {
			t.Errorf("%+v %+v", first, second)
		}
		found := into[list](w.call(by, "GET", "/v1/origins?search=BCHER", nil).ok(200))
		if len(found.Origins) != 1 {
			t.Errorf("%+v", found)
		}
		tested := into[account.Tested](w.call(by, "GET", "/v1/origins/test?origin="+url.QueryEscape("https://evil.example/page"), nil).ok(200))
		if tested.Allowed || len(tested.Refused) != 3 {
			t.Errorf("%+v", tested)
		}
		gone := url.QueryEscape(found.Origins[0].Origin)
		w.call(by, "DELETE", "/v1/origins?origin="+gone, nil).ok(200)
		w.call(by, "DELETE", "/v1/origins?origin="+gone, nil).refused(404, fault.CodeCommonNotFound)
		for _, bad := range []string{"", "https://", "*.co.uk", "https://a.example/path", "a b", "\u202egpj.example"} {
			w.call(by, "POST", "/v1/origins", map[string]string{"origin": bad}).refused(422, fault.CodeCommonValidationFailed)
		}
	})
}

func TestIntegrations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		by, elsewhere := w.all(), bearer(w.key(w.organization("Other"), nil, permission.Scopes()...).Token)
		made := into[account.KeyPair](w.call(by, "POST", "/v1/integrations", map[string]any{"label": "shop"}).ok(201))
		if !strings.HasPrefix(made.SiteKey, "cpk_") || !strings.HasPrefix(made.SecretKey, "csk_") || made.Label != "shop" {
			t.Errorf("%+v", made)
		}
		one := "/v1/integrations/" + made.SiteKey
		if listed := w.call(by, "GET", "/v1/integrations", nil).ok(200); strings.Contains(listed.body, made.SecretKey) || strings.Contains(listed.body, "secret_key") {
			t.Errorf("%s", listed.body)
		}
		off := into[account.KeyPair](w.call(by, "PATCH", one, map[string]any{"enabled": false, "label": ""}).ok(200))
		if off.Status != account.KeyDisabled || off.Label != "" {
			t.Errorf("%+v", off)
		}
		if on := into[account.KeyPair](w.call(by, "PATCH", one, map[string]any{"enabled": true}).ok(200)); on.Status != account.KeyActive {
			t.Errorf("%+v", on)
		}
		rotated := into[account.KeyPair](w.call(by, "POST", one+"/rotate", map[string]any{"overlap_seconds": 60}).ok(200))
		if rotated.SecretKey == "" || rotated.SecretKey == made.SecretKey || rotated.PreviousUntil == nil {
			t.Errorf("%+v", rotated)
		}
		for _, secret := range []string{made.SecretKey, rotated.SecretKey} {
			if _, err := account.BySecretKey(t.Context(), db, secret); err != nil {
				t.Errorf("a secret key within the overlap: %v", err)
			}
		}
		w.call(by, "POST", one+"/rotate", map[string]any{"overlap_seconds": -1}).refused(422, fault.CodeCommonValidationFailed)
		w.call(by, "POST", one+"/rotate", map[string]any{"overlap_seconds": 2592001}).refused(422, fault.CodeCommonValidationFailed)
		for method, path := range map[string]string{"PATCH": one, "POST": one + "/rotate", "DELETE": one} {
			body := any("{}")
			if method == "DELETE" {
				body = nil
			}
			w.call(elsewhere, method, path, body).refused(404, fault.CodeCommonNotFound)
		}
		w.call(by, "PATCH", "/v1/integrations", map[string]any{}).refused(422, fault.CodeCommonValidationFailed)
		w.call(by, "PATCH", "/v1/integrations", map[string]any{"widget_enabled": false}).ok(200)
		if listed := into[map[string]any](w.call(by, "GET", "/v1/integrations?status=active", nil).ok(200)); listed["widget_enabled"] != false || len(listed["integrations"].([]any)) != 1 {
			t.Errorf("%+v", listed)
		}
		w.call(by, "DELETE", one, nil).ok(200)
		w.call(by, "GET", "/v1/integrations?status=gone", nil).refused(422, fault.CodeCommonValidationFailed)
		if listed := into[map[string]any](w.call(by, "GET", "/v1/integrations?status=active", nil).ok(200)); len(listed["integrations"].([]any)) != 0 {
			t.Errorf("%+v", listed)
		}
	})
}

func TestSettings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		by := w.all()
		read := w.call(by, "GET", "/v1/settings", nil).ok(200)
		tag := read.header.Get("ETag")
		if before := into[map[string]any](read); before["name"] != "Songs" || tag == "" || before["quota"] != 0.0 {
			t.Errorf("%s %s", tag, read.body)
		}
		all := map[string]any{
			"name": "Songs & Söhne", "widget_enabled": false, "max_file_size_bytes": 1000, "access_code_ttl_seconds": 3600, "duplicate_titles": true, "asset_storage": "none",
			"quota": 5, "low_credits": 10, "issuer_name": "Songs GmbH", "imprint": "Example Street 1",
		}
		changed := into[map[string]any](w.call(by.with("If-Match", tag), "PATCH", "/v1/settings", all).ok(200))
		for name, want := range all {
			got, _ := json.Marshal(changed[name])
			if text, _ := json.Marshal(want); string(got) != string(text) {
				t.Errorf("%s is %s, want %s", name, got, text)
			}
		}
		// The second of two edits at once learns what changed.
		conflict := w.call(by.with("If-Match", tag), "PATCH", "/v1/settings", map[string]any{"quota": 7}).refused(409, fault.CodeCommonConflict)
		if text, _ := json.Marshal(conflict.err.Details); !strings.Contains(string(text), `"quota"`) {
			t.Errorf("%s", text)
		}
		w.call(by, "PATCH", "/v1/settings", map[string]any{"quota": 7, "revision": 1}).refused(409, fault.CodeCommonConflict)
		w.call(by.with("If-Match", "*"), "PATCH", "/v1/settings", map[string]any{"quota": 0, "issuer_name": "", "name": nil}).ok(200)
		if after := into[map[string]any](w.call(by, "GET", "/v1/settings", nil).ok(200)); after["quota"] != 0.0 || after["issuer_name"] != "" || after["name"] != "Songs & Söhne" {
			t.Errorf("%+v", after)
		}
		w.call(by.with("If-Match", "many"), "PATCH", "/v1/settings", map[string]any{}).refused(400, fault.CodeCommonBadRequest)
		for name, bad := range map[string]any{
			"name": "", "max_file_size_bytes": -1, "access_code_ttl_seconds": int64(1) << 62, "asset_storage": "some", "quota": -1, "low_credits": -1, "issuer_name": "a\u202eb", "imprint": strings.Repeat("x", 201),
			"duplicate_titles": "yes", "suspended": false, "logo": "x", "revision": 0,
		} {
			a := w.call(by, "PATCH", "/v1/settings", map[string]any{name: bad}).refused(422, fault.CodeCommonValidationFailed)
			if text, _ := json.Marshal(a.err.Details); !strings.Contains(string(text), strings.TrimSuffix(name, "_seconds")) {
				t.Errorf("%s: %s", name, text)
			}
		}
	})
}

// pictureOf is a PNG, in base64.
func pictureOf(t *testing.T, side int) string {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

func TestLogo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		key := w.all()
		const path = "/v1/settings/logo"
		for _, form := range []struct {
			by   caller
			path string
		}{{key, path}, {w.member(w.org, permission.Admin), "/v1/organizations/" + w.org + "/settings/logo"}} {
			read := w.call(key, "GET", "/v1/settings", nil).ok(200)
			by := form.by.with("If-Match", read.header.Get("ETag"))
			set := w.call(by, "PUT", form.path, map[string]any{"logo": pictureOf(t, 64)}).ok(200)
			stored, err := account.GetLogo(t.Context(), db, w.org)
			w.must(err)
			if got := into[map[string]any](set); got["logo_sha256"] != stored.SHA256 || stored.Width != 64 || set.header.Get("ETag") == read.header.Get("ETag") {
				t.Errorf("%v, %s", got, set.header.Get("ETag"))
			}
			// The second of two edits at once changes nothing.
			w.call(by, "PUT", form.path, map[string]any{"logo": pictureOf(t, 32)}).refused(409, fault.CodeCommonConflict)
			w.call(by, "DELETE", form.path, nil).refused(409, fault.CodeCommonConflict)
			for range 2 {
				removed := into[map[string]any](w.call(form.by, "DELETE", form.path, nil).ok(200))
				if removed["logo_sha256"] != "" {
					t.Errorf("%v", removed)
				}
			}
			if _, err := account.GetLogo(t.Context(), db, w.org); err == nil {
				t.Error("the logo is still there")
			}
		}
		entries := into[struct {
			Entries []struct{ Action string }
		}](w.call(key, "GET", "/v1/audit?action=organization.changed", nil).ok(200)).Entries
		if len(entries) != 4 {
			t.Errorf("the audit log has %v, want 4 changes", entries)
		}
		largest := base64.StdEncoding.EncodeToString(make([]byte, account.MaxLogoBytes+1))
		for name, bad := range map[string]any{
			"SVG": base64.StdEncoding.EncodeToString([]byte("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")), "no base64": "not base64", "empty": "", "null": nil,
			"small": pictureOf(t, 8), "too large": largest, "number": 1,
		} {
			a := w.call(key, "PUT", path, map[string]any{"logo": bad}).refused(422, fault.CodeCommonValidationFailed)
			if text, _ := json.Marshal(a.err.Details); !strings.Contains(string(text), `"logo"`) {
				t.Errorf("%s: %s", name, text)
			}
		}
		w.call(key, "PUT", path, map[string]any{"logo": strings.Repeat("A", 2*account.MaxLogoBytes)}).refused(422, fault.CodeCommonValidationFailed)
		w.call(key, "PUT", path, map[string]any{"logo": pictureOf(t, 64), "revision": 1}).refused(409, fault.CodeCommonConflict)
		w.call(key.with("If-Match", "many"), "DELETE", path, nil).refused(400, fault.CodeCommonBadRequest)
	})
}

func TestCredits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		by := w.all()
		for _, note := range []string{"first", "=HYPERLINK(1)", "third"} {
			w.must(db.Tx(t.Context(), func(tx *store.Tx) error { return credits.Grant(t.Context(), tx, audit.CommandLine(), w.org, 100, note) }))
		}
		hold := "01890000-0000-7000-8000-0000000000aa"
		w.must(db.Tx(t.Context(), func(tx *store.Tx) error { return credits.Hold(t.Context(), tx, w.org, hold, 30) }))
		if b := into[map[string]any](w.call(by, "GET", "/v1/credits", nil).ok(200)); b["available"] != 270.0 || b["held"] != 30.0 || b["warning_level"] != 0.0 {
			t.Errorf("%+v", b)
		}
		if b := into[map[string]any](w.call(by, "PATCH", "/v1/credits", map[string]any{"warning_level": 50}).ok(200)); b["warning_level"] != 50.0 {
			t.Errorf("%+v", b)
		}
		w.call(by, "PATCH", "/v1/credits", map[string]any{}).refused(422, fault.CodeCommonValidationFailed)
		w.call(by, "PATCH", "/v1/credits", map[string]any{"warning_level": -1}).refused(422, fault.CodeCommonValidationFailed)
		type ledger struct {
			Transfers []credits.Transfer `json:"transfers"`
			Page      struct {
				More bool   `json:"has_next_page"`
				End  string `json:"end_cursor"`
			} `json:"page_info"`
		}
		seen := map[string]bool{}
		for after, pages := "", 0; ; pages++ {
			l := into[ledger](w.call(by, "GET", "/v1/credits/ledger?first=3&after="+after, nil).ok(200))
			for _, one := range l.Transfers {
				seen[one.ID] = true
			}
			if after = l.Page.End; !l.Page.More || pages > 3 {
				break
			}
		}
		if len(seen) != 4 {
			t.Errorf("%d transfers", len(seen))
		}
		if l := into[ledger](w.call(by, "GET", "/v1/credits/ledger?kind=hold", nil).ok(200)); len(l.Transfers) != 1 || l.Transfers[0].TransactionID != hold {
			t.Errorf("%+v", l)
		}
		csv := w.call(by, "GET", "/v1/credits/ledger.csv", nil).ok(200)
		if !strings.HasPrefix(csv.header.Get("Content-Type"), "text/csv") || strings.Count(csv.body, "\n") != 5 || strings.Contains(csv.body, ",=HYPER") || !strings.Contains(csv.body, "'=HYPER") {
			t.Errorf("%v %s", csv.header, csv.body)
		}
		for _, bad := range []string{"ledger?kind=x", "ledger.csv?kind=x", "ledger?since=x", "ledger?after=x", "holds?first=101", "ledger?transaction_id=%00"} {
			w.call(by, "GET", "/v1/credits/"+bad, nil).refused(422, fault.CodeCommonValidationFailed)
		}
		w.call(by, "GET", "/v1/credits/holds", nil).ok(200)
	})
}

// The audit log names the caller and the request of each change, and contains no secret.
func TestAudit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		k := w.key(w.org, nil, permission.Scopes()...)
		by := bearer(k.Token)
		a := w.call(by, "POST", "/v1/origins", map[string]string{"origin": "songs.example"}).ok(201)
		pair := into[account.KeyPair](w.call(by, "POST", "/v1/integrations", map[string]any{}).ok(201))
		w.call(w.member(w.org, permission.Admin), "PATCH", "/v1/organizations/"+w.org+"/settings", map[string]any{"quota": 3}).ok(200)
		type log struct {
			Entries []audit.Entry `json:"entries"`
			Page    struct {
				More bool   `json:"has_next_page"`
				End  string `json:"end_cursor"`
			} `json:"page_info"`
		}
		all := w.call(by, "GET", "/v1/audit", nil).ok(200)
		l := into[log](all)
		if len(l.Entries) != 5 || l.Entries[0].Actor.Kind != audit.Person || strings.Contains(all.body, pair.SecretKey) || strings.Contains(all.body, k.Token) {
			t.Errorf("%s", all.body)
		}
		l = into[log](w.call(by, "GET", "/v1/audit?actor_kind=api_key&actor_id="+k.ID+"&action=origin.added", nil).ok(200))
		if len(l.Entries) != 1 || l.Entries[0].Actor.RequestID != a.header.Get("X-Request-Id") || l.Entries[0].Actor.Name != "Backend" {
			t.Errorf("%+v", l)
		}
		page := into[log](w.call(by, "GET", "/v1/audit?first=2", nil).ok(200))
		if rest := into[log](w.call(by, "GET", "/v1/audit?first=100&after="+page.Page.End, nil).ok(200)); len(page.Entries) != 2 || !page.Page.More || len(rest.Entries) != 3 {
			t.Errorf("%+v %+v", page, rest)
		}
		for _, bad := range []string{"actor_kind=x", "since=x", "search=%00", "subject=%ff", "action=" + strings.Repeat("x", 301)} {
			w.call(by, "GET", "/v1/audit?"+bad, nil).refused(422, fault.CodeCommonValidationFailed)
		}
	})
}

func TestMembers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for _, r := range permission.Roles() {
			w.member(w.org, r)
		}
		w.member(w.organization("Other"), permission.Owner)
		by := w.all()
		seen := map[string]bool{}
		for after, pages := "", 0; pages < 5; pages++ {
			l := into[map[string]any](w.call(by, "GET", "/v1/members?first=3&after="+url.QueryEscape(after), nil).ok(200))
			for _, m := range l["members"].([]any) {
				seen[m.(map[string]any)["role"].(string)] = true
			}
			page := l["page_info"].(map[string]any)
			if page["has_next_page"] != true {
				break
			}
			after = page["end_cursor"].(string)
		}
		if len(seen) != 4 {
			t.Errorf("%v", seen)
		}
		w.call(by, "GET", "/v1/members?search=%00", nil).refused(422, fault.CodeCommonValidationFailed)
	})
}
