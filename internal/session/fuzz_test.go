package session

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"reflect"
	"testing"
)

const fuzzedKeys = `{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// FuzzKeySet: a key of an issuer is accepted only if it is a public Ed25519 key for EdDSA
// with an id. Written and read again, it is the same.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(fuzzedKeys))
	f.Add(bytes.Replace([]byte(fuzzedKeys), []byte(`"use":"sig"`), []byte(`"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"`), 1))
	f.Add(bytes.Replace([]byte(fuzzedKeys), []byte(`EdDSA`), []byte(`HS256`), 1))
	f.Add([]byte(`{"keys":[{"kty":"oct","kid":"a","alg":"EdDSA","k":"AAAA"}]}`))
	f.Add([]byte(`{"kty":"OKP"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > maxKeySet {
			return
		}
		set, err := parseKeys(body)
		if err != nil {
			return
		}
		for _, k := range set {
			if len(k.key) != ed25519.PublicKeySize || k.id == "" || len(set) > maxKeys {
				t.Fatalf("%s is used as %+v", body, k)
			}
		}
		written, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseKeys(written); err != nil || !reflect.DeepEqual(again, set) {
			t.Errorf("%s is written as %s, of which %v are read: %v", body, written, again, err)
		}
	})
}

// FuzzKeyID: a key id is read only from a text of three parts whose header names a key.
func FuzzKeyID(f *testing.F) {
	for _, s := range []string{"eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.e30.AAAA", "eyJhbGciOiJub25lIn0.e30.", "a.b.c", "..", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, err := keyID(token)
		if (err == nil) != (id != "") {
			t.Errorf("%q names %q: %v", token, id, err)
		}
		if err == nil && (len(token) > 8192 || bytes.Count([]byte(token), []byte(".")) != 2) {
			t.Errorf("%q is read", token)
		}
	})
}
