// Package tsatest runs a real time-stamp authority for tests: OpenSSL with a
// certificate of its own root, behind an HTTP server. Tests can make the server
// misbehave.
//
// It does not depend on how Timbre uses it.
package tsatest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Authority is a time-stamp authority that answers at URL.
type Authority struct {
	URL string
	// CAFile is the path of the root of its certificate, as PEM.
	CAFile string

	t      testing.TB
	dir    string
	server *httptest.Server

	mu       sync.Mutex
	answer   http.HandlerFunc // replaces the authority's answer
	requests int
}

// New starts an authority. It stops at the end of the test.
func New(t testing.TB) *Authority {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl, which is the authority, is not installed: see scripts/deps")
	}
	a := &Authority{t: t, dir: t.TempDir()}
	a.CAFile = filepath.Join(a.dir, "ca.pem")
	a.Certify(time.Time{})
	a.write("serial", []byte("01\n"))
	a.write("tsa.conf", fmt.Appendf(nil, `[tsa]
default_tsa = one
[one]
dir = %[1]s
serial = %[1]s/serial
crypto_device = builtin
signer_cert = %[1]s/tsa.pem
certs = %[1]s/chain.pem
signer_key = %[1]s/key.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
tsa_name = yes
ess_cert_id_chain = no
`, a.dir))
	a.server = httptest.NewServer(http.HandlerFunc(a.serve))
	a.URL = a.server.URL + "/tsr"
	t.Cleanup(func() {
		a.server.CloseClientConnections()
		a.server.Close()
	})
	return a
}

// Certify gives the authority a new key and certificate under a new root. Both end at ends, or
// after a day if it is zero. CAFile and Roots keep the roots before.
func (a *Authority) Certify(ends time.Time) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	root, rootKey := certificate(a.t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Clock Root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: ends,
	}, nil, nil)
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		a.t.Fatal(err)
	}
	own, ownKey := certificate(a.t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Clock", Organization: []string{"Songs Example"}}, KeyUsage: x509.KeyUsageDigitalSignature, NotAfter: ends,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}, root, rootKey)
	key, err := x509.MarshalPKCS8PrivateKey(ownKey)
	if err != nil {
		a.t.Fatal(err)
	}
	roots, err := os.ReadFile(a.CAFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.t.Fatal(err)
	}
	one := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
	a.write("ca.pem", append(roots, one...))
	a.write("chain.pem", one)
	a.write("tsa.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Raw}))
	a.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
}

func (a *Authority) write(name string, b []byte) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), b, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// certificate makes a certificate that parent signs, or that is self-signed.
func certificate(t testing.TB, c, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = c, key
	}
	if c.NotBefore = time.Now().Add(-time.Hour); c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(24 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

// Roots returns a pool with the authority's root.
func (a *Authority) Roots() *x509.CertPool {
	a.t.Helper()
	b, err := os.ReadFile(a.CAFile)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(b) {
		a.t.Fatalf("%s: %v", a.CAFile, err)
	}
	return pool
}

// Answer sets the handler of all later requests; nil restores the authority's answers.
func (a *Authority) Answer(h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = h
}

// Asked returns the number of requests.
func (a *Authority) Asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

func (a *Authority) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests++
	answer := a.answer
	a.mu.Unlock()
	// Read the whole body first: only then does a server notice that its client has disconnected.
	query, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if answer != nil {
		r.Body = io.NopCloser(bytes.NewReader(query))
		answer(w, r)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/timestamp-query" {
		http.Error(w, "not a query", http.StatusBadRequest)
		return
	}
	if err == nil {
		query, err = a.Reply(query)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.Write(query)
}

// Reply returns the authority's reply to a query.
func (a *Authority) Reply(query []byte) ([]byte, error) {
	a.mu.Lock() // OpenSSL keeps its serial number in a file
	defer a.mu.Unlock()
	in, out := filepath.Join(a.dir, "query"), filepath.Join(a.dir, "reply")
	if err := os.WriteFile(in, query, 0o600); err != nil {
		return nil, err
	}
	if b, err := exec.Command("openssl", "ts", "-reply", "-config", filepath.Join(a.dir, "tsa.conf"), "-queryfile", in, "-out", out).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("openssl ts -reply: %w: %s", err, b)
	}
	return os.ReadFile(out)
}
