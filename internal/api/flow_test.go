package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/account"
	"timbre.example/internal/api"
	"timbre.example/internal/audit"
	"timbre.example/internal/blob"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

func keys(t *testing.T, body []byte) []string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(m))
}

func TestFlow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		for _, c := range []struct {
			network, ref string
			price        int64
		}{{"testnet", "", 0}, {"mainnet", "user-7", 87}} {
			change := map[string]any{"allowed_network": c.network}
			if c.ref != "" {
				change["external_user_ref"] = c.ref
			}
			b := w.mint(change)
			a := b.post("/v1/works/init", work(" Title ", map[string]any{"network": c.network, "unknown": true, "external_user_ref": c.ref, "size_bytes": 5044}))
			if d := cmp.Diff([]string{"job_id", "upload_expires_at", "upload_url"}, keys(t, a.body)); d != "" || a.status != 200 {
				t.Fatalf("init: %d %s", a.status, d)
			}
			job, url := a.get("job_id"), a.get("upload_url")
			if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != fault.CodeRegistrationUploadMissing {
				t.Fatalf("prepare before the upload: %s", a.body)
			}
			a = b.post("/v1/works/upload", map[string]string{"job_id": job})
			if a.status != 200 || a.get("upload_url") == "" {
				t.Fatalf("renew: %s", a.body)
			}
			song := wav(c.network, 5000)
			for range 2 { // the URL accepts repeated PUTs
				if a := w.put(url, song); a.status != 200 {
					t.Fatalf("upload: %s", a.body)
				}
			}
			// In capitals and untrimmed it is the same job.
			a = b.post("/v1/works/prepare", map[string]string{"job_id": " " + strings.ToUpper(job) + " ", "passphrase": "x"})
			var p struct {
				JobID      string `json:"job_id"`
				WorkID     string `json:"work_id"`
				Commitment string
				Total      int64  `json:"total_price_credits"`
				Valid      bool   `json:"is_valid"`
				MediaHash  string `json:"media_hash"`
				Size       int64  `json:"size_bytes"`
				Format     string
				Expires    time.Time `json:"expires_at"`
			}
			a.into(&p)
			if a.status != 200 || p.JobID != job || !p.Valid || p.Total != c.price || p.Size != int64(len(song)) || p.Format != "WAV" || len(p.Commitment) != 66 || len(p.MediaHash) != 66 {
				t.Fatalf("prepare: %d %s", a.status, a.body)
			}
			a = b.post("/v1/works/confirm", map[string]string{"job_id": job})
			if a.status != 202 {
				t.Fatalf("confirm: %s", a.body)
			}
			id, code := a.get("transaction_id"), a.get("access_code")
			if a.get("status_url") != "/v1/transactions/"+id || a.get("ws_url") != "/v1/ws/transactions/"+id {
				t.Errorf("confirm: %s", a.body)
			}
			if (code == "") != (c.ref != "") || code != "" && (len(code) != 68 || !strings.HasPrefix(code, "atc_")) {
				t.Errorf("access code %q", code)
			}
			w.done(id)
			a = w.call("GET", "/v1/transactions/"+strings.ToUpper(id), nil, nil)
			want := []string{"created_at", "current_step", "description", "id", "is_complete", "progress", "result", "steps", "transaction_type", "updated_at"}
			if d := cmp.Diff(want, keys(t, a.body)); d != "" {
				t.Error(d)
			}
			var v struct {
				ID       string
				Type     string `json:"transaction_type"`
				Step     string `json:"current_step"`
				Progress int
				Complete bool `json:"is_complete"`
				Result   map[string]any
				Steps    []struct {
					Step     string
					Progress int
				}
			}
			a.into(&v)
			if v.ID != id || v.Type != "register" || v.Step != "completed" || v.Progress != 100 || !v.Complete || v.Result["success"] != true || v.Result["work_id"] != p.WorkID || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s", a.body)
			}
			if got, _ := v.Result["access_code"].(string); got != code {
				t.Errorf("access code %q in the result, %q at confirm", got, code)
			}
			if got := fmt.Sprint(v.Steps); got != "[{validating 5} {preparing_transaction 20} {signing 40} {submitting 60} {confirming 80} {completed 100}]" {
				t.Error(got)
			}
			if d := cmp.Diff(credits.Balance{Available: 1000 - c.price, Spent: c.price}, w.balance()); d != "" {
				t.Error(d)
			}
			// The code is not shown permanently.
			w.ahead.Add(int64(time.Hour))
			if a = w.call("GET", "/v1/transactions/"+id, nil, nil); strings.Contains(string(a.body), "atc_") {
				t.Error("an hour later the access code is still shown")
			}
			if a := w.call("GET", "/v1/stats?network="+c.network, nil, nil); a.status != 200 || string(a.body) != `{"total_works":1,"max_audio_size_bytes":67108864,"supported_formats":["WAV"],"upload":"put"}`+"\n" {
				t.Errorf("stats: %s", a.body)
			}
		}
		log := w.logged.String()
		if !strings.Contains(log, "route=/v1/works/confirm") {
			t.Error("the log is not where this test looks")
		}
		for _, secret := range []string{"atc_", "csk_", "eyJ", "/blob/upload", "ada@"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
}

func TestBadFiles(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		whole := wav("half", 5000)
		for name, c := range map[string]struct {
			file []byte
			want fault.Code
		}{
			"a script": {[]byte("#!/bin/sh\nrm -rf /\n"), fault.CodeRegistrationInvalidAudioFormat},
			"nothing":  {nil, fault.CodeRegistrationAudioEmpty},
			"half":     {whole[:len(whole)/2], fault.CodeRegistrationInvalidAudioFormat},
		} {
			b := w.mint(nil)
			job, url := b.init(name, nil)
			if a := w.put(url, c.file); a.status != 200 {
				t.Fatalf("%s: upload: %s", name, a.body)
			}
			if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != c.want {
				t.Errorf("%s: %s", name, a.body)
			}
			if a := b.post("/v1/works/confirm", map[string]string{"job_id": job}); a.code == "" {
				t.Errorf("%s was confirmed", name)
			}
			if s := w.state(job); s != "open" {
				t.Errorf("%s: the job is %s", name, s)
			}
			// Nothing is lost: the right file succeeds with the same job.
			if a := w.put(url, wav(name, 4000)); a.status != 200 {
				t.Fatalf("%s: second upload: %s", name, a.body)
			}
			if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != "" {
				t.Errorf("%s: the right file: %s", name, a.body)
			}
		}
		// Over the size cap: refused at init when the size is known, else at prepare. The
		// store accepts the upload and keeps nothing of it. An endless upload is cut off.
		b := w.mint(map[string]any{"max_file_size_bytes": 4000})
		a := b.post("/v1/works/init", work("Long", map[string]any{"size_bytes": 4001}))
		if a.code != fault.CodeRegistrationAudioTooLarge || a.err.Details["size_bytes"] != 4001.0 || a.err.Details["max_bytes"] != 4000.0 {
			t.Errorf("at init: %s", a.body)
		}
		if b.spent() {
			t.Error("a refused init spent the session")
		}
		job, url := b.init("Long", nil)
		if a := w.put(url, wav("long", 5000)); a.status != 200 {
			t.Errorf("uploaded: %s", a.body)
		}
		if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.status != 413 || a.code != fault.CodeRegistrationAudioTooLarge ||
			a.err.Details["size_bytes"] != 5044.0 || a.err.Details["max_bytes"] != 4000.0 {
			t.Errorf("at prepare: %s", a.body)
		}
		endless := &endless{}
		r, err := http.NewRequest("PUT", url, endless)
		w.must(err)
		res, err := w.client.Do(r)
		w.must(err)
		if a := w.answer(res); a.code != fault.CodeRegistrationAudioTooLarge {
			t.Errorf("undeclared: %s", a.body)
		}
		if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != fault.CodeRegistrationUploadMissing {
			t.Errorf("after refused uploads: %s", a.body)
		}
		if d := cmp.Diff(credits.Balance{Available: 1000}, w.balance()); d != "" {
			t.Errorf("charged: %s", d)
		}
	})
}

// endless is a body without an end.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	e.n += len(p)
	return len(p), nil
}

func TestBadDescriptions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		b := w.mint(nil)
		many := func(n int) []any {
			return slices.Repeat([]any{creator()}, n)
		}
		with := func(k string, v any) []any {
			c := creator()
			c[k] = v
			return []any{c}
		}
		for name, c := range map[string]struct {
			change map[string]any
			want   string
		}{
			"title of spaces":       {map[string]any{"title": "   "}, "title required"},
			"no title":              {map[string]any{"title": nil}, "title required"},
			"title too long":        {map[string]any{"title": strings.Repeat("é", 201)}, "title max_length"},
			"title with NUL":        {map[string]any{"title": "a\x00b"}, "title control_character"},
			"title is a number":     {map[string]any{"title": 5}, "title type"},
			"no creators":           {map[string]any{"creators": []any{}}, "creators required"},
			"33 creators":           {map[string]any{"creators": many(33)}, "creators max_items"},
			"creators not a list":   {map[string]any{"creators": "Ada"}, "creators type"},
			"creator not an object": {map[string]any{"creators": []any{5}}, "creators[0] type"},
			"bad ISNI":              {map[string]any{"creators": with("isni", "0000-0001-2103-2683")}, "creators[0].isni isni"},
			"ISNI is a number":      {map[string]any{"creators": with("isni", 5)}, "creators[0].isni type"},
			"bad IPI":               {map[string]any{"creators": with("ipi", "123456789012")}, "creators[0].ipi ipi"},
			"no role":               {map[string]any{"creators": with("roles", map[string]bool{"author": false})}, "creators[0].roles required"},
			"role not a boolean":    {map[string]any{"creators": with("roles", map[string]any{"author": "yes"})}, "creators[0].roles.author type"},
			"bad e-mail":            {map[string]any{"creators": with("email", "ada")}, "creators[0].email email"},
			"unknown network":       {map[string]any{"network": "moon"}, "network one_of"},
			"no network":            {map[string]any{"network": ""}, "network one_of"},
			"negative size":         {map[string]any{"size_bytes": -1}, "size_bytes min"},
			"fraction of a byte":    {map[string]any{"size_bytes": 1.5}, "size_bytes type"},
			"size beyond numbers":   {map[string]any{"size_bytes": json.Number("1e30")}, "size_bytes type"},
			"several":               {map[string]any{"title": "", "filename": "", "network": ""}, "title required, filename required, network one_of"},
		} {
			a := b.post("/v1/works/init", work("Title", c.change))
			if a.code != fault.CodeCommonValidationFailed || a.rules() != c.want {
				t.Errorf("%s: got %q, want %q", name, a.rules(), c.want)
			}
			if b.spent() {
				t.Fatalf("%s spent the session", name)
			}
		}
		for name, c := range map[string]struct{ body, want string }{
			"no JSON":     {"title=Song", "body json"},
			"half JSON":   {`{"title":"So`, "body json"},
			"two values":  {`{}{}`, "body json"},
			"a list":      {`[]`, "body json"},
			"null":        {`null`, "body json"},
			"a string":    {`"x"`, "body json"},
			"empty":       {"", "body json"},
			"spaces":      {"  ", "body json"},
			"deep":        {strings.Repeat("[", 100_000), "body json"},
			"10 MB":       {`{"title":"` + strings.Repeat("x", 10<<20) + `"}`, "body max_bytes"},
			"just over":   {strings.Repeat(" ", api.MaxWorkBody+1), "body max_bytes"},
			"Latin 1":     {"{\"title\":\"Caf\xe9\"}", "body utf8"},
			"high half":   {`{"title":"\ud83c x"}`, "body utf8"},
			"low half":    {`{"title":"\uDFB5"}`, "body utf8"},
			"halves":      {`{"title":"\ud83c\ud83c\udfb5"}`, "body utf8"},
			"half at end": {`{"title":"\ud83c`, "body utf8"},
			"whole":       {`{"title":"\ud83c\udfb5 \\ud83c \u00e9 🎵","filename":7}`, "filename type"},
			"no hex":      {`{"title":"\ud8zz"}`, "body json"},
			"cut escape":  {`{"title":"\`, "body json"},
			"other case":  {`{"TITLE":5}`, "TITLE member_case"},
			"right limit": {`{"title":""` + strings.Repeat(" ", api.MaxWorkBody-12) + `}`, "title required, creators required, filename required, network one_of"},
		} {
			a := b.post("/v1/works/init", c.body)
			if a.code != fault.CodeCommonValidationFailed || a.rules() != c.want {
				t.Errorf("%s: got %d %q, want %q", name, a.status, a.rules(), c.want)
			}
		}
		head := b.head()
		for ct, want := range map[string]string{"text/plain": "content-type json", "multipart/form-data; boundary=x": "content-type json", "application/json; charset=utf-8": "", "": ""} {
			head["Content-Type"] = ct
			if a := w.call("POST", "/v1/works/prepare", head, strings.NewReader(`{"job_id":"x"}`)); want == "" && a.rules() != "job_id uuid" || want != "" && a.rules() != want {
				t.Errorf("content type %q: %q", ct, a.rules())
			}
		}
		for body, want := range map[string]string{`{}`: "job_id required", `{"job_id":" "}`: "job_id required", `{"job_id":5}`: "job_id type", `{"job_id":"\u0000"}`: "job_id uuid", `{"job_id":"0190a0e6000070008000000000000001"}`: "job_id uuid"} {
			if a := b.post("/v1/works/confirm", body); a.rules() != want {
				t.Errorf("%s: %q", body, a.rules())
			}
		}
		if a := b.post("/v1/works/prepare", `{"job_id":"0190a0e6-0000-7000-8000-000000000001"}`); a.code != fault.CodeTransactionNotFound {
			t.Errorf("unknown job: %s", a.body)
		}
		if b.spent() {
			t.Error("the session is spent")
		}
		b.init("After all that", map[string]any{"creators": many(32)})
	})
}

func TestMintBodies(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	for name, c := range map[string]struct {
		change map[string]any
		want   fault.Code
		rules  string
	}{
		"good":             {map[string]any{"allowed_ats_id": nil, "max_file_size_bytes": nil, "external_user_ref": nil}, "", ""},
		"no key":           {map[string]any{"secret_key": ""}, fault.CodeCommonAuthInvalidAPIKey, ""},
		"site key":         {map[string]any{"secret_key": w.keys.SiteKey}, fault.CodeCommonAuthInvalidAPIKey, ""},
		"key is a number":  {map[string]any{"secret_key": 5}, fault.CodeCommonValidationFailed, "secret_key type"},
		"bad action":       {map[string]any{"action_type": "x", "allowed_network": "y"}, fault.CodeCommonValidationFailed, "action_type one_of, allowed_network one_of"},
		"work 0":           {map[string]any{"allowed_ats_id": 0}, fault.CodeCommonValidationFailed, "allowed_ats_id range"},
		"cap 0":            {map[string]any{"max_file_size_bytes": 0}, fault.CodeCommonValidationFailed, "max_file_size_bytes range"},
		"cap beyond":       {map[string]any{"max_file_size_bytes": json.Number("1e400")}, fault.CodeCommonValidationFailed, "body json"},
		"empty reference":  {map[string]any{"external_user_ref": ""}, fault.CodeSessionInvalidExternalUserRef, ""},
		"long reference":   {map[string]any{"external_user_ref": strings.Repeat("x", 256)}, fault.CodeSessionInvalidExternalUserRef, ""},
		"reference is odd": {map[string]any{"external_user_ref": []int{}}, fault.CodeCommonValidationFailed, "external_user_ref type"},
	} {
		if a := w.tryMint(c.change); a.code != c.want || a.rules() != c.rules {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	// A misspelled restriction must not be ignored.
	for member, meant := range map[string]string{
		"external_user_id": "external_user_ref", "externalUserRef": "external_user_ref", "external_user": "external_user_ref", "user_ref": "external_user_ref",
		"allowed_atsid": "allowed_ats_id", "ats_id": "allowed_ats_id", "allowedAtsId": "allowed_ats_id", "network": "allowed_network", "action": "action_type",
		"max_file_size": "max_file_size_bytes", "asset-storage": "asset_storage", "rehearsal": "rehearse", "more": "", "x": "", strings.Repeat("x", 1000): "",
	} {
		name := member
		if len(name) > 100 {
			name = name[:100] + "…"
		}
		if a := w.tryMint(map[string]any{member: nil}); a.code != fault.CodeCommonValidationFailed || a.rules() != name+" unknown_member" || a.fields[0].DidYouMean != meant {
			t.Errorf("%s: %s", member, a.body)
		}
	}
	// A name may be written in one way only, and only once.
	written, err := json.Marshal(w.mintBody(nil))
	w.must(err)
	for more, want := range map[string]string{
		`"Allowed_Ats_Id": 1`: "Allowed_Ats_Id member_case", `"EXTERNAL_USER_REF": "ada"`: "EXTERNAL_USER_REF member_case", `"allowed_network": "mainnet"`: "allowed_network duplicate_member",
		`"\u0061llowed_network": "testnet"`: "allowed_network duplicate_member", `"allowed_ats_id": 1, "allowed_ats_id": 2`: "allowed_ats_id duplicate_member",
		`"rehear\u017fe": "x"`: "rehear\u017fe member_case", `"external_user_ref": {"a": 1, "a": 2}`: "external_user_ref type", `"x": [[{"y": {}}]]`: "x unknown_member", `"x"`: "body json",
		`"x": ` + strings.Repeat("[", 5_000): "body json", strings.Repeat(`"x": 1, `, 1000) + `"x": 1`: "x unknown_member" + strings.Repeat(", x duplicate_member", 19),
	} {
		body := append(written[:len(written)-1:len(written)-1], ", "+more+"}"...)
		if a := w.call("POST", "/v1/sessions", map[string]string{"Origin": site}, bytes.NewReader(body)); a.rules() != want {
			t.Errorf("%.40s: %s, want %s", more, a.body, want)
		}
	}
	// Browsers' routes ignore unknown members, but refuse the other errors in names.
	b := w.mint(nil)
	for body, want := range map[string]string{
		`{"job_id": "x", "passphrase": "x", "more": {"job_id": 1}}`:                  "job_id uuid",
		`{"job_id": "x", "Job_ID": "y"}`:                                             "Job_ID member_case",
		`{"job_id": "x", "job_id": "y"}`:                                             "job_id duplicate_member",
		`{"creators": [{"Email": "x", "roles": {"author": true, "author": false}}]}`: "",
	} {
		if a := w.call("POST", "/v1/works/prepare", b.head(), strings.NewReader(body)); want != "" && a.rules() != want {
			t.Errorf("%s: %s", body, a.body)
		}
		if a := w.call("POST", "/v1/works/init", b.head(), strings.NewReader(body)); want == "" && a.rules() != "creators[0].Email member_case, creators[0].roles.author duplicate_member" {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	// If invalid UTF-8 were replaced, two of a host's users would become one.
	body, err := json.Marshal(w.mintBody(map[string]any{"external_user_ref": "Ren?"}))
	w.must(err)
	latin := bytes.Replace(body, []byte("Ren?"), []byte("Ren\xe9"), 1)
	if a := w.call("POST", "/v1/sessions", map[string]string{"Origin": site}, bytes.NewReader(latin)); a.rules() != "body utf8" {
		t.Errorf("a reference in Latin 1: %s", a.body)
	}
	if a := w.call("POST", "/v1/sessions", nil, asJSON(w.mintBody(nil))); a.code != fault.CodeSessionOriginNotAllowed {
		t.Errorf("no origin: %s", a.body)
	}
	// The balance must cover one registration on the paid network.
	w.must(w.db.Tx(t.Context(), func(tx *store.Tx) error { return credits.Hold(t.Context(), tx, w.org, "x", 914) }))
	if a := w.tryMint(map[string]any{"allowed_network": "mainnet"}); a.code != fault.CodeRegistrationInsufficientCredits {
		t.Errorf("86 credits: %s", a.body)
	}
	if a := w.tryMint(nil); a.code != "" {
		t.Errorf("testnet: %s", a.body)
	}
}

// Invisible characters, and characters that change the order of a text, are refused. This
// holds for titles and all fields of creators, on every route.
func TestInvisibleCharacters(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	w.work()
	code := w.code("Porch Light")
	holder := w.mint(forUpdate)
	ada := w.mint(map[string]any{"external_user_ref": "ada"})
	ats := w.done(ada.post("/v1/works/confirm", map[string]string{"job_id": ada.prepared("Ada's", nil)}).get("transaction_id")).Done.AtsID
	own := w.mint(map[string]any{"external_user_ref": "ada", "action_type": "update_version"})
	b := w.mint(nil)
	named := func(name string) []any {
		c := creator()
		c["full_name"] = name
		return []any{creator(), c}
	}
	refused := func(char rune, rule string) {
		t.Helper()
		text := "Moon" + string(char) + "light"
		for where, c := range map[string]struct {
			a    answer
			want string
		}{
			"init":            {b.post("/v1/works/init", work(text, map[string]any{"creators": named(text)})), "title " + rule + ", creators[1].full_name " + rule},
			"by code":         {holder.post("/v1/access/"+code+"/versions/init", map[string]any{"creators": named(text)}), "creators[1].full_name " + rule},
			"by code, a file": {holder.post("/v1/access/"+code+"/versions/init-upload", map[string]any{"creators": named(text), "filename": "a.wav"}), "creators[1].full_name " + rule},
			"own":             {own.post(fmt.Sprintf("/v1/works/%d/versions/init", ats), map[string]any{"creators": named(text)}), "creators[1].full_name " + rule},
			"own, a file":     {own.post(fmt.Sprintf("/v1/works/%d/versions/init-upload", ats), map[string]any{"creators": named(text), "filename": "a.wav"}), "creators[1].full_name " + rule},
		} {
			if c.a.rules() != c.want {
				t.Errorf("%U, %s: %s", char, where, c.a.body)
			}
			for _, f := range c.a.fields {
				if !strings.HasPrefix(f.Message, "Character 5 is ") || !strings.Contains(f.Message, fmt.Sprintf("%U", char)) {
					t.Errorf("%U: %s", char, f.Message)
				}
			}
		}
	}
	for _, char := range []rune{0x061C, 0x200E, 0x200F, 0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069} {
		refused(char, "direction_mark")
	}
	for _, char := range []rune{0x00, 0x07, 0x09, 0x0A, 0x0D, 0x1B, 0x7F, 0x80, 0x85, 0x9B, 0x2028, 0x2029} {
		refused(char, "control_character")
	}
	for _, char := range []rune{0xAD, 0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180E, 0x200B, 0x200C, 0x200D, 0x2060, 0x2061, 0x2800, 0x3164, 0xFE00, 0xFE0E, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF9, 0xFFFC, 0x1D159, 0x1D173, 0xE0001, 0xE0041, 0xE0100} {
		refused(char, "hidden_character")
	}
	for _, char := range []rune{0xE000, 0xF8FF, 0xFFFF, 0xFDD0, 0x100000} {
		refused(char, "private_character")
	}
	// These texts are invisible as a whole.
	for _, text := range []string{
		"\u3164", "\u2800", "\u034f", "\ufe0f", "\uffa0", "\u115f", "\u1160", "\u17b4", "\u17b5", "\U0001d159", "\u0301", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u180e", "\u20dd", "\u093f",
		"\U000e0041\U000e007f", "\U000e0100", "\u202e\u202c", " \u3164 \u2800 ", "\u200b\u0301",
	} {
		a := b.post("/v1/works/init", work(text, map[string]any{"creators": []any{map[string]any{"full_name": text, "email": text, "roles": map[string]any{"author": true}}}, "filename": text}))
		want := "title blank, creators[0].full_name blank, creators[0].email blank, filename blank"
		if !strings.Contains(text, "\u0301") && !strings.ContainsAny(text, "\u20dd\u093f") {
			want = strings.Replace(want, "filename blank", "filename required", 1) // invisible characters are removed from a file name, and nothing remains
		}
		if a.rules() != want {
			t.Errorf("%+q: %s", text, a.body)
		}
	}
	for text, want := range map[string]string{
		"Z" + strings.Repeat("\u0337\u0321", 200)[:60]: "title combining_marks",
		"a" + strings.Repeat("\u0301", 9):              "title combining_marks",
		"\u0301Song":                                   "title combining_marks",
		"a" + strings.Repeat("\u0301", 8):              "",
		"ཧྐྵྨླྺྼྻྂ":                                    "",
		"辻\U000e0100 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 1\ufe0f\u20e3 ❤\ufe0f": "",
	} {
		caller := b
		if want == "" {
			caller = w.mint(nil) // the text was accepted, which spent the session
		}
		if a := caller.post("/v1/works/init", work(text, nil)); a.rules() != want {
			t.Errorf("%+q: %s", text, a.body)
		}
	}
	// An address with white space of any kind, or with an invisible side, is invalid.
	for _, email := range []string{"a b@x.example", "a\u00a0b@x.example", "a@x\u3000y", "a\u2003@x.example", "a@", "@x", "a@@x", "a", "a@b@c", "a\u1680@x.example"} {
		if a := b.post("/v1/works/init", work("T", map[string]any{"creators": []any{map[string]any{"full_name": "N", "email": email, "roles": map[string]any{"author": true}}}})); a.rules() != "creators[0].email email" {
			t.Errorf("%+q: %s", email, a.body)
		}
	}
	for _, email := range []string{"a\u2028b@x.example", "a\u202eb@x.example", "a\u200b@x.example", "\u3164@x.example", "a@\u3164", "a\x1b@x.example"} {
		if a := b.post("/v1/works/init", work("T", map[string]any{"creators": []any{map[string]any{"full_name": "N", "email": email, "roles": map[string]any{"author": true}}}})); !strings.HasPrefix(a.rules(), "creators[0].email ") {
			t.Errorf("%+q: %s", email, a.body)
		}
	}
	// Characters that scripts and emoji need are kept; a file name loses only its invisible
	// marks.
	job, _ := b.init("नमस्\u200dते می\u200cخواهم 👩\u200d👩\u200d👧 שלום", map[string]any{"creators": named("ශ්\u200dරී O\u2019Neil\u202f"), "filename": "song\u202e\u200b\u31643pm.wav"})
	row, err := w.db.Read().GetJob(t.Context(), job)
	w.must(err)
	if row.Title != "नमस्\u200dते می\u200cخواهم 👩\u200d👩\u200d👧 שלום" || row.Filename != "song3pm.wav" {
		t.Errorf("%q, %q", row.Title, row.Filename)
	}
}

// The caller is checked before the body, however invalid the body is.
func TestCallerBeforeBody(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{})
	good := w.mint(nil)
	access := w.mint(map[string]any{"action_type": "access"})
	main := w.mint(map[string]any{"allowed_network": "mainnet"})
	spent := w.mint(nil)
	job, _ := spent.init("First", nil)
	other, err := account.CreateOrganization(t.Context(), w.db, audit.CommandLine(), "Others")
	w.must(err)
	foreign, err := account.CreateKeys(t.Context(), w.db, audit.CommandLine(), other.ID, "", false)
	w.must(err)
	with := func(b tab, name, value string) map[string]string {
		h := b.head()
		h[name] = value
		return h
	}
	bodies := map[string]string{"good": string(must(json.Marshal(work("Title", nil)))), "empty": "", "no JSON": "{", "title a number": `{"title":5,"network":"testnet"}`}
	for name, c := range map[string]struct {
		head map[string]string
		want fault.Code
	}{
		"no caller":                  {nil, fault.CodeCommonAuthMissingToken},
		"no bearer":                  {with(good, "Authorization", "Token x"), fault.CodeCommonAuthInvalidToken},
		"bad token":                  {with(good, "Authorization", "Bearer "+good.token+"x"), fault.CodeCommonAuthInvalidToken},
		"bad site key":               {with(good, "X-Site-Key", "cpk_"), fault.CodeCommonAuthInvalidAPIKey},
		"unknown site key":           {with(good, "X-Site-Key", "cpk_"+strings.Repeat("0", 64)), fault.CodeOrganizationNotFound},
		"another organization's key": {with(good, "X-Site-Key", foreign.SiteKey), fault.CodeSessionInvalidToken},
		"another site":               {with(good, "Origin", "https://evil.example"), fault.CodeSessionOriginNotAllowed},
		"another action":             {access.head(), fault.CodeSessionInvalidToken},
	} {
		for kind, body := range bodies {
			for _, path := range []string{"/v1/works/init", "/v1/works/upload", "/v1/works/prepare", "/v1/works/confirm"} {
				if a := w.call("POST", path, c.head, strings.NewReader(body)); a.code != c.want {
					t.Errorf("%s, %s body, %s: got %s, want %s", name, kind, path, a.code, c.want)
				}
			}
		}
	}
	for kind, body := range map[string]string{"good": bodies["good"], "title a number": bodies["title a number"]} {
		if a := main.post("/v1/works/init", body); a.code != fault.CodeSessionInvalidToken {
			t.Errorf("another network, %s body: %s", kind, a.body)
		}
	}
	if main.spent() || access.spent() || good.spent() {
		t.Error("a refused call spent a session")
	}
	if a := spent.post("/v1/works/init", work("Second", nil)); a.code != fault.CodeSessionInvalidToken {
		t.Errorf("second init: %s", a.body)
	}
	if a := good.post("/v1/works/init", work("Title", map[string]any{"external_user_ref": "somebody"})); a.code != fault.CodeCommonForbidden || good.spent() {
		t.Errorf("a reference that the session lacks: %s", a.body)
	}
	if a := w.mint(map[string]any{"external_user_ref": "somebody"}).post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != fault.CodeTransactionNotFound {
		t.Errorf("another end-user's job: %s", a.body)
	}

	w.ahead.Add(int64(session.DefaultLifetime))
	for kind, body := range bodies {
		if a := good.post("/v1/works/init", body); a.code != fault.CodeCommonAuthExpired {
			t.Errorf("expired init, %s body: %s", kind, a.body)
		}
	}
	for name, body := range map[string]any{"another's job": map[string]string{"job_id": job}, "no job": map[string]string{}, "no id": map[string]string{"job_id": "x"}} {
		for _, path := range []string{"/v1/works/prepare", "/v1/works/confirm", "/v1/works/upload"} {
			if a := good.post(path, body); a.code != fault.CodeCommonAuthExpired {
				t.Errorf("expired %s of %s: %s", path, name, a.body)
			}
		}
	}
	// The session's own job continues.
	a := spent.post("/v1/works/upload", map[string]string{"job_id": job})
	if a.code != "" {
		t.Fatalf("expired, own job: %s", a.body)
	}
	w.put(a.get("upload_url"), wav("x", 4000))
	if a := spent.post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != "" {
		t.Errorf("expired, own job: %s", a.body)
	}
	w.ahead.Add(int64(5 * time.Minute))
	if a := spent.post("/v1/works/confirm", map[string]string{"job_id": job}); a.code != fault.CodeTransactionExpired {
		t.Errorf("after the quote's end: %s", a.body)
	}
	if w.balance() != (credits.Balance{Available: 1000}) {
		t.Errorf("charged: %+v", w.balance())
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func together(n int, f func(i int) answer) []answer {
	var wg sync.WaitGroup
	start := make(chan struct{})
	out := make([]answer, n)
	for i := range n {
		wg.Go(func() {
			<-start
			out[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return out
}

// Two confirms at once, and two tabs with one token: each succeeds once.
func TestSimultaneousCalls(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		b := w.mint(map[string]any{"allowed_network": "mainnet"})
		main := map[string]any{"network": "mainnet"}
		job := b.prepared("Twice", main)
		won := 0
		for _, a := range together(8, func(int) answer { return b.post("/v1/works/confirm", map[string]string{"job_id": job}) }) {
			switch {
			case a.code == "":
				won++
			case a.code != fault.CodeTransactionAlreadyConfirmed || a.err.Details["transaction_id"] != job:
				t.Errorf("confirm: %s", a.body)
			}
		}
		if want := (credits.Balance{Available: 913, Held: 87}); won != 1 || w.balance() != want {
			t.Errorf("%d confirms, %+v", won, w.balance())
		}
		for _, path := range []string{"/v1/works/prepare", "/v1/works/upload"} {
			if a := b.post(path, map[string]string{"job_id": job}); a.code != fault.CodeTransactionAlreadyConfirmed {
				t.Errorf("%s after confirm: %s", path, a.body)
			}
		}
		b = w.mint(nil)
		won = 0
		for _, a := range together(8, func(i int) answer { return b.post("/v1/works/init", work(fmt.Sprint("Tab ", i), nil)) }) {
			switch {
			case a.code == "":
				won++
			case a.code != fault.CodeSessionInvalidToken:
				t.Errorf("init: %s", a.body)
			}
		}
		if won != 1 {
			t.Errorf("%d inits with one token", won)
		}
		// The same title, and the same audio.
		b = w.mint(map[string]any{"allowed_network": "mainnet"})
		if a := b.post("/v1/works/init", work(" TWICE ", main)); a.code != fault.CodeRegistrationDuplicateTitle || b.spent() {
			t.Errorf("title: %s", a.body)
		}
		job, url := b.init("Another", main)
		w.put(url, wav("Twice", 4000))
		if a := b.post("/v1/works/prepare", map[string]string{"job_id": job}); a.code != fault.CodeWorkAlreadyRegistered {
			t.Errorf("audio: %s", a.body)
		}
		// Too few credits at confirm: nothing is charged, and after a top-up the job
		// continues.
		b = w.mint(map[string]any{"allowed_network": "mainnet"})
		job = b.prepared("Dear", main)
		w.must(w.db.Tx(t.Context(), func(tx *store.Tx) error { return credits.Hold(t.Context(), tx, w.org, "x", 913-86) }))
		if a := b.post("/v1/works/confirm", map[string]string{"job_id": job}); a.code != fault.CodeRegistrationInsufficientCredits || w.balance().Available != 86 || w.state(job) != "prepared" {
			t.Errorf("86 credits: %s", a.body)
		}
		w.must(w.db.Tx(t.Context(), func(tx *store.Tx) error { return credits.Grant(t.Context(), tx, audit.CommandLine(), w.org, 1, "") }))
		if a := b.post("/v1/works/confirm", map[string]string{"job_id": job}); a.code != "" || w.balance().Available != 0 {
			t.Errorf("87 credits: %s", a.body)
		}
	})
}

// slow is an object store whose reads take longer than the body timeout.
type slow struct {
	blob.Store
	wait time.Duration
}

func (s slow) Open(ctx context.Context, key string) (io.ReadCloser, blob.Info, error) {
	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, blob.Info{}, ctx.Err()
	}
	return s.Store.Open(ctx, key)
}

// The body timeout ends when the body has arrived.
func TestLongPrepare(t *testing.T) {
	const limit = 300 * time.Millisecond
	w := newWorld(t, storetest.SQLite(t), options{bodyTimeout: limit, blobs: func(b blob.Store) blob.Store { return slow{b, 2 * limit} }})
	w.mint(nil).prepared("Patience", nil)
}

// away is an object store that does not answer.
type away struct{ blob.Store }

func (away) Copy(context.Context, string, string, int64) error { return errAway }

func TestStoreUnavailable(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t), options{blobs: func(b blob.Store) blob.Store { return away{b} }})
	b := w.mint(nil)
	job, url := b.init("Away", nil)
	w.put(url, wav("Away", 4000))
	a := b.post("/v1/works/prepare", map[string]string{"job_id": job})
	if a.code != fault.CodeCommonServiceUnavailable || bytes.Contains(a.body, []byte(errAway.Error())) {
		t.Errorf("%s", a.body)
	}
	if !strings.Contains(w.logged.String(), errAway.Error()) {
		t.Error("the cause is not logged")
	}
}
