package account

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/quota"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// The bounds of settings.
const (
	maxCount = 1_000_000_000_000 // of a quota and of a level of credits
	maxBytes = 1 << 50           // of a file
	minTTL   = time.Minute       // of an access code
	maxTTL   = 100 * 365 * 24 * time.Hour
)

// check returns everything that is wrong with the settings.
func check(o Organization) []fault.Field {
	bad := slices.Concat(checkName("name", o.Name), checkOptional("issuer_name", o.IssuerName), checkOptional("imprint", o.Imprint))
	for _, n := range []struct {
		field       string
		value, most int64
	}{{"max_file_size_bytes", o.MaxFileSize, maxBytes}, {"quota", o.Quota, maxCount}, {"low_credits", o.LowCredits, maxCount}} {
		if n.value < 0 || n.value > n.most {
			bad = append(bad, fault.Field{Field: n.field, Rule: "range", Message: fmt.Sprintf("Must be 0 to %d.", n.most)})
		}
	}
	if o.AccessCodeTTL != 0 && (o.AccessCodeTTL < minTTL || o.AccessCodeTTL > maxTTL) {
		bad = append(bad, fault.Field{Field: "access_code_ttl", Rule: "range", Message: "Must be 0 for no end, or one minute to 100 years."})
	}
	if o.AssetStorage != StoreKeep && o.AssetStorage != StoreNone {
		bad = append(bad, fault.Field{Field: "asset_storage", Rule: "one_of", Message: "Must be keep or none."})
	}
	return bad
}

// ChangeOrganization reads an organization, lets change edit its settings, checks them, and
// stores them, in one transaction. ID, CreatedAt and the logo stay as they are. A change that
// edits nothing is not recorded.
//
// revision is the revision that the caller has read, or 0 to accept any. If the organization
// has another one, the error is common.conflict. Its details are the current revision, and the
// fields that changed since, with both values. See Changed.
func ChangeOrganization(ctx context.Context, db *store.DB, by audit.Actor, id string, revision int64, change func(*Organization)) (_ Organization, err error) {
	defer operation.Wrap(&err, "change organization %s", id)
	var o Organization
	err = db.Tx(ctx, func(tx *store.Tx) (err error) {
		before, err := lock(ctx, tx, id, revision)
		if err != nil {
			return err
		}
		o = before
		change(&o)
		o.ID, o.Revision, o.CreatedAt, o.LogoSHA256 = before.ID, before.Revision, before.CreatedAt, before.LogoSHA256
		o.Name, o.IssuerName, o.Imprint = strings.TrimSpace(o.Name), strings.TrimSpace(o.IssuerName), strings.TrimSpace(o.Imprint)
		if bad := check(o); bad != nil {
			return fault.CommonValidationFailed(bad)
		}
		o.AccessCodeTTL = o.AccessCodeTTL.Truncate(time.Microsecond)
		return put(ctx, tx, by, before, &o)
	})
	return o, err
}

// lock reads an organization that no other transaction changes until the end of this one. It
// refuses a revision that is not the current one; 0 is any.
func lock(ctx context.Context, tx *store.Tx, id string, revision int64) (Organization, error) {
	if strings.ContainsRune(id, 0) {
		return Organization{}, fault.OrganizationNotFound()
	}
	if err := tx.LockOrganization(ctx, id); err != nil {
		return Organization{}, err
	}
	o, err := get(ctx, tx.Queries, id)
	if err == nil && revision != 0 && revision != o.Revision {
		return o, conflict(ctx, tx.Queries, o, revision)
	}
	return o, err
}

// put stores the settings of an organization, and records what changed. o gets the new
// revision.
func put(ctx context.Context, tx *store.Tx, by audit.Actor, before Organization, o *Organization) error {
	changes := differences(before, *o)
	if len(changes) == 0 {
		return nil
	}
	row, err := tx.GetOrganization(ctx, o.ID)
	if err != nil {
		return err
	}
	suspended := row.SuspendedAt
	if o.Suspended != suspended.Valid {
		suspended = sql.NullInt64{Int64: store.Micros(tx.Now), Valid: o.Suspended}
	}
	logo, err := hex.DecodeString(o.LogoSHA256)
	if err != nil {
		return err
	}
	if len(logo) == 0 {
		logo = nil
	}
	positive := func(n int64) sql.NullInt64 { return sql.NullInt64{Int64: n, Valid: n > 0} }
	if err := tx.SetOrganization(ctx, query.SetOrganizationParams{
		Name: o.Name, SuspendedAt: suspended, WidgetEnabled: o.WidgetEnabled, DuplicateTitles: o.DuplicateTitles, AssetStorage: o.AssetStorage,
		MaxFileSize: positive(o.MaxFileSize), AccessCodeTtl: positive(o.AccessCodeTTL.Microseconds()), Quota: positive(o.Quota), LowCredits: positive(o.LowCredits),
		IssuerName: o.IssuerName, Imprint: o.Imprint, LogoHash: logo, ID: o.ID,
	}); err != nil {
		return err
	}
	if o.Quota != before.Quota {
		if err := quota.Forget(ctx, tx, o.ID); err != nil {
			return err
		}
	}
	o.Revision = before.Revision + 1
	return audit.Record(ctx, tx, audit.Entry{Organization: o.ID, Actor: by, Action: changed, Subject: o.ID, Changes: append(changes, revisions(before.Revision, o.Revision))})
}

// setting is the name of a setting in documents, and its value as a text.
type setting struct{ name, value string }

// settings are the texts of an organization's settings, always in the same order.
func settings(o Organization) []setting {
	return []setting{
		{"name", o.Name}, {"suspended", strconv.FormatBool(o.Suspended)}, {"widget_enabled", strconv.FormatBool(o.WidgetEnabled)},
		{"max_file_size_bytes", count(o.MaxFileSize)}, {"access_code_ttl", lifetime(o.AccessCodeTTL)}, {"duplicate_titles", strconv.FormatBool(o.DuplicateTitles)},
		{"asset_storage", o.AssetStorage}, {"quota", count(o.Quota)}, {"low_credits", count(o.LowCredits)},
		{"issuer_name", o.IssuerName}, {"imprint", o.Imprint}, {"logo", o.LogoSHA256},
	}
}

// count returns a number as a text; 0, which means no limit, is "".
func count(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func lifetime(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func differences(before, after Organization) (changes []audit.Change) {
	new := settings(after)
	for i, old := range settings(before) {
		if old.value != new[i].value {
			changes = append(changes, audit.Change{Field: old.name, Old: old.value, New: new[i].value})
		}
	}
	return changes
}

// changed is the action of a change of settings. Its last change is the revision.
const changed = "organization.changed"

func revisions(old, new int64) audit.Change {
	return audit.Change{Field: "revision", Old: strconv.FormatInt(old, 10), New: strconv.FormatInt(new, 10)}
}

// maxSince is the largest number of changes that a conflict describes.
const maxSince = 200

// conflict is the refusal of a change whose caller has read an older revision: the current
// revision, and each field that changed since. The audit log has these changes.
func conflict(ctx context.Context, q *query.Queries, o Organization, revision int64) error {
	entries, err := q.AuditEntriesOfAction(ctx, query.AuditEntriesOfActionParams{OrganizationID: o.ID, Action: changed, Before: store.LastID, Lim: maxSince})
	if err != nil {
		return err
	}
	since := map[string]audit.Change{}
	for _, e := range entries { // the newest first
		changes, err := audit.Changes(e.Changes)
		if err != nil {
			return err
		}
		if n := len(changes); n == 0 || changes[n-1].Field != "revision" || older(changes[n-1].New, revision) {
			break
		}
		for _, c := range changes[:len(changes)-1] {
			if newer, ok := since[c.Field]; ok {
				c.New = newer.New
			}
			since[c.Field] = c
		}
	}
	fields := []fault.Field{}
	for _, c := range since {
		if c.Old != c.New {
			fields = append(fields, fault.Field{Field: c.Field, Rule: "changed", Message: fmt.Sprintf("Was %s, and is now %s.", quoted(c.Old), quoted(c.New))})
		}
	}
	slices.SortFunc(fields, func(a, b fault.Field) int { return cmp.Compare(a.Field, b.Field) })
	return fault.CommonConflict("changed").With("revision", o.Revision).With("fields", fields)
}

// older reports whether the revision that a change made is not after the one that was read.
func older(made string, read int64) bool {
	n, err := strconv.ParseInt(made, 10, 64)
	return err != nil || n <= read
}

func quoted(value string) string {
	if value == "" {
		return "not set"
	}
	return strconv.Quote(value)
}
