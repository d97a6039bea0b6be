package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/proof/pdf"
)

func attached(t *testing.T, file []byte, want string) {
	t.Helper()
	if got, err := pdf.Read(file); err != nil || string(got.Evidence) != want {
		t.Errorf("attached is %q (%v), want %q", got.Evidence, err, want)
	}
}

func TestAttachment(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &ec.PublicKey, ec)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := certificate.NewSigner(pemOf("CERTIFICATE", cert), pemOf("PRIVATE KEY", key), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	// Anybody chooses a title: this one would be an object of its own.
	in := input("9 0 obj <</F(evidence.json)>> endobj startxref 7 trailer", one("Zoë"))
	in.Evidence = []byte("{\"title\": \"endstream endobj 5 0 obj <</Type/EmbeddedFile/Length 1>> stream\\nx startxref 0 %%EOF\"}\n")
	for name, s := range map[string]*certificate.Signer{"unsigned": nil, "signed": signer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, err := certificate.Render(in, s)
			if err != nil {
				t.Fatal(err)
			}
			attached(t, file, string(in.Evidence))
			attached(t, append(bytes.Clone(file), revised(t, file, `{"a later": "revision"}`)...), `{"a later": "revision"}`)

			// Rewritten by qpdf: other object numbers, and plain streams are compressed.
			if _, err := exec.LookPath("qpdf"); err != nil && os.Getenv("TIMBRE_TEST_ALL") == "" {
				t.Skip("not tried after qpdf, which is not there (apt-get install qpdf)")
			}
			dir := t.TempDir()
			before, after := filepath.Join(dir, "before.pdf"), filepath.Join(dir, "after.pdf")
			if err := os.WriteFile(before, file, 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, "qpdf", before, after)
			if file, err = os.ReadFile(after); err != nil {
				t.Fatal(err)
			}
			attached(t, file, string(in.Evidence))
			run(t, "qpdf", "--object-streams=generate", before, after)
			if file, err = os.ReadFile(after); err != nil {
				t.Fatal(err)
			}
			attached(t, file, string(in.Evidence))
		})
	}
}

// revised is a revision that puts another file where the attached one is.
func revised(t *testing.T, file []byte, text string) []byte {
	t.Helper()
	object := regexp.MustCompile(`/EF<</F (\d+) 0 R`).FindSubmatch(file)
	root := regexp.MustCompile(`/Root (\d+) 0 R`).FindSubmatch(file)
	tables := regexp.MustCompile(`startxref\s+(\d+)\s`).FindAllSubmatch(file, -1)
	if object == nil || root == nil || tables == nil {
		t.Fatal("not the form that was expected")
	}
	n, _ := strconv.Atoi(string(object[1]))
	out := fmt.Appendf(nil, "%d 0 obj\n<</Type/EmbeddedFile/Length %d>>\nstream\n%s\nendstream\nendobj\n", n, len(text), text)
	return fmt.Appendf(out, "xref\n%d 1\n%010d 00000 n \ntrailer\n<</Size 999/Root %s 0 R/Prev %s>>\nstartxref\n%d\n%%%%EOF\n",
		n, len(file), root[1], tables[len(tables)-1][1], len(file)+len(out))
}
