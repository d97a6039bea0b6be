package evidence_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/internal/cms/cmstest"
)

// authority is a time-stamp authority that OpenSSL runs.
type authority struct {
	t   testing.TB
	dir string
}

// newAuthority makes an authority whose key OpenSSL generates with these options of
// genpkey. It signs with the digest algorithm.
func newAuthority(t testing.TB, digest string, genpkey ...string) authority {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal(err)
		}
		t.Skip("skipped: openssl, which is the authority, is not installed")
	}
	a := authority{t, t.TempDir()}
	a.write("ext", "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n")
	a.write("serial", "01\n")
	a.write("conf", fmt.Sprintf("[tsa]\ndefault_tsa=one\n[one]\nserial=serial\nsigner_cert=tsa.pem\ncerts=ca.pem\nsigner_key=key.pem\nsigner_digest=%s\n"+
		"default_policy=1.2.3.4.1\ndigests=sha256,sha512\naccuracy=secs:1\ntsa_name=yes\ness_cert_id_chain=no\n", digest))
	a.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Clock Root", "-days", "2", "-keyout", "cakey.pem", "-out", "ca.pem")
	a.openssl(append([]string{"genpkey", "-out", "key.pem"}, genpkey...)...)
	a.openssl("req", "-new", "-key", "key.pem", "-subj", "/O=Songs Example/CN=Clock", "-out", "csr.pem")
	a.openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "cakey.pem", "-days", "1", "-set_serial", "2", "-extfile", "ext", "-out", "tsa.pem")
	return a
}

func (a authority) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a authority) read(name string) []byte {
	a.t.Helper()
	return must(os.ReadFile(filepath.Join(a.dir, name)))
}

func (a authority) openssl(args ...string) {
	a.t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = a.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (a authority) roots() *x509.CertPool {
	a.t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.read("ca.pem")) {
		a.t.Fatal("no root")
	}
	return pool
}

// stamp returns the authority's token for a commitment.
func (a authority) stamp(sum commitment.Hash, query ...string) []byte {
	a.t.Helper()
	if query == nil {
		query = []string{"-cert"}
	}
	a.openssl(append([]string{"ts", "-query", "-sha256", "-digest", hex.EncodeToString(sum[:]), "-out", "query"}, query...)...)
	a.openssl("ts", "-reply", "-config", "conf", "-section", "one", "-queryfile", "query", "-token_out", "-out", "token")
	return a.read("token")
}

// sign returns a token that OpenSSL signs with its newer command, which knows more
// algorithms than its authority.
func (a authority) sign(sum commitment.Hash, digest string, options ...string) []byte {
	a.t.Helper()
	a.write("info", string(cmstest.Info(a.t, crypto.SHA256, sum[:], time.Now().UTC().Truncate(time.Second))))
	a.openssl(append([]string{"cms", "-sign", "-binary", "-nodetach", "-cades", "-econtent_type", cmstest.TSTInfo.String(), "-md", digest,
		"-in", "info", "-outform", "DER", "-signer", "tsa.pem", "-inkey", "key.pem", "-out", "token"}, options...)...)
	return a.read("token")
}

// Tokens of a foreign program open, for every kind of key and hash that an authority
// may have.
func TestForeignTokens(t *testing.T) {
	t.Parallel()
	sum := commitment.Hash{4, 5, 6}
	rsa := func(bits string) []string {
		return []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:" + bits}
	}
	ec := func(curve string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve}
	}
	ts := func(a authority) []byte { return a.stamp(sum) }
	cms := func(digest string, options ...string) func(authority) []byte {
		return func(a authority) []byte { return a.sign(sum, digest, options...) }
	}
	pss := []string{"-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:-1"}
	for name, c := range map[string]struct {
		digest string
		key    []string
		make   func(authority) []byte
		want   string // why it is refused
	}{
		"RSA 2048, SHA-256":         {"sha256", rsa("2048"), ts, ""},
		"RSA 3072, SHA-512":         {"sha512", rsa("3072"), ts, ""},
		"RSA 2048, SHA-1":           {"sha1", rsa("2048"), ts, "digest algorithm"},
		"RSA 1024":                  {"sha256", rsa("1024"), ts, "an RSA key of 1024 bits"},
		"P-256, SHA-256":            {"sha256", ec("P-256"), ts, ""},
		"P-256, SHA-384":            {"sha384", ec("P-256"), ts, ""},
		"P-384, SHA-384":            {"sha384", ec("P-384"), ts, ""},
		"P-521, SHA-512":            {"sha512", ec("P-521"), ts, ""},
		"secp256k1":                 {"sha256", ec("secp256k1"), ts, "not a token"},
		"cms: RSA, SHA-384":         {"sha384", rsa("2048"), cms("sha384"), ""},
		"cms: P-384, SHA-256":       {"sha256", ec("P-384"), cms("sha256"), ""},
		"cms: RSA-PSS, SHA-256":     {"sha256", rsa("2048"), cms("sha256", pss...), ""},
		"cms: RSA-PSS, SHA-512":     {"sha512", rsa("2048"), cms("sha512", pss...), ""},
		"cms: RSA-PSS, other mask":  {"sha256", rsa("2048"), cms("sha256", append(pss, "-keyopt", "rsa_mgf1_md:sha512")...), "RSA-PSS with other parameters"},
		"cms: RSA-PSS, longer salt": {"sha256", rsa("2048"), cms("sha256", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:64"), "RSA-PSS with other parameters"},
		"cms: by the key's name":    {"sha256", ec("P-256"), cms("sha256", "-keyid"), "not a token"},
		"cms: no certificate":       {"sha256", ec("P-256"), cms("sha256", "-nocerts"), "does not hold the one certificate"},
		"cms: in BER":               {"sha256", ec("P-256"), cms("sha256", "-stream"), "not a token: malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, c.digest, c.key...)
			token := c.make(a)
			stamp, err := evidence.RFC3161{Token: token}.Open(sum)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if stamp.Authority != "CN=Clock,O=Songs Example" || stamp.Nonce == nil || time.Since(stamp.Time) > time.Minute || time.Since(stamp.Time) < -time.Minute {
				t.Errorf("%+v", stamp)
			}
			if err := stamp.IssuedUnder(a.roots()); err != nil {
				t.Error(err)
			}
			if _, err := (evidence.RFC3161{Token: token}).Open(commitment.Hash{9}); err == nil || !strings.Contains(err.Error(), "another commitment") {
				t.Errorf("for another commitment: %v", err)
			}
			// Each byte of the content and of the signed attributes counts.
			for _, part := range [][]byte{sum[:], []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04\x31")} {
				at := bytes.LastIndex(token, part)
				if at < 0 {
					t.Fatalf("%x is not in the token", part)
				}
				bad := bytes.Clone(token)
				bad[at+len(part)+4] ^= 1
				if _, err := (evidence.RFC3161{Token: bad}).Open(sum); err == nil {
					t.Errorf("accepted with another byte after %x", part)
				}
			}
		})
	}
}
