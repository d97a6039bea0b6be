package registry

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/access"
	"timbre.example/internal/audit"
	"timbre.example/internal/blob"
	"timbre.example/internal/fault"
	"timbre.example/internal/files"
	"timbre.example/internal/intake"
	"timbre.example/internal/issuing"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/registry/registrytest"
	"timbre.example/internal/session"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/turns"
	"timbre.example/internal/works"
	"timbre.example/proof/evidence"
)

// The effect of a redaction on each column. The test fails until a new column has an entry here.
//
//	erased   its data of the work is deleted
//	public   it is on the network, or follows from what is
//	about    it is about the work and does not identify the work or its people
//	other    it is not about a work
var columns = map[string]string{
	"works":                  "id:about organization_id:about network:public ats_id:public owner:public title:erased title_key:erased external_user_ref:erased access_code_hash:erased access_code_generation:erased access_code_issued_at:erased latest_version:public created_at:about updated_at:about redacted_at:about test:about",
	"versions":               "work_id:about version:public transaction_id:about commitment:public media_hash:erased media:erased merkle_root:erased creators:erased filename:erased asset_key:erased certificate_key:erased quote:about tx_hash:public block_number:public block_hash:public registered_at:public timestamp_until:about language:erased issued_at:about organization_id:about certificate_at:about certificate_tries:about timestamp_at:about timestamp_tries:about words:about",
	"timestamps":             "work_id:about version:public token:about watched:other", // it is about the commitment, which is public
	"part_uploads":           "job_id:about store_id:about size_bytes:about part_bytes:about begun_at:about completed_at:about",
	"jobs":                   "id:about organization_id:about session_jti:about kind:about network:public external_user_ref:erased state:about work_id:about ats_id:public title:erased title_key:erased creators:erased filename:erased max_bytes:about upload_key:about asset_key:erased deadline:about quote_until:about media_hash:erased declared_hash:erased media:erased merkle_root:erased commitment:public quote:about total_credits:about created_at:about updated_at:about base_version:public rehearse:about hash_only:about language:erased test:about reading:erased upload_bytes:about api_key_id:about",
	"transactions":           "id:about organization_id:about network:public kind:public state:about work_id:about ats_id:public version:public commitment:public total_credits:about staged:public tx_hash:public block_number:public block_hash:public steps:about failure:about request_id:about rehearse:about test:about api_key_id:about created_at:about updated_at:about counted:about",
	"title_claims":           "organization_id:erased network:erased external_user_ref:erased title_key:erased work_id:erased",
	"media_claims":           "organization_id:erased network:erased media_hash:erased work_id:erased",
	"replaced_access_codes":  "hash:erased work_id:erased generation:erased replaced_by:erased replaced_at:erased",
	"api_keys":               "id:other organization_id:other hash:other prefix:other last_four:other test:other name:other scopes:other max_file_size:other webhook_url:other created_by:other created_at:other expires_at:other revoked_at:other last_used_at:other last_used_from:other",
	"audit_entries":          "id:other organization_id:other actor_kind:other actor_id:other actor_name:other request_id:other action:other subject:other changes:other created_at:other position:other hash:other",
	"idempotent_requests":    "id:other request:other claim:other leased_until:other status:other answer:other created_at:other", // hashes, and an encrypted answer; a day old at most
	"audit_heads":            "organization_id:other entries:other hash:other",
	"deliveries":             "kind:erased subject:erased work_id:erased organization_id:erased created_at:erased due_at:erased attempts:erased last_error:erased lane:erased", // of the work; an error may quote it
	"work_words":             "key:erased work_id:erased",
	"in_flight":              "transaction_id:about organization_id:about network:public work_id:about state:about ats_id:public created_at:about updated_at:about",
	"ended":                  "organization_id:about network:public state:about transaction_id:about ats_id:public counted:about ended_at:about",
	"quota_counters":         "organization_id:other month:other test:other count:other",
	"daily_counts":           "organization_id:other day:other network:other test:other kind:other code:other reason:other count:other credits:other",
	"webhook_endpoints":      "id:other organization_id:other api_key_id:other url:other description:other events:other network:other secret:other previous_secret:other previous_until:other disabled_at:other disabled_reason:other failing_since:other warned_at:other revision:other deleted_at:other created_at:other updated_at:other",
	"webhook_deliveries":     "id:erased organization_id:erased endpoint_id:erased event:erased transaction_id:erased work_id:erased payload:erased access_code:erased state:erased attempts:erased last_status:erased created_at:erased ended_at:erased", // the payload has the end-user
	"delivery_lanes":         "kind:other lane:other owner:other leased_until:other",
	"webhook_attempts":       "work_id:erased delivery_id:erased number:erased url:erased started_at:erased duration:erased status:erased headers:erased body:erased error:erased", // an answer may quote the payload
	"erasures":               "object_key:about since:about erased:about organization_id:about due_at:about tries:about",
	"organizations":          "id:other name:other suspended_at:other widget_enabled:other max_file_size:other access_code_ttl:other duplicate_titles:other asset_storage:other quota:other imprint:other created_at:other revision:other issuer_name:other logo_hash:other low_credits:other",
	"organization_logos":     "organization_id:other image:other hash:other width:other height:other created_at:other",
	"site_keys":              "site_key:other organization_id:other secret_hash:other test:other max_file_size:other disabled_at:other deleted_at:other created_at:other label:other previous_hash:other previous_until:other",
	"origins":                "organization_id:other pattern:other created_at:other",
	"requests":               "organization_id:other request_id:other correlation_id:about job_id:about method:other route:other status:other code:other reason:other caller_kind:other caller:other origin:other address_class:other took:other created_at:other", // some days old at most
	"sessions":               "jti:other organization_id:other site_key:other job_id:about revoked_at:other expires_at:other action:other network:other end_user:other origin:other",                                                                               // a day old at most; the end-user is a hash
	"ledger_accounts":        "organization_id:other account:other balance:other",
	"ledger_transfers":       "id:other organization_id:other kind:other transaction_id:about note:other created_at:other",
	"ledger_entries":         "transfer_id:other account:other amount:other balance:other",
	"credit_warnings":        "id:other organization_id:other level:other balance:other created_at:other",
	"logs":                   "network:public origin:public size:public refused:public blocks:public next_ats_id:public sequencer_at:other pending:public pending_checkpoint:public pending_at:public kept_at:other stopped:other keys:public pending_keys:public",
	"log_entries":            "network:public tx_hash:public body:public commitment:public received_at:public position:public idx:public leaf:public ats_id:public version:public block:public decided_at:public failure:public lost:public",
	"log_tiles":              "network:public level:public n:public data:public",
	"log_repairs":            "network:public from_size:public to_size:public lost:public checkpoint:public created_at:other",
	"log_cosigning":          "network:public timeout:public timeout_at:public holder:other lease_until:other",
	"log_witnesses":          "network:public witness:public label:public size:public cosigned_at:public failures:other failing_since:other due_at:other failure:other alarm:other proof:public",
	"stamping":               "network:public kind:other timeout:public next:public",
	"block_stamps":           "network:public block:public kind:other digest:public content:public complete:other due_at:other until:other tries:other",
	"log_anchors":            "network:public block:public digest:public updates:public begun_at:other hash:public staged:public decided_at:other failure:public ats_id:public version:public",
	"renewals":               "token_hash:public ends_at:public renewal:public renewed:other again_at:other tries:other",
	"log_cosignatures":       "network:public block:public witness:public line:public cosigned_at:public",
	"log_receipts":           "network:public block:public signature:public",
	"log_witnessed":          "network:public block:public witnessed_at:public",
	"log_blocks":             "network:public number:public hash:public first_idx:public size:public checkpoint:public created_at:public",
	"substrate_chains":       "network:public genesis:public number:public hash:public block_at:public seen_at:other finals:public failures:public stopped:other fees:public last_fee:public work_fee:public version_fee:public decimals:public symbol:public",
	"substrate_accounts":     "network:public account:public position:other address:public nonce:public free:public reserved:public works:public capacity:public low:other",
	"substrate_transactions": "network:public call:about hash:public updates:public commitment:public protocol:public account:public nonce:public ends:public item:public signed:public signed_hash:public signatures:about wanted:about sent_at:about answer:about decided_at:about failure:public ats_id:public version:public block:public position:public proven:about fee:public tip:public",
	"substrate_blocks":       "network:public number:public hash:public header:public created_at:public",
	"substrate_proofs":       "network:public hash:public proof:public",
	"substrate_sets":         "network:public set_id:public authorities:public block:public header:public justification:public votes:public seen:public",
	"people":                 "id:other email:other name:other language:other email_verified:other password_hash:other operator:other totp_secret:other totp_confirmed_at:other totp_step:other passkeys:other revision:other created_at:other new_email:other",
	"memberships":            "organization_id:other person_id:other email:other role:other created_at:other",
	"person_sessions":        "hash:other id:other person_id:other created_at:other seen_at:other expires_at:other proved_at:other address:other agent:other",
	"recovery_codes":         "person_id:other hash:other",
	"passkeys":               "id:other person_id:other name:other credential:other created_at:other used_at:other",
	"identities":             "issuer:other subject:other person_id:other created_at:other",
	"invitations":            "id:other organization_id:other email:other role:other invited_by:other created_at:other expires_at:other",
	"person_links":           "hash:other kind:other ref:other tries:other mailed:other expires_at:other",
	"known_devices":          "hash:other person_id:other expires_at:other",
	"mails":                  "id:other kind:other ref:other organization_id:other recipient:other language:other words:other created_at:other",
	"operator_visits":        "person_id:other organization_id:other expires_at:other",
	"budgets":                "key:other whole:other", // of keys, sessions and addresses; used up for minutes only
}

func TestEveryColumnHasAPlace(t *testing.T) {
	t.Parallel()
	url := storetest.SQLiteURL(t, t.TempDir())
	storetest.Open(t, url)
	db, err := registrytest.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found := map[string][]string{}
	for name := range tables(t, db) {
		rows, err := db.QueryContext(t.Context(), "SELECT name FROM pragma_table_info('"+name+"')")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var column string
			if err := rows.Scan(&column); err != nil {
				t.Fatal(err)
			}
			found[name] = append(found[name], column)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	for name, list := range found {
		var placed []string
		for _, one := range strings.Fields(columns[name]) {
			column, class, _ := strings.Cut(one, ":")
			placed = append(placed, column)
			if !slices.Contains([]string{"erased", "public", "about", "other"}, class) {
				t.Errorf("%s.%s is %q", name, column, class)
			}
		}
		for _, column := range list {
			if !slices.Contains(placed, column) {
				t.Errorf("%s.%s has no place: does it hold personal data? Then Redact erases it, and docs/privacy.md says so", name, column)
			}
		}
		for _, column := range placed {
			if !slices.Contains(list, column) {
				t.Errorf("%s.%s is not a column", name, column)
			}
		}
	}
	for name := range columns {
		if found[name] == nil {
			t.Errorf("%s is not a table", name)
		}
	}
}

// tables are the database's tables except those of the migrations.
func tables(t *testing.T, db *sql.DB) map[string]bool {
	t.Helper()
	text := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	if _, err := db.ExecContext(t.Context(), "SELECT 1 FROM sqlite_master"); err != nil {
		text = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
	}
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(name, "goose") {
			out[name] = true
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// traces returns the places in the database and the files that contain any of the texts.
func (w *world) traces(t *testing.T, texts ...string) (out []string) {
	t.Helper()
	db, err := registrytest.Open(w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	look := func(where string, b []byte) {
		for _, text := range texts {
			if bytes.Contains(bytes.ToLower(b), []byte(strings.ToLower(text))) {
				out = append(out, where+": "+text)
			}
		}
	}
	for name := range tables(t, db) {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+name)
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]any, len(names))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				switch x := (*v.(*any)).(type) {
				case []byte:
					look(name+"."+names[i], x)
				default:
					look(name+"."+names[i], fmt.Append(nil, x))
				}
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if path, ok := strings.CutPrefix(w.url, "sqlite:"); ok { // nothing may remain between the rows of the file either
		for _, end := range []string{"", "-wal"} {
			b, err := os.ReadFile(path + end)
			if err != nil {
				t.Fatal(err)
			}
			look("timbre.db"+end, b)
		}
	}
	err = filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		look(path, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// secrets are the texts of the work of remembered that must not be found.
var secrets = []string{"Quince Lullaby", "Ada Example", "ada@songs.example", "take.wav", "Bo Marker", "mix.wav", "ann-of-the-host", "RIFF"}

// After a redaction, nothing in any table or file identifies the work or its people. Public
// data stays, and the holder's evidence still verifies. No caller can read the work any
// more.
func TestRedact(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		c := w.caller("ann-of-the-host")
		first := w.beginAs(c, "Quince Lullaby", 1)
		p, err := first.prepare()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		first.wantFinal()
		ats := first.view().Done.AtsID
		own := func() access.Editor {
			t.Helper()
			u, err := w.reg.Access.EditorOfOwn(ctx, w.callerFor(session.UpdateVersion, w.keys, "ann-of-the-host"), ats, true)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		update := func(seed int) *song {
			t.Helper()
			s := &song{w: w, editor: own()}
			in := intake.UpdateRequest{NewFile: true, Filename: "mix.wav", Creators: describing("").Creators}
			in.Creators[0].FullName = "Bo Marker"
			if s.slot, err = w.reg.Intake.InitUpdate(ctx, s.editor, in); err != nil {
				t.Fatal(err)
			}
			w.put(s.slot.UploadURL, wav(seed))
			return s
		}
		w.finishes(update(2))
		if err := w.reg.Issuing.CertifyDue(ctx); err != nil {
			t.Fatal(err)
		}
		proof, err := w.reg.Issuing.Evidence(ctx, p.WorkID, 1)
		if err != nil {
			t.Fatal(err)
		}
		open := update(3)
		if _, err := open.prepare(); err != nil {
			t.Fatal(err)
		}
		if got := w.traces(t, secrets...); len(got) < len(secrets) {
			t.Fatalf("the test would find nothing: %v", got)
		}

		// First only list what would be erased.
		plan, err := w.reg.Erasing.Redactable(ctx, network.Testnet, ats)
		if err != nil || !plan.At.IsZero() || plan.Title != "Quince Lullaby" || plan.Versions != 2 || plan.Jobs != 3 || len(plan.Creators) != 2 {
			t.Fatalf("%+v, %v", plan, err)
		}
		before := len(w.traces(t, secrets...))

		// While a version is in flight nothing is erased.
		if _, err := open.confirm(); err != nil {
			t.Fatal(err)
		}
		_, err = w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, ats)
		wantCode(t, err, fault.CodeVersionAlreadyInProgress)
		if got := w.traces(t, secrets...); len(got) < before {
			t.Fatalf("something was erased: %v", got)
		}
		w.advance()
		open.wantFinal()
		late := update(4) // another job in progress, with a late upload
		checked := own()  // a moment before
		done, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, ats)
		if err != nil || done.At.IsZero() || done.Title != "" || done.Creators != nil || done.Versions != 3 {
			t.Fatalf("%+v, %v", done, err)
		}
		if got := w.traces(t, secrets...); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
		if again, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, ats); err != nil || !again.At.Equal(done.At) {
			t.Errorf("again: %+v, %v", again, err)
		}

		// The job in progress has ended.
		_, err = late.prepare()
		wantCode(t, err, fault.CodeTransactionExpired)
		_, err = late.confirm()
		wantCode(t, err, fault.CodeTransactionExpired)
		_, err = w.reg.Intake.InitUpdate(ctx, late.editor, intake.UpdateRequest{Creators: describing("").Creators})
		wantCode(t, err, fault.CodeSessionInvalidToken) // spent
		_, err = w.reg.Intake.InitUpdate(ctx, checked, intake.UpdateRequest{Creators: describing("").Creators})
		wantCode(t, err, fault.CodeWorkNotFound)

		// No caller can see the work or prove it again.
		u := w.callerFor(session.UpdateVersion, w.keys, "ann-of-the-host")
		reader := w.callerFor(session.Access, w.keys, "ann-of-the-host")
		if page, err := w.ownWorks(reader, works.OwnWorksRequest{First: 10}); err != nil || page.Total != 0 {
			t.Errorf("%+v, %v", page, err)
		}
		for name, ask := range map[string]func() error{
			"own, to read":          func() error { _, err := w.reg.Access.ReaderOfOwn(ctx, reader, ats); return err },
			"own, to write":         func() error { _, err := w.reg.Access.EditorOfOwn(ctx, u, ats, true); return err },
			"own, checked before":   func() error { _, err := w.reg.Works.OwnWork(ctx, checked.Reader()); return err },
			"recording":             func() error { _, err := w.recording(reader, p.WorkID, 1); return err },
			"certificate":           func() error { _, err := w.certificate(ctx, reader, p.WorkID, 1); return err },
			"certificate of a job":  func() error { _, err := w.certificate(ctx, c, p.WorkID, 0); return err },
			"evidence":              func() error { _, err := w.reg.Issuing.Evidence(ctx, p.WorkID, 1); return err },
			"evidence of version 3": func() error { _, err := w.reg.Issuing.Evidence(ctx, p.WorkID, 3); return err },
		} {
			if err := ask(); !errors.Is(err, fault.CodeWorkNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := w.reg.Issuing.CertifyDue(ctx); err != nil {
			t.Fatal(err)
		}
		if got := w.traces(t, secrets...); len(got) != 0 || w.filesBelow("certificates") != 0 {
			t.Errorf("made again: %v", got)
		}

		// Public data is still there, and the holder's evidence still verifies.
		if v := first.view(); v.Done == nil || v.Done.AtsID != ats || v.Done.AccessCode != "" {
			t.Errorf("%+v", v.Done)
		}
		if report, err := evidence.Verify(proof, evidence.Options{}); err != nil || !report.OK() {
			t.Errorf("%+v, %v", report, err)
		}

		// An upload that arrives late, as it can in a bucket, is removed by the next sweep
		// but one.
		if status, text := w.tryPut(late.slot.UploadURL, wav(5)); status == http.StatusOK || !strings.Contains(text, "transaction.expired") {
			t.Errorf("PUT: %d %s", status, text)
		}
		if err := w.blobs.Put(ctx, files.Uploads+late.slot.JobID, wav(5)); err != nil {
			t.Fatal(err)
		}
		w.pass(24 * time.Hour)
		if _, err := w.reg.Erasing.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if got := w.traces(t, "RIFF"); len(got) != 0 {
			t.Errorf("uploaded late: %v", got)
		}

		// Title and recording are free for another work.
		w.finishes(w.beginAs(w.caller("ann-of-the-host"), "Quince Lullaby", 6))
		w.finishes(w.beginAs(w.caller("ann-of-the-host"), "Another", 1))
	})
}

// A work with an access code: neither the code nor the codes that it replaced are known any
// more, and its transaction shows none.
func TestRedactAccessCode(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.quoted("Coded", 1)
		confirmed, err := s.confirm()
		if err != nil {
			t.Fatal(err)
		}
		w.advance()
		if s.view().Done.AccessCode != confirmed.AccessCode {
			t.Fatal("no access code")
		}
		c := w.callerFor(session.UpdateVersion, w.keys, "")
		next, err := w.reg.Works.ReplaceCode(ctx, c, confirmed.AccessCode)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, s.view().Done.AtsID); err != nil {
			t.Fatal(err)
		}
		for _, code := range []string{confirmed.AccessCode, next} {
			_, err := w.reg.Access.EditorByCode(ctx, c, code, true)
			wantCode(t, err, fault.CodeAccessCodeNotFound)
			_, err = w.reg.Works.ReplaceCode(ctx, c, code)
			wantCode(t, err, fault.CodeAccessCodeNotFound)
		}
		if code := s.view().Done.AccessCode; code != "" {
			t.Errorf("the transaction shows %s", code)
		}
		_, err = w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, 999)
		wantCode(t, err, fault.CodeWorkNotFound)
	})
}

// After any failure, calling Redact again finishes it, and so does a server's sweep.
func TestRedactFails(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		sweep := func() error { _, err := w.reg.Erasing.Sweep(ctx); return err }
		for i, finish := range []func() error{nil, sweep} {
			s := w.confirmed("Fails", i)
			w.advance()
			s.wantFinal()
			ats := s.view().Done.AtsID
			redact := func() error {
				_, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, ats)
				return err
			}
			if finish == nil {
				finish = redact
			}

			w.blobs.fail(func(op, key string) error { return errors.New("another store") })
			if err := redact(); err == nil || w.filesBelow("assets") != 1 || len(w.traces(t, "Fails")) == 0 {
				t.Fatalf("%v, and something was erased", err)
			}
			n := 0
			w.blobs.fail(func(op, key string) error {
				if n++; op == "delete" && n > 2 {
					return errors.New("disk on fire")
				}
				return nil
			})
			if err := redact(); err == nil {
				t.Fatal("no error")
			}
			if got := w.traces(t, "Fails", "Ada Example"); len(got) != 0 {
				t.Errorf("the rows still hold %v", got)
			}
			w.check(false)
			w.blobs.fail(nil)
			if i > 0 {
				w.pass(turns.FirstPause)
			}
			if err := finish(); err != nil {
				t.Fatal(err)
			}
			w.wantNoFiles()
		}
	})
}

// A registration that the network refused leaves no name behind, once it is swept.
func TestRefusedIsForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.net.Refuse(networktest.Stage, "not today")
		s := w.confirmed("Quince Lullaby", 1)
		w.advance()
		s.wantFailed("not today")
		w.pass(24 * time.Hour)
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.db.Scrub(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.traces(t, secrets...); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
		s.wantFailed("not today")
	})
}

// A certificate that is being made during the redaction of its work is removed.
func TestRedactWhileCertified(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.confirmed("Between", 1)
		w.advance()
		s.wantFinal()
		done := s.view().Done
		w.reg.Issuing.Certify = func(context.Context, issuing.Issue) ([]byte, error) {
			_, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, done.AtsID)
			return []byte("%PDF Between"), err
		}
		if err := w.reg.Issuing.CertifyDue(ctx); err != nil {
			t.Fatal(err)
		}
		if got := w.traces(t, "Between"); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	})
}

// One file that cannot be deleted does not stop the deletion of others.
func TestStuckErasure(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var songs []*song
		for i, title := range []string{"Stuck", "Other"} {
			s := w.confirmed(title, i)
			w.advance()
			s.wantFinal()
			songs = append(songs, s)
		}
		stuck := func(op, key string) error {
			if op == "delete" && strings.HasPrefix(key, "assets/") && strings.Contains(key, songs[0].view().ID) {
				return errors.New("not permitted")
			}
			return nil
		}
		w.blobs.fail(stuck)
		if _, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, songs[0].view().Done.AtsID); err == nil {
			t.Error("no error")
		}
		w.pass(time.Minute)
		if _, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, songs[1].view().Done.AtsID); err == nil {
			t.Error("no error")
		}
		if n := w.filesBelow("assets"); n != 1 {
			t.Errorf("%d recordings are left, want the one that cannot be deleted", n)
		}
		w.blobs.fail(nil)
		w.pass(2 * turns.FirstPause)
		if _, err := w.reg.Erasing.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		w.wantNoFiles()
	})
}

// The copy of a killed prepare is removed, also when its work is redacted.
func TestCopyOfAKilledPrepareIsRemoved(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		s := w.begin("Killed", 1)
		w.blobs.fail(func(op, _ string) error {
			if op == "open" || op == "delete" { // as good as killed: it can do nothing any more
				return errors.New("killed")
			}
			return nil
		})
		if _, err := s.prepare(); err == nil {
			t.Fatal("no error")
		}
		w.blobs.fail(nil)
		if w.filesBelow("assets") != 1 {
			t.Fatal("no copy")
		}
		w.finishes(s)
		w.pass(24 * time.Hour)
		if _, err := w.reg.Erasing.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if n := w.filesBelow("assets"); n != 1 {
			t.Errorf("%d recordings, want the one that is registered", n)
		}
		if _, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Testnet, s.view().Done.AtsID); err != nil {
			t.Fatal(err)
		}
		if got := w.traces(t, "RIFF"); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	})
}

// One upload that cannot be deleted does not stop other jobs from being forgotten. It is
// forgotten itself once it can be deleted.
func TestStuckLeftover(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		stuck := w.begin("Quince Lullaby", 1)
		w.begin("Other Lullaby", 2)
		w.blobs.fail(func(op, key string) error {
			if op == "delete" && strings.Contains(key, stuck.slot.JobID) {
				return errors.New("not permitted")
			}
			return nil
		})
		for range 3 {
			w.pass(24 * time.Hour)
			if _, err := w.reg.Erasing.Sweep(t.Context()); err == nil {
				t.Error("no error")
			}
		}
		if err := w.db.Scrub(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.traces(t, "Other Lullaby"); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
		w.blobs.fail(nil)
		w.pass(24 * time.Hour)
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wantNoFiles()
		if err := w.db.Scrub(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.traces(t, secrets...); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	})
}

// A work whose files the store has lost can be erased if another file shows that it is the
// server's store.
func TestRedactWithoutItsFiles(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		lost := w.confirmed("Quince Lullaby", 1)
		w.finishes(w.begin("Other Lullaby", 2))
		lost.wantFinal()
		v := w.version(lost.view().Done.WorkID, 1)
		if err := w.blobs.Delete(t.Context(), v.AssetKey); err != nil {
			t.Fatal(err)
		}
		if _, err := w.reg.Erasing.Redact(t.Context(), audit.CommandLine(), network.Testnet, lost.view().Done.AtsID); err != nil {
			t.Fatal(err)
		}
		if got := w.traces(t, "Quince Lullaby"); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	})
}

// A second redaction with another store does not claim that the files are gone.
func TestRedactAgainInAnotherStore(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.confirmed("Quince Lullaby", 1)
		w.finishes(w.begin("Other Lullaby", 2))
		ats := s.view().Done.AtsID
		w.blobs.fail(func(op, _ string) error {
			if op == "delete" {
				return errors.New("not permitted")
			}
			return nil
		})
		if _, err := w.reg.Erasing.Redact(t.Context(), audit.CommandLine(), network.Testnet, ats); err == nil {
			t.Fatal("no error")
		}
		w.blobs.fail(nil)
		other, err := blob.NewDisk(t.TempDir(), "http://localhost/blob", make([]byte, 32), blob.Options{RenderError: func(http.ResponseWriter, *http.Request, error) {}})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		there := w.another(w.db)
		there.Erasing.Blobs = other
		if _, err := there.Erasing.Redact(t.Context(), audit.CommandLine(), network.Testnet, ats); err == nil {
			t.Error("another store was accepted")
		}
		w.pass(2 * turns.FirstPause)
		if _, err := w.reg.Erasing.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.filesBelow("assets"); n != 1 {
			t.Errorf("%d recordings are left, want that of the other work", n)
		}
	})
}

// An expired job whose upload cannot be deleted delays no erasure.
func TestErasureBesideAnExpiry(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.confirmed("Quince Lullaby", 1)
		w.advance()
		s.wantFinal()
		for i := range 3 {
			w.begin(fmt.Sprint("Attempt ", i), 2+i)
		}
		w.blobs.fail(func(op, _ string) error {
			if op == "delete" {
				return errors.New("not permitted")
			}
			return nil
		})
		if _, err := w.reg.Erasing.Redact(t.Context(), audit.CommandLine(), network.Testnet, s.view().Done.AtsID); err == nil {
			t.Error("no error")
		}
		w.blobs.fail(func(op, key string) error {
			if op == "delete" && strings.HasPrefix(key, "uploads/") && !strings.Contains(key, s.view().ID) {
				return errors.New("not permitted")
			}
			return nil
		})
		w.pass(3 * time.Hour)
		if ended, err := w.reg.Erasing.Sweep(t.Context()); err == nil || ended != 3 {
			t.Errorf("%d ended, %v", ended, err)
		}
		if n := w.filesBelow("assets"); n != 0 {
			t.Error("the recording is still there")
		}
	})
}
