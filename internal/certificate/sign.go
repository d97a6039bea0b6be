package certificate

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/digitorus/pkcs7"
)

// Signer signs certificates with a key of the operator (PAdES).
type Signer struct {
	leaf   *x509.Certificate
	chain  []*x509.Certificate
	key    crypto.PrivateKey
	length int // of the space for a signature, in hex digits
}

// NewSigner takes a certificate with its chain and its key, as PEM.
func NewSigner(certPEM, keyPEM []byte) (*Signer, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	s := &Signer{leaf: pair.Leaf, key: pair.PrivateKey}
	size := len(s.leaf.Raw)
	for _, der := range pair.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		s.chain, size = append(s.chain, c), size+len(der)
	}
	s.length = 2 * (size + 4096)
	if _, err := s.cms([]byte("at start, so that a key of a kind that cannot sign is told then")); err != nil {
		return nil, err
	}
	return s, nil
}

const (
	rangeMark    = "/ByteRange["
	contentsMark = "/Contents<"
	rangeForm    = "%010d %010d %010d %010d"
)

// reserve adds the object that the signature goes into.
func (s *Signer) reserve(d *document) int {
	return d.add("<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached"+rangeMark+rangeForm+"]"+contentsMark+"%0*d>>>", 0, 0, 0, 0, s.length, 0)
}

// sign fills in the signature over everything around it.
func (s *Signer) sign(file []byte) ([]byte, error) {
	// The last one: what is attached comes before, and could say the same.
	object := bytes.LastIndex(file, []byte("/ETSI.CAdES.detached"+rangeMark))
	if object < 0 {
		return nil, errors.New("certificate: no place for a signature")
	}
	numbers := object + len("/ETSI.CAdES.detached"+rangeMark)
	from := object + bytes.Index(file[object:], []byte(contentsMark)) + len(contentsMark) - 1
	to := from + 1 + s.length + 1
	copy(file[numbers:], fmt.Sprintf(rangeForm, 0, from, to, len(file)-to))
	cms, err := s.cms(append(bytes.Clone(file[:from]), file[to:]...))
	if err != nil {
		return nil, err
	}
	if 2*len(cms) > s.length {
		return nil, fmt.Errorf("certificate: a signature of %d bytes does not fit", len(cms))
	}
	copy(file[from+1:], hex.EncodeToString(cms))
	return file, nil
}

// cms is the detached signature, with the hash of its certificate among what is
// signed (ESS signing-certificate-v2), as PAdES wants.
func (s *Signer) cms(data []byte) ([]byte, error) {
	signed, err := pkcs7.NewSignedData(data)
	if err != nil {
		return nil, err
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	hash := sha256.Sum256(s.leaf.Raw)
	type certID struct{ Hash []byte }
	type signingCertificate struct{ Certs []certID }
	err = signed.AddSignerChain(s.leaf, s.key, s.chain, pkcs7.SignerInfoConfig{ExtraSignedAttributes: []pkcs7.Attribute{{
		Type:  asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47},
		Value: signingCertificate{[]certID{{hash[:]}}},
	}}})
	if err != nil {
		return nil, err
	}
	signed.Detach()
	return signed.Finish()
}
