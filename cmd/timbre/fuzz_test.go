package main

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"timbre.example/internal/blob"
)

// FuzzProxies: accepted networks, written as text and read again, are the same.
func FuzzProxies(f *testing.F) {
	for _, s := range []string{"none", "10.0.0.0/8, ::1/128", "10.0.0.1", "10.0.0.0/33", "::ffff:1.2.3.4/96", "fe80::%eth0/10", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p, again proxies
		if p.UnmarshalText([]byte(text)) != nil {
			return
		}
		if len(p) == 0 {
			if text != "none" {
				t.Errorf("%q trusts no proxy", text)
			}
			return
		}
		var all []string
		for _, one := range p {
			if !one.IsValid() || one.Addr().Zone() != "" {
				t.Errorf("%q is read as %v", text, one)
			}
			all = append(all, netip.Prefix.String(one))
		}
		if err := again.UnmarshalText([]byte(strings.Join(all, ","))); err != nil || len(again) != len(p) {
			t.Errorf("%q is read as %v, and that as %v: %v", text, p, again, err)
		}
	})
}

// FuzzSecret: only a file of 64 hex digits is accepted, and reading does not change it.
func FuzzSecret(f *testing.F) {
	digits := strings.Repeat("0123456789abcdef", 4)
	for _, s := range []string{digits + "\n", digits, strings.ToUpper(digits), digits + digits, "\ufeff" + digits, digits[2:], ""} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "secret")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := readSecret(path, true)
		if now, readErr := os.ReadFile(path); readErr != nil || string(now) != string(text) {
			t.Fatalf("%q is now %q: %v", text, now, readErr)
		}
		if err == nil && s.keys == nil && !strings.EqualFold(hex.EncodeToString(s.root), strings.TrimSpace(string(text))) {
			t.Errorf("%q is read as %x", text, s.root)
		}
		if err != nil && len(text) > 8 && strings.Contains(err.Error(), string(text)) {
			t.Errorf("the refusal shows the file: %v", err)
		}
	})
}

// FuzzBucket: a bucket's URL is accepted only with known parameters, each at most once,
// and without keys.
func FuzzBucket(f *testing.F) {
	for _, s := range []string{
		"s3://songs", "s3://songs?endpoint=https%3A%2F%2Fs3.example&region=eu-1&prefix=a/b&path-style=1&public-endpoint=https://x", "s3://key:secret@songs",
		"s3://songs?region=a&region=b", "s3://songs?Region=a", "file:data", "s3://songs/x", "s3:songs", "s3://songs?path-style=maybe",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseS3(text)
		if err != nil {
			return
		}
		if o.AccessKey != "" || o.SecretKey != "" || o.Bucket == "" || strings.ContainsAny(o.Bucket, "/@?#") {
			t.Errorf("%q is read as %+v", text, o)
		}
		if strings.Contains(text, "@") && o == (blob.S3Options{Bucket: o.Bucket}) && !strings.Contains(text, "?") {
			t.Errorf("%q is read as %+v", text, o)
		}
	})
}

// FuzzEvidenceFile: the first bytes of a file say what it is. For a damaged file the
// error is one of the page's texts.
func FuzzEvidenceFile(f *testing.F) {
	for _, s := range []string{`{"evidence":1}`, `{"evidence":2}`, ` {"evidence":"1"}`, "%PDF-1.7", "RIFF", `{"Evidence":1e999}`, ""} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		e, pdf, err := readEvidence(path)
		if err == nil && (e.Format != 1 || (pdf != nil) != bytes.Contains(text[:min(len(text), 1024)], []byte("%PDF-"))) {
			t.Errorf("%q is read as %+v", text, e)
		}
		if err != nil && !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%q: %v", text, err)
		}
	})
}
