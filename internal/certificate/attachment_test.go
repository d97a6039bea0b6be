package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/certificate"
)

func attached(t *testing.T, file []byte, want string) {
	t.Helper()
	if got, err := certificate.Attachment(file); err != nil || string(got) != want {
		t.Errorf("attached is %q (%v), want %q", got, err, want)
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

			// Written anew by qpdf: other numbers, and what was plain is packed.
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
			if _, err := certificate.Attachment(file); !errors.Is(err, certificate.ErrNoAttachment) {
				t.Errorf("a form that is not read: %v", err)
			}
		})
	}
	attached(t, []byte(smallest), "{}")
	// Of two, a viewer may show the other.
	for how, change := range map[string][2]string{
		"in the list":          {`/AF\[(\d+) 0 R\]`, "/AF[$1 0 R 998 0 R]"},
		"among attached files": {`(\(evidence\.json\)) (\d+) 0 R`, "$1 998 0 R"},
		"as the other name":    {`/UF \d+ 0 R>>`, "/UF 999 0 R>>"},
	} {
		file, err := certificate.Render(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := certificate.Attachment(amended(t, file, change[0], change[1])); !errors.Is(err, certificate.ErrNoAttachment) || !strings.Contains(err.Error(), "more than one") {
			t.Errorf("two, one %s: %q, %v", how, b, err)
		}
	}
	bare := in
	bare.Evidence = nil
	none, err := certificate.Render(bare, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"nothing attached": none, "cut": none[:len(none)/2], "empty": nil, "no PDF": []byte("startxref 0"), "a loop": []byte("xref\n0 0\ntrailer <</Prev 0>>\nstartxref\n0\n")} {
		if b, err := certificate.Attachment(file); !errors.Is(err, certificate.ErrNoAttachment) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
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

// amended is a revision in which the object that the form is found in says
// something else, and which has another attachment, 998, whose file is 999.
func amended(t *testing.T, file []byte, form, with string) []byte {
	t.Helper()
	re := regexp.MustCompile(form)
	root := regexp.MustCompile(`/Root (\d+) 0 R`).FindSubmatch(file)
	tables := regexp.MustCompile(`startxref\s+(\d+)\s`).FindAllSubmatch(file, -1)
	for _, o := range regexp.MustCompile(`(?m)^(\d+) 0 obj\s+(<<.*>>)\s+endobj`).FindAllSubmatch(file, -1) {
		if !re.Match(o[2]) {
			continue
		}
		out, refs := bytes.Clone(file), ""
		for n, text := range map[string]string{
			string(o[1]): re.ReplaceAllString(string(o[2]), with),
			"998":        "<</Type/Filespec/F(evidence.json)/EF<</F 999 0 R>>>>",
			"999":        "<</Length 2>>\nstream\n{}\nendstream",
		} {
			refs += fmt.Sprintf("%s 1\n%010d 00000 n \n", n, len(out))
			out = fmt.Appendf(out, "%s 0 obj\n%s\nendobj\n", n, text)
		}
		return fmt.Appendf(out, "xref\n%strailer\n<</Size 1000/Root %s 0 R/Prev %s>>\nstartxref\n%d\n%%%%EOF\n", refs, root[1], tables[len(tables)-1][1], len(out))
	}
	t.Fatalf("nothing has the form %s", form)
	return nil
}

// smallest is a file that has what is read, and nothing else.
const smallest = "%PDF-1.7\n1 0 obj\n<</AF[2 0 R]>>\nendobj\n2 0 obj\n<</UF(evidence.json)/EF<</F 3 0 R>>>>\nendobj\n3 0 obj\n<</Length 2>>\nstream\n{}\nendstream\nendobj\n" +
	"xref\n1 3\n0000000009 00000 n \n0000000039 00000 n \n0000000092 00000 n \ntrailer\n<</Root 1 0 R>>\nstartxref\n141\n%%EOF\n"
