// Package audit is the log of every change to an organization: who changed what, when, and by
// which request. The transaction of the change writes its entry. An entry is never changed or
// deleted: triggers of the database refuse it, and each entry's hash covers the entry before
// it. An entry contains no secret and no access code.
//
// The package does not know what a change means, and decides nothing.
package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Kind is what kind of actor made a change.
type Kind string

// The kinds of actors.
const (
	Person   Kind = "person"   // a member of the organization, in the console
	APIKey   Kind = "api_key"  // a backend
	Operator Kind = "operator" // the command line, or an operator in the console
	System   Kind = "system"   // the server itself
)

// Kinds lists the kinds of actors.
func Kinds() []Kind { return []Kind{Person, APIKey, Operator, System} }

// Actor is who makes a change.
type Actor struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`   // a person's or key's id; "" for the command line and the server
	Name string `json:"name"` // as shown to people: an e-mail address, or the name of a key
	// RequestID is the id of the request that asks for the change, or "".
	RequestID string `json:"request_id"`
}

// CommandLine is the actor of every change that the command line makes.
func CommandLine() Actor { return Actor{Kind: Operator, Name: "command line"} }

// Server is the actor of every change that the server makes by itself.
func Server() Actor { return Actor{Kind: System, Name: "server"} }

// Change is one value that a change replaced. Values are texts as the documents write them.
type Change struct {
	Field string `json:"field"`
	Old   string `json:"old"`
	New   string `json:"new"`
}

// Entry is one change.
type Entry struct {
	// ID is a UUIDv7, in the order of time. Record sets ID, At, Position and Hash.
	ID string `json:"id"`
	// Organization is the id of the changed organization; "" is the installation.
	Organization string `json:"organization_id"`
	Actor        Actor  `json:"actor"`
	// Action is a noun and a verb, such as "origin.added". docs/audit.md lists all actions.
	Action string `json:"action"`
	// Subject is what changed: an id, a site key, an origin.
	Subject string    `json:"subject"`
	Changes []Change  `json:"changes"`
	At      time.Time `json:"at"`
	// Position is the place of the entry among those of its organization, from 1.
	Position int64 `json:"position"`
	// Hash covers the entry and the hash before it, in hex. docs/audit.md says how.
	Hash string `json:"hash"`
}

// maxText is the longest text of an entry, in bytes. Longer ones are cut.
const maxText = 1000

// clean returns a text that both databases store, without its end if it is too long.
func clean(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\ufffd"), "\ufffd")
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// Record adds an entry to the transaction of its change. The entries of one organization are
// written one after the other: a second transaction waits for the end of the first.
func Record(ctx context.Context, tx *store.Tx, e Entry) (err error) {
	defer operation.Wrap(&err, "record %s in the audit log of organization %s", e.Action, e.Organization)
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	changes := make([]Change, len(e.Changes))
	for i, c := range e.Changes {
		changes[i] = Change{Field: clean(c.Field), Old: clean(c.Old), New: clean(c.New)}
	}
	text, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	head, err := tx.LockAuditHead(ctx, query.LockAuditHeadParams{OrganizationID: e.Organization, Hash: []byte{}})
	if err != nil {
		return err
	}
	row := query.AuditEntry{
		ID: id.String(), OrganizationID: e.Organization, ActorKind: string(e.Actor.Kind), ActorID: clean(e.Actor.ID), ActorName: clean(e.Actor.Name), RequestID: clean(e.Actor.RequestID),
		Action: e.Action, Subject: clean(e.Subject), Changes: string(text), CreatedAt: store.Micros(tx.Now), Position: head.Entries + 1,
	}
	row.Hash = chain(head.Hash, row)
	if err := tx.InsertAuditEntry(ctx, query.InsertAuditEntryParams(row)); err != nil {
		return err
	}
	return tx.MoveAuditHead(ctx, query.MoveAuditHeadParams{Entries: row.Position, Hash: row.Hash, OrganizationID: e.Organization})
}

// chain returns the hash of an entry: the SHA-256 of a JSON array of texts. The first is the
// hash of the entry before it, in hex.
func chain(before []byte, e query.AuditEntry) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode([]string{ // texts can always be encoded
		hex.EncodeToString(before), e.OrganizationID, e.ID, store.Time(e.CreatedAt).Format(time.RFC3339Nano),
		e.ActorKind, e.ActorID, e.ActorName, e.RequestID, e.Action, e.Subject, e.Changes,
	})
	h := sha256.Sum256(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return h[:]
}

// Changes reads the stored form of an entry's changes.
func Changes(text string) (changes []Change, err error) {
	defer operation.Wrap(&err, "read the changes of an audit entry")
	return changes, json.Unmarshal([]byte(text), &changes)
}

func entry(row query.AuditEntry) (Entry, error) {
	changes, err := Changes(row.Changes)
	return Entry{
		ID: row.ID, Organization: row.OrganizationID, Actor: Actor{Kind: Kind(row.ActorKind), ID: row.ActorID, Name: row.ActorName, RequestID: row.RequestID},
		Action: row.Action, Subject: row.Subject, Changes: changes, At: store.Time(row.CreatedAt), Position: row.Position, Hash: hex.EncodeToString(row.Hash),
	}, err
}
