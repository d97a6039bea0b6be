package registry

import (
	"context"
	"strings"
	"testing"

	"timbre.example/internal/network"
)

// set changes a column of one row behind the server's back, and returns what restores it.
func (w *world) set(t *testing.T, table, column, where, value string) (restore func()) {
	t.Helper()
	db := w.raw(t)
	var before string
	if err := db.QueryRowContext(t.Context(), "SELECT "+column+" FROM "+table+" WHERE "+where).Scan(&before); err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		t.Helper()
		text = strings.ReplaceAll(text, "'", "''")
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), "UPDATE "+table+" SET "+column+" = '"+text+"' WHERE "+where); err != nil {
			t.Fatal(err)
		}
	}
	put(value)
	return func() { put(before) }
}

// An error that is caused by a corrupt column names the operation, the column and the row.
func TestCorruptColumns(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		const bad = `{"cut`
		corrupt := func(table, column, where, operation, row string, use func() error) {
			t.Helper()
			defer w.set(t, table, column, where, bad)()
			err := use()
			if err == nil {
				t.Errorf("%s.%s: no error", table, column)
				return
			}
			for _, part := range []string{operation, "column " + table + "." + column + " of " + row + " is corrupt"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s.%s: the error does not say %q: %v", table, column, part, err)
				}
			}
		}
		job := w.quoted("Corrupt", 1)
		id := job.slot.JobID
		prepare := func() error { _, err := job.prepare(); return err }
		corrupt("jobs", "creators", "id = '"+id+"'", "prepare", "job "+id, prepare)
		corrupt("jobs", "media", "id = '"+id+"'", "prepare", "job "+id, prepare)
		corrupt("jobs", "media", "id = '"+id+"'", "count an upload", "job "+id, func() error {
			return w.reg.Intake.Uploaded(ctx, "uploads/"+id, 5)
		})
		c, err := job.confirm()
		if err != nil {
			t.Fatal(err)
		}
		view := func() error { _, err := w.reg.Works.Transaction(ctx, id); return err }
		corrupt("transactions", "steps", "id = '"+id+"'", "view", "transaction "+id, view)
		corrupt("transactions", "steps", "id = '"+id+"'", "stage: statements: transaction "+id, "transaction "+id, func() error { return w.reg.Anchoring.Advance(ctx, w.net) })
		w.advance()
		work := job.view().Done.WorkID
		version := "version 1 of work " + work
		holder := w.holder(c.AccessCode).Reader()
		uses := map[string]func() error{
			"prove":                  func() error { _, err := w.reg.Issuing.Evidence(ctx, work, 1); return err },
			"read the work":          func() error { _, err := w.reg.Works.Work(ctx, holder); return err },
			"list versions":          func() error { _, err := w.reg.Works.Versions(ctx, holder); return err },
			"list what is erased":    func() error { _, err := w.reg.Erasing.Redactable(ctx, network.Testnet, 1); return err },
			"download the recording": func() error { _, err := w.reg.Works.Recording(ctx, holder, 1); return err },
		}
		for column, operations := range map[string][]string{
			"creators": {"prove", "read the work", "list versions", "list what is erased"}, "media": {"prove", "read the work", "download the recording"}, "quote": {"list versions"},
		} {
			for _, operation := range operations {
				corrupt("versions", column, "work_id = '"+work+"'", operation, version, uses[operation])
			}
		}
		w.net.IncludeFailed("bad origin")
		failed := w.confirmed("Fails", 2)
		w.advance()
		failed.wantFailed("bad origin")
		id = failed.slot.JobID
		corrupt("transactions", "failure", "id = '"+id+"'", "view", "transaction "+id, view)
	})
}

// Transactions that an earlier release began continue, and are shown with today's texts.
func TestTransactionsOfAnEarlierRelease(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		s := w.confirmed("First Snow", 1)
		w.set(t, "transactions", "steps", "id = '"+s.slot.JobID+"'", `[{"step":"validating","progress":5,"description":"Checking the registration.","timestamp":"2026-03-01T12:00:00Z"}]`)
		w.advance()
		s.wantFinal()
		if names := strings.Join(stepNames(s.view()), " "); names != "validating preparing_transaction signing submitting confirming completed" {
			t.Errorf("steps %s", names)
		}
		if at := s.view().Steps[0].At; at.Year() != 2026 || at.Month() != 3 {
			t.Errorf("the first step is of %v", at)
		}
		w.net.IncludeFailed("bad origin")
		failed := w.confirmed("Fails", 2)
		w.advance()
		w.set(t, "transactions", "failure", "id = '"+failed.slot.JobID+"'", `{"code":"transaction.failed","message":"An older text.","details":{"reason":"bad origin"},"request_id":"req_`+failed.slot.JobID+`"}`)
		failed.wantFailed("bad origin")
		// A refusal of a file, as an earlier release stored it.
		empty := w.begin("Empty", 3)
		info, err := w.blobs.Stat(t.Context(), "uploads/"+empty.slot.JobID)
		if err != nil {
			t.Fatal(err)
		}
		w.set(t, "jobs", "reading", "id = '"+empty.slot.JobID+"'", `{"upload":"`+info.Version+`","refusal":{"code":"registration.audio_empty","message":"An older text.","request_id":""}}`)
		_, err = empty.prepare()
		wantCode(t, err, "registration.audio_empty")
	})
}
