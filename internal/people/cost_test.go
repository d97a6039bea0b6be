package people_test

import (
	"testing"

	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
)

// A call costs the same number of password hashes whether an account exists. The clock tells nothing then.
func TestUnknownAccountsCostTheSame(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, mailed)
		ctx := t.Context()
		mine, org := w.first()
		w.Mail = false
		bare := w.add(w.session(mine.Session), org, second, permission.Viewer)
		_, invited, err := w.Invite(ctx, people.By{Session: w.session(mine.Session)}, org, "guest@label.example", permission.Viewer)
		if err != nil {
			t.Fatal(err)
		}
		w.Mail = true
		cost := func(do func()) int64 {
			before := w.Hashed()
			do()
			return w.Hashed() - before
		}
		signIn := func(address, secret string) func() {
			return func() {
				if _, err := w.signIn(address, secret); err == nil {
					t.Errorf("%s signs in", address)
				}
			}
		}
		reset := func(token string) func() {
			return func() { _ = w.Reset(ctx, token, "another long password", from) }
		}
		accept := func(token string) func() {
			return func() { _, _, _ = w.AcceptNew(ctx, token, "", "another long password", "", from) }
		}
		recover := func(address string) func() {
			return func() {
				if err := w.Recover(ctx, address, "", from); err != nil {
					t.Error(err)
				}
			}
		}
		link, err := w.ResetLink(ctx, people.CommandLine(), bare.Person.Email, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what string
			do   func()
			want int64
		}{
			{"sign-in, a wrong password", signIn(email, "a wrong password"), 1},
			{"sign-in, an unknown account", signIn("nobody@label.example", "a wrong password"), 1},
			{"sign-in, no address", signIn("nobody", "a wrong password"), 1},
			{"sign-in, a very long password", signIn(email, string(make([]byte, 5000))), 1},
			{"recovery of an account", recover(email), 0},
			{"recovery of an unknown account", recover("nobody@label.example"), 0},
			{"a new password by an unknown link", reset("x"), 0},
			{"a new password by a link", reset(link), 1},
			{"an unknown invitation", accept("x"), 0},
			{"an invitation", accept(invited), 1},
		} {
			if got := cost(c.do); got != c.want {
				t.Errorf("%s: %d hashes, want %d", c.what, got, c.want)
			}
		}
	})
}
