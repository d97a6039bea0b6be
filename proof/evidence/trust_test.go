package evidence_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/internal/cms/cmstest"
)

// issuer is a certificate with its key.
type issuer struct {
	*x509.Certificate
	key crypto.Signer
}

// chained issues a certificate of this name under parent, or a root without one. change
// changes its form.
func chained(t *testing.T, name string, key crypto.Signer, parent *issuer, from, until time.Time, change func(*x509.Certificate)) issuer {
	t.Helper()
	form := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if name == "Clock" {
		form.IsCA = false
		form.KeyUsage = x509.KeyUsageDigitalSignature
		form.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: must(asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}))}}
	}
	if change != nil {
		change(form)
	}
	by := issuer{form, key}
	if parent != nil {
		by = *parent
	}
	der, err := x509.CreateCertificate(rand.Reader, form, by.Certificate, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{must(x509.ParseCertificate(der)), key}
}

func ec(curve elliptic.Curve) crypto.Signer { return must(ecdsa.GenerateKey(curve, rand.Reader)) }

// at returns this signer's token of sum at that time, with the certificates after it.
func (s issuer) at(t *testing.T, sum [32]byte, now time.Time, more ...*x509.Certificate) []byte {
	return cmstest.Message{
		Type: cmstest.TSTInfo, Content: cmstest.Info(t, crypto.SHA256, sum[:], now), Hash: crypto.SHA256, Signer: s.Certificate, Key: s.key, Certificates: more,
	}.DER(t)
}

func pool(all ...issuer) *x509.CertPool {
	p := x509.NewCertPool()
	for _, one := range all {
		p.AddCert(one.Certificate)
	}
	return p
}

// A token is trusted only if every key and signature of its chain reaches the floor. The
// root's own signature does not matter.
func TestFloor(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	from, until := now.Add(-time.Hour), now.Add(time.Hour)
	p256 := ec(elliptic.P256())
	long, short := crypto.Signer(must(rsa.GenerateKey(rand.Reader, 2048))), crypto.Signer(must(rsa.GenerateKey(rand.Reader, 1024)))
	sha1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }
	for name, c := range map[string]struct {
		root, middle         crypto.Signer
		onRoot, onMid, onOwn func(*x509.Certificate)
		why                  string
	}{
		"as it should be":           {root: p256, middle: p256},
		"RSA of 2048 bits":          {root: long, middle: long},
		"a root that SHA-1 signed":  {root: long, middle: p256, onRoot: sha1},
		"SHA-1 below the root":      {root: long, middle: p256, onMid: sha1, why: `"CN=Middle" has a signature by SHA1-RSA`},
		"SHA-1 for the clock":       {root: p256, middle: long, onOwn: sha1, why: `"CN=Clock" has a signature by SHA1-RSA`},
		"a short root":              {root: short, middle: p256, why: `"CN=Root" has an RSA key of 1024 bits`},
		"a short key in the middle": {root: p256, middle: short, why: `"CN=Middle" has an RSA key of 1024 bits`},
		"a weak curve at the root":  {root: ec(elliptic.P224()), middle: p256, why: `"CN=Root" has a key on a curve other than`},
	} {
		t.Run(name, func(t *testing.T) {
			root := chained(t, "Root", c.root, nil, from, until, c.onRoot)
			middle := chained(t, "Middle", c.middle, &root, from, until, c.onMid)
			clock := chained(t, "Clock", p256, &middle, from, until, c.onOwn)
			e := song.logged()
			e = must(e.Extend(token(clock.at(t, e.Commitment, now, middle.Certificate))))
			r := must(evidence.Verify(e, evidence.Options{Authorities: pool(root), Keys: []string{song.key()}}))
			trusted := check(r, "token_authority")
			if (trusted.Status == evidence.OK) != (c.why == "") || !strings.Contains(trusted.Why, c.why) || check(r, "token").Status != evidence.OK {
				t.Errorf("%+v, want %q", trusted, c.why)
			}
			if !r.Anchored() || (len(r.Dates(e)) == 2) != (c.why == "") {
				t.Errorf("the token counts, or the proof does not: %+v", r.Dates(e))
			}
		})
	}
}

// A token stays good after its chain has ended, but the report says so. A renewal from before
// the end removes the remark, also one of a renewal.
func TestEndedChain(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	began := time.Date(2016, 3, 1, 0, 0, 0, 0, time.UTC)
	p256 := ec(elliptic.P256())
	root := chained(t, "Root", p256, nil, began, began.Add(40*365*day), nil)
	clock := func(from, until time.Time) issuer {
		return chained(t, "Clock", ec(elliptic.P256()), &root, from, until, nil)
	}
	first := clock(began, began.Add(365*day))
	second := clock(began, began.Add(3*365*day))
	third := clock(began, began.Add(30*365*day))
	other := chained(t, "Other", p256, nil, began, began.Add(40*365*day), nil)
	stranger := chained(t, "Clock", ec(elliptic.P256()), &other, began, began.Add(30*365*day), nil)
	e := song.logged()
	e = must(e.Extend(token(first.at(t, e.Commitment, began.Add(day)))))
	renew := func(e evidence.Evidence, of int, s issuer, at time.Time) evidence.Evidence {
		a := evidence.Attestation{Kind: evidence.KindRFC3161, Of: evidence.OfAttestation(of)}
		a.Token = s.at(t, sha256.Sum256(e.Attestations[of].Token), at)
		return must(e.Extend(a))
	}
	ended := "The authority’s chain ended on 2017-03-01T00:00:00Z; only a renewal made before proves more."
	for name, c := range map[string]struct {
		e    evidence.Evidence
		now  time.Time
		want string
	}{
		"while it lives":                  {e, began.Add(2 * day), ""},
		"after its end":                   {e, began.Add(800 * day), ended},
		"renewed in time":                 {renew(e, 0, third, began.Add(300*day)), began.Add(800 * day), ""},
		"renewed too late":                {renew(e, 0, third, began.Add(400*day)), began.Add(800 * day), ended},
		"renewed by a stranger":           {renew(e, 0, stranger, began.Add(300*day)), began.Add(800 * day), ended},
		"a renewal that ended, too":       {renew(e, 0, second, began.Add(300*day)), began.Add(2000 * day), ended},
		"a renewal of the renewal":        {renew(renew(e, 0, second, began.Add(300*day)), 1, third, began.Add(700*day)), began.Add(2000 * day), ""},
		"a renewal of the renewal, late":  {renew(renew(e, 0, second, began.Add(300*day)), 1, third, began.Add(1200*day)), began.Add(2000 * day), ended},
		"a renewal that is for something": {must(e.Extend(evidence.Attestation{Kind: evidence.KindRFC3161, Of: evidence.OfAttestation(0), Token: third.at(t, e.Commitment, began.Add(300*day))})), began.Add(800 * day), ended},
	} {
		r := must(evidence.Verify(c.e, evidence.Options{Authorities: pool(root), Now: c.now}))
		if got := check(r, "token_authority"); got.Status != evidence.OK || got.Why != c.want {
			t.Errorf("%s: %+v, want %q", name, got, c.want)
		}
	}
	stamp := must(evidence.RFC3161{Token: e.Attestations[0].Token}.Open(e.Commitment))
	if end, err := stamp.TrustedUntil(pool(root)); err != nil || !end.Equal(began.Add(365*day)) {
		t.Errorf("until %s, %v", end, err)
	}
	if _, err := stamp.TrustedUntil(pool(other)); err == nil {
		t.Error("trusted under another root")
	}
}

// The documented command verifies a token whose chain has ended. Without -attime OpenSSL
// refuses it.
func TestEndedChainByOpenSSL(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "jq", "base64", "date", "sed", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TIMBRE_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skipf("skipped: the documented commands need %s", tool)
		}
	}
	began := time.Date(2016, 3, 1, 0, 0, 0, 0, time.UTC)
	root := chained(t, "Root", ec(elliptic.P256()), nil, began, began.AddDate(1, 0, 0), nil)
	clock := chained(t, "Clock", ec(elliptic.P256()), &root, began, began.AddDate(1, 0, 0), nil)
	e := song.logged()
	e = must(e.Extend(token(clock.at(t, e.Commitment, began.AddDate(0, 3, 0)))))
	dir := t.TempDir()
	for name, text := range map[string][]byte{"evidence.json": must(json.Marshal(e)), "authority-root.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, section, _ := strings.Cut(document(t, "evidence.md"), "## Check the time-stamp with OpenSSL")
	commands := blocks(section, "console")
	if len(commands) == 0 {
		t.Fatal("no commands in docs/evidence.md")
	}
	var script []string
	for _, line := range strings.Split(commands[0], "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script = append(script, command)
		}
	}
	run := func(lines []string) string {
		cmd := exec.Command("sh", "-c", strings.Join(lines, "\n"))
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput() // the test checks the output
		return string(out)
	}
	if out := run(script); !strings.Contains(out, "Verification: OK") || !strings.Contains(out, "Jun  1 00:00:00 2016") {
		t.Errorf("the documented command: %s", out)
	}
	without := strings.Split(strings.ReplaceAll(strings.Join(script, "\n"), `-attime "$at"`, ""), "\n")
	if out := run(without); strings.Contains(out, "Verification: OK") || !strings.Contains(out, "certificate has expired") {
		t.Errorf("without -attime: %s", out)
	}
	r := must(evidence.Verify(e, evidence.Options{Authorities: pool(root)}))
	if got := check(r, "token_authority"); got.Status != evidence.OK || !strings.Contains(got.Why, "chain ended on 2017-03-01T00:00:00Z") {
		t.Errorf("%+v", got)
	}
}
