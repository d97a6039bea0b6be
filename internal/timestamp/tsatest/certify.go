package tsatest

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"time"
)

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
