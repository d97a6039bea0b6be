// Package audit is the log of every change to an organization: who changed what, when, and by
// which request. The transaction of the change writes its entry. An entry is never changed or
// deleted. An entry contains no secret and no access code.
//
// The package does not know what a change means, and decides nothing.
package audit

import (
	"context"
	"encoding/json"

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

// Actor is who makes a change.
type Actor struct {
	Kind Kind
	ID   string // a person's or key's id; "" for the command line and the server
	Name string // as shown to people: an e-mail address, or the name of a key
	// RequestID is the id of the request that asks for the change, or "".
	RequestID string
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
	// Organization is the id of the changed organization; "" is the installation.
	Organization string
	Actor        Actor
	// Action is a noun and a verb, such as "origin.added". docs/audit.md lists all actions.
	Action string
	// Subject is what changed: an id, a site key, an origin.
	Subject string
	Changes []Change
}

// Record adds an entry to the transaction of its change.
func Record(ctx context.Context, tx *store.Tx, e Entry) (err error) {
	defer operation.Wrap(&err, "record %s in the audit log of organization %s", e.Action, e.Organization)
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	changes := []byte("[]")
	if len(e.Changes) > 0 {
		if changes, err = json.Marshal(e.Changes); err != nil {
			return err
		}
	}
	return tx.InsertAuditEntry(ctx, query.InsertAuditEntryParams{
		ID: id.String(), OrganizationID: e.Organization, ActorKind: string(e.Actor.Kind), ActorID: e.Actor.ID, ActorName: e.Actor.Name, RequestID: e.Actor.RequestID,
		Action: e.Action, Subject: e.Subject, Changes: string(changes), CreatedAt: store.Micros(tx.Now),
	})
}
