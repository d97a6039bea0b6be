package people

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// The kinds of secrets that work once.
const (
	linkFirst      = "first"      // makes the first owner
	linkReset      = "reset"      // sets a password; of a person
	linkSignUp     = "sign_up"    // makes an account; of an e-mail address
	linkInvitation = "invitation" // of an invitation
	linkEmail      = "email"      // gives a person the address in new_email
	linkSecond     = "second"     // the second step of a sign-in; of a person
	linkChallenge  = "challenge"  // a challenge of a passkey that was used
)

// How long links are valid.
const (
	FirstLife      = 24 * time.Hour
	ResetLife      = time.Hour
	ShownResetLife = 24 * time.Hour // of a link that an administrator passes on
	SignUpLife     = 24 * time.Hour
	InvitationLife = 7 * 24 * time.Hour
	EmailLife      = 24 * time.Hour
	secondLife     = 10 * time.Minute
)

// ErrLink is the error of a link that is unknown, used, replaced or expired.
var ErrLink = errors.New("people: the link was used, replaced or has expired")

// link adds a link to the transaction, and returns its token. mailed says that only the owner of
// the e-mail address receives the token.
func link(ctx context.Context, tx *store.Tx, kind, ref string, life time.Duration, mailed bool) (string, error) {
	token := newToken()
	return token, tx.InsertPersonLink(ctx, query.InsertPersonLinkParams{
		Hash: hashToken(token), Kind: kind, Ref: ref, Mailed: mailed, ExpiresAt: store.Micros(tx.Now.Add(life)),
	})
}

// takeLink uses a link up, in the transaction of its effect.
func takeLink(ctx context.Context, tx *store.Tx, kind, token string) (query.PersonLink, error) {
	row, err := tx.TakePersonLink(ctx, query.TakePersonLinkParams{Hash: hashToken(token), Kind: kind, Now: store.Micros(tx.Now)})
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrLink
	}
	return row, err
}
