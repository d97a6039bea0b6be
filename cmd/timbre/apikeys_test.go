package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/apikey"
)

func TestAPIKeyCommands(t *testing.T) {
	inDatabase(t)
	var org struct{ ID string }
	timbre(t, "org", "create", "Songs", "--json").ok(&org)
	var k apikey.Created
	timbre(t, "apikeys", "create", org.ID, "--name", "Nightly import", "--scope", "works:read", "--scope", "works:register", "--expires", "8760h", "--max-file-size", "1000", "--json").ok(&k)
	if !apikey.WellFormed(k.Token) || !strings.HasPrefix(k.Token, "afo_sk_live_") || k.Name != "Nightly import" || len(k.Scopes) != 2 || k.ExpiresAt == nil || *k.MaxFileSize != 1000 || k.CreatedBy != "command line" {
		t.Errorf("%+v", k)
	}
	words := timbre(t, "apikeys", "create", org.ID, "--name", "Test", "--scope", "works:read", "--test", "--expires", "2999-01-01T00:00:00Z")
	if words.code != exitDone || !strings.Contains(words.out, "key     afo_sk_test_") || !strings.Contains(words.out, "shown only now") {
		t.Errorf("%+v", words)
	}
	var list []apikey.Key
	all := timbre(t, "apikeys", "list", org.ID, "--json")
	all.ok(&list)
	if len(list) != 2 || list[1].ID != k.ID || strings.Contains(all.out, k.Token[12:]) || list[0].Test != true {
		t.Errorf("%s", all.out)
	}
	timbre(t, "apikeys", "revoke", "x").refused(exitRefused, "common.not_found")
	for range 2 {
		var revoked apikey.Key
		timbre(t, "apikeys", "revoke", strings.ToUpper(k.ID), "--json").ok(&revoked)
		if revoked.RevokedAt == nil || revoked.ID != k.ID {
			t.Errorf("%+v", revoked)
		}
	}
	if s := timbre(t, "apikeys", "list", org.ID); s.code != exitDone || strings.Count(s.out, "\n") != 2 || !strings.Contains(s.out, "revoked") || !strings.Contains(s.out, "never used") {
		t.Errorf("%+v", s)
	}
	var none []apikey.Key
	timbre(t, "org", "create", "Empty", "--json").ok(&org)
	if timbre(t, "apikeys", "list", org.ID, "--json").ok(&none); none == nil || len(none) != 0 {
		t.Errorf("%+v", none)
	}

	create := func(more ...string) said {
		return timbre(t, append([]string{"apikeys", "create", org.ID}, more...)...)
	}
	create("--scope", "works:read").refused(exitUsage, "--name")
	create("--name", "n").refused(exitUsage, "--scope")
	create("--name", " ", "--scope", "works:read").refused(exitRefused, "api_key.invalid_name")
	create("--name", "n", "--scope", "works").refused(exitRefused, "api_key.unknown_scope")
	create("--name", "n", "--scope", "works:read", "--expires", "soon").refused(exitUsage, "2031-05-01T12:00:00Z")
	create("--name", "n", "--scope", "works:read", "--expires=-1h").refused(exitRefused, "expires_at")
	timbre(t, "apikeys", "create", "x", "--name", "n", "--scope", "works:read").refused(exitRefused, "organization.not_found")
	timbre(t, "apikeys", "list", "x").refused(exitRefused, "organization.not_found")
	secret := filepath.Join(t.TempDir(), "secret")
	hook := func(url string) said {
		return create("--name", "Hooks", "--scope", "works:register", "--webhook-url", url, "--secret-file", secret, "--json")
	}
	hook("https://songs.example/hooks").refused(exitUsage, "--secret-file")
	if err := os.WriteFile(secret, []byte(strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hook("http://127.0.0.1/hooks").refused(exitRefused, "api_key.webhook_url_invalid")
	var hooked apikey.Created
	hook("https://songs.example/hooks").ok(&hooked)
	if key, err := base64.StdEncoding.DecodeString(hooked.WebhookSecret); err != nil || len(key) < 24 {
		t.Errorf("%+v %v", hooked, err)
	}
	timbre(t, "apikeys", "revoke", hooked.ID)
	words = create("--name", "Hooks", "--scope", "works:register", "--webhook-url", "https://songs.example/hooks", "--secret-file", secret)
	if words.code != exitDone || !strings.Contains(words.out, "webhook_secret_base64  ") {
		t.Errorf("%+v", words)
	}
	timbre(t, "apikeys", "list", org.ID, "--json").ok(&list)
	for _, k := range list {
		timbre(t, "apikeys", "revoke", k.ID)
	}
	for range apikey.MaxLive {
		if s := create("--name", "n", "--scope", "works:read"); s.code != exitDone {
			t.Errorf("%+v", s)
		}
	}
	create("--name", "n", "--scope", "works:read").refused(exitRefused, "api_key.limit_reached")
}
