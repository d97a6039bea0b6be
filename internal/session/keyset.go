package session

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// keySet is a list of public keys for EdDSA. Each has an id.
type keySet []publicKey

type publicKey struct {
	id  string
	key ed25519.PublicKey
}

// find returns the key with this id, or nil.
func (s keySet) find(id string) ed25519.PublicKey {
	for _, k := range s {
		if k.id == id {
			return k.key
		}
	}
	return nil
}

// webKey is the JSON form of a key (RFC 7517 and 8037).
type webKey struct {
	Algorithm string          `json:"alg"`
	Curve     string          `json:"crv"`
	Private   json.RawMessage `json:"d,omitempty"`
	ID        string          `json:"kid"`
	Type      string          `json:"kty"`
	Use       string          `json:"use,omitempty"`
	X         string          `json:"x"` // the key's bytes in base64url
}

// MarshalJSON returns the set in its JSON form.
func (s keySet) MarshalJSON() ([]byte, error) {
	keys := make([]webKey, len(s))
	for i, k := range s {
		keys[i] = webKey{Algorithm: "EdDSA", Curve: "Ed25519", ID: k.id, Type: "OKP", Use: "sig", X: base64.RawURLEncoding.EncodeToString(k.key)}
	}
	return json.Marshal(map[string][]webKey{"keys": keys})
}

// parseKeys reads a key set. It ignores keys that do not sign sessions, and all keys
// after the first maxKeys.
func parseKeys(body []byte) (keySet, error) {
	var all struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fmt.Errorf("not a key set: %w", err)
	}
	var set keySet
	for _, text := range all.Keys[:min(len(all.Keys), maxKeys)] {
		var k webKey
		if json.Unmarshal(text, &k) == nil {
			if key := k.public(); key != nil {
				set = append(set, publicKey{k.ID, key})
			}
		}
	}
	if len(set) == 0 {
		return nil, errors.New("the key set has no key that signs sessions")
	}
	return set, nil
}

// public returns the key if it may verify tokens, otherwise nil. It fixes the
// algorithm, so a token cannot choose one.
func (k webKey) public() ed25519.PublicKey {
	x, err := base64.RawURLEncoding.Strict().DecodeString(k.X)
	if err != nil || len(x) != ed25519.PublicKeySize || k.Type != "OKP" || k.Curve != "Ed25519" || k.Algorithm != "EdDSA" ||
		k.ID == "" || k.Use != "" && k.Use != "sig" || k.Private != nil {
		return nil
	}
	return x
}
