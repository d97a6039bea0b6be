package people_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store/storetest"
)

// TestKilledStep is one step in a process of its own, which kills itself at a crash point. TestKills runs it.
func TestKilledStep(t *testing.T) {
	step, at := os.Getenv("TIMBRE_TEST_STEP"), os.Getenv("TIMBRE_TEST_KILL")
	if step == "" {
		t.Skip("TestKills runs this step in a process of its own")
	}
	w := newWorld(t, storetest.Open(t, os.Getenv("TIMBRE_TEST_DATABASE")))
	w.SetReached(func(point string) {
		if point == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	t.Fatalf("the step %s has not reached %s: %v", step, at, w.run(step, os.Getenv("TIMBRE_TEST_TOKEN")))
}

// run does a step of the kill test. token is its link.
func (w *world) run(step, token string) (err error) {
	ctx := w.t.Context()
	switch step {
	case "first":
		_, _, err = w.FirstOwner(ctx, token, people.Account{Email: email, Password: password, Organization: "Label"}, from)
	case "invitation":
		_, _, err = w.AcceptNew(ctx, token, "", password, "", from)
	case "reset":
		err = w.Reset(ctx, token, "another long password", from)
	case "email":
		err = w.ConfirmEmail(ctx, token, from)
	case "delete":
		err = w.Delete(ctx, people.CommandLine(), second, from)
	}
	return err
}

// Each step that changes several rows, killed before its commit, has changed nothing and is done again; killed after its
// commit, it has changed everything, and its repetition is refused.
func TestKills(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			for _, step := range []string{"first", "invitation", "reset", "email", "delete"} {
				for _, point := range []string{"written", "committed"} {
					t.Run(step+"/"+point, func(t *testing.T) { killed(t, database, step, point) })
				}
			}
		})
	}
}

func killed(t *testing.T, database, step, point string) {
	t.Parallel()
	url := storetest.SQLiteURL(t, t.TempDir())
	if database == "postgres" {
		url = storetest.PostgresURL(t)
	}
	w := newWorld(t, storetest.Open(t, url))
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var token, org string
	var err error
	if step == "first" {
		token, err = w.FirstLink(ctx)
		must(err)
	} else {
		var mine people.Entry
		mine, org = w.first()
		owner := w.session(mine.Session)
		switch step {
		case "invitation":
			_, token, err = w.Invite(ctx, people.By{Session: owner}, org, second, permission.Viewer)
		case "reset":
			token, err = w.ResetLink(ctx, people.CommandLine(), email, true)
		case "email":
			token, err = w.AskEmail(ctx, people.CommandLine(), email, "new@label.example", from)
		case "delete":
			w.add(owner, org, second, permission.Viewer)
		}
		must(err)
	}
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledStep$", "-test.count=1")
	child.Env = append(os.Environ(), "TIMBRE_TEST_STEP="+step, "TIMBRE_TEST_KILL=people."+step+"."+point, "TIMBRE_TEST_DATABASE="+url, "TIMBRE_TEST_TOKEN="+token)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process was not killed: %v\n%s", err, out)
	}

	all := func() string { // what the step changes
		persons, err := w.People(ctx, people.Part{Most: 10})
		must(err)
		var b strings.Builder
		for _, p := range persons {
			own, err := w.Memberships(ctx, p.ID, "")
			must(err)
			b.WriteString(p.Email)
			for _, m := range own {
				member, err := w.MemberOf(ctx, m.OrganizationID, p.ID)
				must(err)
				b.WriteString(" " + string(m.Role) + " " + member.Email)
			}
			b.WriteString("\n")
		}
		return b.String()
	}
	mine := email + " owner " + email + "\n"
	states := map[string][2]string{ // before and after the step
		"first": {"", mine}, "invitation": {mine, mine + second + " viewer " + second + "\n"}, "reset": {mine, mine},
		"email": {mine, "new@label.example owner new@label.example\n"}, "delete": {mine + second + " viewer " + second + "\n", mine},
	}[step]
	want := states[0]
	if point == "committed" {
		want = states[1]
	}
	if got := all(); got != want {
		t.Errorf("after the kill: %q, want %q", got, want)
	}
	again := w.run(step, token)
	if (again == nil) != (point == "written") {
		t.Errorf("the repetition: %v", again)
	}
	if got := all(); got != states[1] {
		t.Errorf("after the repetition: %q, want %q", got, states[1])
	}
	if step == "reset" {
		if _, err := w.signIn(email, "another long password"); err != nil {
			t.Errorf("the new password: %v", err)
		}
	}
}
