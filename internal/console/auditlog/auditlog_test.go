package auditlog

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, Area(nil), ".")
}

func open(t *testing.T) *shelltest.Site {
	db := storetest.SQLite(t)
	s := shelltest.Open(t, db, Area(db))
	record := func(e audit.Entry) {
		if err := db.Tx(t.Context(), func(tx *store.Tx) error { return audit.Record(t.Context(), tx, e) }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 45 {
		record(audit.Entry{Organization: s.Organization, Actor: audit.Actor{Kind: audit.Person, ID: "p1", Name: "zoe@songs.example", RequestID: "req_1"}, Action: "origin.added", Subject: fmt.Sprintf("https://s%d.example", i)})
	}
	record(audit.Entry{Organization: s.Organization, Actor: audit.Actor{Kind: audit.APIKey, ID: "k1", Name: "=cmd|' /C calc'!A0"}, Action: "organization.changed", Subject: s.Organization,
		Changes: []audit.Change{{Field: "name", Old: "Old <b>", New: "Nöw \u202e"}}})
	record(audit.Entry{Organization: "another", Actor: audit.CommandLine(), Action: "credits.granted", Subject: "secret of another"})
	return s
}

func TestAuditLog(t *testing.T) {
	t.Parallel()
	s := open(t)
	admin := s.As("admin")
	page := admin.Get("/o/{org}/audit")
	if page.Status != http.StatusOK || strings.Count(page.Body, "<tr><td>") != 25 || !strings.Contains(page.Body, "<del><bdi>Old &lt;b&gt;</bdi></del>") || strings.Contains(page.Body, "another") || len(page.Body) > 50_000 {
		t.Fatalf("%d, %d lines, %d bytes", page.Status, strings.Count(page.Body, "<tr><td>"), len(page.Body))
	}
	_, next, _ := strings.Cut(page.Body, `rel="next" href="`)
	next, _, _ = strings.Cut(next, `"`)
	if page := admin.Get(next); strings.Count(page.Body, "<tr><td>") != 21 || strings.Contains(page.Body, `rel="next"`) || !strings.Contains(page.Body, "Back to the newest") {
		t.Errorf("%d lines on the last page", strings.Count(page.Body, "<tr><td>"))
	}
	today := time.Now().UTC().Format(day)
	for query, lines := range map[string]int{
		"q=S7.EXAMPLE": 1, "q=n%C3%B6w": 1, "action=organization.changed": 1, "by=api_key": 1, "by=system": 0, "actor=k1": 1, "subject=https://s3.example": 1, "since=" + today: 25, "until=2020-01-01": 0, "since=2999-01-01": 0,
		"since=" + today + "&until=" + today + "&by=api_key": 1, "q=another": 0,
	} {
		page := admin.Get("/o/{org}/audit?" + query)
		if got := strings.Count(page.Body, "<tr><td>"); page.Status != http.StatusOK || got != lines || (lines == 0) != strings.Contains(page.Body, "No change matches") {
			t.Errorf("%s: %d, %d lines", query, page.Status, got)
		}
	}
	for _, query := range []string{"since=yesterday", "until=2026-02-30", "by=nobody", "q=" + strings.Repeat("x", 101)} {
		if page := admin.Get("/o/{org}/audit?" + query); !strings.Contains(page.Body, `aria-invalid="true"`) {
			t.Errorf("%s: %d", query, page.Status)
		}
	}
	for _, query := range []string{"after=%00", "after=%ff", "q=%00", "subject=%ff", "after=" + strings.Repeat("x", 300)} {
		if page := admin.Get("/o/{org}/audit?" + query); page.Status >= 500 {
			t.Errorf("%s: %d", query, page.Status)
		}
	}
	file := admin.Get("/o/{org}/audit/audit.csv?" + url.Values{"by": {"api_key"}}.Encode())
	lines, err := csv.NewReader(strings.NewReader(file.Body)).ReadAll()
	if err != nil || len(lines) != 2 || lines[1][4] != "'=cmd|' /C calc'!A0" {
		t.Errorf("%v, %v", lines, err)
	}
	if page := admin.Get("/o/{org}/audit/audit.csv?since=x"); page.Status != http.StatusSeeOther {
		t.Errorf("%d", page.Status)
	}
}

func TestReaders(t *testing.T) {
	t.Parallel()
	s := open(t)
	for who, status := range map[string]int{"owner": 200, "admin": 200, "developer": 403, "viewer": 403, shelltest.Outsider: 404, shelltest.Operator: 404, "": 303} {
		for _, path := range []string{"/o/{org}/audit", "/o/{org}/audit/audit.csv"} {
			if page := s.As(who).Get(path); page.Status != status {
				t.Errorf("%q reads %s: %d", who, path, page.Status)
			}
		}
		operators := http.StatusNotFound
		switch who {
		case shelltest.Operator:
			operators = http.StatusOK
		case "":
			operators = http.StatusSeeOther
		}
		for _, path := range []string{"/operator/audit", "/operator/audit/audit.csv"} {
			if page := s.As(who).Get(path); page.Status != operators {
				t.Errorf("%q reads %s: %d", who, path, page.Status)
			}
		}
	}
	if page := s.As(shelltest.Operator).Get("/operator/audit"); !strings.Contains(page.Body, "secret of") || strings.Count(page.Body, "<tr><td>") != 25 {
		t.Errorf("%s", page.Body)
	}
}
