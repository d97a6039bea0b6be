package people

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
)

// aead is AES-256-GCM with the service's key.
func (s *Service) aead() (cipher.AEAD, error) {
	if len(s.Key) != 32 {
		return nil, errors.New("people: the key must have 32 bytes")
	}
	block, err := aes.NewCipher(s.Key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal encrypts plain for one purpose and owner.
func (s *Service) seal(purpose string, plain []byte) ([]byte, error) {
	a, err := s.aead()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, a.NonceSize())
	rand.Read(nonce) // never fails: without randomness the program ends
	return a.Seal(nonce, nonce, plain, []byte(purpose)), nil
}

// unseal is the inverse of seal. It fails for another purpose, and for changed bytes.
func (s *Service) unseal(purpose string, sealed []byte) ([]byte, error) {
	a, err := s.aead()
	if err != nil {
		return nil, err
	}
	if len(sealed) < a.NonceSize() {
		return nil, errors.New("people: sealed bytes are too short")
	}
	return a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], []byte(purpose))
}

// keyed is a hash that cannot be computed without the service's key, for secrets that people
// type: they have too few random bits for a plain hash.
func (s *Service) keyed(purpose, text string) []byte {
	mac := hmac.New(sha256.New, s.Key)
	mac.Write([]byte(purpose + "\x00" + text))
	return mac.Sum(nil)
}
