package certificate

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Signer signs certificates with a key of the operator: PAdES, level B-B. [OpenSigned]
// reads such a file, for the levels above. Two signatures of the same page differ only in
// their time and in the signature itself.
type Signer struct {
	leaf      *x509.Certificate
	chain     []byte // certificates one after another, the leaf first
	key       crypto.Signer
	algorithm pkix.AlgorithmIdentifier
	now       func() time.Time
	length    int // of a signature, in bytes
}

// NewSigner returns a signer for a certificate and its key, both as PEM. The
// intermediate certificates may follow the certificate. now is the clock. NewSigner
// refuses a certificate or key that cannot sign.
func NewSigner(certPEM, keyPEM []byte, now func() time.Time) (*Signer, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	s := &Signer{leaf: pair.Leaf, now: now}
	switch k := pair.PrivateKey.(type) {
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 8192 {
			return nil, fmt.Errorf("an RSA key of %d bits; 2048 to 8192 are accepted", bits)
		}
		s.key, s.algorithm = k, pkix.AlgorithmIdentifier{Algorithm: oidSHA256WithRSA, Parameters: asn1.NullRawValue}
	case *ecdsa.PrivateKey:
		s.key, s.algorithm = k, pkix.AlgorithmIdentifier{Algorithm: oidECDSAWithSHA256}
	default:
		return nil, errors.New("the key is neither RSA nor ECDSA")
	}
	if u := s.leaf.KeyUsage; u != 0 && u&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return nil, errors.New("the certificate is not for signatures")
	}
	for _, der := range pair.Certificate {
		s.chain = append(s.chain, der...)
	}
	if err := s.valid(); err != nil {
		return nil, err
	}
	first, err := s.cms([]byte("at start, so that a key that cannot sign is found"))
	s.length = len(first) + lengthsVary
	return s, err
}

// name returns the name in the certificate.
func (s *Signer) name() string {
	subject := s.leaf.Subject
	return cmp.Or(subject.CommonName, strings.Join(subject.Organization, ", "), subject.String())
}

// valid returns an error when a PDF reader would reject a signature that is made now.
func (s *Signer) valid() error {
	if now := s.now(); now.Before(s.leaf.NotBefore) || now.After(s.leaf.NotAfter) {
		return fmt.Errorf("certificate: the signing certificate is valid only from %s to %s", s.leaf.NotBefore.Format(time.DateOnly), s.leaf.NotAfter.Format(time.DateOnly))
	}
	return nil
}

// lengthsVary is how much longer another signature by the same key can be, in bytes. Numbers
// of ECDSA have no fixed length.
const lengthsVary = 32

const (
	rangeMark    = "/ByteRange["
	contentsMark = "/Contents<"
	rangeForm    = "%010d %010d %010d %010d"

	signatureMark = "/ETSI.CAdES.detached" + rangeMark
	stampMark     = "/ETSI.RFC3161" + rangeMark
)

// reserve adds the object for the signature, with room more bytes for a time-stamp.
func (s *Signer) reserve(d *document, room int) int {
	return d.add("<</Type/Sig/Filter/Adobe.PPKLite/M(%s)/SubFilter"+signatureMark+rangeForm+"]"+contentsMark+"%0*d>>>", pdfTime(s.now()), 0, 0, 0, 0, 2*(s.length+room), 0)
}

// sign adds the signature. It covers the whole file except its own place.
func (s *Signer) sign(file []byte) ([]byte, error) {
	// Search from the end: the attached file comes before, and may contain the same text.
	object := bytes.LastIndex(file, []byte(signatureMark))
	if object < 0 {
		return nil, errors.New("certificate: the file has no place for a signature")
	}
	at, err := place(file, object, contentsMark)
	if err != nil {
		return nil, err
	}
	copy(file[object+len(signatureMark):], fmt.Sprintf(rangeForm, 0, at.from-1, at.to+1, len(file)-at.to-1))
	cms, err := s.cms(append(bytes.Clone(file[:at.from-1]), file[at.to+1:]...))
	if err != nil {
		return nil, err
	}
	return file, fill(file, at, cms)
}

var (
	oidData            = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningCert     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidSHA256          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA256WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// The parts of a CMS (RFC 5652) that a detached signature has.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content signedData `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version      int
		Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
		Content      struct{ Type asn1.ObjectIdentifier }
		Certificates asn1.RawValue `asn1:"tag:0"`
		Signers      []signerInfo  `asn1:"set"`
	}
	signerInfo struct {
		Version int
		ID      struct {
			Issuer asn1.RawValue
			Serial *big.Int
		}
		Digest     pkix.AlgorithmIdentifier
		Attributes asn1.RawValue `asn1:"tag:0"`
		Algorithm  pkix.AlgorithmIdentifier
		Signature  []byte
		Unsigned   asn1.RawValue `asn1:"optional,tag:1"`
	}
	attribute struct {
		Type   asn1.ObjectIdentifier
		Values []any `asn1:"set"`
	}
	certID      struct{ Hash []byte }
	signingCert struct{ Certs []certID }
)

// cms returns the detached signature. As PAdES requires, the signed attributes have the
// hash of the certificate and no time: the time is in the file.
func (s *Signer) cms(data []byte) ([]byte, error) {
	digest, cert := sha256.Sum256(data), sha256.Sum256(s.leaf.Raw)
	attributes, err := asn1.MarshalWithParams([]attribute{
		{oidContentType, []any{oidData}},
		{oidMessageDigest, []any{digest[:]}},
		{oidSigningCert, []any{signingCert{[]certID{{cert[:]}}}}},
	}, "set")
	if err != nil {
		return nil, err
	}
	signed := sha256.Sum256(attributes)
	signer := signerInfo{Version: 1, Digest: pkix.AlgorithmIdentifier{Algorithm: oidSHA256}, Algorithm: s.algorithm}
	if signer.Signature, err = s.key.Sign(rand.Reader, signed[:], crypto.SHA256); err != nil {
		return nil, err
	}
	signer.ID.Issuer.FullBytes, signer.ID.Serial = s.leaf.RawIssuer, s.leaf.SerialNumber
	attributes[0] = 0xa0 // the same set, where it is a part of the whole
	signer.Attributes.FullBytes = attributes
	out := contentInfo{Type: oidSignedData, Content: signedData{
		Version: 1, Digests: []pkix.AlgorithmIdentifier{signer.Digest}, Signers: []signerInfo{signer},
		Certificates: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: s.chain},
	}}
	out.Content.Content.Type = oidData
	return asn1.Marshal(out)
}
