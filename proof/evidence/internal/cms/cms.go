// Package cms reads a signed message (CMS SignedData, RFC 5652) with one signer, and
// verifies its signature.
//
// It reads DER only, and only the form of a time-stamp token: the content is inside,
// the signer is named by issuer and serial number, and the signature covers signed
// attributes. It never decides whether a certificate is trusted, and it keeps no
// state: all functions may be called at the same time.
package cms

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // of the table hashes
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// The limits of a message. A token with its chain of certificates has some thousands
// of bytes.
const (
	MaxSize         = 64 << 10 // bytes
	MaxCertificates = 16
	maxDepth        = 32 // the deepest values are the names in certificates
)

// ErrMalformed is the error for bytes that are not a signed message in DER.
var ErrMalformed = errors.New("malformed")

// Message is a signed message. Its signature is not verified: see [Message.Verify].
type Message struct {
	// Type is the type of the content.
	Type asn1.ObjectIdentifier
	// Content is the content that the signature covers, or nil.
	Content []byte
	// Certificates are the certificates in the message, in its order.
	Certificates []*x509.Certificate
	// Signer is the certificate that the only signer names. It is nil if the message
	// has another number of signers, or does not contain the certificate.
	Signer *x509.Certificate

	signer     signerInfo
	attributes []attribute
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content signedData `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version int
	Digests []pkix.AlgorithmIdentifier `asn1:"set"`
	Content struct {
		Type    asn1.ObjectIdentifier
		Content []byte `asn1:"explicit,optional,tag:0"`
	}
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	Revocations  asn1.RawValue `asn1:"optional,tag:1"`
	Signers      []signerInfo  `asn1:"set"`
}

type signerInfo struct {
	Version int
	Name    struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	Digest     pkix.AlgorithmIdentifier
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
	Algorithm  pkix.AlgorithmIdentifier
	Signature  []byte
	Unsigned   asn1.RawValue `asn1:"optional,tag:1"`
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
)

// Parse reads a message of at most [MaxSize] bytes and [MaxCertificates] certificates.
// It verifies no signature. An error about the form wraps [ErrMalformed].
func Parse(der []byte) (*Message, error) {
	if len(der) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxSize)
	}
	if !wellFormed(der, maxDepth) {
		return nil, fmt.Errorf("%w: not DER", ErrMalformed)
	}
	var outer contentInfo
	if err := unmarshal(der, &outer); err != nil {
		return nil, err
	}
	if !outer.Type.Equal(oidSignedData) {
		return nil, fmt.Errorf("%w: not a signed message", ErrMalformed)
	}
	data := outer.Content
	for _, set := range []asn1.RawValue{data.Certificates, data.Revocations} {
		if len(set.FullBytes) > 0 && !set.IsCompound {
			return nil, fmt.Errorf("%w: a set without elements", ErrMalformed)
		}
	}
	m := &Message{Type: data.Content.Type, Content: data.Content.Content}
	for rest := data.Certificates.Bytes; len(rest) > 0; {
		var one asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
		}
		if len(m.Certificates) == MaxCertificates {
			return nil, fmt.Errorf("more than %d certificates", MaxCertificates)
		}
		c, err := x509.ParseCertificate(one.FullBytes)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
		}
		m.Certificates = append(m.Certificates, c)
	}
	if len(data.Signers) != 1 {
		return m, nil
	}
	m.signer = data.Signers[0]
	if len(m.signer.Attributes.FullBytes) > 0 && !m.signer.Attributes.IsCompound {
		return nil, fmt.Errorf("%w: a set without elements", ErrMalformed)
	}
	for rest := m.signer.Attributes.Bytes; len(rest) > 0; {
		var one attribute
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
		}
		m.attributes = append(m.attributes, one)
	}
	for _, c := range m.Certificates {
		if c.SerialNumber.Cmp(m.signer.Name.Serial) == 0 && bytes.Equal(c.RawIssuer, m.signer.Name.Issuer.FullBytes) {
			m.Signer = c
			break
		}
	}
	return m, nil
}

// wellFormed reports whether der is a sequence of values in DER, down to every value
// inside. Package asn1 alone does not compare the length of an explicit tag with its
// content.
func wellFormed(der []byte, depth int) bool {
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil || v.IsCompound && (depth == 0 || !wellFormed(v.Bytes, depth-1)) {
			return false
		}
		der = rest
	}
	return true
}

// unmarshal reads one value that fills der.
func unmarshal(der []byte, to any) error {
	rest, err := asn1.Unmarshal(der, to)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	case len(rest) > 0:
		return fmt.Errorf("%w: %d bytes too many", ErrMalformed, len(rest))
	}
	return nil
}

// Attribute reads the value of a signed attribute. It fails unless the message has
// this attribute once, with one value.
func (m *Message) Attribute(kind asn1.ObjectIdentifier, to any) error {
	var value []byte
	found := 0
	for _, a := range m.attributes {
		if a.Type.Equal(kind) {
			if len(a.Values) != 1 {
				return fmt.Errorf("%w: attribute %v has %d values", ErrMalformed, kind, len(a.Values))
			}
			value = a.Values[0].FullBytes
			found++
		}
	}
	if found != 1 {
		return fmt.Errorf("attribute %v: %d of them", kind, found)
	}
	return unmarshal(value, to)
}

// Has reports whether the message has a signed attribute of this kind.
func (m *Message) Has(kind asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(m.attributes, func(a attribute) bool { return a.Type.Equal(kind) })
}

// Verify returns nil if the key of [Message.Signer] signed the content and the
// attributes. A signing time, if there is one, must be in the certificate's period.
// Verify does not limit the size of the key: the caller checks it first, because the
// message chooses the key.
func (m *Message) Verify() error {
	if m.Signer == nil {
		return errors.New("no certificate for the one signer")
	}
	hash, ok := hashes[m.signer.Digest.Algorithm.String()]
	if !ok {
		return fmt.Errorf("digest algorithm %v is not accepted", m.signer.Digest.Algorithm)
	}
	var kind asn1.ObjectIdentifier
	if err := m.Attribute(oidContentType, &kind); err != nil || !kind.Equal(m.Type) {
		return errors.New("the signed type is not the type of the content")
	}
	var digest []byte
	if err := m.Attribute(oidMessageDigest, &digest); err != nil {
		return err
	}
	h := hash.New()
	h.Write(m.Content)
	if !bytes.Equal(h.Sum(nil), digest) {
		return errors.New("the signed digest is not that of the content")
	}
	if m.Has(oidSigningTime) {
		var at time.Time
		if err := m.Attribute(oidSigningTime, &at); err != nil {
			return err
		}
		if at.Before(m.Signer.NotBefore) || at.After(m.Signer.NotAfter) {
			return errors.New("the signing time is outside of the certificate's period")
		}
	}
	algorithm, err := signatureAlgorithm(m.signer.Algorithm, hash)
	if err != nil {
		return err
	}
	signed, err := m.signed()
	if err != nil {
		return err
	}
	return m.Signer.CheckSignature(algorithm, signed, m.signer.Signature)
}

// signed returns the bytes that are signed: the attributes as a SET OF in DER, which
// has its elements in the order of their bytes (RFC 5652, section 5.4).
func (m *Message) signed() ([]byte, error) {
	var all []asn1.RawValue
	for rest := m.signer.Attributes.Bytes; len(rest) > 0; {
		var one asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b asn1.RawValue) int { return bytes.Compare(a.FullBytes, b.FullBytes) })
	var body []byte
	for _, one := range all {
		body = append(body, one.FullBytes...)
	}
	return asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: body})
}

// hashes are the accepted digest algorithms. SHA-1 and MD5 are broken.
var hashes = map[string]crypto.Hash{
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

// signatureAlgorithm returns the algorithm of a signature. For RSA the identifier may
// be that of the key, and then only the digest algorithm names the hash. Some signers
// also write a curve as the algorithm.
func signatureAlgorithm(id pkix.AlgorithmIdentifier, hash crypto.Hash) (x509.SignatureAlgorithm, error) {
	switch id.Algorithm.String() {
	case "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.5", "1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12", "1.2.840.113549.1.1.13":
		return map[crypto.Hash]x509.SignatureAlgorithm{
			crypto.SHA256: x509.SHA256WithRSA, crypto.SHA384: x509.SHA384WithRSA, crypto.SHA512: x509.SHA512WithRSA,
		}[hash], nil
	case "1.2.840.113549.1.1.10":
		return pss(id.Parameters, hash)
	case "1.2.840.10045.4.3.2":
		return x509.ECDSAWithSHA256, nil
	case "1.2.840.10045.4.3.3":
		return x509.ECDSAWithSHA384, nil
	case "1.2.840.10045.4.3.4":
		return x509.ECDSAWithSHA512, nil
	case "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35":
		return map[crypto.Hash]x509.SignatureAlgorithm{
			crypto.SHA256: x509.ECDSAWithSHA256, crypto.SHA384: x509.ECDSAWithSHA384, crypto.SHA512: x509.ECDSAWithSHA512,
		}[hash], nil
	case "1.3.101.112":
		return x509.PureEd25519, nil
	}
	return 0, fmt.Errorf("signature algorithm %v is not accepted", id.Algorithm)
}

// pss returns the RSA-PSS algorithm with these parameters (RFC 4055). All its hashes
// must be the digest algorithm, and its salt must be as long as the hash: x509 verifies
// no other form.
func pss(parameters asn1.RawValue, hash crypto.Hash) (x509.SignatureAlgorithm, error) {
	var p struct {
		Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
		Mask struct {
			Algorithm asn1.ObjectIdentifier
			Hash      pkix.AlgorithmIdentifier
		} `asn1:"explicit,tag:1"`
		Salt    int `asn1:"explicit,tag:2"`
		Trailer int `asn1:"optional,explicit,tag:3,default:1"`
	}
	if err := unmarshal(parameters.FullBytes, &p); err != nil {
		return 0, err
	}
	if hashes[p.Hash.Algorithm.String()] != hash || hashes[p.Mask.Hash.Algorithm.String()] != hash ||
		p.Mask.Algorithm.String() != "1.2.840.113549.1.1.8" || p.Salt != hash.Size() || p.Trailer != 1 {
		return 0, errors.New("RSA-PSS with other parameters than one hash and a salt of its length")
	}
	return map[crypto.Hash]x509.SignatureAlgorithm{
		crypto.SHA256: x509.SHA256WithRSAPSS, crypto.SHA384: x509.SHA384WithRSAPSS, crypto.SHA512: x509.SHA512WithRSAPSS,
	}[hash], nil
}
