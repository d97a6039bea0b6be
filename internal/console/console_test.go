package console

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/console/integration"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/console/transactions"
	"timbre.example/internal/limit"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/registry"
	"timbre.example/internal/requestlog"
	"timbre.example/internal/session"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/story"
	"timbre.example/internal/webhook"
)

// whole returns the console with all of its pages.
func whole(t *testing.T) *shelltest.Site {
	t.Helper()
	db, log := storetest.SQLite(t), slog.New(slog.DiscardHandler)
	persons, err := people.New(people.Config{DB: db, Key: make([]byte, 32), URL: shelltest.PublicURL})
	if err != nil {
		t.Fatal(err)
	}
	requests := requestlog.New(db, time.Hour, log)
	stopping := make(chan struct{})
	close(stopping) // streams end at once
	s, err := New(Config{
		PublicURL: shelltest.PublicURL, Key: make([]byte, 32), DB: db, People: persons, Registry: registry.New(registry.Config{DB: db, Times: registry.DefaultTimes(), Log: log}),
		Networks:    []network.Network{networktest.New(network.Mainnet), networktest.New(network.Testnet)},
		APIKeys:     &apikey.Service{DB: db, Log: log},
		Webhooks:    webhook.New(webhook.Config{DB: db, Log: log}),
		Integration: integration.Config{DB: db, Sessions: &session.Service{DB: db}, Limits: &limit.Limits{}, PublicURL: shelltest.PublicURL},
		Transactions: transactions.Config{
			Stories: story.New(db, requests), Requests: requests, PublicURL: shelltest.PublicURL, ExplorerURL: func(network.Name, string) string { return "" }, Stopping: stopping,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return shelltest.OpenShell(t, db, s)
}

var part = regexp.MustCompile(`\{[a-z_]+\.*\}`)

// address fills a path with an organization, and with ids that nothing has.
func address(path, organization string) string {
	path = strings.ReplaceAll(path, "{org}", organization)
	return part.ReplaceAllString(path, "01890000-0000-7000-8000-000000000000")
}

// refusedRole reports whether an answer is the refusal of the visitor's role.
func refusedRole(a shelltest.Answer) bool {
	return a.Status == http.StatusForbidden && strings.Contains(a.Body, "Your role in this organization does not include it.")
}

// TestAuthorization calls every page of the table as every role, as an outsider, as an operator, in another organization and
// without a session. A page that is added is in this test.
func TestAuthorization(t *testing.T) {
	t.Parallel()
	s := whole(t)
	other := "01890000-0000-7000-8000-0000000000ff"
	callers := []string{"", shelltest.Outsider, shelltest.Operator}
	for _, r := range permission.Roles() {
		callers = append(callers, string(r))
	}
	pages := 0
	for _, p := range s.Shell.Pages() {
		needs := p.Needs.String()
		for _, who := range callers {
			b := s.As(who)
			// A form without its token goes no further than the check of the visitor.
			call := func(organization string) shelltest.Answer {
				if p.Method == http.MethodGet {
					return b.Get(address(p.Path, organization))
				}
				return b.Send(p.Method, address(p.Path, organization), strings.NewReader("csrf=forged"), "Content-Type", "application/x-www-form-urlencoded")
			}
			a := call(s.Organization)
			name := p.Method + " " + p.Path + " as " + who
			if a.Status >= 500 {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
			role := permission.Role(who)
			switch {
			case needs == "anyone":
				if a.Status == http.StatusUnauthorized || refusedRole(a) {
					t.Errorf("%s: %d, and the page is for anyone", name, a.Status)
				}
			case who == "" && p.Method == http.MethodGet:
				if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Location, Root+"/sign-in") {
					t.Errorf("%s: %d to %q, not to the sign-in", name, a.Status, a.Location)
				}
			case who == "":
				if a.Status != http.StatusUnauthorized {
					t.Errorf("%s: %d", name, a.Status)
				}
			case needs == "operators":
				if who != shelltest.Operator && a.Status != http.StatusNotFound {
					t.Errorf("%s: %d", name, a.Status)
				}
				if who == shelltest.Operator && p.Method == http.MethodPost && a.Status != http.StatusForbidden && a.Status != http.StatusBadRequest {
					t.Errorf("%s: a forged form receives %d", name, a.Status)
				}
			case needs == "signed in":
				if a.Status == http.StatusUnauthorized || refusedRole(a) {
					t.Errorf("%s: %d", name, a.Status)
				}
			case !role.Known():
				if a.Status != http.StatusNotFound {
					t.Errorf("%s: %d", name, a.Status)
				}
			case !role.May(p.Needs.Permission()):
				if !refusedRole(a) {
					t.Errorf("%s: %d, although the role lacks %s", name, a.Status, needs)
				}
			case refusedRole(a):
				t.Errorf("%s: refused, although the role has %s", name, needs)
			case p.Method == http.MethodPost && a.Status != http.StatusForbidden && a.Status != http.StatusBadRequest:
				t.Errorf("%s: a forged form receives %d", name, a.Status)
			}
			if role.Known() && p.Needs.Permission() != "" {
				if a := call(other); a.Status != http.StatusNotFound {
					t.Errorf("%s, another organization: %d", name, a.Status)
				}
			}
		}
		pages++
	}
	if pages < 20 {
		t.Errorf("%d pages", pages)
	}
}

// Every page of the navigation fits into 50 kB, and each link in it leads to a page.
func TestPages(t *testing.T) {
	t.Parallel()
	s := whole(t)
	style := 0
	links := regexp.MustCompile(`href="(/console/[^"#?]*)`)
	owner := s.As("owner")
	for _, p := range s.Shell.Pages() {
		if p.Nav.Order == 0 || p.Needs.Permission() == "" {
			continue
		}
		a := owner.Get(p.Path)
		if a.Status != http.StatusOK {
			t.Errorf("%s: %d", p.Path, a.Status)
			continue
		}
		if style == 0 {
			for _, m := range regexp.MustCompile(`(?:href|src)="(/console/assets/[^"]+)"`).FindAllStringSubmatch(a.Body, -1) {
				style += len(s.As("").Get(m[1]).Body)
			}
		}
		if sum := len(a.Body) + style; sum > 50_000 {
			t.Errorf("%s weighs %d bytes with its style and script, before compression", p.Path, sum)
		}
	}
	missing := map[string]bool{}
	for _, m := range links.FindAllStringSubmatch(owner.Get("/o/{org}/overview").Body, -1) {
		if a := owner.Get(m[1]); a.Status != http.StatusOK && a.Status != http.StatusSeeOther {
			missing[m[1]] = true
		}
	}
	for to := range missing {
		t.Errorf("the overview links %s, which is not there", to)
	}
}

// Each area has its texts in all languages.
func TestAreas(t *testing.T) {
	t.Parallel()
	for _, a := range Areas(Config{Networks: []network.Network{networktest.New(network.Mainnet), networktest.New(network.Testnet)}}) {
		texts, err := shell.ReadTexts(a.Files)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range texts.Differences() {
			t.Errorf("%s: %s", a.Name, wrong)
		}
		if names, err := fs.Glob(a.Files, "templates/*.html"); err != nil || len(names) == 0 {
			t.Errorf("%s has no template (%v)", a.Name, err)
		}
	}
}

// A member of a suspended organization opens the pages that read, with a banner that says why. The member
// can send no form but the one that leaves the organization. An operator who has opened the organization changes it.
func TestSuspendedOrganization(t *testing.T) {
	t.Parallel()
	s := whole(t)
	if _, err := account.ChangeOrganization(t.Context(), s.DB, audit.CommandLine(), s.Organization, 0, func(o *account.Organization) { o.Suspended = true }); err != nil {
		t.Fatal(err)
	}
	const banner, refused = `id="suspended"`, "<code>organization.inactive</code>"
	var forms []string
	for _, r := range permission.Roles() {
		b := s.As(string(r))
		for _, p := range s.Shell.Pages() {
			needs := p.Needs.Permission()
			if needs == "" {
				continue
			}
			var a shelltest.Answer
			if p.Method == http.MethodGet {
				a = b.Get(address(p.Path, s.Organization))
			} else {
				a = b.Send(p.Method, address(p.Path, s.Organization), strings.NewReader("csrf=forged"), "Content-Type", "application/x-www-form-urlencoded")
			}
			halted := a.Status == http.StatusForbidden && strings.Contains(a.Body, refused)
			name := p.Method + " " + p.Path + " as " + string(r)
			switch {
			case !needs.Reads() && !halted:
				t.Errorf("%s: %d, not refused", name, a.Status)
			case needs.Reads() && halted:
				t.Errorf("%s: refused, although it reads", name)
			case needs.Reads() && r == permission.Owner && p.Method == http.MethodPost:
				forms = append(forms, p.Path)
			}
			if p.Nav.Order != 0 && needs.Reads() && r.May(needs) && (a.Status != http.StatusOK || !strings.Contains(a.Body, banner)) {
				t.Errorf("%s: %d, without the banner", name, a.Status)
			}
		}
	}
	if !slices.Equal(forms, []string{"/o/{org}/people/leave"}) {
		t.Errorf("forms that members of a suspended organization may send: %v", forms)
	}
	for _, tag := range []string{"en", "fr", "de", "es", "pt", "ja", "ar"} {
		texts, err := shell.ShellTexts()
		if err != nil {
			t.Fatal(err)
		}
		b := s.As("owner")
		b.Language = tag
		if a := b.Get("/o/{org}/settings"); !strings.Contains(a.Body, texts[tag]["suspended.members"]) || strings.Contains(a.Body, "<form") {
			t.Errorf("settings in %s: %s", tag, a.Body)
		}
	}
	operator := s.As(shelltest.Operator)
	if a := operator.Post("/operator/organizations/"+s.Organization+"/visit", url.Values{"reason": {"a test"}}); a.Status != http.StatusSeeOther {
		t.Fatalf("open: %d %s", a.Status, a.Body)
	}
	if a := operator.Get("/o/{org}/settings"); a.Status != http.StatusOK || !strings.Contains(a.Body, banner) || !strings.Contains(a.Body, "<form") {
		t.Errorf("the operator's settings: %d %s", a.Status, a.Body)
	}
}
