package lasting_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"timbre.example/internal/certificate"
	"timbre.example/internal/lasting"
	"timbre.example/internal/lasting/lastingtest"
	"timbre.example/internal/outbound"
	"timbre.example/proof/pdf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const attached = `{"evidence": 1, "title": "Porch Light"}`

// issued returns a certificate that the authority's signer signed, with a place for a token.
func issued(t testing.TB, a *lastingtest.Authority) []byte {
	t.Helper()
	signer, err := certificate.NewSigner(a.File("sign.pem"), a.File("sign.key"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	file, err := certificate.Render(certificate.Input{
		Title: "Porch Light · 门廊的灯", Creators: []certificate.Creator{{Name: "Ada Example", Roles: []string{"author"}}, {Name: "نور المثال", Roles: []string{"composer"}}},
		Registration: 17, Version: 2, Network: "testnet", Test: true, At: at, Issued: at, Issuer: "Example Records", Registry: "Songs of Example",
		FileHash: strings.Repeat("ab", 32), Commitment: strings.Repeat("cd", 32), Transaction: strings.Repeat("ef", 32), Block: 618,
		PublicURL: "https://timbre.example/w/testnet/17", VerifyURL: "https://timbre.example/verify", Evidence: []byte(attached), Room: 2048,
	}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func loopback() outbound.Policy {
	return outbound.NewPolicy([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
}

func raiser(t testing.TB, a *lastingtest.Authority, now func() time.Time) *lasting.Raiser {
	client := loopback().PlainClient(2, 2)
	t.Cleanup(client.CloseIdleConnections)
	return lasting.New(lasting.Config{Stamp: a.Stamp, Client: client, Now: now})
}

func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TIMBRE_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skipf("skipped: %s is not installed: see scripts/deps", tool)
		}
	}
}

// save writes a file for other programs.
func save(t *testing.T, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "certificate.pdf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, command ...string) string {
	t.Helper()
	out, _ := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput() // the tests check the output
	return string(out)
}

func TestRaise(t *testing.T) {
	t.Parallel()
	need(t, "pdfsig", "qpdf", "certutil", "faketime")
	a := lastingtest.New(t, lastingtest.Options{})
	r := raiser(t, a, time.Now)
	first := issued(t, a)
	file, level, err := r.Raise(t.Context(), first)
	if err != nil || level != certificate.LevelLTA {
		t.Fatalf("%s, %v", level, err)
	}
	t.Logf("%d bytes, from %d", len(file), len(first))
	path := save(t, file)
	if keep := os.Getenv("KEEP"); keep != "" {
		os.WriteFile(keep, file, 0o600)
		run(t, "cp", "-r", a.Dir, keep+".d")
	}
	nss := t.TempDir()
	t.Log(run(t, "certutil", "-N", "--empty-password", "-d", nss), run(t, "certutil", "-A", "-d", nss, "-n", "root", "-t", "CT,CT,CT", "-i", filepath.Join(a.Dir, "root.pem")))
	t.Log(run(t, "qpdf", "--check", path))
	t.Log(run(t, "pdfsig", "-nssdir", nss, path))
	t.Log(run(t, "faketime", "+10 years", "pdfsig", "-nssdir", nss, path))
	got, err := pdf.Read(file)
	t.Logf("%+v %v", got, err)
	if again, level, err := r.Raise(t.Context(), file); err != nil || level != certificate.LevelLTA || !bytes.Equal(again, file) {
		t.Errorf("%s, %v", level, err)
	}
	_, _, _ = context.Background(), errors.New, a.Asked
}
