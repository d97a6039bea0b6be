package ledger

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/credits"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, Area(nil), ".")
}

func open(t *testing.T) *shelltest.Site {
	db := storetest.SQLite(t)
	return shelltest.Open(t, db, Area(db))
}

func id(n int) string { return fmt.Sprintf("0190a0e6-0000-7000-8000-%012d", n) }

func TestLedger(t *testing.T) {
	t.Parallel()
	s := open(t)
	viewer := s.As("viewer")
	if page := viewer.Get("/o/{org}/credits"); page.Status != http.StatusOK || !strings.Contains(page.Body, "No credits have moved yet") || !strings.Contains(page.Body, "not within 10 years") {
		t.Fatalf("%d: %s", page.Status, page.Body)
	}
	do := func(f func(tx *store.Tx) error) {
		t.Helper()
		if err := s.DB.Tx(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	do(func(tx *store.Tx) error {
		return credits.Grant(t.Context(), tx, audit.CommandLine(), s.Organization, 10_000, "=HYPERLINK(\"https://evil.example\")")
	})
	for i := range 60 {
		do(func(tx *store.Tx) error { return credits.Hold(t.Context(), tx, s.Organization, id(i), 10) })
	}
	for i := range 30 {
		do(func(tx *store.Tx) error { return credits.Capture(t.Context(), tx, s.Organization, id(i)) })
	}
	page := viewer.Get("/o/{org}/credits")
	for _, want := range []string{"<dd>9,400</dd>", "<dd>300</dd>", "300 spent in the last day", `>-10</bdi>`, "(10)", "after="} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// The id of a new transaction reads its access code: a viewer sees the beginning.
	for _, path := range []string{"/o/{org}/credits", "/o/{org}/credits/ledger.csv"} {
		if seen := viewer.Get(path).Body; strings.Contains(seen, id(5)) || strings.Contains(seen, id(40)) || !strings.Contains(seen, id(0)[:18]) {
			t.Errorf("%s shows a viewer whole ids, or none: %s", path, seen)
		}
		if seen := s.As("developer").Get(path + "?kind=hold").Body; !strings.Contains(seen, id(59)) {
			t.Errorf("%s shows a developer no whole id: %s", path, seen)
		}
	}
	if len(page.Body) > 50_000 {
		t.Errorf("the page has %d bytes", len(page.Body))
	}
	// Every transfer is on one page.
	seen, next := 0, "/console/o/"+s.Organization+"/credits"
	for next != "" {
		page := viewer.Get(next)
		seen += strings.Count(page.Body, "<tr><td>")
		_, after, found := strings.Cut(page.Body, `rel="next" href="`)
		if next = ""; found {
			next, _, _ = strings.Cut(after, `"`)
			next = strings.ReplaceAll(next, "&amp;", "&")
		}
	}
	if seen != 91 {
		t.Errorf("%d lines", seen)
	}
	if page := viewer.Get("/o/{org}/credits?kind=grant"); strings.Count(page.Body, "<tr><td>") != 1 || !strings.Contains(page.Body, "evil.example") || !strings.Contains(page.Body, "+10,000") {
		t.Errorf("%s", page.Body)
	}
	if page := viewer.Get("/o/{org}/credits?transaction=" + id(3)); strings.Count(page.Body, "<tr><td>") != 2 {
		t.Errorf("%s", page.Body)
	}
	if page := viewer.Get("/o/{org}/credits?transaction=" + id(99)); !strings.Contains(page.Body, "No transfer matches") {
		t.Errorf("%s", page.Body)
	}
	for _, bad := range []string{"kind=gift", "transaction=%27", "transaction=%00", "after=%ff"} {
		if page := viewer.Get("/o/{org}/credits?" + bad); page.Status >= 500 {
			t.Errorf("%s: %d", bad, page.Status)
		}
	}
	file := viewer.Get("/o/{org}/credits/ledger.csv?kind=grant")
	lines, err := csv.NewReader(strings.NewReader(file.Body)).ReadAll()
	if err != nil || len(lines) != 2 || !strings.HasPrefix(lines[1][6], "'=HYPERLINK") || file.Header.Get("Content-Disposition") == "" {
		t.Errorf("%v, %v", lines, err)
	}
	if page := viewer.Get("/o/{org}/credits/ledger.csv?kind=gift"); page.Status != http.StatusUnprocessableEntity {
		t.Errorf("%d", page.Status)
	}
	if page := viewer.Get("/o/{org}/credits/holds"); page.Status != http.StatusOK { // no transactions have these ids
		t.Errorf("%d", page.Status)
	}
}

func TestLevel(t *testing.T) {
	t.Parallel()
	s := open(t)
	admin := s.As("admin")
	if page := admin.Follow(admin.Post("/o/{org}/credits", url.Values{"low_credits": {"500"}, "revision": {"1"}})); !strings.Contains(page.Body, "The level is saved.") || !strings.Contains(page.Body, "below the warning level of 500") {
		t.Errorf("%s", page.Body)
	}
	if o, err := account.GetOrganization(t.Context(), s.DB, s.Organization); err != nil || o.LowCredits != 500 {
		t.Errorf("%+v, %v", o, err)
	}
	if page := admin.Post("/o/{org}/credits", url.Values{"low_credits": {"7"}, "revision": {"1"}}); page.Status != http.StatusConflict || !strings.Contains(page.Body, "<bdi>500</bdi>") || !strings.Contains(page.Body, `value="7"`) {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	for _, bad := range []string{"-1", "x", "1.5", "9999999999999"} {
		if page := admin.Post("/o/{org}/credits", url.Values{"low_credits": {bad}, "revision": {"2"}}); page.Status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", bad, page.Status)
		}
	}
	for who, status := range map[string]int{"developer": 403, "viewer": 403, shelltest.Outsider: 404} {
		b := s.As(who)
		if page := b.Post("/o/{org}/credits", url.Values{"low_credits": {"1"}, "revision": {"2"}}); page.Status != status {
			t.Errorf("%s: %d", who, page.Status)
		}
		for _, path := range []string{"", "/holds", "/ledger.csv"} {
			if page := b.Get("/o/{org}/credits" + path); (page.Status == http.StatusOK) != (status == 403) {
				t.Errorf("%s reads %s: %d", who, path, page.Status)
			}
		}
	}
}
