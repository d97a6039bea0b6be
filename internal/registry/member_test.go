package registry

import (
	"testing"

	"timbre.example/internal/access"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/permission"
	"timbre.example/internal/search"
	"timbre.example/internal/tally"
)

// Members read the works of their organization alone, by their role. A new access code replaces the old one once, and the
// erasure takes the words and the code.
func TestMembers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		code := w.registered("Quince Lullaby", 1)
		id := w.holder(code).WorkID()
		row, err := w.db.Read().GetWork(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		org := row.OrganizationID
		find := func(text string) int {
			t.Helper()
			f, err := search.Find(ctx, w.db, search.Question{Organization: org, Scopes: []search.Scope{{Network: row.Network, Test: row.Test}}, Text: text, Limit: 5})
			if err != nil {
				t.Fatal(err)
			}
			return len(f.Works)
		}
		if find("lullaby quince") != 1 || find("ada exa") != 1 {
			t.Error("the work has no words from its own transaction")
		}
		day := tally.DayOf(w.db.Now())
		if all, err := tally.Days(ctx, w.db, org, day-1, day+1); err != nil || len(all) != 1 || all[0].Count != 1 || all[0].Code != "" || all[0].Credits <= 0 {
			t.Errorf("%+v, %v", all, err)
		}
		admin := access.Member{Organization: org, Role: permission.Admin}
		for _, m := range []access.Member{{Organization: "01890000-0000-7000-8000-000000000000", Role: permission.Owner}, {Role: permission.Owner}} {
			_, err := w.reg.Access.ReaderByMember(ctx, m, id)
			wantCode(t, err, fault.CodeWorkNotFound)
		}
		_, err = w.reg.Access.ReaderByMember(ctx, admin, "x")
		wantCode(t, err, fault.CodeWorkNotFound)
		if _, err := w.reg.Access.ReaderByMember(ctx, access.Member{Organization: org, Role: permission.Viewer}, id); err != nil {
			t.Error(err)
		}
		_, err = w.reg.Access.ManagerByMember(ctx, access.Member{Organization: org, Role: permission.Developer}, id)
		wantCode(t, err, fault.CodeCommonForbidden)
		m, err := w.reg.Access.ManagerByMember(ctx, admin, id)
		if err != nil {
			t.Fatal(err)
		}
		next, err := w.reg.Works.RenewCode(ctx, audit.CommandLine(), m, 0)
		if err != nil || next == code {
			t.Fatalf("%q, %v", next, err)
		}
		_, err = w.reg.Works.RenewCode(ctx, audit.CommandLine(), m, 0)
		wantCode(t, err, fault.CodeCommonConflict)
		if w.holder(next).WorkID() != id {
			t.Error("the new code does not open the work")
		}
		if _, err := w.reg.Erasing.Redact(ctx, audit.CommandLine(), network.Name(row.Network), row.AtsID); err != nil {
			t.Fatal(err)
		}
		if find("lullaby") != 0 || find("") != 1 {
			t.Error("the erased work is found by its words, or is not in the list")
		}
		read, err := w.reg.Works.Registered(ctx, m.Reader(), 0, 5)
		if err != nil || read.Title != "" || read.HasCode || read.RedactedAt.IsZero() || len(read.Versions) != 1 || read.Versions[0].Creators != nil {
			t.Errorf("%+v, %v", read, err)
		}
		_, err = w.reg.Works.RenewCode(ctx, audit.CommandLine(), m, 1)
		wantCode(t, err, fault.CodeCommonNotFound)
	})
}
