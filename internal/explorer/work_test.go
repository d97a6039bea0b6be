package explorer_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/evidence/leaf"
)

// ask is get with headers. They are given as name, value, name, value.
func (h house) ask(method, path string, headers ...string) (*http.Response, string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res, string(body)
}

const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestWork(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := open(t, db)
		first := h.add(0, 3, 0, true)[0]
		second := h.add(3, 1, 1, true)[0]
		h.add(4, 1, 1, false) // a waiting version is not shown
		res, body := h.ask("GET", "/w/testnet/1", "Accept", browserAccept)
		body = html.UnescapeString(body)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		for _, want := range []string{
			"A registered work", "Verified", "2 versions", "Test network", `id="v1"`, `id="v2"`, h.log.VerifierKey(), `href="/verify"`, `href="/docs/evidence"`,
			`<h3 id="h1">Version 1 <span class="badge wait">Not the newest</span></h3>`, `A later version exists: <a href="#v2">version 2</a>.`, `<h3 id="h2">Version 2 <span class="badge yes">Newest</span></h3>`, `href="` + tx(first) + `"`, `href="` + tx(second) + `"`, `href="/explorer/testnet/block/1"`, `href="/explorer/testnet/block/2"`, commitmentOf(t, first.Bytes), commitmentOf(t, second.Bytes),
		} {
			if !strings.Contains(body, want) {
				t.Errorf("no %q in\n%s", want, body)
			}
		}
		if m := regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son[a-z]+=|https?://|ZgotmplZ|id="v3"|Could not`).FindString(body); m != "" {
			t.Errorf("%q in the page", m)
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self';") {
			t.Errorf("Content-Security-Policy %q", csp)
		}
		if _, page := h.get(tx(second)); !strings.Contains(page, `href="/w/testnet/1"`) {
			t.Error("the transaction does not lead to its work")
		}
		if _, page := h.get("/explorer/testnet/block/2"); !strings.Contains(page, `href="/w/testnet/1"`) {
			t.Error("the block does not lead to its works")
		}

		// A client with a current copy receives 304, and HEAD has the same headers. A new version ends both.
		tag := res.Header.Get("ETag")
		if again, rest := h.ask("GET", "/w/testnet/1", "Accept", browserAccept, "If-None-Match", tag); tag == "" || again.StatusCode != 304 || rest != "" || again.Header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s: %d %q", tag, again.StatusCode, rest)
		}
		head, rest := h.ask("HEAD", "/w/testnet/1", "Accept", browserAccept)
		for _, name := range []string{"ETag", "Content-Type", "Content-Length", "Cache-Control", "Vary", "Content-Security-Policy"} {
			if head.StatusCode != 200 || rest != "" || head.Header.Get(name) != res.Header.Get(name) || head.Header.Get(name) == "" {
				t.Errorf("HEAD: %d, %s %q, with GET %q", head.StatusCode, name, head.Header.Get(name), res.Header.Get(name))
			}
		}
		if made, err := h.log.Sequence(t.Context()); !made || err != nil {
			t.Fatal(made, err)
		}
		if again, rest := h.ask("GET", "/w/testnet/1", "Accept", browserAccept, "If-None-Match", tag); again.StatusCode != 200 || !strings.Contains(rest, `id="v3"`) {
			t.Errorf("after another version: %d", again.StatusCode)
		}
	})
}

// The JSON has the same data as the page and the log.
func TestWorkAsJSON(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	first := h.add(0, 1, 0, true)[0]
	second := h.add(1, 2, 1, true)[0]
	res, body := h.ask("GET", "/w/testnet/1", "Accept", "application/json", "Origin", "https://elsewhere.example")
	if res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Access-Control-Allow-Origin") != "*" || res.Header.Get("Vary") != "Accept" {
		t.Errorf("headers %v", res.Header)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	var versions []any
	for i, s := range []struct {
		hash  [32]byte
		bytes []byte
	}{{first.Hash, first.Bytes}, {second.Hash, second.Bytes}} {
		e, err := h.log.Entry(t.Context(), s.hash)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, map[string]any{
			"version": float64(i + 1), "commitment": "0x" + commitmentOf(t, s.bytes), "protocol_version": 1.0,
			"registered_at": e.At.Format(time.RFC3339Nano), "tx_hash": "0x" + hex.EncodeToString(s.hash[:]),
			"block_number": float64(i + 1), "block_hash": "0x" + hex.EncodeToString(e.BlockHash[:]), "log_index": float64(e.Index), "verified": true,
		})
	}
	want := map[string]any{
		"network": "testnet", "ats_id": 1.0, "latest_version": 2.0, "versions": versions,
		"log_origin": h.log.Origin(), "log_key": h.log.VerifierKey(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, page := h.ask("GET", "/w/testnet/1")
	if !strings.HasPrefix(page, "<!doctype html>") {
		t.Errorf("without Accept: %.100s", page)
	}
}

func commitmentOf(t *testing.T, bytes []byte) string {
	t.Helper()
	tx, err := leaf.ParseTransaction(bytes)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(tx.Commitment[:])
}

// A work with many versions has several pages, and no version is skipped.
func TestManyVersions(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	h.add(0, 1, 0, true)
	const all = 53
	for i := 1; i < all; i++ {
		h.add(i, 1, 1, true)
	}
	seen := 0
	for next := int64(0); ; {
		path := "/w/testnet/1"
		if next > 0 {
			_, page := h.ask("GET", path)
			path += "?after=50"
			if strings.Count(page, `<a href="?after=52#v53">`) != 52 { // in the lead, in the list, and in each of the 50 versions
				t.Errorf("the newest version is named %d times", strings.Count(page, `<a href="?after=52#v53">`))
			}
			if !strings.Contains(page, `href="?after=50"`) || !strings.Contains(page, "53 versions") {
				t.Fatal("the first page does not lead to the second")
			}
		}
		_, body := h.ask("GET", path, "Accept", "application/json")
		var got struct {
			Versions []struct{ Version int }
			Next     int64 `json:"next_after"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		for _, v := range got.Versions {
			if seen++; v.Version != seen {
				t.Fatalf("version %d at place %d", v.Version, seen)
			}
		}
		if next = got.Next; next == 0 {
			break
		}
	}
	if seen != all {
		t.Errorf("%d versions, want %d", seen, all)
	}
}

func TestUnknownWorks(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	h.add(0, 1, 0, true)
	h.add(1, 1, 0, false)
	for path, want := range map[string]fault.Code{
		"/w/testnet/2":                     fault.CodeWorkNotFound,
		"/w/testnet/0":                     fault.CodeWorkNotFound,
		"/w/testnet/01":                    fault.CodeWorkNotFound,
		"/w/testnet/-1":                    fault.CodeWorkNotFound,
		"/w/testnet/x":                     fault.CodeWorkNotFound,
		"/w/testnet/99999999999999999999":  fault.CodeWorkNotFound,
		"/w/testnet/2/badge.svg":           fault.CodeWorkNotFound,
		"/w/testnet/x/badge.svg":           fault.CodeWorkNotFound,
		"/w/mainnet/1":                     fault.CodeCommonNotFound,
		"/w/mainnet/1/badge.svg":           fault.CodeCommonNotFound,
		"/w/testnet/1/badge.png":           fault.CodeCommonNotFound,
		"/w/testnet/1?after=1":             fault.CodeCommonNotFound,
		"/w/testnet/1?after=x":             fault.CodeCommonNotFound,
		"/explorer/testnet/tx/0x12":        fault.CodeTransactionNotFound,
		"/explorer/testnet/block/77?x=<b>": fault.CodeCommonNotFound,
	} {
		if res, body := h.ask("GET", path, "Accept", "application/json"); res.StatusCode != 404 || strings.TrimSpace(body) != string(want) {
			t.Errorf("%s: %d %s, want %s", path, res.StatusCode, body, want)
		}
		res, body := h.ask("GET", path, "Accept", browserAccept)
		if res.StatusCode != 404 || res.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") ||
			!regexp.MustCompile("<h1>(No work has|Not found|Page not found)").MatchString(body) || strings.Contains(body, string(want)) {
			t.Errorf("%s for people: %d %v\n%s", path, res.StatusCode, res.Header, body)
		}
		if res, body := h.ask("HEAD", path, "Accept", browserAccept); res.StatusCode != 404 || body != "" {
			t.Errorf("HEAD %s: %d", path, res.StatusCode)
		}
	}
}

func TestBadge(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	first := h.add(0, 1, 0, true)[0]
	e, err := h.log.Entry(t.Context(), first.Hash)
	if err != nil {
		t.Fatal(err)
	}
	day := e.At.Format("2 January 2006")
	bodies := map[string]string{}
	for _, query := range []string{"", "?theme=light", "?theme=dark"} {
		res, body := h.ask("GET", "/w/testnet/1/badge.svg"+query)
		bodies[query] = body
		for name, want := range map[string]string{
			"Content-Type": "image/svg+xml", "Cache-Control": "public, max-age=300", "Cross-Origin-Resource-Policy": "cross-origin",
			"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", query, name, got, want)
			}
		}
		var svg struct {
			Title string `xml:"title"`
			Role  string `xml:"role,attr"`
		}
		if err := xml.Unmarshal([]byte(body), &svg); err != nil {
			t.Fatal(err)
		}
		if want := "Registered with Timbre · " + day + " · test network, not a real registration · registration number 1 (ATS 1)"; svg.Title != want || !strings.Contains(body, ">Test network, not real</text>") || !strings.Contains(body, ">Registered "+day+"</text>") || svg.Role != "img" {
			t.Errorf("title %q, want %q", svg.Title, want)
		}
		if m := regexp.MustCompile(`(?i)<script|<style|href|url\(|\son[a-z]+=|ZgotmplZ`).FindString(body); m != "" {
			t.Errorf("%q in the badge", m)
		}
		if again, _ := h.ask("GET", "/w/testnet/1/badge.svg"+query, "If-None-Match", res.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("%s again: %d", query, again.StatusCode)
		}
	}
	if bodies[""] != bodies["?theme=light"] || bodies[""] == bodies["?theme=dark"] {
		t.Error("the themes are not light, as without one, and dark")
	}
	if res, body := h.ask("GET", "/w/testnet/1/badge.svg?theme=neon"); res.StatusCode != 500 || !strings.Contains(body, string(fault.CodeCommonValidationFailed)) {
		t.Errorf("an unknown theme: %d %s", res.StatusCode, body) // the test's refuse knows only 404
	}
}

// A first version must not give its date to later versions. Every summary of a work
// with several versions shows each date beside its version.
func TestNothingIsDatedBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2020, 5, 3, 9, 30, 0, 0, time.UTC)
		db.Now = func() time.Time { return now }
		h := open(t, db)
		placeholder := h.add(0, 1, 0, true)[0]
		_, alone := h.ask("GET", "/w/testnet/1/badge.svg")
		if !strings.Contains(alone, ">Registered 3 May 2020</text>") {
			t.Errorf("one version: %s", alone)
		}
		now = time.Date(2026, 11, 28, 12, 51, 10, 0, time.UTC)
		latest := h.add(1, 1, 1, true)[0]
		h.add(2, 1, 1, false) // waits for its block: it has no date yet

		res, badge := h.ask("GET", "/w/testnet/1/badge.svg")
		var svg struct {
			Title string `xml:"title"`
		}
		if err := xml.Unmarshal([]byte(badge), &svg); err != nil {
			t.Fatal(err)
		}
		if want := "Registered with Timbre · version 2: 28 November 2026 · version 1: 3 May 2020 · test network, not a real registration · registration number 1 (ATS 1)"; svg.Title != want {
			t.Errorf("title %q, want %q", svg.Title, want)
		}
		for _, want := range []string{">Version 2: 28 November 2026</text>", ">Version 1: 3 May 2020</text>", ">Test network, not real</text>"} {
			if !strings.Contains(badge, want) {
				t.Errorf("no %q in %s", want, badge)
			}
		}
		if got := res.Header.Get("Cache-Control"); got != "public, max-age=300" {
			t.Errorf("a badge of the version before is kept: %s", got)
		}

		_, page := h.ask("GET", "/w/testnet/1", "Accept", browserAccept)
		lead, _, _ := strings.Cut(page, "<section>")
		at2, at1 := strings.Index(lead, "28 November 2026, 12:51:10 UTC"), strings.Index(lead, "3 May 2020, 09:30:00 UTC")
		if at2 < 0 || at1 < at2 || !strings.Contains(lead, `The newest version is <a href="#v2">version 2</a>.`) || !strings.Contains(lead, "recording and the creators may differ") {
			t.Errorf("the lead:\n%s", lead)
		}
		_, page = h.get(tx(placeholder))
		if lead, _, _ := strings.Cut(page, "<section"+` class="card"`); !strings.Contains(lead, "Not the newest version") ||
			!strings.Contains(lead, `This is version 1. A later version exists: <a href="`+tx(latest)+`">version 2</a>, of <time datetime="2026-11-28T12:51:10.000000Z">28 November 2026, 12:51:10 UTC</time>. The recording and the creators may differ between versions. <a href="/w/testnet/1">All versions</a>`) {
			t.Errorf("the first transaction:\n%s", lead)
		}
		if _, page = h.get(tx(latest)); !strings.Contains(page, "This is version 2, the newest one.") || strings.Contains(page, "A later version") || strings.Contains(page, "Not the newest") {
			t.Errorf("the newest transaction:\n%s", page)
		}
		if _, page = h.get(tx(latest)); !strings.Contains(page, "28 November 2026, 12:51:10 UTC") || strings.Contains(page, "2020") {
			t.Error("the latest transaction has another date")
		}
		if _, page = h.get("/explorer/testnet?q=1"); !strings.Contains(page, "2 versions, the latest registered on 28 November 2026, 12:51:10 UTC") {
			t.Errorf("a row of the search:\n%s", page)
		}
	})
}

// The same commitment means the same recording, title and creators. A page links to
// the first entry with the same commitment.
func TestTheSameCommitmentEarlier(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2020, 5, 3, 9, 30, 0, 0, time.UTC)
		db.Now = func() time.Time { return now }
		h := open(t, db)
		again := func(nonce string, updates int64) network.Staged {
			t.Helper()
			s, err := h.log.Stage(t.Context(), network.Call{ProtocolVersion: 1, Commitment: sha256.Sum256([]byte("0")), Nonce: nonce, AtsID: updates})
			if err == nil {
				err = h.log.Broadcast(t.Context(), []network.Staged{s})
			}
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		first := h.add(0, 1, 0, true)[0]
		other := h.add(1, 1, 0, true)[0]
		now = now.AddDate(6, 0, 0)
		second, third := again("x", 0), again("y", 2)
		if made, err := h.log.Sequence(t.Context()); !made || err != nil {
			t.Fatal(made, err)
		}
		waiting := again("z", 0)
		const says = "The same commitment, registered earlier"
		names := fmt.Sprintf(`<a href="%s">Registration number 1, version 1</a>, on <time datetime="2020-05-03T09:30:00.000000Z">`, tx(first))
		for path, want := range map[string]bool{"/w/testnet/1": false, "/w/testnet/3": true, "/w/testnet/2": true, tx(first): false, tx(other): false, tx(second): true, tx(third): true, tx(waiting): false} {
			_, page := h.get(path)
			if strings.Contains(page, says) != want || strings.Contains(page, names) != want || strings.Count(page, says) > 1 {
				t.Errorf("%s: names the earlier registration: %t\n%s", path, !want, page)
			}
		}
	})
}

// The page, the JSON and the badge detect a changed database.
func TestTamperedWork(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	h.add(0, 3, 0, true)
	err := h.db.Tx(t.Context(), func(tx *store.Tx) error {
		data, err := tx.GetLogTile(t.Context(), query.GetLogTileParams{Network: "testnet"})
		if err != nil {
			return err
		}
		data[32] ^= 1
		return tx.PutLogTile(t.Context(), query.PutLogTileParams{Network: "testnet", Data: data})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, body := h.ask("GET", "/w/testnet/1"); !strings.Contains(body, "Something is wrong") || !strings.Contains(body, "Failed: ") || strings.Contains(body, "A registered work") {
		t.Error(body)
	}
	if _, body := h.ask("GET", "/w/testnet/1", "Accept", "application/json"); !strings.Contains(body, `"verified":false`) {
		t.Error(body)
	}
	if res, body := h.ask("GET", "/w/testnet/1/badge.svg"); !strings.Contains(body, "Could not be verified") || strings.Contains(body, "Registered") || res.Header.Get("Cache-Control") != "no-cache" {
		t.Error(res.Header, body)
	}
}

// An unavailable database is not reported as an unknown work.
func TestWorkWithoutDatabase(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "gone.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := open(t, db)
	h.add(0, 1, 0, true)
	db.Close()
	res, body := h.ask("GET", "/w/testnet/1", "Accept", browserAccept)
	if res.StatusCode != 500 || !strings.Contains(body, "cannot be shown right now") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// A browser is redirected from a shortened address to a page. A program receives the code.
func TestShortened(t *testing.T) {
	h := open(t, storetest.SQLite(t))
	h.add(0, 1, 0, true)
	for path, want := range map[string]string{
		"/explorer": "/explorer/testnet", "/explorer/": "/explorer/testnet", "/explorer/testnet/": "/explorer/testnet", "/w": "/explorer/testnet", "/w/": "/explorer/testnet", "/w/testnet": "/explorer/testnet",
		"/w/testnet/": "/explorer/testnet", "/w/testnet/1/": "/w/testnet/1", "/explorer/testnet/block/1/": "/explorer/testnet/block/1",
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", h.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for accept, status := range map[string]int{browserAccept: http.StatusSeeOther, "application/json": http.StatusNotFound, "*/*": http.StatusNotFound, "": http.StatusNotFound, "application/json, text/html;q=0.5": http.StatusNotFound} {
			req.Header.Set("Accept", accept)
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if to := res.Header.Get("Location"); res.StatusCode != status || status == http.StatusSeeOther && to != want {
				t.Errorf("%s, %q: %d %s", path, accept, res.StatusCode, to)
			}
		}
	}
	for _, path := range []string{"/explorer//evil.example/", "/w//evil.example/"} {
		if res, _ := h.ask("GET", path, "Accept", browserAccept); res.Request.URL.Host != strings.TrimPrefix(h.url, "http://") {
			t.Errorf("%s leads to %s", path, res.Request.URL)
		}
	}
}
