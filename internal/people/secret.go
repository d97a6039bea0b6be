package people

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"
)

// vault is a key of 32 bytes that encrypts, and hashes what people type.
type vault []byte

// aead is AES-256-GCM with the key.
func (v vault) aead() (cipher.AEAD, error) {
	if len(v) != 32 {
		return nil, errors.New("people: the key must have 32 bytes")
	}
	block, err := aes.NewCipher(v)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal encrypts plain for one purpose and owner.
func (v vault) seal(purpose string, plain []byte) ([]byte, error) {
	a, err := v.aead()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, a.NonceSize())
	rand.Read(nonce) // never fails: without randomness the program ends
	return a.Seal(nonce, nonce, plain, []byte(purpose)), nil
}

// unseal is the inverse of seal. It fails for another purpose, and for changed bytes.
func (v vault) unseal(purpose string, sealed []byte) ([]byte, error) {
	a, err := v.aead()
	if err != nil {
		return nil, err
	}
	if len(sealed) < a.NonceSize() {
		return nil, errors.New("people: sealed bytes are too short")
	}
	return a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], []byte(purpose))
}

// keyed is a hash that cannot be computed without the key, for secrets that people
// type: they have too few random bits for a plain hash.
func (v vault) keyed(purpose, text string) []byte {
	mac := hmac.New(sha256.New, v)
	mac.Write([]byte(purpose + "\x00" + text))
	return mac.Sum(nil)
}

// idForm is the form of an id. A text from outside can have bytes that Postgres
// refuses.
var idForm = regexp.MustCompile(`^[0-9a-f-]{36}$`)

// newToken returns 32 random bytes as text, for cookies and links.
func newToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: without randomness the program ends
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// hashToken returns the stored form of a token, which is also its lookup key. 256 random bits
// need no slow hash, and a lookup by hash compares no secret.
func hashToken(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// CSRF returns the token that the forms of a cookie contain. It is derived from the cookie's
// token, so a new session has a new one.
func CSRF(token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("timbre forms"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
