package api_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// The requests and answers of a session that never uploads its recordings.
func TestHashOnly(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		w.work()
		song := wav("mine", 4000)
		hash := fmt.Sprintf("0x%x", sha256.Sum256(song))
		as := func(action string) tab {
			return w.mint(map[string]any{"action_type": action, "external_user_ref": "ada", "asset_storage": "none"})
		}
		b := as("register")
		a := b.post("/v1/works/init", work("Mine", map[string]any{"size_bytes": len(song)}))
		if d := cmp.Diff([]string{"job_id", "upload"}, keys(t, a.body)); d != "" || a.get("upload") != "none" {
			t.Fatalf("init: %d %s %s", a.status, a.body, d)
		}
		job := a.get("job_id")
		if a := b.post("/v1/works/upload", map[string]any{"job_id": job}); a.code != fault.CodeCommonValidationFailed || a.rules() != "job_id no_upload" {
			t.Errorf("upload: %s", a.body)
		}
		for said, rules := range map[string]string{
			`{"job_id":%q}`: "media_sha256 required, size_bytes required",
			`{"job_id":%q,"media_sha256":"0x12","size_bytes":9}`:               "media_sha256 sha256",
			`{"job_id":%q,"media_sha256":12,"size_bytes":9}`:                   "media_sha256 type",
			`{"job_id":%q,"media_sha256":"` + hash + `"}`:                      "size_bytes required",
			`{"job_id":%q,"media_sha256":"` + hash + `","size_bytes":-1}`:      "size_bytes min",
			`{"job_id":%q,"media_sha256":"` + hash + `","size_bytes":"large"}`: "size_bytes type",
		} {
			if a := b.post("/v1/works/prepare", fmt.Sprintf(said, job)); a.code != fault.CodeCommonValidationFailed || a.rules() != rules {
				t.Errorf("prepare %s: %s, want %s", said, a.body, rules)
			}
		}
		a = b.post("/v1/works/prepare", map[string]any{"job_id": job, "media_sha256": hash, "size_bytes": len(song)})
		if a.get("media_hash") != hash || strings.Contains(string(a.body), `"format"`) {
			t.Errorf("prepare: %s", a.body)
		}
		id := a.get("work_id")
		w.done(b.post("/v1/works/confirm", map[string]any{"job_id": job}).get("transaction_id"))

		reader := as("access")
		for _, path := range []string{"/download/asset", "/versions/1/download/audio"} {
			a := reader.read("/v1/works/" + id + path)
			var body struct {
				Error struct{ Details struct{ Reason string } }
			}
			if err := json.Unmarshal(a.body, &body); err != nil || a.status != 404 || a.code != fault.CodeCommonNotFound || body.Error.Details.Reason != "hash_only" {
				t.Errorf("%s: %s", path, a.body)
			}
		}
		if a := reader.read("/v1/works"); !strings.Contains(string(a.body), `"has_files":false`) || !strings.Contains(string(a.body), hash) {
			t.Errorf("list: %s", a.body)
		}

		// A new recording in an update: declared to init-upload, and checked.
		next := wav("mixed", 4000)
		u := as("update_version")
		a = u.post("/v1/works/1/versions/init-upload", map[string]any{"creators": []any{creator()}, "filename": "mix.wav",
			"size_bytes": len(next), "media_sha256": fmt.Sprintf("%x", sha256.Sum256(next))})
		if d := cmp.Diff([]string{"job_id", "upload"}, keys(t, a.body)); d != "" {
			t.Fatalf("init-upload: %s %s", a.body, d)
		}
		job = a.get("job_id")
		if a := u.post("/v1/works/1/versions/prepare", map[string]any{"job_id": job}); a.get("media_hash") != fmt.Sprintf("0x%x", sha256.Sum256(next)) {
			t.Errorf("prepare: %s", a.body)
		}
		w.done(u.post("/v1/works/1/versions/confirm", map[string]any{"job_id": job}).get("transaction_id"))
		// An update that keeps the recording.
		u = as("update_version")
		a = u.post("/v1/works/1/versions/init", map[string]any{"creators": []any{creator()}})
		if d := cmp.Diff([]string{"job_id"}, keys(t, a.body)); d != "" {
			t.Fatalf("init: %s %s", a.body, d)
		}
		job = a.get("job_id")
		u.post("/v1/works/1/versions/prepare", map[string]any{"job_id": job})
		w.done(u.post("/v1/works/1/versions/confirm", map[string]any{"job_id": job}).get("transaction_id"))
	})
}

// How mint reads asset_storage.
func TestHashOnlyMint(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, options{})
		for _, c := range []struct{ value, rules string }{{"keep", "asset_storage one_of"}, {"", "asset_storage one_of"}} {
			if a := w.tryMint(map[string]any{"asset_storage": c.value}); a.rules() != c.rules {
				t.Errorf("%q: %s", c.value, a.body)
			}
		}
		if a := w.tryMint(map[string]any{"asset_storage": nil}); a.code != "" {
			t.Errorf("null: %s", a.body)
		}
		// A test session can rehearse every code that a hash-only flow can have, and no
		// upload error.
		test, err := account.CreateKeys(t.Context(), w.db, audit.CommandLine(), w.org, "", true)
		w.must(err)
		rehearsing := func(code fault.Code, storage any) answer {
			return w.tryMint(map[string]any{"secret_key": test.SecretKey, "rehearse": code, "asset_storage": storage})
		}
		if a := rehearsing(fault.CodeWidgetUploadError, "none"); a.rules() != "rehearse hash_only" {
			t.Errorf("an upload: %s", a.body)
		}
		for _, a := range []answer{rehearsing(fault.CodeWidgetUploadError, nil), rehearsing(fault.CodeRegistrationAudioTooLarge, "none")} {
			if a.code != "" {
				t.Errorf("rehearsal: %s", a.body)
			}
		}
	})
}
