package cms_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/proof/evidence/internal/cms"
	"timbre.example/proof/evidence/internal/cms/cmstest"
)

var now = time.Now().UTC().Truncate(time.Second)

func generate[K crypto.Signer](key K, err error) crypto.Signer {
	if err != nil {
		panic(err)
	}
	return key
}

var (
	p256 = generate(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	rsa2 = generate(rsa.GenerateKey(rand.Reader, 2048))
)

// message returns what an honest signer signs.
func message(t testing.TB, key crypto.Signer) cmstest.Message {
	t.Helper()
	return cmstest.Message{
		Type: cmstest.TSTInfo, Content: []byte("what is signed"), Hash: crypto.SHA256,
		Signer: cmstest.Certificate(t, 1, now, key.Public(), key), Key: key,
	}
}

// open parses and verifies.
func open(der []byte) (*cms.Message, error) {
	m, err := cms.Parse(der)
	if err != nil {
		return nil, err
	}
	return m, m.Verify()
}

func TestVerify(t *testing.T) {
	t.Parallel()
	ed := generate(func() (ed25519.PrivateKey, error) { _, k, err := ed25519.GenerateKey(nil); return k, err }())
	without := func(kind asn1.ObjectIdentifier) func([]cmstest.Attribute) []cmstest.Attribute {
		return func(all []cmstest.Attribute) []cmstest.Attribute {
			return slices.DeleteFunc(all, func(a cmstest.Attribute) bool { return a.Type.Equal(kind) })
		}
	}
	with := func(kind asn1.ObjectIdentifier, values ...any) func([]cmstest.Attribute) []cmstest.Attribute {
		return func(all []cmstest.Attribute) []cmstest.Attribute {
			return append(without(kind)(all), cmstest.Attr(t, kind, values...))
		}
	}
	for name, c := range map[string]struct {
		key    crypto.Signer
		change func(*cmstest.Message)
		want   string
	}{
		"ECDSA":                {p256, func(*cmstest.Message) {}, ""},
		"ECDSA SHA-512":        {p256, func(m *cmstest.Message) { m.Hash = crypto.SHA512 }, ""},
		"ECDSA by its curve":   {p256, func(m *cmstest.Message) { m.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7} }, ""},
		"RSA":                  {rsa2, func(*cmstest.Message) {}, ""},
		"RSA SHA-384":          {rsa2, func(m *cmstest.Message) { m.Hash = crypto.SHA384 }, ""},
		"RSA, named with hash": {rsa2, func(m *cmstest.Message) { m.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11} }, ""},
		"Ed25519":              {ed, func(m *cmstest.Message) { m.Hash = crypto.SHA512 }, ""},
		"other order":          {p256, func(m *cmstest.Message) { m.Order = slices.Reverse[[][]byte] }, ""},
		"signing time":         {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.SigningTime, now) }, ""},
		"more certificates": {p256, func(m *cmstest.Message) {
			m.Certificates = []*x509.Certificate{cmstest.Certificate(t, 2, now, rsa2.Public(), rsa2)}
		}, ""},

		"SHA-1":                 {rsa2, func(m *cmstest.Message) { m.Hash = crypto.SHA1 }, "digest algorithm 1.3.14.3.2.26 is not accepted"},
		"another key":           {p256, func(m *cmstest.Message) { m.Key = generate(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }, "verification failure"},
		"another kind of key":   {p256, func(m *cmstest.Message) { m.Key = rsa2 }, "but have public key of type"},
		"unknown algorithm":     {p256, func(m *cmstest.Message) { m.Algorithm = asn1.ObjectIdentifier{1, 2, 3} }, "signature algorithm 1.2.3 is not accepted"},
		"PSS, no parameters":    {rsa2, func(m *cmstest.Message) { m.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10} }, "malformed"},
		"no attributes":         {p256, func(m *cmstest.Message) { m.Attributes = func([]cmstest.Attribute) []cmstest.Attribute { return nil } }, "signed type"},
		"no type":               {p256, func(m *cmstest.Message) { m.Attributes = without(cmstest.ContentType) }, "signed type"},
		"another type":          {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.ContentType, cmstest.SignedData) }, "signed type"},
		"no digest":             {p256, func(m *cmstest.Message) { m.Attributes = without(cmstest.MessageDigest) }, "0 of them"},
		"another digest":        {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.MessageDigest, make([]byte, 32)) }, "digest is not that"},
		"a short digest":        {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.MessageDigest, []byte{}) }, "digest is not that"},
		"a digest of two":       {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.MessageDigest, []byte{1}, []byte{2}) }, "2 values"},
		"a digest of no value":  {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.MessageDigest) }, "0 values"},
		"a digest of some type": {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.MessageDigest, 7) }, "malformed"},
		"the digest twice": {p256, func(m *cmstest.Message) {
			m.Attributes = func(all []cmstest.Attribute) []cmstest.Attribute {
				return append(all, cmstest.Attr(t, cmstest.MessageDigest, make([]byte, 32)))
			}
		}, "2 of them"},
		"signed too late":       {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.SigningTime, now.Add(2*time.Hour)) }, "signing time"},
		"signed too early":      {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.SigningTime, now.Add(-2*time.Hour)) }, "signing time"},
		"signed at no time":     {p256, func(m *cmstest.Message) { m.Attributes = with(cmstest.SigningTime, "now") }, "malformed"},
		"two signers":           {p256, func(m *cmstest.Message) { m.Signers = 2 }, "the one signer"},
		"too many certificates": {p256, func(m *cmstest.Message) { m.Certificates = sixteen(m.Signer) }, "more than 16 certificates"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := message(t, c.key)
			c.change(&m)
			got, err := open(m.DER(t))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if err == nil && (!bytes.Equal(got.Content, m.Content) || !got.Type.Equal(m.Type) || !got.Signer.Equal(m.Signer) || len(got.Certificates) != 1+len(m.Certificates)) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A message with one changed bit is refused, or has the same content and signer:
// some bytes are not signed.
func TestOneBit(t *testing.T) {
	t.Parallel()
	m := message(t, p256)
	der := m.DER(t)
	refused := 0
	for i := range len(der) * 8 {
		bad := bytes.Clone(der)
		bad[i/8] ^= 1 << (i % 8)
		got, err := open(bad)
		if err != nil {
			refused++
		} else if !bytes.Equal(got.Content, m.Content) || !m.Signer.PublicKey.(*ecdsa.PublicKey).Equal(got.Signer.PublicKey) {
			t.Fatalf("bit %d: accepted as %q of %v", i, got.Content, got.Signer.Subject)
		}
	}
	for i := range der {
		if _, err := open(der[:i]); !errors.Is(err, cms.ErrMalformed) {
			t.Fatalf("the first %d bytes: %v", i, err)
		}
	}
	if _, err := open(append(bytes.Clone(der), 0)); !errors.Is(err, cms.ErrMalformed) {
		t.Errorf("with a byte after the end: %v", err)
	}
	if refused < len(der)*4 {
		t.Errorf("only %d of %d changes are refused", refused, len(der)*8)
	}
}

// Nothing that is not DER of limited size is read, and the refusal is quick.
func TestMalformed(t *testing.T) {
	t.Parallel()
	for name, der := range map[string][]byte{
		"nothing":    nil,
		"too large":  make([]byte, cms.MaxSize+1),
		"indefinite": bytes.Repeat([]byte{0x30, 0x80}, cms.MaxSize/2),
		"deep": func() (b []byte) {
			for len(b) < cms.MaxSize-8 {
				b = append([]byte{0x30, 0x82, byte(len(b) >> 8), byte(len(b))}, b...)
			}
			return b
		}(),
		"a number":       {2, 1, 1},
		"another type":   {0x30, 7, 6, 3, 0x2a, 3, 4, 0xa0, 0},
		"a long length":  {0x30, 0x84, 0, 0, 0, 2, 6, 0},
		"a huge length":  {0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		"a false length": {0x30, 0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9},
	} {
		began := time.Now()
		if _, err := cms.Parse(der); !errors.Is(err, cms.ErrMalformed) || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
	}
}

// Package asn1 alone would read these changes of a good token.
func TestOnlyDER(t *testing.T) {
	t.Parallel()
	golden, err := os.ReadFile("../../testdata/v1/token.der")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		at   int
		from byte
		to   byte
	}{
		"another length of an explicit tag":   {18, 0xbb, 0xba},
		"another length of the content's tag": {61, 0x8c, 0x88},
		"certificates as one value":           {202, 0xa0, 0x80},
		"signed attributes as one value":      {989, 0xa0, 0x80},
	} {
		bad := bytes.Clone(golden)
		if bad[c.at] != c.from {
			t.Fatalf("%s: byte %d is %#x", name, c.at, bad[c.at])
		}
		bad[c.at] = c.to
		if _, err := cms.Parse(bad); !errors.Is(err, cms.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The package has no state: any number of goroutines may read and verify.
func TestAtTheSameTime(t *testing.T) {
	t.Parallel()
	der := message(t, p256).DER(t)
	shared, err := cms.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 20 {
				if _, err := open(der); err != nil {
					t.Error(err)
				}
				if err := shared.Verify(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
}

// FuzzVerify: no message verifies with the golden authority's certificate, except the
// golden one.
func FuzzVerify(f *testing.F) {
	golden, err := os.ReadFile("../../testdata/v1/token.der")
	if err != nil {
		f.Fatal(err)
	}
	want, err := open(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add(message(f, p256).DER(f))
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := open(der)
		if err != nil {
			return
		}
		if want.Signer.PublicKey.(*ecdsa.PublicKey).Equal(got.Signer.PublicKey) && !bytes.Equal(got.Content, want.Content) {
			t.Errorf("%x verifies with the golden authority's key", got.Content)
		}
	})
}

func sixteen(c *x509.Certificate) (all []*x509.Certificate) {
	for range 16 {
		all = append(all, c)
	}
	return all
}
