// Package mail sends mails through an SMTP server, after the change that causes each: the
// transaction of the change enqueues the mail in the outbox. The texts are in all languages
// of the console.
//
// A waiting mail has no secret. The delivery asks the mail's owner for the link, and the owner
// can drop the mail then. The package never decides who receives a mail, and stores no link.
package mail

import (
	"cmp"
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"timbre.example/internal/operation"
	"timbre.example/internal/outbox"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Delivery is the kind of the outbox's rows. Their subject is the id of a mail.
const Delivery outbox.Kind = "mail"

// Kind chooses the text of a mail.
type Kind string

// The kinds. The first four contain a link that works once.
const (
	Reset      Kind = "reset"      // a new password
	SignUp     Kind = "sign_up"    // a new account
	Invitation Kind = "invitation" // {organization}, {inviter}, {role}
	NewEmail   Kind = "new_email"  // another address of a person

	Known         Kind = "known"          // somebody tried to sign up with an address that has an account
	Password      Kind = "password"       // the password was changed
	EmailChanged  Kind = "email_changed"  // the address was changed; to the old one
	SecondFactor  Kind = "second_factor"  // the second factor was turned off
	LowBalance    Kind = "low_balance"    // {organization}, {balance}
	EndpointOff   Kind = "endpoint_off"   // {organization}, {endpoint}
	EndpointFails Kind = "endpoint_fails" // {organization}, {endpoint}, {since}: before it is turned off
	EndpointGone  Kind = "endpoint_gone"  // {organization}, {endpoint}: it answered 410
	Test          Kind = "test"           // of timbre doctor
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{Reset, SignUp, Invitation, NewEmail, Known, Password, EmailChanged, SecondFactor, LowBalance, EndpointOff, EndpointFails, EndpointGone, Test}
}

// Message is one mail.
type Message struct {
	Kind Kind
	// Ref is what the mail is about, for its owner: a person, an invitation, an address.
	Ref string
	// Organization is the id of the organization that the mail is about, or "".
	Organization string
	Recipient    string // one address, as [people.Email] returns it
	Language     string // of the text; an unknown one is English
	// Words are the values of the text's placeholders.
	Words map[string]string
}

// noOrganization is whose turn it is for mails that belong to no organization.
const noOrganization = "-"

// Enqueue adds a mail to the transaction that causes it.
func Enqueue(ctx context.Context, tx *store.Tx, m Message) (err error) {
	defer operation.Wrap(&err, "enqueue a mail of kind %s", m.Kind)
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	words, err := json.Marshal(m.Words)
	if err != nil {
		return err
	}
	if err := tx.InsertMail(ctx, query.InsertMailParams{
		ID: id.String(), Kind: string(m.Kind), Ref: m.Ref, OrganizationID: m.Organization, Recipient: m.Recipient, Language: m.Language,
		Words: string(words), CreatedAt: store.Micros(tx.Now),
	}); err != nil {
		return err
	}
	return outbox.Enqueue(ctx, tx, outbox.Delivery{Kind: Delivery, Subject: id.String(), Organization: cmp.Or(m.Organization, noOrganization)})
}
