package people_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/mail"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
)

// Owners who remove or demote each other at the same time leave one owner.
func TestLastOwner(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		mine, org := w.first()
		sessions := []people.Session{w.session(mine.Session)}
		for _, name := range []string{"b", "c", "d"} {
			sessions = append(sessions, w.add(sessions[0], org, name+"@label.example", permission.Owner))
		}
		var wg sync.WaitGroup
		for i, s := range sessions {
			wg.Go(func() {
				var err error
				other := sessions[(i+1)%len(sessions)].Person.ID
				if i%2 == 0 {
					err = w.RemoveMember(context.WithoutCancel(ctx), people.By{Session: s}, org, other)
				} else {
					err = w.SetRole(context.WithoutCancel(ctx), people.By{Session: s}, org, other, "", permission.Viewer)
				}
				// A caller who was removed first has lost the role, unless they are an operator.
				if err != nil && !errors.Is(err, fault.CodeCommonForbidden) && !errors.Is(err, fault.CodeOrganizationNotFound) && !errors.Is(err, fault.CodeCommonNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, s := range sessions { // and then each leaves
			if err := w.RemoveMember(ctx, people.By{Session: s}, org, s.Person.ID); err != nil && !errors.Is(err, fault.CodeCommonForbidden) && !errors.Is(err, fault.CodeOrganizationNotFound) && !errors.Is(err, fault.CodeCommonNotFound) {
				t.Error(err)
			}
		}
		members, err := w.Members(ctx, org, people.Part{Most: 10})
		if err != nil {
			t.Fatal(err)
		}
		owners := 0
		for _, m := range members {
			if m.Role == permission.Owner {
				owners++
			}
		}
		if owners != 1 {
			t.Errorf("%d owners of %+v", owners, members)
		}
	})
}

// Each role changes each role to each role, in one table.
func TestRoleTable(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		mine, org := w.first()
		owner := w.session(mine.Session)
		caller := map[permission.Role]people.Session{permission.Owner: w.add(owner, org, "owner2@label.example", permission.Owner)}
		for _, r := range permission.Roles()[1:] {
			caller[r] = w.add(owner, org, "caller-"+string(r)+"@label.example", r)
		}
		target := w.add(owner, org, "target@label.example", permission.Viewer).Person.ID
		for _, by := range permission.Roles() {
			for _, old := range permission.Roles() {
				for _, want := range permission.Roles() {
					if old == want {
						continue
					}
					if err := w.SetRole(ctx, people.CommandLine(), org, target, "", old); err != nil {
						t.Fatal(err)
					}
					err := w.SetRole(ctx, people.By{Session: caller[by]}, org, target, old, want)
					allowed := by == permission.Owner || by == permission.Admin && old != permission.Owner && want != permission.Owner
					if allowed != (err == nil) || !allowed && !errors.Is(err, fault.CodeCommonForbidden) {
						t.Errorf("%s makes %s a %s: %v", by, old, want, err)
					}
				}
			}
		}
		// A new owner needs a fresh proof; another role does not.
		w.pass(people.Recent + time.Second)
		if err := w.SetRole(ctx, people.CommandLine(), org, target, "", permission.Viewer); err != nil {
			t.Fatal(err)
		}
		wantErr(t, w.SetRole(ctx, people.By{Session: caller[permission.Owner]}, org, target, "", permission.Owner), people.ErrProve)
		_, _, err := w.Invite(ctx, people.By{Session: caller[permission.Owner]}, org, "new@label.example", permission.Owner)
		wantErr(t, err, people.ErrProve)
		if err := w.SetRole(ctx, people.By{Session: caller[permission.Owner]}, org, target, permission.Viewer, permission.Developer); err != nil {
			t.Error(err)
		}
		wantErr(t, w.SetRole(ctx, people.By{Session: caller[permission.Owner]}, org, target, permission.Viewer, permission.Admin), fault.CodeCommonConflict)
		wantErr(t, w.SetRole(ctx, people.CommandLine(), org, target, "", "king"), fault.CodeCommonValidationFailed)
	})
}

// An id of another organization is answered as absent, and so is a text without the form of an id.
func TestOtherOrganization(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		mine, org := w.first()
		owner := w.session(mine.Session)
		member := w.add(owner, org, "member@label.example", permission.Viewer)
		other, token, err := w.FoundOrganization(ctx, people.CommandLine(), "Other", "boss@other.example")
		if err != nil {
			t.Fatal(err)
		}
		e, _, err := w.AcceptNew(ctx, token, "", password, "", from)
		if err != nil {
			t.Fatal(err)
		}
		boss := people.By{Session: w.session(e.Session)}
		i, _, err := w.Invite(ctx, people.By{Session: owner}, org, "guest@label.example", permission.Viewer)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{org, "x", "", "\x00", "0190a0e6-0000-7000-8000-00000000dead"} {
			_, _, err := w.Invite(ctx, boss, id, "x@other.example", permission.Viewer)
			wantErr(t, err, fault.CodeOrganizationNotFound)
			wantErr(t, w.RemoveMember(ctx, boss, id, member.Person.ID), fault.CodeOrganizationNotFound)
			wantErr(t, w.RevokeInvitation(ctx, boss, id, i.ID), fault.CodeOrganizationNotFound)
		}
		wantErr(t, w.RemoveMember(ctx, boss, other, member.Person.ID), fault.CodeCommonNotFound)
		wantErr(t, w.SetRole(ctx, boss, other, member.Person.ID, "", permission.Admin), fault.CodeCommonNotFound)
		wantErr(t, w.RevokeInvitation(ctx, boss, other, i.ID), fault.CodeCommonNotFound)
		_, _, err = w.ResendInvitation(ctx, boss, other, i.ID)
		wantErr(t, err, fault.CodeCommonNotFound)
		_, err = w.MemberOf(ctx, other, member.Person.ID)
		wantErr(t, err, fault.CodeCommonNotFound)
		wantErr(t, w.Suspend(ctx, boss, other, true, "mine"), fault.CodeCommonNotFound)
		wantErr(t, w.Visit(ctx, boss, org, "curious"), fault.CodeCommonNotFound)
		_, _, err = w.FoundOrganization(ctx, boss, "Third", "x@other.example")
		wantErr(t, err, fault.CodeCommonNotFound)
		_, err = w.ResetLink(ctx, boss, email, false)
		wantErr(t, err, fault.CodeCommonNotFound)
	})
}

// A link for a new password works once, ends every session, and keeps the second factor. The first
// proof of an address removes what somebody else may have added before.
func TestReset(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, func(c *people.Config) { c.Mail = true })
		ctx := t.Context()
		mine, _ := w.first()
		link := func() string {
			t.Helper()
			_, url, send, err := w.Prepare(ctx, mail.Message{Kind: mail.Reset, Ref: email})
			if err != nil || !send {
				t.Fatal(send, err)
			}
			return url[len(url)-43:]
		}
		one, two := link(), link() // a mail that was sent twice
		_, err := w.SeeReset(ctx, "."+one[1:], from)
		wantErr(t, err, people.ErrLink)
		wantErr(t, w.Reset(ctx, one, "short", from), fault.CodeCommonValidationFailed)
		if err := w.Reset(ctx, one, "another long password", from); err != nil {
			t.Fatal(err)
		}
		wantErr(t, w.Reset(ctx, one, "another long password", from), people.ErrLink)
		wantErr(t, w.Reset(ctx, two, "another long password", from), people.ErrLink)
		_, err = w.Session(ctx, mine.Session)
		wantErr(t, err, fault.CodeCommonAuthExpired)
		late := link()
		w.pass(people.ResetLife)
		wantErr(t, w.Reset(ctx, late, "another long password", from), people.ErrLink)
		// No mail for an address without an account, or for one that asks to sign up twice.
		if _, _, send, err := w.Prepare(ctx, mail.Message{Kind: mail.Reset, Ref: "nobody@label.example"}); send || err != nil {
			t.Error(send, err)
		}
		if m, _, send, err := w.Prepare(ctx, mail.Message{Kind: mail.SignUp, Ref: email}); m.Kind != mail.Known || !send || err != nil {
			t.Error(m, send, err)
		}
	})
}

// Invitations and their repetitions do not fill a stranger's mailbox.
func TestInvitationMailsAreBounded(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, func(c *people.Config) { c.Mail = true }, limited)
		mine, org := w.first()
		by := people.By{Session: w.session(mine.Session)}
		sent := 0
		for range 20 {
			i, _, err := w.Invite(t.Context(), by, org, "stranger@elsewhere.example", permission.Viewer)
			if err != nil {
				wantErr(t, err, fault.CodeCommonRateLimited)
				break
			}
			sent++
			for range 20 {
				if _, _, err = w.ResendInvitation(t.Context(), by, org, i.ID); err != nil {
					wantErr(t, err, fault.CodeCommonRateLimited)
					break
				}
				sent++
			}
		}
		if sent == 0 || sent > 12 {
			t.Errorf("%d mails", sent)
		}
		if _, _, err := w.Invite(t.Context(), by, org, "another@elsewhere.example", permission.Viewer); err != nil {
			t.Error(err)
		}
	})
}

// Every change of a person is in the audit log of the installation, and none has a secret.
func TestAudit(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		w.first()
		if _, err := w.signIn(email, "wrong"); err == nil {
			t.Fatal("a wrong password signs in")
		}
		if _, err := w.signIn("nobody@label.example", "wrong"); err == nil {
			t.Fatal("nobody signs in")
		}
		page, err := audit.List(ctx, db, audit.Filter{}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		var actions []string
		for _, e := range page.Entries {
			actions = append(actions, e.Action)
		}
		want := []string{"sign_in.failed", "sign_in.failed", "sign_in.succeeded", "person.created"}
		for i := range want {
			if i >= len(actions) || actions[i] != want[i] {
				t.Fatalf("%v, want %v", actions, want)
			}
		}
		if page.Entries[0].Subject != "" || page.Entries[1].Subject == "" {
			t.Errorf("%+v", page.Entries[:2])
		}
	})
}

// Members of a suspended organization change no member and no invitation, and may leave. An operator changes them.
func TestSuspendedOrganization(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		mine, org := w.first()
		first := w.session(mine.Session) // also an operator
		owner := people.By{Session: w.add(first, org, "second@label.example", permission.Owner)}
		viewer := w.add(first, org, "viewer@label.example", permission.Viewer)
		i, _, err := w.Invite(ctx, owner, org, "guest@label.example", permission.Viewer)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Suspend(ctx, people.CommandLine(), org, true, "a test"); err != nil {
			t.Fatal(err)
		}
		_, _, err = w.Invite(ctx, owner, org, "other@label.example", permission.Viewer)
		wantErr(t, err, fault.CodeOrganizationInactive)
		wantErr(t, w.SetRole(ctx, owner, org, viewer.Person.ID, "", permission.Admin), fault.CodeOrganizationInactive)
		wantErr(t, w.RemoveMember(ctx, owner, org, viewer.Person.ID), fault.CodeOrganizationInactive)
		wantErr(t, w.RevokeInvitation(ctx, owner, org, i.ID), fault.CodeOrganizationInactive)
		if err := w.RemoveMember(ctx, people.By{Session: viewer}, org, viewer.Person.ID); err != nil {
			t.Errorf("leave: %v", err)
		}
		if err := w.RevokeInvitation(ctx, people.By{Session: first}, org, i.ID); err != nil {
			t.Errorf("an operator: %v", err)
		}
	})
}
