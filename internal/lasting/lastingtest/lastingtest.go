// Package lastingtest runs a real certificate authority for tests: OpenSSL behind an HTTP
// server. It has a root, a certificate that signs documents, a time-stamp authority, a responder
// of OCSP and a list of revoked certificates. Tests can make the server misbehave.
//
// It does not depend on how Timbre uses it.
package lastingtest

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Authority is a certificate authority with its publications.
type Authority struct {
	// Dir has root.pem, sign.pem and sign.key (of the document signer), and tsa.pem.
	Dir string

	t       testing.TB
	server  *httptest.Server
	mu      sync.Mutex
	answer  map[string]http.HandlerFunc // by path; replaces an answer
	asked   map[string]int
	noStamp error
	stamps  int
}

// Paths of what an authority publishes.
const (
	OCSP   = "/ocsp"
	CRL    = "/crl"
	Issuer = "/issuer"
	// Clock is where the time-stamp authority answers.
	Clock = "/clock"
)

// URL returns the address of a path.
func (a *Authority) URL(path string) string { return a.server.URL + path }

// Options change an authority.
type Options struct {
	// Names are what the certificates name: parts of OCSP, CRL and Issuer. nil: all.
	Names []string
	// Days are those of the signer's and the time-stamp authority's certificates; 0: 365.
	Days int
}

// New starts an authority. It stops at the end of the test.
func New(t testing.TB, o Options) *Authority {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal(err)
		}
		t.Skip("openssl, which is the authority, is not installed: see scripts/deps")
	}
	a := &Authority{Dir: t.TempDir(), t: t, answer: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	a.server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(func() {
		a.server.CloseClientConnections()
		a.server.Close()
	})
	if o.Names == nil {
		o.Names = []string{OCSP, CRL, Issuer}
	}
	if o.Days == 0 {
		o.Days = 365
	}
	var access []string
	named := ""
	for _, name := range o.Names {
		switch address := "URI:" + a.server.URL + name; name {
		case OCSP:
			access = append(access, "OCSP;"+address)
		case Issuer:
			access = append(access, "caIssuers;"+address)
		case CRL:
			named = "crlDistributionPoints = " + address + "\n"
		}
	}
	if access != nil {
		named += "authorityInfoAccess = " + strings.Join(access, ",") + "\n"
	}
	a.write("conf", fmt.Sprintf(`[ca]
default_ca = one
[one]
database = index
serial = serial
new_certs_dir = .
certificate = root.pem
private_key = root.key
default_md = sha256
policy = any
default_crl_days = 30
crlnumber = crlnumber
crl_extensions = list
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[list]
authorityKeyIdentifier = keyid
[sign]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
extendedKeyUsage = emailProtection,clientAuth
%[1]s
[tsa]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
%[1]s
[ocsp]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = yes
[clock]
serial = tsaserial
signer_cert = tsa.pem
signer_key = tsa.key
certs = root.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`, named))
	a.write("index", "")
	a.write("serial", "10\n")
	a.write("crlnumber", "01\n")
	a.write("tsaserial", "01\n")
	a.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=Songs Example/CN=Root", "-days", "7300",
		"-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "root.key", "-out", "root.pem")
	for name, subject := range map[string]string{"sign": "/O=Example Records/CN=Example Records", "tsa": "/O=Songs Example/CN=Clock", "ocsp": "/O=Songs Example/CN=Responder"} {
		a.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-keyout", name+".key", "-out", name+".csr")
		a.openssl("ca", "-batch", "-notext", "-config", "conf", "-extensions", name, "-in", name+".csr", "-out", name+".pem", "-days", fmt.Sprint(o.Days))
	}
	a.List()
	return a
}

func (a *Authority) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.Dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *Authority) read(name string) string {
	a.t.Helper()
	b, err := os.ReadFile(filepath.Join(a.Dir, name))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(b)
}

func (a *Authority) openssl(args ...string) {
	a.t.Helper()
	if err := a.try(args...); err != nil {
		a.t.Fatal(err)
	}
}

func (a *Authority) try(args ...string) error {
	c := exec.Command("openssl", args...)
	c.Dir = a.Dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("openssl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// List makes the list of revoked certificates again.
func (a *Authority) List() {
	a.t.Helper()
	a.openssl("ca", "-gencrl", "-config", "conf", "-out", "crl.pem")
	a.openssl("crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
	a.openssl("x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der")
}

// Revoke revokes a certificate, such as sign.pem.
func (a *Authority) Revoke(name string) {
	a.t.Helper()
	a.openssl("ca", "-config", "conf", "-revoke", name)
	a.List()
}

// File returns the content of a file in Dir.
func (a *Authority) File(name string) []byte {
	a.t.Helper()
	return []byte(a.read(name))
}

// Answer replaces the answers at a path; nil restores them.
func (a *Authority) Answer(path string, h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer[path] = h
}

// FailStamps makes Stamp fail after some more tokens; nil ends it.
func (a *Authority) FailStamps(after int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stamps, a.noStamp = after, err
}

// Asked returns the number of requests at a path.
func (a *Authority) Asked(path string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[path]
}

func (a *Authority) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked[r.URL.Path]++
	if h := a.answer[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	file := map[string]string{CRL: "crl.der", Issuer: "root.der", OCSP: "answer.der"}[r.URL.Path]
	if r.URL.Path == Clock {
		query, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		if err == nil {
			err = os.WriteFile(filepath.Join(a.Dir, "ts.query"), query, 0o600)
		}
		if err == nil {
			err = a.try("ts", "-reply", "-config", "conf", "-section", "clock", "-queryfile", "ts.query", "-out", "ts.reply")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		file = "ts.reply"
	}
	if r.URL.Path == OCSP {
		query, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		if err == nil {
			err = os.WriteFile(filepath.Join(a.Dir, "query.der"), query, 0o600)
		}
		if err == nil {
			err = a.try("ocsp", "-index", "index", "-CA", "root.pem", "-rsigner", "ocsp.pem", "-rkey", "ocsp.key", "-reqin", "query.der", "-respout", "answer.der", "-ndays", "7")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	b, err := os.ReadFile(filepath.Join(a.Dir, file))
	if err != nil || file == "" {
		http.NotFound(w, r)
		return
	}
	w.Write(b)
}

// Stamp returns a token of the time-stamp authority.
func (a *Authority) Stamp(_ context.Context, sum [32]byte) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.noStamp != nil {
		if a.stamps == 0 {
			return nil, a.noStamp
		}
		a.stamps--
	}
	if err := a.try("ts", "-query", "-sha256", "-digest", hex.EncodeToString(sum[:]), "-cert", "-out", "ts.query"); err != nil {
		return nil, err
	}
	if err := a.try("ts", "-reply", "-config", "conf", "-section", "clock", "-queryfile", "ts.query", "-token_out", "-out", "ts.token"); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(a.Dir, "ts.token"))
}
