package audit_test

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

// each runs a test on both databases. exec runs a statement that no release contains.
func each(t *testing.T, f func(t *testing.T, db *store.DB, exec func(text string) error)) {
	urls := map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return storetest.SQLiteURL(t, t.TempDir()) },
		"postgres": func(t *testing.T) string { return storetest.PostgresURL(t) },
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := url(t)
			db := storetest.Open(t, at)
			driver := "pgx"
			if path, ok := strings.CutPrefix(at, "sqlite:"); ok {
				driver, at = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
			}
			raw, err := sql.Open(driver, at)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { raw.Close() })
			f(t, db, func(text string) error {
				_, err := raw.ExecContext(t.Context(), text)
				return err
			})
		})
	}
}

var owner = audit.Actor{Kind: audit.Person, ID: "p1", Name: "zoe@songs.example", RequestID: "req_1"}

func record(t *testing.T, db *store.DB, entries ...audit.Entry) {
	t.Helper()
	for _, e := range entries {
		if err := db.Tx(t.Context(), func(tx *store.Tx) error { return audit.Record(t.Context(), tx, e) }); err != nil {
			t.Fatal(err)
		}
	}
}

// No one can edit: both databases refuse it.
func TestNoOneCanEdit(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, exec func(string) error) {
		record(t, db, audit.Entry{Organization: "o", Actor: owner, Action: "origin.added", Subject: "https://songs.example"})
		if err := db.Migrate(t.Context()); err != nil { // a second start
			t.Fatal(err)
		}
		statements := []string{
			"UPDATE audit_entries SET actor_name = 'somebody'", "UPDATE audit_entries SET hash = hash WHERE organization_id = 'o'", "DELETE FROM audit_entries", "DELETE FROM audit_entries WHERE organization_id = 'o'",
			"INSERT INTO audit_entries SELECT * FROM audit_entries",
		}
		if db.Dialect() == "postgres" {
			statements = append(statements, "TRUNCATE audit_entries",
				"INSERT INTO audit_entries SELECT * FROM audit_entries ON CONFLICT (id) DO UPDATE SET actor_name = 'somebody'")
		} else {
			statements = append(statements, "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries",
				"REPLACE INTO audit_entries SELECT 'another', organization_id, actor_kind, actor_id, 'somebody', request_id, action, subject, changes, created_at, position, hash FROM audit_entries",
				"INSERT INTO audit_entries SELECT * FROM audit_entries WHERE true ON CONFLICT (id) DO UPDATE SET actor_name = 'somebody'")
		}
		for _, text := range statements {
			if err := exec(text); err == nil || !strings.Contains(err.Error(), "an audit entry never") && !strings.Contains(strings.ToLower(err.Error()), "unique") {
				t.Errorf("is not refused: %s: %v", text, err)
			}
		}
		page, err := audit.List(t.Context(), db, audit.Filter{Organization: "o"}, "", 10)
		if err != nil || len(page.Entries) != 1 || page.Entries[0].Actor != owner {
			t.Errorf("%+v, %v", page, err)
		}
		// An entry that nothing changes is inserted as before.
		record(t, db, audit.Entry{Organization: "o", Actor: owner, Action: "origin.removed"})
	})
}

// Even without the triggers, an edit is found.
func TestEditsAreFound(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, exec func(string) error) {
		ctx := t.Context()
		for i := range 1100 { // more than Verify reads at once
			record(t, db, audit.Entry{Organization: "o", Actor: owner, Action: "origin.added", Subject: fmt.Sprint(i)})
		}
		record(t, db, audit.Entry{Actor: audit.CommandLine(), Action: "organization.created"})
		first, err := audit.Verify(ctx, db, "o", nil)
		if err != nil || first.Entries != 1100 || len(first.Hash) != 64 {
			t.Fatalf("%+v, %v", first, err)
		}
		record(t, db, audit.Entry{Organization: "o", Actor: owner, Action: "origin.removed"})
		if _, err := audit.Verify(ctx, db, "o", &first); err != nil {
			t.Fatal(err)
		}
		heads, err := audit.Heads(ctx, db, nil, 10)
		if err != nil || len(heads) != 2 || heads[0].Organization != "" || heads[1].Entries != 1101 {
			t.Fatalf("%+v, %v", heads, err)
		}
		if db.Dialect() == "postgres" {
			err = exec("ALTER TABLE audit_entries DISABLE TRIGGER USER")
		} else {
			err = errors.Join(exec("DROP TRIGGER audit_no_update"), exec("DROP TRIGGER audit_no_delete"), exec("DROP TRIGGER audit_no_replace"))
		}
		if err != nil {
			t.Fatal(err)
		}
		broken := func(what string, position int64, earlier *audit.Head) {
			t.Helper()
			_, err := audit.Verify(ctx, db, "o", earlier)
			var b audit.Break
			if !errors.As(err, &b) || b.Position != position {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, c := range []struct {
			edit, undo string
			position   int64
		}{
			{"UPDATE audit_entries SET actor_name = 'x' WHERE position = 700 AND organization_id = 'o'", "UPDATE audit_entries SET actor_name = 'zoe@songs.example' WHERE position = 700 AND organization_id = 'o'", 700},
			{"UPDATE audit_entries SET created_at = created_at + 1 WHERE position = 1 AND organization_id = 'o'", "UPDATE audit_entries SET created_at = created_at - 1 WHERE position = 1 AND organization_id = 'o'", 1},
			{"UPDATE audit_entries SET position = 5000 WHERE position = 600 AND organization_id = 'o'", "UPDATE audit_entries SET position = 600 WHERE position = 5000", 600},
			{"UPDATE audit_heads SET entries = 1102 WHERE organization_id = 'o'", "UPDATE audit_heads SET entries = 1101 WHERE organization_id = 'o'", 1102},
		} {
			if err := exec(c.edit); err != nil {
				t.Fatal(err)
			}
			broken(c.edit, c.position, nil)
			if err := exec(c.undo); err != nil {
				t.Fatal(err)
			}
			if _, err := audit.Verify(ctx, db, "o", &first); err != nil {
				t.Fatalf("after %s: %v", c.undo, err)
			}
		}
		// The end of the chain is cut, with its head: only an earlier head shows it.
		last, err := audit.Verify(ctx, db, "o", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(exec("DELETE FROM audit_entries WHERE position = 1101 AND organization_id = 'o'"),
			exec("UPDATE audit_heads SET entries = 1100, hash = (SELECT e.hash FROM audit_entries e WHERE e.organization_id = 'o' AND e.position = 1100) WHERE organization_id = 'o'")); err != nil {
			t.Fatal(err)
		}
		if _, err := audit.Verify(ctx, db, "o", nil); err != nil {
			t.Error(err)
		}
		broken("cut", 1101, &last)
		record(t, db, audit.Entry{Organization: "o", Actor: owner, Action: "origin.added", Subject: "instead"})
		broken("replaced", 1101, &last)
		if err := exec("DELETE FROM audit_heads WHERE organization_id = 'o'"); err != nil {
			t.Fatal(err)
		}
		broken("without a head", 1, &last)
	})
}

func TestList(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ func(string) error) {
		ctx := t.Context()
		key := audit.Actor{Kind: audit.APIKey, ID: "k1", Name: "shop"}
		record(t, db,
			audit.Entry{Organization: "o", Actor: owner, Action: "origin.added", Subject: "https://songs.example"},
			audit.Entry{Organization: "o", Actor: key, Action: "organization.changed", Subject: "o", Changes: []audit.Change{{Field: "name", Old: "Straße", New: "=HYPERLINK(\"x\")"}}},
			audit.Entry{Organization: "other", Actor: owner, Action: "origin.added", Subject: "https://songs.example"},
			audit.Entry{Organization: "o", Actor: audit.Server(), Action: "origin.removed", Subject: "bad \x00 \xff text", Changes: []audit.Change{{Field: "x", New: strings.Repeat("é", 2000)}}},
			audit.Entry{Actor: audit.CommandLine(), Action: "organization.created", Subject: "o"},
		)
		now := time.Now()
		for _, c := range []struct {
			name string
			f    audit.Filter
			want []string
		}{
			{"all of one", audit.Filter{Organization: "o"}, []string{"origin.removed", "organization.changed", "origin.added"}},
			{"the installation", audit.Filter{}, []string{"organization.created"}},
			{"everywhere", audit.Filter{Everywhere: true}, []string{"organization.created", "origin.removed", "origin.added", "organization.changed", "origin.added"}},
			{"an organization without changes", audit.Filter{Organization: "nobody"}, nil},
			{"a kind of actor", audit.Filter{Organization: "o", ActorKind: audit.System}, []string{"origin.removed"}},
			{"an actor", audit.Filter{Organization: "o", ActorID: "k1"}, []string{"organization.changed"}},
			{"an actor of another kind", audit.Filter{Organization: "o", ActorID: "k1", ActorKind: audit.Person}, nil},
			{"an action", audit.Filter{Organization: "o", Action: "origin.added"}, []string{"origin.added"}},
			{"a subject", audit.Filter{Organization: "o", Subject: "https://songs.example"}, []string{"origin.added"}},
			{"a subject everywhere", audit.Filter{Everywhere: true, Subject: "https://songs.example"}, []string{"origin.added", "origin.added"}},
			{"a text in a value, whatever its case", audit.Filter{Organization: "o", Text: "STRASSE"}, []string{"organization.changed"}},
			{"a text in a name", audit.Filter{Organization: "o", Text: "ZOE@"}, []string{"origin.added"}},
			{"a pattern is a text", audit.Filter{Organization: "o", Text: "%"}, nil},
			{"since", audit.Filter{Organization: "o", Since: now.Add(time.Minute)}, nil},
			{"until", audit.Filter{Organization: "o", Until: now.Add(-time.Minute)}, nil},
			{"between", audit.Filter{Organization: "o", Action: "origin.added", Since: now.Add(-time.Minute), Until: now.Add(time.Minute)}, []string{"origin.added"}},
		} {
			page, err := audit.List(ctx, db, c.f, "", 10)
			if err != nil || page.Next != "" {
				t.Errorf("%s: %v, %q", c.name, err, page.Next)
			}
			var got []string
			for _, e := range page.Entries {
				got = append(got, e.Action)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s: %s", c.name, d)
			}
			// The same in pages of one entry.
			got = nil
			for next := ""; ; {
				page, err := audit.List(ctx, db, c.f, next, 1)
				if err != nil || len(page.Entries) > 1 {
					t.Fatal(page, err)
				}
				for _, e := range page.Entries {
					got = append(got, e.Action)
				}
				if next = page.Next; next == "" {
					break
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s, in pages: %s", c.name, d)
			}
		}
		for _, f := range []audit.Filter{{Text: strings.Repeat("x", 201)}, {Text: "a\x00b"}, {Subject: "\xff"}, {Action: strings.Repeat("x", 2000)}} {
			if _, err := audit.List(ctx, db, f, "", 1); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("%+v: %v", f, err)
			}
		}
		page, err := audit.List(ctx, db, audit.Filter{Organization: "o", ActorKind: audit.System}, "", 1)
		if err != nil || page.Entries[0].Subject != "bad \ufffd \ufffd text" || len(page.Entries[0].Changes[0].New) > 1010 {
			t.Errorf("%+v, %v", page, err)
		}
		if _, err := audit.Verify(ctx, db, "o", nil); err != nil {
			t.Error(err)
		}
		var file strings.Builder
		if err := audit.WriteCSV(ctx, &file, db, audit.Filter{Organization: "o", ActorID: "k1"}); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Split(strings.TrimSpace(file.String()), "\r\n"); len(lines) != 2 || !strings.Contains(lines[1], `,api_key,k1,shop,organization.changed,o,"name: Straße → =HYPERLINK(""x"")",`) {
			t.Errorf("%s", file.String())
		}
	})
}

// Changes at once get places one after the other.
func TestChangesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB, _ func(string) error) {
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				record(t, db, audit.Entry{Organization: fmt.Sprint(i % 2), Actor: owner, Action: "origin.added", Subject: fmt.Sprint(i)})
			})
		}
		all.Wait()
		for _, organization := range []string{"0", "1"} {
			if h, err := audit.Verify(t.Context(), db, organization, nil); err != nil || h.Entries != 10 {
				t.Errorf("%+v, %v", h, err)
			}
		}
	})
}
