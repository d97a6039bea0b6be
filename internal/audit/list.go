package audit

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/cases"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/sheet"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Filter selects entries: those that match every member that is not empty.
type Filter struct {
	// Organization is the id of an organization; "" is the installation itself. Everywhere
	// selects the entries of all organizations and of the installation, for the operator.
	Organization string
	Everywhere   bool

	ActorKind Kind
	ActorID   string
	Action    string
	Subject   string
	// Since and Until are the bounds of the time: Since is included, Until is not.
	Since, Until time.Time
	// Text is part of the action, the subject, the actor's name, the request id or a changed
	// value. Capitals make no difference.
	Text string
}

// Page is a part of the log, the newest entry first.
type Page struct {
	Entries []Entry
	// Next is the cursor of the next page; "" after the last page. A page may have fewer
	// entries than the limit, and a next page: a search reads at most MaxRead entries.
	Next string
}

// The bounds of one call of List.
const (
	MaxPage = 1000   // entries of a page
	MaxRead = 10_000 // entries that one search reads
	maxTerm = 200    // bytes of a searched text
	window  = 500    // entries of one statement
)

// slack is the largest distance between the time of an entry and the time in its id, which
// Record takes later.
const slack = 5 * time.Minute

// List reads a page of at most limit entries (1 to MaxPage), the newest first. before is the
// cursor of the page, the Next of the page before it; "" begins with the newest entry.
func List(ctx context.Context, db *store.DB, f Filter, before string, limit int) (_ Page, err error) {
	defer operation.Wrap(&err, "list the audit log of organization %q", f.Organization)
	if err := f.check(before); err != nil {
		return Page{}, err
	}
	limit = min(max(limit, 1), MaxPage)
	read := f.reader(db.Read())
	first, last := "", store.LastID
	if !f.Since.IsZero() {
		first = store.FirstID(f.Since.Add(-slack))
	}
	if !f.Until.IsZero() {
		last = store.FirstID(f.Until.Add(slack))
	}
	if before != "" && before < last {
		last = before
	}
	page := Page{Entries: []Entry{}}
	term := fold(f.Text)
	for seen := 0; seen < MaxRead; {
		rows, err := read(ctx, first, last, window)
		if err != nil {
			return Page{}, err
		}
		for _, row := range rows {
			if last = row.ID; !f.matches(row, term) {
				continue
			}
			if len(page.Entries) == limit { // there is another page
				page.Next = page.Entries[limit-1].ID
				return page, nil
			}
			e, err := entry(row)
			if err != nil {
				return Page{}, err
			}
			page.Entries = append(page.Entries, e)
		}
		if len(rows) < window {
			return page, nil
		}
		seen += len(rows)
	}
	page.Next = last
	return page, nil
}

// check refuses a filter whose texts no entry can have, and a cursor that is not an id.
func (f Filter) check(before string) error {
	var bad []fault.Field
	for _, one := range []struct{ field, value string }{
		{"organization_id", f.Organization}, {"actor_kind", string(f.ActorKind)}, {"actor_id", f.ActorID}, {"action", f.Action}, {"subject", f.Subject}, {"search", f.Text}, {"after", before},
	} {
		if clean(one.value) != one.value || one.field == "search" && len(one.value) > maxTerm {
			bad = append(bad, fault.Field{Field: one.field, Rule: "length", Message: fmt.Sprintf("Must be a text of at most %d bytes.", maxTerm)})
		}
	}
	if bad != nil {
		return fault.CommonValidationFailed(bad)
	}
	return nil
}

// reader returns the statement whose index fits the filter best.
func (f Filter) reader(q *query.Queries) func(ctx context.Context, first, before string, lim int32) ([]query.AuditEntry, error) {
	return func(ctx context.Context, first, before string, lim int32) ([]query.AuditEntry, error) {
		switch {
		case f.Everywhere:
			return q.AllAuditEntries(ctx, query.AllAuditEntriesParams{First: first, Before: before, Lim: lim})
		case f.Subject != "":
			return q.AuditEntriesOfSubject(ctx, query.AuditEntriesOfSubjectParams{OrganizationID: f.Organization, Subject: f.Subject, First: first, Before: before, Lim: lim})
		case f.ActorID != "":
			return q.AuditEntriesOfActor(ctx, query.AuditEntriesOfActorParams{OrganizationID: f.Organization, ActorID: f.ActorID, First: first, Before: before, Lim: lim})
		case f.Action != "":
			return q.AuditEntriesOfAction(ctx, query.AuditEntriesOfActionParams{OrganizationID: f.Organization, Action: f.Action, First: first, Before: before, Lim: lim})
		}
		return q.AuditEntries(ctx, query.AuditEntriesParams{OrganizationID: f.Organization, First: first, Before: before, Lim: lim})
	}
}

// matches reports whether a row matches the whole filter. term is the folded Text.
func (f Filter) matches(row query.AuditEntry, term string) bool {
	at := store.Time(row.CreatedAt)
	switch {
	case f.ActorKind != "" && string(f.ActorKind) != row.ActorKind,
		f.ActorID != "" && f.ActorID != row.ActorID,
		f.Action != "" && f.Action != row.Action,
		f.Subject != "" && f.Subject != row.Subject,
		!f.Since.IsZero() && at.Before(f.Since),
		!f.Until.IsZero() && !at.Before(f.Until):
		return false
	}
	if term == "" {
		return true
	}
	for _, text := range []string{row.Action, row.Subject, row.ActorName, row.RequestID} {
		if strings.Contains(fold(text), term) {
			return true
		}
	}
	changes, err := Changes(row.Changes)
	if err != nil {
		return false
	}
	for _, c := range changes {
		if strings.Contains(fold(c.Field+"\n"+c.Old+"\n"+c.New), term) {
			return true
		}
	}
	return false
}

func fold(text string) string { return cases.Fold().String(strings.TrimSpace(text)) }

// MaxCSV is the largest number of entries in one file.
const MaxCSV = 200_000

// WriteCSV writes the selected entries as CSV, the newest first, at most MaxCSV. Each changed
// value is one line of the cell "changes". A cell that a spreadsheet program would run as a
// formula gets an apostrophe.
func WriteCSV(ctx context.Context, w io.Writer, db *store.DB, f Filter) (err error) {
	defer operation.Wrap(&err, "write the audit log of organization %q as CSV", f.Organization)
	out := sheet.NewWriter(w)
	if err := out.Row("at", "organization_id", "actor_kind", "actor_id", "actor_name", "action", "subject", "changes", "request_id", "id", "position", "hash"); err != nil {
		return err
	}
	written := 0
	for before := ""; ; {
		page, err := List(ctx, db, f, before, MaxPage)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			changes := make([]string, len(e.Changes))
			for i, c := range e.Changes {
				changes[i] = c.Field + ": " + c.Old + " → " + c.New
			}
			if err := out.Row(e.At.Format(time.RFC3339), e.Organization, string(e.Actor.Kind), e.Actor.ID, e.Actor.Name, e.Action, e.Subject, strings.Join(changes, "\n"),
				e.Actor.RequestID, e.ID, strconv.FormatInt(e.Position, 10), e.Hash); err != nil {
				return err
			}
			written++
		}
		if page.Next == "" || written >= MaxCSV {
			return out.Flush()
		}
		before = page.Next
	}
}
