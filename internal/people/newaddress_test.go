package people_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/mail"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

const second = "second@label.example"

func mailed(c *people.Config) { c.Mail = true }

// waiting takes the mails that wait, as kind and recipient.
func (w *world) waiting() (all []string) {
	w.t.Helper()
	c := mail.Courier{DB: w.DB, Log: slog.New(slog.DiscardHandler), Owner: func(_ context.Context, m mail.Message) (mail.Message, string, bool, error) {
		all = append(all, string(m.Kind)+" "+m.Recipient)
		return m, "", false, nil
	}}
	if err := c.DeliverDue(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// A new address counts after its link: for the sign-in, the members' list and the audit log. The old address has a notice.
func TestNewAddress(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, mailed)
		ctx := t.Context()
		mine, org := w.first()
		me := people.By{Session: w.session(mine.Session)}
		w.Mail = false // the link of the invitation is shown
		w.add(me.Session, org, second, permission.Viewer)
		w.Mail = true
		w.waiting() // of the set-up

		// The service refuses other texts, a session that proved nothing lately, one's own address.
		_, err := w.AskEmail(ctx, me, "", "no address", from)
		wantErr(t, err, fault.CodeCommonValidationFailed)
		_, err = w.AskEmail(ctx, me, "", email, from)
		wantErr(t, err, fault.CodeCommonValidationFailed)
		w.pass(people.Recent + time.Second)
		_, err = w.AskEmail(ctx, me, "", "new@label.example", from)
		wantErr(t, err, people.ErrProve)
		w.pass(-people.Recent - time.Second)

		token, err := w.AskEmail(ctx, me, "", "New@Label.Example", from)
		if err != nil || token != "" {
			t.Fatalf("%q %v", token, err)
		}
		if got := w.waiting(); !slices.Equal(got, []string{"new_email new@label.example"}) {
			t.Fatalf("mails: %v", got)
		}
		if _, err := w.signIn("new@label.example", password); !errors.Is(err, people.ErrSignIn) {
			t.Errorf("before the link: %v", err)
		}
		_, link, send, err := w.Prepare(ctx, mail.Message{Kind: mail.NewEmail, Ref: me.Session.Person.ID, Recipient: "new@label.example"})
		if err != nil || !send {
			t.Fatal(link, send, err)
		}
		_, token, _ = strings.Cut(link, "token=")
		// A reset link to the old address ends with the change.
		reset, err := w.ResetLink(ctx, people.CommandLine(), email, false)
		if err != nil {
			t.Fatal(err)
		}
		old, email2, err := w.SeeEmail(ctx, token, from)
		if err != nil || old != email || email2 != "new@label.example" {
			t.Errorf("%s %s %v", old, email2, err)
		}
		if err := w.ConfirmEmail(ctx, token, from); err != nil {
			t.Fatal(err)
		}
		wantErr(t, w.ConfirmEmail(ctx, token, from), people.ErrLink)
		wantErr(t, w.Reset(ctx, reset, "another long password", from), people.ErrLink)
		if _, err := w.signIn("new@label.example", password); err != nil {
			t.Errorf("after the link: %v", err)
		}
		if _, err := w.signIn(email, password); !errors.Is(err, people.ErrSignIn) {
			t.Errorf("the old address: %v", err)
		}
		if s := w.session(mine.Session); s.Person.Email != "new@label.example" || s.Person.NewEmail != "" {
			t.Errorf("the session: %+v", s.Person)
		}
		if m, err := w.MemberOf(ctx, org, me.Session.Person.ID); err != nil || m.Email != "new@label.example" {
			t.Errorf("the member: %+v %v", m, err)
		}
		if got := w.waiting(); !slices.Contains(got, "email_changed "+email) {
			t.Errorf("mails: %v", got)
		}
		entries, err := audit.List(ctx, db, audit.Filter{Organization: org, Action: "member.email_changed"}, "", 10)
		if err != nil || len(entries.Entries) != 1 || entries.Entries[0].Subject != "new@label.example" {
			t.Errorf("audit: %+v %v", entries, err)
		}

		// Only the newest link works, and only for the address that it went to.
		one, err := w.AskEmail(ctx, people.CommandLine(), "new@label.example", "a@label.example", from)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AskEmail(ctx, people.CommandLine(), "new@label.example", "b@label.example", from); err != nil {
			t.Fatal(err)
		}
		wantErr(t, w.ConfirmEmail(ctx, one, from), people.ErrLink)
		if _, _, send, err := w.Prepare(ctx, mail.Message{Kind: mail.NewEmail, Ref: me.Session.Person.ID, Recipient: "a@label.example"}); err != nil || send {
			t.Errorf("a mail to an address that is not asked for any more: %t %v", send, err)
		}
		// An address with an account receives no link, and a shown link to it never works. Asking is answered the same.
		taken, err := w.AskEmail(ctx, people.CommandLine(), "new@label.example", second, from)
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, w.ConfirmEmail(ctx, taken, from), people.ErrLink)
		if _, _, send, err := w.Prepare(ctx, mail.Message{Kind: mail.NewEmail, Ref: me.Session.Person.ID, Recipient: second}); err != nil || send {
			t.Errorf("a mail to an address with an account: %t %v", send, err)
		}
		// A new password ends a waiting link.
		waiting, err := w.AskEmail(ctx, people.CommandLine(), "new@label.example", "c@label.example", from)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.ChangePassword(ctx, me.Session, mine.Session, password, "another long password", from); err != nil {
			t.Fatal(err)
		}
		wantErr(t, w.ConfirmEmail(ctx, waiting, from), people.ErrLink)
		_, err = w.AskEmail(ctx, people.CommandLine(), "nobody@label.example", "d@label.example", from)
		wantErr(t, err, fault.CodeCommonNotFound)
	})
}

// The mails that one person can cause are bounded.
func TestNewAddressIsBounded(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, mailed, limited)
		mine, _ := w.first()
		me := people.By{Session: w.session(mine.Session)}
		for i := range 10 {
			if _, err := w.AskEmail(t.Context(), me, "", string(rune('a'+i))+"@elsewhere.example", from); err != nil {
				wantErr(t, err, fault.CodeCommonRateLimited)
				if i < 2 {
					t.Errorf("refused at try %d", i)
				}
				return
			}
		}
		t.Error("ten mails")
	})
}

// An account is deleted with all that belongs to it. The last owner and the last operator stay.
func TestDeleteAccount(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		mine, org := w.first()
		me := people.By{Session: w.session(mine.Session)}
		other := w.add(me.Session, org, second, permission.Admin)

		err := w.Delete(ctx, me, "", from)
		wantErr(t, err, fault.CodeCommonForbidden)
		if reason(err) != "last_operator" {
			t.Errorf("the last operator: %v", err)
		}
		if err := w.SetOperator(ctx, people.CommandLine(), second, true); err != nil {
			t.Fatal(err)
		}
		err = w.Delete(ctx, people.CommandLine(), email, from)
		if names := fault.From(err).Details["organizations"]; reason(err) != "last_owner" || !slices.Equal(names.([]string), []string{"Label"}) {
			t.Errorf("the last owner: %v, %v", err, names)
		}
		if alone, err := w.OwnedAlone(ctx, me.Session.Person.ID); err != nil || len(alone) != 1 || alone[0].OrganizationID != org {
			t.Errorf("%+v %v", alone, err)
		}
		if err := w.SetRole(ctx, people.CommandLine(), org, other.Person.ID, "", permission.Owner); err != nil {
			t.Fatal(err)
		}
		w.pass(people.Recent + time.Second)
		wantErr(t, w.Delete(ctx, me, "", from), people.ErrProve)
		w.pass(-people.Recent - time.Second)
		reset, err := w.ResetLink(ctx, people.CommandLine(), email, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Visit(ctx, people.By{Session: other}, org, "a look"); err != nil {
			t.Fatal(err)
		}
		if err := w.Delete(ctx, me, "", from); err != nil {
			t.Fatal(err)
		}
		_, err = w.Session(ctx, mine.Session)
		wantErr(t, err, fault.CodeCommonAuthExpired)
		if _, err := w.signIn(email, password); !errors.Is(err, people.ErrSignIn) {
			t.Errorf("sign-in: %v", err)
		}
		wantErr(t, w.Reset(ctx, reset, "another long password", from), people.ErrLink)
		_, err = w.Person(ctx, me.Session.Person.ID) // every table with a person refers to this row
		wantErr(t, err, fault.CodeCommonNotFound)
		entries, err := audit.List(ctx, db, audit.Filter{Organization: org}, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		for _, e := range entries.Entries {
			if e.Actor.ID == me.Session.Person.ID && e.Actor.Name != "" {
				named++
			}
		}
		if named == 0 {
			t.Errorf("the audit log has lost the name: %+v", entries.Entries)
		}
		// The second one cannot follow, and nothing of the first attempt remains.
		wantErr(t, w.Delete(ctx, people.By{Session: other}, "", from), fault.CodeCommonForbidden)
		if _, err := w.Session(ctx, mine.Session); !errors.Is(err, fault.CodeCommonAuthExpired) {
			t.Error(err)
		}
		// The address is free again.
		if _, _, err := w.Invite(ctx, people.By{Session: other}, org, email, permission.Viewer); err != nil {
			t.Error(err)
		}
	})
}

// Owners who delete their accounts at the same time leave one owner and one operator.
func TestDeleteAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		mine, org := w.first()
		all := []people.Session{w.session(mine.Session), w.add(w.session(mine.Session), org, second, permission.Owner), w.add(w.session(mine.Session), org, "third@label.example", permission.Owner)}
		if err := w.SetOperator(t.Context(), people.CommandLine(), second, true); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		for _, s := range all {
			go func() { done <- w.Delete(t.Context(), people.By{Session: s}, "", from) }()
		}
		for range all {
			if err := <-done; err != nil && !errors.Is(err, fault.CodeCommonForbidden) {
				t.Error(err)
			}
		}
		left, err := db.Read().ListMembers(t.Context(), query.ListMembersParams{OrganizationID: org, Pattern: "%", Lim: 10})
		if err != nil || len(left) == 0 {
			t.Errorf("no owner is left: %v", err)
		}
	})
}

// Of several people who take one address at the same moment, by a link or by a new account, one has it. The
// others receive the refusal of an address that is taken.
func TestOneAddressAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		mine, org := w.first()
		me := w.session(mine.Session)
		for i := range 4 {
			shared := fmt.Sprintf("shared%d@label.example", i)
			var takers []func() error
			for j := range 2 {
				old := fmt.Sprintf("old%d-%d@label.example", i, j)
				w.add(me, org, old, permission.Viewer)
				token, err := w.AskEmail(ctx, people.CommandLine(), old, shared, from)
				if err != nil {
					t.Fatal(err)
				}
				takers = append(takers, func() error { return w.ConfirmEmail(ctx, token, from) })
			}
			_, token, err := w.Invite(ctx, people.By{Session: me}, org, shared, permission.Viewer)
			if err != nil {
				t.Fatal(err)
			}
			takers = append(takers, func() error {
				_, _, err := w.AcceptNew(ctx, token, "", password, "de", from)
				return err
			})
			start, errs := make(chan struct{}), make(chan error, len(takers))
			for _, take := range takers {
				go func() {
					<-start
					errs <- take()
				}()
			}
			close(start)
			won := 0
			for range takers {
				switch err := <-errs; {
				case err == nil:
					won++
				case !errors.Is(err, people.ErrLink) && !errors.Is(err, fault.CodeCommonConflict):
					t.Errorf("%s: %v", shared, err)
				}
			}
			if won != 1 {
				t.Errorf("%d accounts have taken %s", won, shared)
			}
			if row, err := db.Read().PersonByEmail(ctx, shared); err != nil || row.Email != shared {
				t.Errorf("%+v %v", row, err)
			}
		}
	})
}
