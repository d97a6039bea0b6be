package registry

import (
	"fmt"
	"testing"

	"timbre.example/internal/session"
	"timbre.example/internal/works"
)

// A list with thousands of works says "more than 1,000". A search reads a thousand titles for a
// page, and its cursors find every work once, however old.
func TestLongLists(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const many = 2300
		db, nothing := w.raw(t), "x'00'"
		id := "printf('00000000-0000-7000-8000-%012d', i)"
		if w.db.Dialect() == "postgres" {
			nothing, id = `'\x00'::bytea`, "'00000000-0000-7000-8000-' || lpad(CAST(i AS TEXT), 12, '0')"
		}
		numbers := fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", many)
		for _, text := range []string{
			"INSERT INTO works (id, organization_id, network, ats_id, owner, title, title_key, external_user_ref, latest_version, created_at, updated_at) " + numbers +
				fmt.Sprintf("SELECT %s, '%s', 'testnet', 1000000 + i, '', '', CASE WHEN i = 5 THEN 'the needle' ELSE 'song ' || CAST(i AS TEXT) END, 'u', 1, i, i FROM n", id, w.org),
			"INSERT INTO versions (work_id, version, transaction_id, commitment, media_hash, media, merkle_root, creators, filename, asset_key, quote, tx_hash, block_number, block_hash, registered_at) " + numbers +
				fmt.Sprintf("SELECT %s, 1, %[1]s, %s, %[2]s, '{}', %[2]s, '[]', '', '', '{}', %[2]s, 0, %[2]s, 0 FROM n", id, nothing),
		} {
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		reader := w.callerFor(session.Access, w.keys, "u")
		// walk reads all pages of a search, and returns how many works and pages there were.
		walk := func(search string, first int) (found map[string]bool, pages int) {
			t.Helper()
			found = map[string]bool{}
			for in := (works.OwnWorksRequest{First: first, Search: search}); ; pages++ {
				page, err := w.ownWorks(reader, in)
				if err != nil {
					t.Fatal(err)
				}
				for _, one := range page.Works {
					if found[one.ID] {
						t.Errorf("%s is listed twice", one.ID)
					}
					found[one.ID] = true
				}
				if len(page.Works) > first {
					t.Errorf("%d works on a page of %d", len(page.Works), first)
				}
				if !page.More {
					return found, pages + 1
				}
				in.After = page.End
			}
		}
		if page, err := w.ownWorks(reader, works.OwnWorksRequest{First: 1}); err != nil || page.Total != works.MaxTotal || !page.More {
			t.Errorf("%d works, %v", page.Total, err)
		}
		if page, err := w.ownWorks(reader, works.OwnWorksRequest{First: 1, Search: "song"}); err != nil || page.Total != works.MaxTotal {
			t.Errorf("a search: %d works, %v", page.Total, err)
		}
		if found, pages := walk("needle", 10); len(found) != 1 || pages != 3 {
			t.Errorf("the needle: %d works on %d pages", len(found), pages)
		}
		if found, _ := walk("song 1", 100); len(found) != 1111 { // 1, 10 to 19, 100 to 199, 1000 to 1999
			t.Errorf("song 1: %d works", len(found))
		}
		if found, _ := walk("", 100); len(found) != many {
			t.Errorf("%d works", len(found))
		}
		for _, text := range []string{"DELETE FROM versions WHERE transaction_id LIKE '00000000-%'", "DELETE FROM works WHERE id LIKE '00000000-%'"} {
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
	})
}
