package transactions_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/console/transactions"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/record"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/story"
)

func config(db *store.DB) transactions.Config {
	requests := requestlog.New(db, 48*time.Hour, slog.New(slog.DiscardHandler))
	return transactions.Config{Stories: story.New(db, requests), Requests: requests, PublicURL: shelltest.PublicURL, ExplorerURL: func(n network.Name, hash string) string { return "/explorer/" + string(n) + "/tx/" + hash }}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, transactions.Area(transactions.Config{}), ".")
}

// add adds an attempt that is not confirmed.
func add(t *testing.T, db *store.DB, organization, title string) (id string) {
	t.Helper()
	v7, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Tx(t.Context(), func(tx *store.Tx) error {
		now := store.Micros(tx.Now)
		return tx.InsertJob(t.Context(), query.InsertJobParams{ID: v7.String(), OrganizationID: organization, SessionJti: "s-" + v7.String(), Kind: record.KindRegister, Network: "testnet", ExternalUserRef: "<b>ann</b>", WorkID: "w" + v7.String(), Title: title, Creators: "[]", Media: "{}", Deadline: now + 60_000_000, Now: now})
	}); err != nil {
		t.Fatal(err)
	}
	return v7.String()
}

func has(t *testing.T, a shelltest.Answer, status int, texts ...string) {
	t.Helper()
	if a.Status != status {
		t.Errorf("status %d, want %d: %s", a.Status, status, a.Body)
	}
	for _, text := range texts {
		if text, absent := strings.CutPrefix(text, "!"); strings.Contains(a.Body, text) == absent {
			_, main, _ := strings.Cut(a.Body, "<main")
			t.Errorf("%q must be there: %v, in <main%s", text, !absent, main)
		}
	}
	if len(a.Body) > 50_000 {
		t.Errorf("the page has %d bytes", len(a.Body))
	}
}

// Each page for each visitor, in each language.
func TestPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := config(db)
		site := shelltest.Open(t, db, transactions.Area(c))
		viewer := site.As("viewer")
		has(t, viewer.Get("/o/{org}/transactions"), 200, "Nothing was registered yet", "Set up the widget")
		id := add(t, db, site.Organization, "A <song>")
		foreign := add(t, db, "another", "Not yours")
		const minted, refused = "req_01ARZ3NDEKTSV4RRFFQ69G5FA0", "req_01ARZ3NDEKTSV4RRFFQ69G5FA1"
		now := time.Now()
		for _, call := range []requestlog.Call{
			{RequestID: minted, Route: "/v1/sessions", Method: "POST", Status: 200, Caller: requestlog.Caller{Kind: requestlog.Mint, Session: "s-" + id}},
			{RequestID: refused, Route: "/v1/works/confirm", Method: "POST", Status: 402, Code: "registration.insufficient_credits", Job: id, Caller: requestlog.Caller{Kind: requestlog.APIKey, ID: "k", Session: "s-" + id}},
			{RequestID: "req_01ARZ3NDEKTSV4RRFFQ69G5FA2", Organization: "another", Code: "work.not_found", Job: foreign},
		} {
			if call.At = now; call.Organization == "" {
				call.Organization = site.Organization
			}
			c.Requests.Record(call)
		}
		if err := c.Requests.Write(t.Context()); err != nil {
			t.Fatal(err)
		}

		has(t, viewer.Get("/o/{org}/transactions"), 200, "A &lt;song&gt;", "!Not yours", "&lt;b&gt;ann", id[:18], "!"+id, "!Back to the newest", "data-events", "!work.not_found")
		has(t, viewer.Get("/o/{org}/transactions?q="+strings.ToUpper(id)), 200, "A &lt;song&gt;", "!data-events")
		has(t, viewer.Get("/o/{org}/transactions?q="+foreign), 200, "!Not yours", "Nothing matches")
		has(t, viewer.Get("/o/{org}/transactions?status=registered"), 200, "Nothing matches")
		has(t, viewer.Get("/o/{org}/transactions?since=2026-02-30"), 422, "This value is invalid")
		has(t, viewer.Get("/o/{org}/transactions?after=x"), 200, `/transactions"`, "Back to the newest")
		has(t, viewer.Get("/o/{org}/transactions?status=registered&after=x"), 200, `/transactions?status=registered"`, "Back to the newest")
		has(t, viewer.Get("/o/{org}/transactions/calls?code=work.not_found&after="+refused), 200, `/calls?code=work.not_found"`, "Back to the newest")
		has(t, viewer.Get("/o/{org}/transactions?status=x"), 422)
		if a := viewer.Get("/o/{org}/transactions?q=" + strings.ToLower(minted)); a.Status != http.StatusSeeOther || !strings.Contains(a.Location, "/transactions/req_") {
			t.Errorf("a search for a request: %d %s", a.Status, a.Location)
		}

		for _, at := range []string{id, id[:18], refused, minted, strings.ToLower(refused)} {
			has(t, viewer.Get("/o/{org}/transactions/"+at), 200, "A &lt;song&gt;", id[:18], "!"+id+"<", "registration.insufficient_credits", "Add credits, then try again.", "/credits", refused, minted, "Session created", "$TIMBRE_API_KEY", "JOB_ID", "!atc_")
		}
		has(t, site.As("developer").Get("/o/{org}/transactions/"+id), 200, id, `job_id&#34;:&#34;`+id)
		for _, at := range []string{foreign, foreign[:18], "req_01ARZ3NDEKTSV4RRFFQ69G5FA2", "x", "%00", strings.Repeat("x", 300)} {
			has(t, viewer.Get("/o/{org}/transactions/"+at), 404, "!Not yours")
		}

		has(t, viewer.Get("/o/{org}/transactions/calls"), 200, "/v1/sessions", "/v1/works/confirm", "!work.not_found", "Calls are kept for 2 days.")
		has(t, viewer.Get("/o/{org}/transactions/calls?code=registration.insufficient_credits"), 200, "!/v1/sessions", "/v1/works/confirm", "Top up the organization")
		has(t, viewer.Get("/o/{org}/transactions/calls?code=x.y"), 200, "No calls")
		for _, e := range fault.All() { // a message for all refusals has no value, and no placeholder
			has(t, viewer.Get("/o/{org}/transactions/calls?code="+string(e.Code)), 200, string(e.Code), "!{size_mb}", "!{max_mb}")
		}
		has(t, viewer.Get("/o/{org}/transactions/calls?code=registration.audio_too_large"), 200, "too large (… MB)")
		for _, who := range []string{shelltest.Outsider, shelltest.Operator} {
			for _, page := range []string{"", "/calls", "/live", "/" + id} {
				has(t, site.As(who).Get("/o/{org}/transactions"+page), 404, "!song")
			}
		}
		for _, tag := range shell.Languages() {
			b := site.As("owner")
			b.Language = tag
			for _, page := range []string{"", "/calls", "/" + id, "/x"} {
				if a := b.Get("/o/{org}/transactions" + page); strings.Contains(a.Body, "ZgotmplZ") || !strings.Contains(a.Body, `lang="`+tag+`"`) {
					t.Errorf("%s %s: %s", tag, page, a.Body)
				}
			}
		}
	})
}

// Pages of a list continue each other, with their filters.
func TestPaging(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	site := shelltest.Open(t, db, transactions.Area(config(db)))
	want := map[string]bool{}
	for i := range 60 {
		want[fmt.Sprintf("Song %d.", i)] = true
		add(t, db, site.Organization, fmt.Sprintf("Song %d.", i))
	}
	b := site.As("viewer")
	at := "/o/{org}/transactions?status=begun"
	for pages := 0; at != ""; pages++ {
		a := b.Get(at)
		for title := range want {
			if strings.Contains(a.Body, title) {
				delete(want, title)
			}
		}
		at = ""
		if _, rest, ok := strings.Cut(a.Body, `rel="next" href="`); ok {
			next, _, _ := strings.Cut(rest, `"`)
			at = strings.ReplaceAll(next, "&amp;", "&")
			if !strings.Contains(at, "status=begun") {
				t.Errorf("the next page is %s", at)
			}
		}
		if pages > 3 {
			t.Fatal("too many pages")
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// stream is an open live list.
type stream struct {
	*bufio.Reader
	end context.CancelFunc
}

// follow opens the live list of a visitor on a real connection.
func follow(t *testing.T, site *shelltest.Site, who string) stream {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	t.Cleanup(end)
	res := site.As(who).Stream(ctx, "/o/{org}/transactions/live")
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %s", res.StatusCode, res.Header)
	}
	t.Cleanup(func() { res.Body.Close() })
	return stream{bufio.NewReader(res.Body), end}
}

// event reads up to the next event, and returns its name; "" is the end of the stream.
func (s stream) event() string {
	for {
		line, err := s.ReadString('\n')
		if err != nil {
			return ""
		}
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "event: "); ok {
			return name
		}
	}
}

// A live list is woken by a change of its own organization, and ends with the session and with the
// membership.
func TestLive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		site := shelltest.Open(t, db, transactions.Area(config(db)))
		viewer, owner := follow(t, site, "viewer"), follow(t, site, "owner")
		add(t, db, "another", "Not yours")
		// The first read may be before or after the attempt is added: a list is woken by the second one in any case.
		woken := make(chan string)
		go func() { woken <- owner.event() }()
		for name := ""; name == ""; {
			add(t, db, site.Organization, "A song")
			select {
			case name = <-woken:
				if name != "changed" {
					t.Fatalf("event %q", name)
				}
			case <-time.After(2 * time.Second):
			}
		}
		if name := viewer.event(); name != "changed" {
			t.Fatalf("event %q", name)
		}
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.DeleteMembership(t.Context(), query.DeleteMembershipParams{OrganizationID: site.Organization, PersonID: site.Person("viewer")})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for name := viewer.event(); name != "ended"; name = viewer.event() {
			if name != "changed" {
				t.Fatalf("event %q after the membership", name)
			}
		}
		if name := viewer.event(); name != "" {
			t.Errorf("event %q after the end", name)
		}
	})
}

// One person has a bounded number of live lists.
func TestLiveBudget(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	site := shelltest.Open(t, db, transactions.Area(config(db)))
	var last stream
	for range 6 {
		last = follow(t, site, "viewer")
	}
	res := site.As("viewer").Stream(t.Context(), "/o/{org}/transactions/live")
	res.Body.Close()
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
		t.Errorf("the seventh: %d", res.StatusCode)
	}
	follow(t, site, "owner")
	last.end()
	deadline := time.Now().Add(10 * time.Second)
	for {
		res := site.As("viewer").Stream(t.Context(), "/o/{org}/transactions/live")
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after one has ended: %d", res.StatusCode)
		}
	}
}
