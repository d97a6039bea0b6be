package main

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/session"
	"timbre.example/internal/store/storetest"
)

// The file of a role has the keys that the role needs, and cannot do the work of another
// role. An ats or a worker cannot sign a token, and an ats cannot sign a log, also with
// any other of its keys.
func TestKeysByRole(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "secret")
	if err := os.WriteFile(whole, []byte(strings.Repeat("5a", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := readSecret(whole, false)
	if err != nil {
		t.Fatal(err)
	}
	derive := func(roles string) secret {
		t.Helper()
		file := filepath.Join(dir, strings.ReplaceAll(roles, ",", "-"))
		if s := timbre(t, "secret", "derive", "--roles", roles, "--secret-file", whole, "--out", file); s.code != exitDone {
			t.Fatal(s.err)
		}
		if mode := modeOf(t, file); mode != 0o600 {
			t.Errorf("%s: mode %v", roles, mode)
		}
		if s := timbre(t, "secret", "derive", "--roles", "organizations", "--secret-file", file, "--out", "-"); s.code != exitUsage {
			t.Errorf("%s: more was derived from it: %s", roles, s.out)
		}
		got, err := readSecret(file, false)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	issuer, err := session.NewTokens(root.key(purposeTokens), "https://songs.example", now)
	if err != nil {
		t.Fatal(err)
	}
	mints := func(key []byte) bool {
		t.Helper()
		forger, err := session.NewTokens(key, "https://songs.example", now)
		if err != nil {
			t.Fatal(err)
		}
		token, err := forger.Sign(session.Claims{ID: "x", IssuedAt: now(), Expires: now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = issuer.Verify(token)
		return err == nil
	}
	logKey := root.key(purposeLog(network.Mainnet) + public)
	signs := func(key []byte) bool {
		return bytes.Equal(ed25519.NewKeyFromSeed(key).Public().(ed25519.PublicKey), logKey)
	}
	for roles, want := range map[string]struct{ mints, signs bool }{
		"organizations": {true, false}, "ats": {false, false}, "worker": {false, true}, "ats,worker": {false, true}, "organizations,ats": {true, false}, "organizations,ats,worker": {true, true},
	} {
		s := derive(roles)
		var can struct{ mints, signs bool }
		for _, key := range s.keys {
			can.mints = can.mints || mints(key)
			can.signs = can.signs || signs(key)
			if bytes.Equal(key, root.root) {
				t.Errorf("%s: the whole secret is in it", roles)
			}
		}
		if can != want {
			t.Errorf("%s: %+v, want %+v", roles, can, want)
		}
		var of []role
		for one := range strings.SplitSeq(roles, ",") {
			of = append(of, role(one))
		}
		if spare := s.spare(of); len(spare) > 0 {
			t.Errorf("%s: not needed: %q", roles, spare)
		}
		// Its keys equal those of the whole secret: old tokens, URLs, codes and logs stay
		// valid.
		for purpose, key := range s.keys {
			if !bytes.Equal(key, root.key(purpose)) {
				t.Errorf("%s: another key for %s", roles, purpose)
			}
		}
		for _, r := range allRoles {
			if err := s.serves("file", []role{r}); (err == nil) != slices.Contains(of, r) {
				t.Errorf("%s as %s: %v", roles, r, err)
			}
		}
	}
	if spare := root.spare([]role{ats}); strings.Join(spare, ", ") != "session tokens, webhook secrets, log testnet, log mainnet" {
		t.Errorf("an ats with the whole secret: %q", spare)
	}
	if spare := root.spare(allRoles); len(spare) > 0 {
		t.Errorf("one process for all: %q", spare)
	}
	// A process does not start with the file of another role.
	for file, as := range map[string]string{"ats": "organizations", "worker": "ats", "organizations": "worker"} {
		s := timbre(t, "serve", "--roles", as, "--secret-file", filepath.Join(dir, file), "--listen", "127.0.0.1:0", "--public-url", "https://songs.example", "--issuer-url", "https://songs.example",
			"--database-url", "sqlite:"+filepath.Join(dir, "timbre.db"), "--blob-url", "file:"+filepath.Join(dir, "blobs"))
		if s.code != exitUsage || !strings.Contains(s.err, "timbre secret derive --roles "+as) {
			t.Errorf("%s with the file of %s: %d, %s", as, file, s.code, s.err)
		}
	}
	for name, text := range map[string]string{
		"twice": "timbre keys of ats\na: " + strings.Repeat("00", 32) + "\na: " + strings.Repeat("00", 32) + "\n", "short": "timbre keys of ats\na: 00\n", "empty": "timbre keys of ats\n", "no line": "timbre keys of ats\nx\n",
	} {
		file := filepath.Join(dir, "bad")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readSecret(file, false); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// A process with only the public key reads an existing log, but cannot start or sign one.
func TestLogWithPublicKeyOnly(t *testing.T) {
	db := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "timbre.db"))
	seed := bytes.Repeat([]byte{7}, 32)
	key := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	c := netlog.Config{Network: network.Testnet, Origin: "songs.example/log/testnet", PublicKey: key}
	if _, err := netlog.Open(t.Context(), db, c); err == nil || !strings.Contains(err.Error(), network.ErrNotBegun.Error()) {
		t.Errorf("begun without a key: %v", err)
	}
	whole := c
	whole.Key, whole.PublicKey = seed, nil
	first, err := netlog.Open(t.Context(), db, whole)
	if err != nil {
		t.Fatal(err)
	}
	second, err := netlog.Open(t.Context(), db, c)
	if err != nil || second.VerifierKey() != first.VerifierKey() {
		t.Errorf("%v, %v", second, err)
	}
	c.PublicKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, 32)).Public().(ed25519.PublicKey)
	if _, err := netlog.Open(t.Context(), db, c); err == nil {
		t.Error("another's log is taken")
	}
}
