package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of settings, credits, key pairs and origins, and the log of their changes.
func TestChangesOnTheCommandLine(t *testing.T) {
	dir := inDatabase(t)
	var org struct {
		ID, Name string
		Revision int64
		Issuer   string `json:"issuer_name"`
		Logo     string `json:"logo_sha256"`
		Low      int64  `json:"low_credits"`
	}
	timbre(t, "org", "create", "Songs", "--json").ok(&org)
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewNRGBA(image.Rect(0, 0, 40, 40))); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"logo.png": picture.Bytes(), "logo.svg": []byte("<svg/>"), "big.png": make([]byte, 2<<20)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	timbre(t, "org", "set", org.ID, "--name", "Songs & Co", "--issuer-name", "Songs GmbH", "--low-credits", "50", "--logo", filepath.Join(dir, "logo.png"), "--json").ok(&org)
	if org.Name != "Songs & Co" || org.Issuer != "Songs GmbH" || org.Low != 50 || len(org.Logo) != 64 || org.Revision != 3 {
		t.Errorf("%+v", org)
	}
	timbre(t, "org", "set", org.ID, "--quota", "7", "--revision", "1").refused(exitRefused, "common.conflict")
	timbre(t, "org", "set", org.ID, "--quota", "7", "--logo", filepath.Join(dir, "logo.svg")).refused(exitRefused, "SVG is refused")
	timbre(t, "org", "set", org.ID, "--quota", "7", "--logo", filepath.Join(dir, "big.png")).refused(exitRefused, "at most 1048576 bytes")
	timbre(t, "org", "show", org.ID, "--json").ok(&org)
	if org.Revision != 3 {
		t.Errorf("a refused command changes settings: %+v", org)
	}
	var keys struct {
		SiteKey string `json:"site_key"`
		Secret  string `json:"secret_key"`
		Label   string
		Until   string `json:"previous_secret_until"`
	}
	timbre(t, "keys", "create", org.ID, "--label", "Shop", "--json").ok(&keys)
	first := keys.Secret
	timbre(t, "keys", "rotate", keys.SiteKey, "--overlap", "1h", "--json").ok(&keys)
	if keys.Secret == first || keys.Until == "" || keys.Label != "Shop" {
		t.Errorf("%+v", keys)
	}
	var origin struct {
		Allowed bool
		Pattern string
		Refused []struct{ Reason, Message string }
	}
	timbre(t, "origins", "test", org.ID, "https://www.songs.example/new", "--json").ok(&origin)
	if origin.Allowed || len(origin.Refused) != 0 {
		t.Errorf("%+v", origin)
	}
	timbre(t, "origins", "add", org.ID, "*.songs.example", "--json").ok(new(any))
	timbre(t, "origins", "test", org.ID, "https://www.songs.example/new", "--json").ok(&origin)
	if !origin.Allowed || origin.Pattern != "*.songs.example" {
		t.Errorf("%+v", origin)
	}
	timbre(t, "credits", "grant", org.ID, "100", "--note", "=1+1", "--json").ok(new(any))
	if s := timbre(t, "credits", "history", org.ID, "--csv"); s.code != exitDone || !strings.Contains(s.out, ",grant,100,100,100,,'=1+1,") {
		t.Errorf("%+v", s)
	}
	for _, command := range []string{"holds", "estimate", "warnings"} {
		timbre(t, "credits", command, org.ID, "--json").ok(new(any))
	}
	var log struct {
		Entries []struct {
			Action string
			Actor  struct{ Kind, Name string }
		}
	}
	timbre(t, "audit", "list", org.ID, "--json").ok(&log)
	var got []string
	for _, e := range log.Entries {
		if got = append(got, e.Action); e.Actor.Kind != "operator" || e.Actor.Name != "command line" {
			t.Errorf("%+v", e)
		}
	}
	if want := "credits.granted origin.added key_pair.rotated key_pair.created organization.changed organization.changed organization.created"; strings.Join(got, " ") != want {
		t.Errorf("%v", got)
	}
	if s := timbre(t, "audit", "list", "--csv", "--search", "SHOP"); s.code != exitDone || !strings.Contains(s.out, "label:  → Shop") || strings.Contains(s.out, "origin.added") {
		t.Errorf("%+v", s)
	}
	timbre(t, "audit", "list", "--since", "yesterday").refused(exitUsage, "must be a time")
	heads := timbre(t, "audit", "verify", "--json")
	heads.ok(new(any))
	earlier := filepath.Join(dir, "heads.json")
	if err := os.WriteFile(earlier, []byte(heads.out), 0o600); err != nil {
		t.Fatal(err)
	}
	timbre(t, "audit", "verify", "--heads", earlier, "--json").ok(new(any))
	var all []map[string]any
	if err := json.Unmarshal([]byte(heads.out), &all); err != nil || len(all) == 0 {
		t.Fatal(err, heads.out)
	}
	all[len(all)-1]["hash"] = strings.Repeat("0", 64)
	wrong, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(earlier, wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	timbre(t, "audit", "verify", "--heads", earlier).refused(exitRefused, "is not the entry that an earlier check found")
	timbre(t, "audit", "verify", "--heads", filepath.Join(dir, "logo.svg")).refused(exitUsage, "is not the output")
}
