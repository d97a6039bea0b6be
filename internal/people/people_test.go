package people_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

const (
	password = "a long walk in the rain"
	email    = "owner@label.example"
)

var from = people.Client{Address: "192.0.2.1", Agent: "test", RequestID: "01TEST"}

// world is a service on a stopped clock.
type world struct {
	*people.Service
	t    *testing.T
	pass func(time.Duration)
}

func newWorld(t *testing.T, db *store.DB, change ...func(*people.Config)) *world {
	t.Helper()
	now := time.Unix(1_800_000_000, 0)
	var mu sync.Mutex
	db.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	c := people.Config{DB: db, Key: []byte(strings.Repeat("k", 32)), URL: "https://timbre.example"}
	for _, f := range change {
		f(&c)
	}
	s, err := people.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &world{s, t, func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }}
}

func limited(c *people.Config) { c.Limits = limit.New(c.DB, limit.Rates{}, nil) }

// first makes the first owner.
func (w *world) first() (people.Entry, string) {
	w.t.Helper()
	token, err := w.FirstLink(w.t.Context())
	if err != nil || token == "" {
		w.t.Fatal(token, err)
	}
	entry, org, err := w.FirstOwner(w.t.Context(), token, people.Account{Email: email, Password: password, Organization: "Label"}, from)
	if err != nil {
		w.t.Fatal(err)
	}
	return entry, org
}

func (w *world) session(token string) people.Session {
	w.t.Helper()
	s, err := w.Session(w.t.Context(), token)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) signIn(email, password string) (people.Entry, error) {
	return w.SignIn(w.t.Context(), people.Attempt{Email: email, Password: password, From: from})
}

// add invites an address and makes its account.
func (w *world) add(by people.Session, org, email string, role permission.Role) people.Session {
	w.t.Helper()
	_, token, err := w.Invite(w.t.Context(), people.By{Session: by}, org, email, role)
	if err != nil {
		w.t.Fatal(err)
	}
	entry, got, err := w.AcceptNew(w.t.Context(), token, "", password, "de", from)
	if err != nil || got != org {
		w.t.Fatal(got, err)
	}
	return w.session(entry.Session)
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

func reason(err error) any { return fault.From(err).Details["reason"] }

// each runs a test on both databases, with hashes that take no time.
func each(t *testing.T, f func(*testing.T, *store.DB)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, f)
}

// The link of the first owner works once, also when several people open it at once, and not
// after its time. A restart replaces it.
func TestFirstOwner(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		old, err := w.FirstLink(ctx)
		if err != nil {
			t.Fatal(err)
		}
		token, err := w.FirstLink(ctx)
		if err != nil {
			t.Fatal(err)
		}
		a := people.Account{Email: email, Password: password, Organization: "Label"}
		_, _, err = w.FirstOwner(ctx, old, a, from)
		wantErr(t, err, people.ErrLink)
		w.pass(people.FirstLife)
		_, _, err = w.FirstOwner(ctx, token, a, from)
		wantErr(t, err, people.ErrLink)
		if token, err = w.FirstLink(ctx); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		var made []people.Entry
		for i := range 4 {
			wg.Go(func() {
				a := a
				a.Email = string(rune('a'+i)) + "@label.example"
				e, _, err := w.FirstOwner(context.WithoutCancel(ctx), token, a, people.Client{Address: "192.0.2." + string(rune('1'+i))})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made = append(made, e)
				} else if !errors.Is(err, people.ErrLink) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(made) != 1 || !made[0].Person.Operator {
			t.Fatalf("%d first owners: %+v", len(made), made)
		}
		ms, err := w.Memberships(ctx, made[0].Person.ID, "")
		if err != nil || len(ms) != 1 || ms[0].Role != permission.Owner || ms[0].OrganizationName != "Label" {
			t.Errorf("%+v, %v", ms, err)
		}
		if again, err := w.FirstLink(ctx); again != "" || err != nil {
			t.Errorf("a link for a second first owner: %q, %v", again, err)
		}
	})
}

// A session begins with a right password, ends by time, by idleness and by hand, and has a new
// token each time.
// The page shows no question marks for a browser that does not name itself.
func TestBrowserOfSession(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"": "", "something/1": "", "curl/8.0": "curl", "Lynx (Linux)": "Linux",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox, Linux",
	} {
		if got := (people.Session{Agent: agent}).Browser(); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		one, _ := w.first()
		two, err := w.signIn(" OWNER@Label.Example ", password)
		if err != nil || two.Session == one.Session || two.Device == one.Device {
			t.Fatal(two, err)
		}
		for _, c := range []struct{ email, password string }{
			{email, password + "x"}, {"nobody@label.example", password}, {"", password}, {email, ""}, {"\x00@label.example", "\x00"}, {email, strings.Repeat("x", 5000)},
		} {
			_, err := w.signIn(c.email, c.password)
			wantErr(t, err, people.ErrSignIn)
		}
		for _, token := range []string{"", "x", strings.Repeat("x", 43), one.Session + "x", one.Device, strings.Repeat("x", 5000)} {
			_, err := w.Session(ctx, token)
			wantErr(t, err, fault.CodeCommonAuthExpired)
		}
		a, b := w.session(one.Session), w.session(two.Session)
		if a.CSRF == b.CSRF || a.CSRF == "" {
			t.Error("sessions share the token of forms")
		}
		list, err := w.Sessions(ctx, a.Person.ID)
		if err != nil || len(list) != 2 || list[0].ID != b.ID || list[0].Address != from.Address || list[0].Agent != from.Agent {
			t.Errorf("%+v, %v", list, err)
		}
		wantErr(t, w.EndSession(ctx, "00000000-0000-7000-8000-000000000000", b.ID, a.Person.Actor("")), fault.CodeCommonNotFound)
		if err := w.EndSession(ctx, a.Person.ID, b.ID, a.Person.Actor("")); err != nil {
			t.Error(err)
		}
		_, err = w.Session(ctx, two.Session)
		wantErr(t, err, fault.CodeCommonAuthExpired)
		w.pass(6 * 24 * time.Hour)
		w.session(one.Session) // which is used now
		w.pass(6 * 24 * time.Hour)
		w.session(one.Session)
		w.pass(7*24*time.Hour + time.Second)
		_, err = w.Session(ctx, one.Session)
		wantErr(t, err, fault.CodeCommonAuthExpired)
		three, err := w.signIn(email, password)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			w.pass(3*24*time.Hour - time.Second)
			w.session(three.Session)
		}
		w.pass(time.Minute)
		_, err = w.Session(ctx, three.Session)
		wantErr(t, err, fault.CodeCommonAuthExpired)
	})
}

// A new password ends the other sessions, and gives the own one a new token.
func TestChangePassword(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ctx := t.Context()
		mine, _ := w.first()
		other, err := w.signIn(email, password)
		if err != nil {
			t.Fatal(err)
		}
		s := w.session(mine.Session)
		for _, bad := range []string{"", "short", "password123", "1111111111", "owner@label.example1", strings.Repeat("x", 1025), "aaaaaaaaaaaaaaaa", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
			_, err := w.ChangePassword(ctx, s, mine.Session, password, bad, from)
			wantErr(t, err, fault.CodeCommonValidationFailed)
		}
		_, err = w.ChangePassword(ctx, s, mine.Session, "wrong", "another long password", from)
		wantErr(t, err, people.ErrSignIn)
		token, err := w.ChangePassword(ctx, s, mine.Session, password, "another long password", from)
		if err != nil {
			t.Fatal(err)
		}
		w.session(token)
		for _, old := range []string{mine.Session, other.Session} {
			_, err := w.Session(ctx, old)
			wantErr(t, err, fault.CodeCommonAuthExpired)
		}
		_, err = w.signIn(email, password)
		wantErr(t, err, people.ErrSignIn)
		if _, err := w.signIn(email, "another long password"); err != nil {
			t.Error(err)
		}
	})
}

// A flood of tries for one account does not keep its owner out of a browser that has signed in
// before. Unknown addresses are limited in the same way.
func TestBruteForce(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, limited)
		ctx := t.Context()
		mine, _ := w.first()
		for _, who := range []string{email, "nobody@label.example"} {
			refused := 0
			for i := range 14 {
				_, err := w.SignIn(ctx, people.Attempt{Email: who, Password: "guess", From: people.Client{Address: "198.51.100." + string(rune('0'+i%10)) + who[:1]}})
				switch {
				case errors.Is(err, fault.CodeCommonRateLimited) && reason(err) == "account":
					refused++
				default:
					wantErr(t, err, people.ErrSignIn)
				}
			}
			if refused != 4 {
				t.Errorf("%s: %d of 14 tries refused, want 4", who, refused)
			}
		}
		_, err := w.signIn(email, password)
		wantErr(t, err, fault.CodeCommonRateLimited)
		if _, err := w.SignIn(ctx, people.Attempt{Email: email, Password: password, Device: mine.Device, From: from}); err != nil {
			t.Errorf("the owner is locked out: %v", err)
		}
		// One address cannot try many accounts.
		for i := range 31 {
			_, err = w.SignIn(ctx, people.Attempt{Email: "x" + string(rune('a'+i)) + "@label.example", Password: "guess", From: people.Client{Address: "203.0.113.9"}})
		}
		if !errors.Is(err, fault.CodeCommonRateLimited) || reason(err) != "address" {
			t.Error(err)
		}
	})
}
