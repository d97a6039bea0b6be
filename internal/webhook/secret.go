package webhook

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
)

// Secret signs the deliveries of one endpoint. It is shown once, when it is made.
type Secret []byte

// secretBytes is the length of a new secret. Standard Webhooks demands 24 to 64 bytes.
const secretBytes = 32

func newSecret() Secret {
	s := make(Secret, secretBytes)
	rand.Read(s)
	return s
}

// Base64 returns the secret as base64.
func (s Secret) Base64() string { return base64.StdEncoding.EncodeToString(s) }

// Standard returns the secret in the form of Standard Webhooks: whsec_ and base64.
func (s Secret) Standard() string { return "whsec_" + s.Base64() }

// String hides the secret from logs.
func (s Secret) String() string { return "[secret]" }

// GoString hides the secret from logs.
func (s Secret) GoString() string { return s.String() }

// seal encrypts a secret for its row (AES-256-GCM, the nonce first). The id of the endpoint is
// bound to it, so that a sealed secret is of no use in another row.
func seal(key []byte, endpoint string, s Secret) ([]byte, error) {
	aead, err := sealer(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, s, []byte(endpoint)), nil
}

// open is the inverse of seal.
func open(key []byte, endpoint string, sealed []byte) (Secret, error) {
	aead, err := sealer(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("the stored secret is too short")
	}
	s, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(endpoint))
	if err != nil {
		return nil, fmt.Errorf("the stored secret of webhook endpoint %s cannot be decrypted: is this the secret file with which it was made? %w", endpoint, err)
	}
	return s, nil
}

func sealer(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, errors.New("this process has no key for webhook secrets")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
