package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timbre.example/commitment"
	"timbre.example/internal/registry"
)

func TestCertificateLeadsToThePageOfItsWork(t *testing.T) {
	t.Parallel()
	ipi := "00123456789"
	pdf, err := certifier("https://songs.example", nil)(t.Context(), registry.Certified{
		Title: "Porch Light", Version: 2, Network: "testnet", AtsID: 17, At: time.UnixMicro(1_700_000_000_000_000),
		Creators: []commitment.Creator{{FullName: "Ada Example", Roles: []commitment.Role{commitment.Author}, IPI: &ipi}},
	})
	if err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-1.7")) || !bytes.Contains(pdf, []byte("/URI (https://songs.example/w/testnet/17)")) {
		t.Fatalf("%v, %.20q", err, pdf)
	}
}

func TestSignerIsTakenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	if s, err := (signingFlags{}).signer(); s != nil || err != nil {
		t.Errorf("without flags: %v, %v", s, err)
	}
	file := filepath.Join(t.TempDir(), "not.pem")
	open := filepath.Join(t.TempDir(), "open.pem")
	for name, mode := range map[string]os.FileMode{file: 0o640, open: 0o644} {
		if err := os.WriteFile(name, []byte("not a certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	for want, f := range map[string]signingFlags{
		"go together":      {CertFile: file},
		"cannot be signed": {CertFile: file, KeyFile: file},
		"has mode 0644":    {CertFile: file, KeyFile: open},
		"no such file":     {CertFile: file, KeyFile: file + "-none"},
	} {
		if _, err := f.signer(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
