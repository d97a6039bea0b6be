package e2e_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/credits"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// postbox is an SMTP server on a real port. It offers no TLS, as --smtp-security none expects.
type postbox struct {
	address string
	mu      sync.Mutex
	mails   []string // each with a line of its recipients before it
}

func openPostbox(t *testing.T) *postbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &postbox{address: l.Addr().String()}
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.talk(conn) })
		}
	})
	return p
}

func (p *postbox) talk(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	lines := bufio.NewScanner(conn)
	say := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	to := ""
	for say("220 postbox"); lines.Scan(); {
		switch verb, rest, _ := strings.Cut(lines.Text(), " "); strings.ToUpper(verb) {
		case "EHLO":
			say("250-postbox")
			say("250 8BITMIME")
		case "RCPT":
			to += rest + "\n"
			say("250 ok")
		case "DATA":
			say("354 go ahead")
			text := to
			for lines.Scan() && lines.Text() != "." {
				text += lines.Text() + "\n"
			}
			p.mu.Lock()
			p.mails = append(p.mails, text)
			p.mu.Unlock()
			to = ""
			say("250 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// subjects returns the mails with this beginning of their subject.
func (p *postbox) subjects(begin string) (found []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.mails {
		if strings.Contains(one, "\nSubject: "+begin) {
			found = append(found, one)
		}
	}
	return found
}

// serve starts a server that sends its mails here, with prices, and with a clock that the test can
// set. Its organization has two people who receive warnings, and one who does not.
func (p *postbox) serve(t *testing.T, databaseURL, clock string) *harness.Server {
	t.Helper()
	s := harness.Start(t, harness.Options{Roles: "organizations,ats,worker", Tags: "crashpoints", DatabaseURL: databaseURL, Settings: []string{
		"TIMBRE_SMTP_ADDRESS=" + p.address, "TIMBRE_SMTP_SECURITY=none", "TIMBRE_SMTP_FROM=timbre@songs.example", "TIMBRE_WEBHOOKS_ALLOW=127.0.0.0/8",
		"TIMBRE_PRICES_TESTNET=network=5", "TIMBRE_CLOCK_AHEAD=" + clock, "TIMBRE_NETWORK_CLOCK_TOLERANCE=1000h",
	}})
	s.NewOrganization()
	db, err := store.Open(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		for _, role := range []string{"owner", "admin", "developer"} {
			email := role + "@label.example"
			if err := tx.InsertPerson(t.Context(), query.InsertPersonParams{ID: role, Email: email, Language: "en", CreatedAt: store.Micros(tx.Now)}); err != nil {
				return err
			}
			if err := tx.InsertMembership(t.Context(), query.InsertMembershipParams{OrganizationID: s.OrganizationID, PersonID: role, Email: email, Role: role, CreatedAt: store.Micros(tx.Now)}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// people are the owner and the admin.
const people = 2

// warnBelow sets the level of the low-balance warning to the present balance: the next hold
// crosses it.
func warnBelow(t *testing.T, s *harness.Server) {
	t.Helper()
	db, err := store.Open(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, err := credits.Of(t.Context(), db.Read(), s.OrganizationID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := account.ChangeOrganization(t.Context(), db, audit.CommandLine(), s.OrganizationID, 0, func(o *account.Organization) { o.LowCredits = b.Available }); err != nil {
		t.Fatal(err)
	}
}

func setClock(t *testing.T, clock, ahead string) {
	t.Helper()
	if err := os.WriteFile(clock, []byte(ahead), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Owners and admins receive each warning about an endpoint as one mail over SMTP: after three days
// of failures, when five days of failures turn it off, and when an answer 410 turns it off.
func TestEndpointMails(t *testing.T) {
	t.Parallel()
	box, clock := openPostbox(t), filepath.Join(t.TempDir(), "clock")
	s := box.serve(t, "", clock)
	h := hooksOf(t, s)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(map[bool]int{true: http.StatusGone, false: http.StatusInternalServerError}[r.URL.Path == "/gone"])
	}))
	defer receiver.Close()
	failing := h.call("POST", "", map[string]any{"url": receiver.URL + "/failing"})
	gone := h.call("POST", "", map[string]any{"url": receiver.URL + "/gone"})
	db, err := store.Open(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	wants := func(subject, path string) {
		t.Helper()
		if !harness.Eventually(func() bool { return len(box.subjects(subject)) >= people }) {
			t.Fatalf("no mail %q: %q", subject, box.mails)
		}
		if all := box.subjects(subject); len(all) != people || !strings.Contains(all[0], path) || strings.Contains(all[0], "{") {
			t.Errorf("%q", all)
		}
	}
	h.call("POST", "/"+failing.ID+"/test", nil)
	if !harness.Eventually(func() bool { // a call of the API would meet its limit
		row, err := db.Read().WebhookEndpointByID(t.Context(), failing.ID)
		return err == nil && row.FailingSince > 0
	}) {
		t.Fatal("no attempt is recorded")
	}
	setClock(t, clock, "73h")
	s.Kill()
	s.Restart()
	h.call("POST", "/"+failing.ID+"/test", nil)
	wants("A webhook endpoint fails:", "/failing")
	setClock(t, clock, "122h")
	s.Kill()
	s.Restart()
	h.call("POST", "/"+failing.ID+"/test", nil)
	wants("A webhook endpoint was turned off:", "/failing")
	h.call("POST", "/"+gone.ID+"/test", nil)
	wants("A webhook endpoint refused all", "/gone")
	if n := len(box.subjects("A webhook endpoint")); n != 3*people {
		t.Errorf("%d mails about endpoints to %d people", n, people)
	}
}

// A hold takes the balance below its level, and the server is killed at each step of the warning:
// in the end there is one mail to each owner and admin, and one event.
func TestLowBalanceKilled(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, databaseURL func(*testing.T) string) {
		for _, point := range []string{"warning.taken", "warning.told", "warning.passed"} {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				box, clock := openPostbox(t), filepath.Join(t.TempDir(), "clock")
				s := box.serve(t, databaseURL(t), clock)
				h := hooksOf(t, s)
				got := &heard{}
				receiver := httptest.NewServer(got)
				defer receiver.Close()
				h.call("POST", "", map[string]any{"url": receiver.URL})
				warnBelow(t, s)
				s.Kill()
				s.Restart("TIMBRE_CRASH_AT=" + point)
				again := func() { // after the leases of the killed process
					setClock(t, clock, "10m")
					s.Restart()
				}
				song := &harness.Song{Server: s, Title: "Low at " + point, Audio: harness.WAV(1)}
				died := 0
				walk(t, song, func(step string, err error) {
					if died++; died > 1 || !s.WasKilled() {
						t.Fatalf("%s: %v", step, err)
					}
					again()
				})
				if died == 0 {
					if !harness.Eventually(s.WasKilled) {
						t.Fatal("the server never came by this point")
					}
					again()
				}
				if !harness.Eventually(func() bool {
					return len(box.subjects("Few credits left:")) >= people && len(got.events("credits_low")) > 0 && len(got.events("work_registered")) > 0
				}) {
					t.Fatalf("%q, %v", box.mails, got.events("credits_low"))
				}
				ids := map[string]bool{}
				for _, one := range got.events("credits_low") {
					ids[one["webhook-id"]] = true
				}
				if all := box.subjects("Few credits left:"); len(all) != people || len(ids) != 1 {
					t.Errorf("%d mails to %d people, %d events", len(all), people, len(ids))
				}
				checkWork(t, song, 1)
			})
		}
	})
}
