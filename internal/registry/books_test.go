package registry

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/issuing"
)

// The ledger, the holds, the estimate and the audit log are read by index, however long they are.
func TestBooksAreReadByIndex(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const rows = 20_000
		db := w.raw(t)
		exec := func(text string) {
			t.Helper()
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		numbers := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", rows)
		const org, id = "CASE WHEN i - i / 2 * 2 = 0 THEN 'a' ELSE 'b' END", "'plan-' || CAST(1000000 + i AS TEXT)"
		exec("INSERT INTO ledger_transfers (id, organization_id, kind, transaction_id, created_at) " + numbers + "SELECT " + id + ", " + org + ", CASE WHEN i - i / 4 * 4 < 2 THEN 'hold' ELSE 'capture' END, " + id + ", 0 FROM n")
		for _, account := range []string{"available", "held"} {
			exec("INSERT INTO ledger_entries (transfer_id, account, amount, balance) SELECT id, '" + account + "', 1, 1 FROM ledger_transfers WHERE id LIKE 'plan-%' AND kind = 'hold'")
		}
		exec("INSERT INTO ledger_entries (transfer_id, account, amount, balance) SELECT id, 'spent', 1, 1 FROM ledger_transfers WHERE id LIKE 'plan-%' AND kind = 'capture'")
		nothing := "x'00'"
		if w.db.Dialect() == "postgres" {
			nothing = `'\x00'::bytea`
		}
		exec("INSERT INTO transactions (id, organization_id, network, kind, state, work_id, commitment, total_credits, steps, request_id, created_at, updated_at) " + numbers +
			"SELECT " + id + ", " + org + ", 'testnet', 'register', CASE WHEN i < 5000 THEN 'broadcast' ELSE 'final' END, " + id + ", " + nothing + ", 0, '[]', '', 0, 0 FROM n")
		exec("INSERT INTO audit_entries (id, organization_id, actor_kind, actor_id, actor_name, request_id, action, subject, changes, created_at) " + numbers +
			"SELECT " + id + ", " + org + ", 'person', 'p' || CAST(i - i / 1000 * 1000 AS TEXT), '', '', CASE WHEN i < 50 THEN 'origin.added' ELSE 'origin.removed' END, CAST(i AS TEXT), '[]', 0 FROM n")
		exec("ANALYZE")
		for _, q := range []struct {
			file, name string
			args       []string // $1, $2, …
		}{
			{"ledger", "history", []string{"'b'", "''", "'z'", "21"}},
			{"ledger", "historyOfKind", []string{"'b'", "'capture'", "''", "'z'", "21"}},
			{"ledger", "balanceBefore", []string{"'available'", "'b'", "'plan-1099999'"}},
			{"ledger", "spentBefore", []string{"'b'", "'plan-1099999'"}},
			{"ledger", "firstTransfer", []string{"'b'"}},
			{"ledger", "listHolds", []string{"'b'", "'z'", "11"}},
			{"audit", "auditEntries", []string{"'b'", "''", "'z'", "500"}},
			{"audit", "auditEntriesOfAction", []string{"'b'", "'origin.added'", "''", "'z'", "50"}},
			{"audit", "auditEntriesOfActor", []string{"'b'", "'p7'", "''", "'z'", "50"}},
			{"audit", "auditEntriesOfSubject", []string{"'b'", "'7'", "''", "'z'", "50"}},
			{"audit", "allAuditEntries", []string{"''", "'z'", "500"}},
		} {
			w.cheap(t, db, generated(t, q.file, q.name), q.args)
		}
		exec("DELETE FROM transactions WHERE id LIKE 'plan-%'")
		exec("DELETE FROM ledger_entries WHERE transfer_id LIKE 'plan-%'")
		exec("DELETE FROM ledger_transfers WHERE id LIKE 'plan-%'")
	})
}

// A certificate shows the issuer name and the logo of its time, and stays as it is.
func TestCertificateOfAnIssuer(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		by := audit.CommandLine()
		set := func(name string, side int) {
			t.Helper()
			if _, err := account.ChangeOrganization(t.Context(), w.db, by, w.org, 0, func(o *account.Organization) { o.IssuerName = name }); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, side, side))); err != nil {
				t.Fatal(err)
			}
			if _, err := account.SetLogo(t.Context(), w.db, by, w.org, 0, b.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
		w.reg.Issuing.Certify = issuing.Pages{PublicURL: "https://timbre.example", Registry: "Registry"}.Certify
		pdf := func(s *song) string {
			_, stored := s.certificateOf(1)
			return stored
		}
		set("First Label GmbH", 40)
		s := w.confirmed("Last Ferry", 1)
		w.advance()
		w.mustCertify(t)
		first := pdf(s)
		if !strings.Contains(first, "<rdf:li>First Label GmbH</rdf:li>") || !strings.Contains(first, "/Width 40/Height 40") {
			t.Error("the certificate lacks the issuer's name or the logo")
		}
		set("Second Label", 50)
		w.mustCertify(t)
		if pdf(s) != first {
			t.Error("a certificate changes with the settings")
		}
		other := w.confirmed("First Ferry", 2)
		w.advance()
		w.mustCertify(t)
		if second := pdf(other); !strings.Contains(second, "<rdf:li>Second Label</rdf:li>") || !strings.Contains(second, "/Width 50/Height 50") {
			t.Error("the next certificate lacks the new name or the new logo")
		}
	})
}
