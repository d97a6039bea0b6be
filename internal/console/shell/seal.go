package shell

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"
)

// sealer keeps small values in the visitor's browser: encrypted, bound to the session and to a
// purpose, and valid for a short time. Each process with the same key can open them.
type sealer struct {
	aead cipher.AEAD
	mac  []byte
}

// newSealer makes a sealer from a key of at least 16 bytes.
func newSealer(key []byte) (*sealer, error) {
	sealing, err := hkdf.Key(sha256.New, key, nil, "console seal", 32)
	if err != nil {
		return nil, err
	}
	mac, err := hkdf.Key(sha256.New, key, nil, "console forms", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sealer{aead, mac}, err
}

type sealed struct {
	Until int64           `json:"u"`
	Value json.RawMessage `json:"v"`
}

// seal encrypts a value for one session.
func (s *sealer) seal(purpose, session string, until time.Time, value any) (string, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(sealed{until.Unix(), raw})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, text, []byte(purpose+"\x00"+session))), nil
}

// open decrypts a value. It reports false for a value of another session or purpose, or from
// too long ago.
func (s *sealer) open(purpose, session, text string, now time.Time, into any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	plain, err := s.aead.Open(nil, nil, raw, []byte(purpose+"\x00"+session))
	var v sealed
	return err == nil && json.Unmarshal(plain, &v) == nil && now.Unix() <= v.Until && json.Unmarshal(v.Value, into) == nil
}

// formToken is the token in every form of a session. Only a page of the console can read it.
func (s *sealer) formToken(session string) string {
	m := hmac.New(sha256.New, s.mac)
	m.Write([]byte(session))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// sameToken compares in constant time.
func (s *sealer) sameToken(session, token string) bool {
	return hmac.Equal([]byte(s.formToken(session)), []byte(token))
}

// newVisit is the random name of a visitor without a session, for the tokens of forms such as sign-in.
func newVisit() string {
	b := make([]byte, 16)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
