// Package credits is the double-entry ledger of grants, holds and payments, in whole
// credits.
//
// Every transfer moves an amount between two accounts of one organization. It
// happens in the database transaction of the change that it pays for. Entries are
// only ever added. Balances are stored beside them and never go below zero. Prices
// says what a registration costs; the package does not choose prices for an
// organization. It never opens its own transaction for a hold, a capture or a release.
package credits

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/legible"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// The accounts of an organization. The total of issued credits equals the sum of
// available, held and spent.
const (
	issued    = "issued"
	available = "available"
	held      = "held"
	spent     = "spent"
)

// The kinds of transfer.
const (
	KindGrant   = "grant"   // issued → available
	KindHold    = "hold"    // available → held, at confirm
	KindCapture = "capture" // held → spent, at finality
	KindRelease = "release" // held → available, on failure
)

// MaxGrant is the maximum of one grant, in credits. Even a sum of many grants does
// not overflow.
const MaxGrant = 1_000_000_000_000

// MaxNote is the longest note of a grant, in characters.
const MaxNote = 200

// Grant gives an organization amount credits, 1 to MaxGrant. Another amount is
// common.validation_failed. The note records the reason: one line of at most MaxNote
// characters, or "".
func Grant(ctx context.Context, tx *store.Tx, by audit.Actor, organization string, amount int64, note string) (err error) {
	defer operation.Wrap(&err, "grant credits to organization %s", organization)
	var bad []fault.Field
	if amount < 1 || amount > MaxGrant {
		bad = append(bad, fault.Field{Field: "amount", Rule: "range", Message: fmt.Sprintf("A grant is 1 to %d credits.", int64(MaxGrant))})
	}
	if note = strings.TrimSpace(note); utf8.RuneCountInString(note) > MaxNote || !utf8.ValidString(note) || legible.Shown(note) != note {
		bad = append(bad, fault.Field{Field: "note", Rule: "length", Message: fmt.Sprintf("Must be one line of at most %d visible characters.", MaxNote)})
	}
	if bad != nil {
		return fault.CommonValidationFailed(bad)
	}
	if _, err := transfer(ctx, tx, organization, KindGrant, issued, available, amount, "", note); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Organization: organization, Actor: by, Action: "credits.granted", Subject: organization, Changes: []audit.Change{{Field: "amount", New: strconv.FormatInt(amount, 10)}, {Field: "note", New: note}}})
}

// Hold reserves amount credits of an organization for a transaction. It returns
// registration.insufficient_credits when the balance is too low. A hold of 0
// records nothing. A hold that takes the balance below the organization's level
// enqueues a [Warning].
func Hold(ctx context.Context, tx *store.Tx, organization, transaction string, amount int64) (err error) {
	defer operation.Wrap(&err, "hold credits for transaction %s", transaction)
	if amount == 0 {
		return nil
	}
	if amount < 0 {
		return fmt.Errorf("credits: hold of %d", amount)
	}
	moved, err := transfer(ctx, tx, organization, KindHold, available, held, amount, transaction, "")
	if err != nil || !moved {
		return err
	}
	return warn(ctx, tx, organization, amount)
}

// Capture spends the credits held for a transaction. It changes nothing when no
// credits are held, or when it is repeated.
func Capture(ctx context.Context, tx *store.Tx, organization, transaction string) (err error) {
	defer operation.Wrap(&err, "capture credits for transaction %s", transaction)
	return settle(ctx, tx, organization, transaction, KindCapture, spent)
}

// Release returns the credits held for a transaction to the balance. It changes
// nothing when no credits are held, or when it is repeated.
func Release(ctx context.Context, tx *store.Tx, organization, transaction string) (err error) {
	defer operation.Wrap(&err, "release credits of transaction %s", transaction)
	return settle(ctx, tx, organization, transaction, KindRelease, available)
}

func settle(ctx context.Context, tx *store.Tx, organization, transaction, kind, to string) error {
	// Locks the account: when a capture and a release run at once, the second one
	// sees the result of the first. Without the account nothing is held.
	if n, err := tx.MoveBalance(ctx, query.MoveBalanceParams{Amount: 0, OrganizationID: organization, Account: held}); err != nil || n == 0 {
		return err
	}
	amount, err := tx.HeldFor(ctx, transaction)
	if err != nil || amount == 0 {
		return err
	}
	_, err = transfer(ctx, tx, organization, kind, held, to, amount, transaction, "")
	return err
}

// transfer moves amount from one account to another, once per transaction and
// kind. moved is false when this transfer already exists.
func transfer(ctx context.Context, tx *store.Tx, organization, kind, from, to string, amount int64, transaction, note string) (moved bool, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return false, err
	}
	n, err := tx.InsertTransfer(ctx, query.InsertTransferParams{
		ID: id.String(), OrganizationID: organization, Kind: kind, TransactionID: transaction, Note: note, CreatedAt: store.Micros(tx.Now),
	})
	if err != nil || n == 0 {
		return false, err
	}
	type side struct {
		account string
		amount  int64
	}
	sides := []side{{from, -amount}, {to, amount}}
	if from > to { // always in the same order, which prevents deadlocks between transfers
		sides[0], sides[1] = sides[1], sides[0]
	}
	for _, side := range sides {
		if err := move(ctx, tx, organization, side.account, side.amount); err != nil {
			return false, err
		}
		if err := tx.InsertEntry(ctx, query.InsertEntryParams{TransferID: id.String(), Account: side.account, Amount: side.amount, OrganizationID: organization}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// move changes a balance, and creates the account if it does not exist.
func move(ctx context.Context, tx *store.Tx, organization, account string, amount int64) error {
	for opened := false; ; opened = true {
		n, err := tx.MoveBalance(ctx, query.MoveBalanceParams{Amount: amount, OrganizationID: organization, Account: account})
		if err != nil || n == 1 {
			return err
		}
		switch {
		case amount < 0 && account == available:
			return fault.RegistrationInsufficientCredits()
		case opened || (amount < 0 && account != issued):
			return fmt.Errorf("credits: %s of organization %s would go below zero", account, organization)
		}
		if err := tx.OpenAccount(ctx, query.OpenAccountParams{OrganizationID: organization, Account: account}); err != nil {
			return err
		}
	}
}

// Balance is the balance of an organization, in credits.
type Balance struct {
	Available int64 `json:"available"` // can be spent
	Held      int64 `json:"held"`      // reserved for running registrations
	Spent     int64 `json:"spent"`     // paid for final registrations
}

// Of returns an organization's balance.
func Of(ctx context.Context, q *query.Queries, organization string) (_ Balance, err error) {
	defer operation.Wrap(&err, "read the balances of organization %s", organization)
	rows, err := q.ListBalances(ctx, organization)
	var b Balance
	for _, r := range rows {
		switch r.Account {
		case available:
			b.Available = r.Balance
		case held:
			b.Held = r.Balance
		case spent:
			b.Spent = r.Balance
		}
	}
	return b, err
}

// Available returns only the credits that can be spent now.
func Available(ctx context.Context, q *query.Queries, organization string) (_ int64, err error) {
	defer operation.Wrap(&err, "read the balance of organization %s", organization)
	n, err := q.GetBalance(ctx, query.GetBalanceParams{OrganizationID: organization, Account: available})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// Totals returns the sums of all organizations by account: issued, available, held and
// spent, all zero or more. Issued equals the sum of the other three.
func Totals(ctx context.Context, q *query.Queries) (map[string]int64, error) {
	rows, err := q.SumBalances(ctx)
	if err != nil {
		return nil, fmt.Errorf("credits: sum of the balances: %w", err)
	}
	out := map[string]int64{}
	for _, r := range rows {
		out[r.Account] = r.Balance
	}
	out[issued] = -out[issued] // its balance is negative: credits leave it
	return out, nil
}
