// Package cmstest writes signed messages and time-stamp tokens for tests, also those
// that no honest authority writes.
//
// It shares no code with the reader that it tests.
package cmstest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"
)

// The identifiers that a test may change or leave out.
var (
	SignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	ContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	MessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	SigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	SigningCertV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	TSTInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	RSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
)

var digests = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA1:   {1, 3, 14, 3, 2, 26},
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// Attribute is a signed attribute.
type Attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// Attr returns an attribute with the values in DER.
func Attr(t testing.TB, kind asn1.ObjectIdentifier, values ...any) Attribute {
	t.Helper()
	a := Attribute{Type: kind}
	for _, v := range values {
		a.Values = append(a.Values, asn1.RawValue{FullBytes: marshal(t, v)})
	}
	return a
}

// Message is what [Message.DER] signs. The zero values of the last four are those of
// an honest authority.
type Message struct {
	Type    asn1.ObjectIdentifier
	Content []byte
	Hash    crypto.Hash
	Signer  *x509.Certificate
	Key     crypto.Signer
	// Certificates follow the signer's in the message.
	Certificates []*x509.Certificate

	// Attributes changes the signed attributes.
	Attributes func([]Attribute) []Attribute
	// Order writes the signed attributes in another order than DER.
	Order func([][]byte)
	// Algorithm is the identifier of the signature's algorithm.
	Algorithm asn1.ObjectIdentifier
	// Signers is the number of times that the signer is repeated: once if 0.
	Signers int
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type signerInfo struct {
	Version    int
	Name       issuerAndSerial
	Digest     pkix.AlgorithmIdentifier
	Attributes asn1.RawValue `asn1:"optional"`
	Algorithm  pkix.AlgorithmIdentifier
	Signature  []byte
}

type content struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Content      content
	Certificates asn1.RawValue
	Signers      []signerInfo `asn1:"set"`
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// DER returns the signed message.
func (m Message) DER(t testing.TB) []byte {
	t.Helper()
	digest := pkix.AlgorithmIdentifier{Algorithm: digests[m.Hash]}
	sum := m.Hash.New()
	sum.Write(m.Content)
	certHash := sha256.Sum256(m.Signer.Raw)
	attributes := []Attribute{
		Attr(t, ContentType, m.Type),
		Attr(t, MessageDigest, sum.Sum(nil)),
		Attr(t, SigningCertV2, struct{ Certs []struct{ Hash []byte } }{[]struct{ Hash []byte }{{certHash[:]}}}),
	}
	if m.Attributes != nil {
		attributes = m.Attributes(attributes)
	}
	var elements [][]byte
	for _, a := range attributes {
		elements = append(elements, marshal(t, a))
	}
	slices.SortFunc(elements, bytes.Compare)
	signed := marshal(t, asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: bytes.Join(elements, nil)})
	if m.Order != nil {
		m.Order(elements)
	}
	signer := signerInfo{
		Version: 1, Name: issuerAndSerial{asn1.RawValue{FullBytes: m.Signer.RawIssuer}, m.Signer.SerialNumber},
		Digest: digest, Algorithm: pkix.AlgorithmIdentifier{Algorithm: m.Algorithm},
	}
	if len(elements) > 0 {
		signer.Attributes = asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: bytes.Join(elements, nil)}
	}
	var standard asn1.ObjectIdentifier
	signer.Signature, standard = sign(t, m.Key, m.Hash, signed)
	if m.Algorithm == nil {
		signer.Algorithm.Algorithm = standard
	}
	data := signedData{Version: 3, Digests: []pkix.AlgorithmIdentifier{digest}, Content: content{m.Type, m.Content}}
	all := bytes.Clone(m.Signer.Raw)
	for _, c := range m.Certificates {
		all = append(all, c.Raw...)
	}
	data.Certificates = asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: all}
	for range max(m.Signers, 1) {
		data.Signers = append(data.Signers, signer)
	}
	return marshal(t, struct {
		Type    asn1.ObjectIdentifier
		Content signedData `asn1:"explicit,tag:0"`
	}{SignedData, data})
}

func sign(t testing.TB, key crypto.Signer, hash crypto.Hash, signed []byte) ([]byte, asn1.ObjectIdentifier) {
	t.Helper()
	digest := signed
	h := hash
	var algorithm asn1.ObjectIdentifier
	switch key.(type) {
	case *rsa.PrivateKey:
		algorithm = RSA
	case *ecdsa.PrivateKey:
		algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, map[crypto.Hash]int{crypto.SHA256: 2, crypto.SHA384: 3, crypto.SHA512: 4}[hash]}
	case ed25519.PrivateKey:
		algorithm, h = asn1.ObjectIdentifier{1, 3, 101, 112}, 0
	}
	if h != 0 {
		sum := h.New()
		sum.Write(signed)
		digest = sum.Sum(nil)
	}
	signature, err := key.Sign(rand.Reader, digest, h)
	if err != nil {
		t.Fatal(err)
	}
	return signature, algorithm
}

// Info returns the content of a time-stamp token for an imprint.
func Info(t testing.TB, hash crypto.Hash, imprint []byte, at time.Time) []byte {
	t.Helper()
	return marshal(t, struct {
		Version int
		Policy  asn1.ObjectIdentifier
		Imprint struct {
			Algorithm pkix.AlgorithmIdentifier
			Hash      []byte
		}
		Serial *big.Int
		Time   time.Time `asn1:"generalized"`
		Nonce  *big.Int
	}{1, asn1.ObjectIdentifier{1, 2, 3}, struct {
		Algorithm pkix.AlgorithmIdentifier
		Hash      []byte
	}{pkix.AlgorithmIdentifier{Algorithm: digests[hash]}, imprint}, big.NewInt(1), at, big.NewInt(7)})
}

// Certificate returns a certificate for time-stamping, valid for an hour around at.
// The issuer's key signs it.
func Certificate(t testing.TB, serial int64, at time.Time, public any, issuer crypto.Signer) *x509.Certificate {
	t.Helper()
	form := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "Clock", Organization: []string{"Songs Example"}},
		NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: marshal(t, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})}},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, public, issuer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
