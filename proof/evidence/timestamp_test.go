package evidence_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/internal/cms/cmstest"
)

// newClock makes an authority with the usual kind of key.
func newClock(t testing.TB) authority {
	t.Helper()
	return newAuthority(t, "sha256", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
}

// check returns the check with that name, or none.
func check(r evidence.Report, name evidence.CheckName) evidence.Check {
	c, _ := r.Check(name)
	return c
}

// A token proves when the commitment was seen. It proves by which authority only when
// the caller trusts the authority's root.
func TestToken(t *testing.T) {
	t.Parallel()
	a, other := newClock(t), newClock(t)
	e := song.logged()
	text := must(evidence.Encode(must(must(e.Extend(token(a.stamp(e.Commitment)))).Redact(1))))
	for name, c := range map[string]struct {
		roots  *x509.CertPool
		sum    commitment.Hash
		tokens [2]evidence.Status
		why    string
	}{
		"no root":            {nil, e.Commitment, [2]evidence.Status{evidence.OK, evidence.NotChecked}, "Not proved: the identity of the authority. It calls itself CN=Clock,O=Songs Example"},
		"its root":           {a.roots(), e.Commitment, [2]evidence.Status{evidence.OK, evidence.OK}, ""},
		"another's root":     {other.roots(), e.Commitment, [2]evidence.Status{evidence.OK, evidence.Failed}, "unknown authority"},
		"another commitment": {a.roots(), commitment.Hash{1}, [2]evidence.Status{evidence.Failed, evidence.NotChecked}, "The token does not hold."},
	} {
		d := decode(t, text)
		if c.sum != e.Commitment {
			d.Attestations[0].Token = a.stamp(c.sum)
		}
		r, err := evidence.Verify(d, evidence.Options{Media: bytes.NewReader(song.media), Keys: []string{song.key()}, Authorities: c.roots})
		seen, authority := check(r, "token"), check(r, "token_authority")
		if err != nil || [2]evidence.Status{seen.Status, authority.Status} != c.tokens || !strings.Contains(authority.Why, c.why) {
			t.Errorf("%s: %+v %+v %v", name, seen, authority, err)
		}
		if !r.Anchored() { // a token that does not hold is ignored
			t.Errorf("%s: %+v", name, r)
		}
		if year := time.Now().UTC().Format("2006-"); seen.Status == evidence.OK && !strings.Contains(seen.Proves, " at "+year) {
			t.Errorf("%s: %+v", name, seen)
		}
	}
}

// A changed token is refused or has the same content: some bytes of its form are not
// signed, but the whole content is.
func TestNoOtherToken(t *testing.T) {
	t.Parallel()
	sum := commitment.Hash{1, 2, 3}
	token := newClock(t).stamp(sum)
	said := must(evidence.RFC3161{Token: token}.Open(sum))
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		bad := bytes.Clone(token)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			bad = bad[:rapid.IntRange(0, len(bad)-1).Draw(t, "cut")]
		case 1:
			i := rapid.IntRange(0, len(bad)-1).Draw(t, "from")
			copy(bad[i:], rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "bytes"))
		default:
			flip(t, bad)
		}
		s, err := evidence.RFC3161{Token: bad}.Open(sum)
		if err != nil {
			refused++
		} else if !s.Time.Equal(said.Time) || s.Authority != said.Authority || s.Nonce.Cmp(said.Nonce) != 0 {
			t.Fatalf("accepted as %+v", s)
		}
	})
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

// A signature is valid only when its certificate is for time-stamping alone and was
// valid at that time.
func TestTokenOfWhom(t *testing.T) {
	t.Parallel()
	sum := commitment.Hash{1}
	now := time.Now().UTC().Truncate(time.Second)
	clock, server := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	for name, c := range map[string]struct {
		uses     []asn1.ObjectIdentifier
		optional bool
		until    time.Time
		hash     crypto.Hash
		want     string
	}{
		"as it should be":   {[]asn1.ObjectIdentifier{clock}, false, now.Add(time.Hour), crypto.SHA256, ""},
		"a server's":        {[]asn1.ObjectIdentifier{server}, false, now.Add(time.Hour), crypto.SHA256, "not for time-stamping"},
		"for anything":      {nil, false, now.Add(time.Hour), crypto.SHA256, "not for time-stamping"},
		"for more than one": {[]asn1.ObjectIdentifier{clock, server}, false, now.Add(time.Hour), crypto.SHA256, "not for time-stamping"},
		"not critical":      {[]asn1.ObjectIdentifier{clock}, true, now.Add(time.Hour), crypto.SHA256, "not for time-stamping"},
		"expired before":    {[]asn1.ObjectIdentifier{clock}, false, now.Add(-time.Minute), crypto.SHA256, "valid"},
		"another hash":      {[]asn1.ObjectIdentifier{clock}, false, now.Add(time.Hour), crypto.SHA512, "another commitment"},
	} {
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Clock"}, NotBefore: now.Add(-time.Hour), NotAfter: c.until}
		if c.uses != nil {
			form.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: !c.optional, Value: must(asn1.Marshal(c.uses))}}
		}
		cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, form, form, key.Public(), key))))
		imprint := sum[:]
		if c.hash == crypto.SHA512 {
			imprint = append(bytes.Clone(imprint), imprint...)
		}
		token := cmstest.Message{Type: cmstest.TSTInfo, Content: cmstest.Info(t, c.hash, imprint, now), Hash: crypto.SHA256, Signer: cert, Key: key}
		_, err := evidence.RFC3161{Token: token.DER(t)}.Open(sum)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// An attacker chooses the keys of a token, and so the work of a verifier. The sizes
// of keys and the number of certificates are therefore limited.
func TestTokenKeys(t *testing.T) {
	t.Parallel()
	sum := commitment.Hash{1}
	now := time.Now().UTC().Truncate(time.Second)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	open := func(public any, private crypto.Signer, more ...*x509.Certificate) error {
		cert := cmstest.Certificate(t, 1, now, public, key)
		token := cmstest.Message{Type: cmstest.TSTInfo, Content: cmstest.Info(t, crypto.SHA256, sum[:], now), Hash: crypto.SHA256, Signer: cert, Key: private, Certificates: more}
		_, err := evidence.RFC3161{Token: token.DER(t)}.Open(sum)
		return err
	}
	for bits, want := range map[int]string{2048: "signature is invalid", 8192: "signature is invalid", 1024: "an RSA key of 1024 bits", 8193: "an RSA key of 8193 bits", 240_000: "an RSA key of 240000 bits"} {
		n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1) // its private key does not exist
		if err := open(&rsa.PublicKey{N: n, E: 65537}, key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bits: %v, want %q", bits, err, want)
		}
	}
	for curve, want := range map[elliptic.Curve]string{elliptic.P224(): "P-256, P-384 and P-521", elliptic.P256(): "", elliptic.P384(): "", elliptic.P521(): ""} {
		own := must(ecdsa.GenerateKey(curve, rand.Reader))
		if err := open(own.Public(), own); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", curve.Params().Name, err, want)
		}
	}
	// All certificates have one name and one key, so each certifies every other.
	chain := func(n int) (all []*x509.Certificate) {
		for i := range n {
			all = append(all, cmstest.Certificate(t, int64(i+2), now, key.Public(), key))
		}
		return all
	}
	if err := open(key.Public(), key, chain(15)...); err != nil {
		t.Errorf("16 certificates: %v", err)
	}
	if err := open(key.Public(), key, chain(16)...); err == nil || !strings.Contains(err.Error(), "more than 16 certificates") {
		t.Errorf("17 certificates: %v", err)
	}
}

// The parser refuses deep nesting and indefinite lengths.
func TestTokenOfNoForm(t *testing.T) {
	t.Parallel()
	for name, token := range map[string][]byte{
		"nothing": {}, "nested": bytes.Repeat([]byte{0x30, 0x80}, 300_000), "large": make([]byte, 1<<20), "two": {0x30, 0, 0x30, 0}, "a number": {2, 1, 1},
	} {
		began := time.Now()
		if _, err := (evidence.RFC3161{Token: token}).Open(commitment.Hash{}); err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
	}
}

// FuzzToken: an arbitrary token neither crashes the program nor proves anything.
func FuzzToken(f *testing.F) {
	f.Add([]byte{0x30, 0})
	f.Add(must(evidence.Decode(bytes.NewReader(golden()["stamped.json"]))).Tokens()[0].Token)
	f.Fuzz(func(t *testing.T, token []byte) {
		if _, err := (evidence.RFC3161{Token: token}).Open(commitment.Hash{9}); err == nil {
			t.Error("accepted for a commitment that was never stamped")
		}
	})
}
