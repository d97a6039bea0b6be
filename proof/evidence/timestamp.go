package evidence

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence/internal/cms"
)

// Stamp is the content of a time-stamp token with a valid signature.
type Stamp struct {
	// Time is when the authority saw the commitment, by the authority's clock.
	Time time.Time
	// Authority is the authority's name in its certificate. [Stamp.IssuedUnder]
	// verifies that certificate.
	Authority string
	// Nonce is the nonce of the request, nil if the request had none.
	Nonce *big.Int

	signer *x509.Certificate
	others []*x509.Certificate
}

var (
	oidSHA256         = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384         = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512         = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
	oidTSTInfo        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidSigningCert    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertV2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidExtendedUsages = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// tstInfo is the content that an authority signs (RFC 3161, section 2.4.2).
type tstInfo struct {
	Version int
	Policy  asn1.ObjectIdentifier
	Imprint struct {
		Algorithm pkix.AlgorithmIdentifier
		Hash      []byte
	}
	Serial   *big.Int
	Time     time.Time `asn1:"generalized"`
	Accuracy struct {
		Seconds      int64 `asn1:"optional"`
		Milliseconds int64 `asn1:"optional,tag:0"`
		Microseconds int64 `asn1:"optional,tag:1"`
	} `asn1:"optional"`
	Ordering   bool             `asn1:"optional,default:false"`
	Nonce      *big.Int         `asn1:"optional"`
	TSA        asn1.RawValue    `asn1:"optional,tag:0"`
	Extensions []pkix.Extension `asn1:"optional,tag:1"`
}

// Open reads the token and verifies it. Its imprint must be SHA-256 and equal sum.
// The certificate that the token names must have signed the whole token. This
// certificate must be for time-stamping, and valid at the time of the token. Open
// does not verify who owns the certificate: see [Stamp.IssuedUnder].
func (t RFC3161) Open(sum commitment.Hash) (Stamp, error) {
	message, err := cms.Parse(t.Token)
	if err != nil {
		return Stamp{}, fmt.Errorf("not a token: %w", err)
	}
	signer := message.Signer
	if signer == nil {
		return Stamp{}, errors.New("the token does not hold the one certificate that signed it")
	}
	if err := acceptable(signer); err != nil {
		return Stamp{}, fmt.Errorf("the certificate that signed has %w", err)
	}
	if !message.Type.Equal(oidTSTInfo) {
		return Stamp{}, errors.New("the signed content is not a time-stamp")
	}
	if err := message.Verify(); err != nil {
		return Stamp{}, fmt.Errorf("the signature is invalid: %w", err)
	}
	if !namesSigner(message) {
		return Stamp{}, errors.New("the signed content names another certificate")
	}
	var info tstInfo
	if rest, err := asn1.Unmarshal(message.Content, &info); err != nil || len(rest) > 0 {
		return Stamp{}, errors.New("the signed content is not a time-stamp")
	}
	switch {
	case !info.Imprint.Algorithm.Algorithm.Equal(oidSHA256) || !bytes.Equal(info.Imprint.Hash, sum[:]):
		return Stamp{}, errors.New("it is for another commitment")
	case !timeStamping(signer):
		return Stamp{}, errors.New("the certificate that signed is not for time-stamping")
	case info.Time.Before(signer.NotBefore) || info.Time.After(signer.NotAfter):
		return Stamp{}, errors.New("the certificate that signed was not valid at that time")
	}
	return Stamp{Time: info.Time.UTC(), Authority: signer.Subject.String(), Nonce: info.Nonce, signer: signer, others: message.Certificates}, nil
}

// The accepted sizes of RSA keys, in bits. An attacker may choose the keys of a
// token, and the time to check a signature grows with the square of the size. A
// shorter key can be broken.
const minRSA, maxRSA = 2048, 8192

// acceptable returns an error when the certificate's key has a kind or size that is
// not accepted.
func acceptable(c *x509.Certificate) error {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return fmt.Errorf("an RSA key of %d bits; %d to %d are accepted", bits, minRSA, maxRSA)
		}
		return nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return errors.New("a key on a curve other than P-256, P-384 and P-521")
	case ed25519.PublicKey:
		return nil
	}
	return errors.New("a key of a kind that is not accepted")
}

// namesSigner reports whether the signature covers a hash of its own certificate
// (RFC 5035 and 2634). Otherwise another certificate with the same key could
// replace it.
func namesSigner(message *cms.Message) bool {
	signer := message.Signer
	var v2 struct {
		Certs []struct {
			Algorithm pkix.AlgorithmIdentifier `asn1:"optional"` // SHA-256 when left out
			Hash      []byte
			Issuer    asn1.RawValue `asn1:"optional"`
		}
		Policies asn1.RawValue `asn1:"optional"`
	}
	if err := message.Attribute(oidSigningCertV2, &v2); err == nil && len(v2.Certs) > 0 {
		switch first := v2.Certs[0]; {
		case first.Algorithm.Algorithm == nil, first.Algorithm.Algorithm.Equal(oidSHA256):
			hash := sha256.Sum256(signer.Raw)
			return bytes.Equal(first.Hash, hash[:])
		case first.Algorithm.Algorithm.Equal(oidSHA384):
			hash := sha512.Sum384(signer.Raw)
			return bytes.Equal(first.Hash, hash[:])
		case first.Algorithm.Algorithm.Equal(oidSHA512):
			hash := sha512.Sum512(signer.Raw)
			return bytes.Equal(first.Hash, hash[:])
		}
		return false
	}
	var v1 struct {
		Certs []struct {
			Hash   []byte
			Issuer asn1.RawValue `asn1:"optional"`
		}
		Policies asn1.RawValue `asn1:"optional"`
	}
	if err := message.Attribute(oidSigningCert, &v1); err != nil || len(v1.Certs) == 0 {
		return false
	}
	hash := sha1.Sum(signer.Raw) // the RFC requires SHA-1; the hash only selects one of the token's certificates
	return bytes.Equal(v1.Certs[0].Hash, hash[:])
}

// timeStamping reports whether the certificate is only for time-stamping, by a
// critical extension (RFC 3161, section 2.3).
func timeStamping(c *x509.Certificate) bool {
	if len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(c.UnknownExtKeyUsage) > 0 {
		return false
	}
	for _, e := range c.Extensions {
		if e.Id.Equal(oidExtendedUsages) {
			return e.Critical
		}
	}
	return false
}

// verifyToken checks a time-stamp token of sum. part is the attestation that holds it.
// renewed reports whether a renewal of the token from before a time holds.
func verifyToken(token RFC3161, sum commitment.Hash, opts Options, part string, renewed func(before time.Time) bool) []Check {
	seen := Check{Name: CheckToken, Proves: word("check_token"), Status: OK, Part: part}
	known := Check{Name: CheckTokenAuthority, Proves: word("check_token_authority"), Status: OK, Part: part}
	stamp, err := token.Open(sum)
	if err != nil {
		seen.Status, seen.Why = Failed, err.Error()
		known.Status, known.Why = NotChecked, word("why_token_authority_token")
		return []Check{seen, known}
	}
	seen.Proves = fmt.Sprintf("%s at %s, by its clock.", strings.TrimSuffix(seen.Proves, "."), stamp.Time.Format(time.RFC3339Nano))
	seen.Time, seen.By = &stamp.Time, stamp.Authority
	known.Status, known.Why = trustToken(stamp, opts, renewed)
	return []Check{seen, known}
}
