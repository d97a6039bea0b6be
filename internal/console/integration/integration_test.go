package integration_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/console/integration"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/console/shell/shelltest"
	"timbre.example/internal/fault"
	"timbre.example/internal/limit"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

func TestTexts(t *testing.T) {
	t.Parallel()
	shelltest.Area(t, integration.Area(integration.Config{}), ".")
}

func config(t *testing.T, db *store.DB) integration.Config {
	t.Helper()
	tokens, err := session.NewTokens(make([]byte, 32), shelltest.PublicURL, db.Now)
	if err != nil {
		t.Fatal(err)
	}
	return integration.Config{
		DB: db, Limits: limit.New(db, limit.Rates{}, slog.New(slog.DiscardHandler)), PublicURL: shelltest.PublicURL,
		Sessions: &session.Service{DB: db, Tokens: tokens, MaxFileSize: 1 << 20, Lifetime: session.DefaultLifetime, MinimumCredits: func(session.Action, network.Name) int64 { return 0 }},
	}
}

func has(t *testing.T, a shelltest.Answer, status int, texts ...string) {
	t.Helper()
	_, main, _ := strings.Cut(a.Body, "<main")
	if a.Status != status {
		t.Errorf("status %d, want %d: <main%s", a.Status, status, main)
	}
	for _, text := range texts {
		if text, absent := strings.CutPrefix(text, "!"); strings.Contains(a.Body, text) == absent {
			t.Errorf("%q must be there: %v, in <main%s", text, !absent, main)
		}
	}
	if len(a.Body) > 50_000 {
		t.Errorf("the page has %d bytes", len(a.Body))
	}
}

var secretForm = regexp.MustCompile(`csk_(?:test_)?[0-9a-f]{64}`)
var siteForm = regexp.MustCompile(`cpk_(?:test_)?[0-9a-f]{64}`)

// A key pair from its creation to its removal: its secret is shown once, and a viewer sees none.
func TestKeyPairs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := config(t, db)
		site := shelltest.Open(t, db, integration.Area(c))
		dev, viewer := site.As("developer"), site.As("viewer")
		has(t, viewer.Get("/o/{org}/integration"), 200, "No key pair yet", "No origin yet", "!<form method=\"post\"")
		has(t, viewer.Post("/o/{org}/integration/keys", url.Values{"kind": {"test"}}), 403)
		a := dev.Post("/o/{org}/integration/keys", url.Values{"label": {"The <shop>"}, "kind": {"test"}})
		shown := dev.Follow(a)
		secret, key := secretForm.FindString(shown.Body), siteForm.FindString(shown.Body)
		has(t, shown, 200, "The key pair was created.", "The &lt;shop&gt;")
		if secret == "" || key == "" || !strings.HasPrefix(secret, "csk_test_") {
			t.Fatalf("no keys in %s", shown.Body)
		}
		if _, err := account.BySecretKey(t.Context(), db, secret); err != nil {
			t.Errorf("the shown key: %v", err)
		}
		for _, page := range []string{"", "?shown=1", "/keys/" + key, "/snippet", "/snippet?key=" + key, "/theme", "/rehearsal"} {
			for _, b := range []*shelltest.Browser{dev, viewer} {
				if a := b.Get("/o/{org}/integration" + page); a.Status != 200 || secretForm.MatchString(a.Body) {
					t.Errorf("%s: %d, with a secret: %v", page, a.Status, secretForm.MatchString(a.Body))
				}
			}
		}
		at := "/o/{org}/integration/keys/" + key
		has(t, dev.Follow(dev.Post(at+"/label", url.Values{"label": {"Shop"}})), 200, "The label was saved.", "Shop")
		has(t, dev.Post(at+"/label", url.Values{"label": {"a\u202eb"}}), 422)
		has(t, dev.Follow(dev.Post(at+"/state", url.Values{"state": {"disabled"}})), 200, "The key pair is disabled.")
		has(t, dev.Follow(dev.Post(at+"/state", url.Values{"state": {"active"}})), 200, "The key pair is enabled.")
		rotated := dev.Follow(dev.Post(at+"/rotate", url.Values{"overlap": {"1h"}}))
		next := secretForm.FindString(rotated.Body)
		has(t, rotated, 200, "There is a new secret key.", "Previous secret key valid until")
		for _, one := range []string{secret, next} {
			if _, err := account.BySecretKey(t.Context(), db, one); err != nil || next == "" || next == secret {
				t.Errorf("after the rotation: %v", err)
			}
		}
		has(t, dev.Post(at+"/remove", nil), 422)
		has(t, dev.Follow(dev.Post(at+"/remove", url.Values{"sure": {"yes"}})), 200, "was removed", "No key pair yet")
		has(t, dev.Get(at), 404)
		for _, form := range []string{"/label", "/state", "/rotate", "/remove"} {
			for _, who := range []string{"viewer", shelltest.Outsider, shelltest.Operator} {
				if a := site.As(who).Post(at+form, url.Values{"sure": {"yes"}}); a.Status != 403 && a.Status != 404 {
					t.Errorf("%s %s: %d", who, form, a.Status)
				}
			}
		}

		// The keys of another organization are absent.
		other, err := account.CreateOrganization(t.Context(), db, audit.CommandLine(), "Others")
		if err != nil {
			t.Fatal(err)
		}
		k, err := account.CreateKeys(t.Context(), db, audit.CommandLine(), other.ID, "Not yours", true)
		if err != nil {
			t.Fatal(err)
		}
		at = "/o/{org}/integration/keys/" + k.SiteKey
		has(t, dev.Get(at), 404, "!Not yours")
		has(t, dev.Get("/o/{org}/integration/snippet?key="+k.SiteKey), 200, "!"+k.SiteKey)
		for form, values := range map[string]url.Values{"/label": {"label": {"x"}}, "/state": {"state": {"disabled"}}, "/rotate": {"overlap": {"none"}}, "/remove": {"sure": {"yes"}}} {
			if a := dev.Post(at+form, values); a.Status != 404 {
				t.Errorf("%s of another organization's key: %d", form, a.Status)
			}
		}
		if list, err := account.ListKeys(t.Context(), db, other.ID); err != nil || list[0].Status != account.KeyActive || list[0].Label != "Not yours" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// The widget's switch, the origins, and the tester.
func TestOrigins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		site := shelltest.Open(t, db, integration.Area(config(t, db)))
		dev := site.As("developer")
		page := func(query string) shelltest.Answer { return dev.Get("/o/{org}/integration" + query) }
		has(t, page("?test=https://songs.example/page?x"), 200, "https://songs.example would be refused", "No origin is allowed yet", "Allow https://songs.example")
		has(t, dev.Follow(dev.Post("/o/{org}/integration/origins", url.Values{"origin": {"https://Songs.example/"}})), 200, "https://songs.example is allowed.")
		has(t, page("?test=songs.example"), 200, "https://songs.example is allowed by https://songs.example.")
		has(t, page("?test=http://songs.example"), 200, "would be refused", "Another scheme")
		has(t, page("?test=https://songs.example:8443"), 200, "Another port")
		has(t, page("?test="+url.QueryEscape("https://sоngs.example")), 200, "xn--", "would be refused", "looks like songs.") // a Cyrillic о
		has(t, page("?test=ftp://songs.example"), 200, "The scheme must be http or https")
		has(t, page("?test="+strings.Repeat("x", 3000)), 422)
		has(t, dev.Post("/o/{org}/integration/origins", url.Values{"origin": {"*.com"}}), 422, "*.com")
		has(t, dev.Post("/o/{org}/integration/origins", url.Values{"origin": {""}}), 422)
		has(t, site.As("viewer").Post("/o/{org}/integration/origins", url.Values{"origin": {"https://x.example"}}), 403)
		has(t, dev.Get("/o/{org}/integration/snippet"), 200, "No key pair yet")
		has(t, dev.Follow(dev.Post("/o/{org}/integration/origins/remove", url.Values{"origin": {"https://songs.example"}})), 200, "was removed")
		has(t, dev.Post("/o/{org}/integration/origins/remove", url.Values{"origin": {"https://songs.example"}}), 404)

		// The switch is refused if the settings have changed since the page was loaded.
		revision := func() string {
			_, rest, _ := strings.Cut(page("").Body, `name="revision" value="`)
			value, _, _ := strings.Cut(rest, `"`)
			return value
		}
		old := revision()
		has(t, dev.Follow(dev.Post("/o/{org}/integration/widget", url.Values{"widget": {"off"}, "revision": {old}})), 200, "The widget is off.", "Turn the widget on")
		has(t, dev.Post("/o/{org}/integration/widget", url.Values{"widget": {"on"}, "revision": {old}}), 409)
		has(t, dev.Follow(dev.Post("/o/{org}/integration/widget", url.Values{"widget": {"on"}, "revision": {revision()}})), 200, "The widget is on.")
	})
}

// The snippet has the organization's values, and no secret.
func TestSnippet(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	site := shelltest.Open(t, db, integration.Area(config(t, db)))
	k, err := account.CreateKeys(t.Context(), db, audit.CommandLine(), site.Organization, "", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := account.AddOrigin(t.Context(), db, audit.CommandLine(), site.Organization, "*.songs.example"); err != nil {
		t.Fatal(err)
	}
	a := site.As("viewer").Get("/o/{org}/integration/snippet")
	has(t, a, 200, "site-key=&#34;"+k.SiteKey, "export SITE=https://www.songs.example", "export ATS_URL="+shelltest.PublicURL, "backend.mjs", "webhook.mjs", "backend.py", "backend.go", "backend.php", "config.ru", "/docs/frameworks",
		"ATS_SECRET_KEY", "!ats.example", "!cpk_…", "!csk_…", "!your-domain")
	for _, program := range []string{"createServer", "ThreadingHTTPServer", "ListenAndServe", "curl_init", "Net::HTTP", "verifyWebhook", "compare_digest", "client.ReadWebhook", "npm install " + shelltest.PublicURL + "/packages/client.tgz", "hash_equals", "secure_compare", "curl " + shelltest.PublicURL} {
		if !strings.Contains(a.Body, program) {
			t.Errorf("without %s", program)
		}
	}
}

// The CSS has what was chosen, and nothing that a link could smuggle in.
func TestTheme(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	dev := shelltest.Open(t, db, integration.Area(config(t, db))).As("developer")
	a := dev.Get("/o/{org}/integration/theme?primary=%2317663C&radius=4&font=serif&scheme=dark&border=red;}&text=%231d1b29")
	has(t, a, 200, "--ats-primary: #17663c;", "--ats-radius: 4px;", "--ats-font-family: Georgia", "color-scheme: dark;", "!--ats-border: red", "!--ats-text:")
	if p := a.Header.Get("Content-Security-Policy"); !strings.Contains(p, "trusted-types lit-html ats-widget") || strings.Contains(p, "unsafe") {
		t.Errorf("policy %s", p)
	}
}

// Every code has its page, in every language; a rehearsal has a session for the console alone.
func TestRehearsal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := config(t, db)
		site := shelltest.Open(t, db, integration.Area(c))
		dev, viewer := site.As("developer"), site.As("viewer")
		has(t, dev.Get("/o/{org}/integration/rehearsal"), 200, "needs an active test key pair", "!<ats-widget")
		k, err := account.CreateKeys(t.Context(), db, audit.CommandLine(), site.Organization, "", true)
		if err != nil {
			t.Fatal(err)
		}
		live, err := account.CreateKeys(t.Context(), db, audit.CommandLine(), site.Organization, "", false)
		if err != nil {
			t.Fatal(err)
		}
		has(t, viewer.Get("/o/{org}/integration/rehearsal"), 200, "Your role cannot", "!<ats-widget")
		for i, e := range fault.All() {
			dev.Language = shell.Languages()[i%len(shell.Languages())]
			a := dev.Get("/o/{org}/integration/rehearsal?code=" + string(e.Code))
			has(t, a, 200, "<code dir=\"ltr\">"+string(e.Code))
			if strings.Contains(a.Body, "<ats-widget") != (e.Rehearse != "") || strings.Contains(a.Body, `name="code" value="`+string(e.Code)+`"`) != (e.Rehearse != "") {
				t.Errorf("%s: has a widget: %v", e.Code, e.Rehearse == "")
			}
		}
		dev.Language = ""
		has(t, dev.Get("/o/{org}/integration/rehearsal?code=%3Cx&mode=y"), 422, "!<x")
		has(t, dev.Get("/o/{org}/integration/rehearsal?code=access_code.expired"), 200, `mode="update"`)

		ask := func(b *shelltest.Browser, key, code, mode string) shelltest.Answer {
			return b.Post("/o/{org}/integration/session", url.Values{"key": {key}, "code": {code}, "mode": {mode}})
		}
		a := ask(dev, k.SiteKey, "registration.duplicate_title", "register")
		var body struct{ Token string }
		if err := json.Unmarshal([]byte(a.Body), &body); err != nil || a.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%v in %s", err, a.Body)
		}
		if caller, err := c.Sessions.Authorize(t.Context(), "Bearer "+body.Token, k.SiteKey, shelltest.PublicURL); err != nil || caller.Rehearse != fault.CodeRegistrationDuplicateTitle || caller.Organization != site.Organization {
			t.Errorf("%+v, %v", caller, err)
		}
		if _, err := c.Sessions.Authorize(t.Context(), "Bearer "+body.Token, k.SiteKey, "https://elsewhere.example"); !errors.Is(err, fault.CodeSessionOriginNotAllowed) {
			t.Errorf("elsewhere: %v", err)
		}
		if a := ask(viewer, k.SiteKey, "", "register"); a.Status != 403 || strings.Contains(a.Body, "token\"") {
			t.Errorf("a viewer: %d", a.Status)
		}
		for _, bad := range [][3]string{{live.SiteKey, "", "register"}, {k.SiteKey, "x.y", "register"}, {k.SiteKey, "", "delete"}, {"cpk_x", "", "register"}} {
			if a := ask(dev, bad[0], bad[1], bad[2]); a.Status < 400 || a.Status >= 500 {
				t.Errorf("%v: %d", bad, a.Status)
			}
		}
	})
}
