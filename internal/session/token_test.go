package session_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
)

const issuer = "https://timbre.example"

var secret = bytes.Repeat([]byte{7}, 32)

// clock is a clock that a test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newTokens(t testing.TB, secret []byte, issuer string, now func() time.Time) *session.Tokens {
	t.Helper()
	tokens, err := session.NewTokens(secret, issuer, now)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func claims(at time.Time) session.Claims {
	at = at.UTC().Truncate(time.Second)
	return session.Claims{
		ID: "0190a0e6-0000-7000-8000-000000000001", Organization: "0190a0e6-0000-7000-8000-000000000002", SiteKeyHash: strings.Repeat("ab", 32),
		Action: session.Register, Network: network.Mainnet, AtsID: 42, ExternalUserRef: "user é 7", MaxFileSize: 123_456_789_012, Rehearse: fault.CodeTransactionFailed,
		IssuedAt: at, Expires: at.Add(session.DefaultLifetime),
	}
}

// outsider verifies a token with only the published keys and RFC 7515 and 8037, without
// our code or a library.
func outsider(t *testing.T, jwks []byte, token string) map[string]any {
	t.Helper()
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	part := func(i int) []byte {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var head map[string]any
	if err := json.Unmarshal(part(0), &head); err != nil {
		t.Fatal(err)
	}
	if head["alg"] != "EdDSA" {
		t.Fatalf("alg %v", head["alg"])
	}
	for _, k := range set.Keys {
		if k["kid"] != head["kid"] {
			continue
		}
		if k["kty"] != "OKP" || k["crv"] != "Ed25519" || k["use"] != "sig" || k["alg"] != "EdDSA" {
			t.Fatalf("key %v", k)
		}
		if _, private := k["d"]; private {
			t.Fatal("a private key is published")
		}
		x, err := base64.RawURLEncoding.DecodeString(k["x"])
		if err != nil || len(x) != ed25519.PublicKeySize {
			t.Fatalf("x: %v", err)
		}
		if !ed25519.Verify(x, []byte(parts[0]+"."+parts[1]), part(2)) {
			t.Fatal("bad signature")
		}
		var body map[string]any
		if err := json.Unmarshal(part(1), &body); err != nil {
			t.Fatal(err)
		}
		return body
	}
	t.Fatalf("key %v is not published", head["kid"])
	return nil
}

func TestTokenRoundTrip(t *testing.T) {
	c := &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	tokens := newTokens(t, secret, issuer, c.now)
	for name, want := range map[string]session.Claims{
		"everything": claims(c.at),
		"least":      {ID: "a", Organization: "b", SiteKeyHash: "c", Action: session.Access, Network: network.Testnet, IssuedAt: c.at, Expires: c.at.Add(time.Minute)},
	} {
		token, err := tokens.Sign(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tokens.Verify(token)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Days pass. Every token verifies with the keys that were published when it was made or
// one rotation before. Two rotations later its key is gone.
func TestRotation(t *testing.T) {
	start := time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC)
	c := &clock{start}
	tokens := newTokens(t, secret, issuer, c.now)
	token, err := tokens.Sign(claims(c.at))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at   time.Duration
		good bool
	}{{-session.Rotation, true}, {0, true}, {time.Second, true}, {session.Rotation, true}, {2 * session.Rotation, true}, {2*session.Rotation + time.Second, false}, {100 * session.Rotation, false}, {-2 * session.Rotation, false}} {
		c.at = start.Add(step.at)
		jwks, err := tokens.JWKS()
		if err != nil {
			t.Fatal(err)
		}
		_, err = tokens.Verify(token)
		if step.good {
			if err != nil {
				t.Errorf("after %s: %v", step.at, err)
			}
			if body := outsider(t, jwks, token); body["iss"] != issuer {
				t.Errorf("iss %v", body["iss"])
			}
		} else {
			if !errors.Is(err, fault.CodeCommonAuthInvalidToken) {
				t.Errorf("after %s: %v", step.at, err)
			}
			var head struct{ Kid string }
			b, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
			if json.Unmarshal(b, &head); bytes.Contains(jwks, []byte(head.Kid)) {
				t.Errorf("after %s the key %s is still published", step.at, head.Kid)
			}
		}
	}
	// Another instance with the secret has the same keys, without contact between them.
	c.at = start
	if _, err := newTokens(t, secret, issuer, c.now).Verify(token); err != nil {
		t.Errorf("another instance: %v", err)
	}
	// A process that has run for a year publishes as many keys as a new one.
	for day := range 365 {
		c.at = start.Add(time.Duration(day) * session.Rotation)
		a, _ := tokens.JWKS()
		b, _ := newTokens(t, secret, issuer, c.now).JWKS()
		if !bytes.Equal(a, b) {
			t.Fatalf("day %d: key sets differ", day)
		}
	}
}

func enc(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestForeignTokens(t *testing.T) {
	c := &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	tokens := newTokens(t, secret, issuer, c.now)
	elsewhere := newIssuer(t, c)
	sign := func(tokens *session.Tokens) string {
		s, err := tokens.Sign(claims(c.at))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := sign(tokens)
	parts := strings.Split(good, ".")
	var head struct{ Kid string }
	b, _ := base64.RawURLEncoding.DecodeString(parts[0])
	if err := json.Unmarshal(b, &head); err != nil {
		t.Fatal(err)
	}
	// The well-known key confusion: the published key used as a shared secret.
	jwks, _ := tokens.JWKS()
	var set struct{ Keys []struct{ Kid, X string } }
	json.Unmarshal(jwks, &set)
	var public []byte
	for _, k := range set.Keys {
		if k.Kid == head.Kid {
			public, _ = base64.RawURLEncoding.DecodeString(k.X)
		}
	}
	hs := enc(`{"alg":"HS256","kid":"`+head.Kid+`"}`) + "." + parts[1]
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(hs))

	altered := []byte(parts[1])
	altered[10] ^= 1
	for name, token := range map[string]string{
		"empty": "", "not a JWT": "abc", "two parts": parts[0] + "." + parts[1], "four parts": good + ".x",
		"altered body":          parts[0] + "." + string(altered) + "." + parts[2],
		"no signature":          parts[0] + "." + parts[1] + ".",
		"somebody's signature":  parts[0] + "." + parts[1] + "." + enc(strings.Repeat("x", 64)),
		"alg none":              enc(`{"alg":"none","kid":"`+head.Kid+`"}`) + "." + parts[1] + ".",
		"alg none, signed":      enc(`{"alg":"none","kid":"`+head.Kid+`"}`) + "." + parts[1] + "." + parts[2],
		"HS256 with public key": hs + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)),
		"no kid":                enc(`{"alg":"EdDSA"}`) + "." + parts[1] + "." + parts[2],
		"unknown kid":           enc(`{"alg":"EdDSA","kid":"s1"}`) + "." + parts[1] + "." + parts[2],
		"odd kid":               enc(`{"alg":"EdDSA","kid":"../key"}`) + "." + parts[1] + "." + parts[2],
		"key of the caller's":   enc(`{"alg":"EdDSA","kid":"`+head.Kid+`","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+enc(strings.Repeat("x", 32))+`"}}`) + "." + parts[1] + "." + parts[2],
		"JSON serialization":    `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
		"far too long":          good + strings.Repeat("A", 9000),
		"another secret":        sign(newTokens(t, bytes.Repeat([]byte{8}, 32), issuer, c.now)),
		"another issuer":        sign(newTokens(t, secret, "https://elsewhere.example", c.now)),
		"of the future":         sign(newTokens(t, secret, issuer, func() time.Time { return c.at.Add(3 * session.Rotation) })),
	} {
		if _, err := tokens.Verify(token); !errors.Is(err, fault.CodeCommonAuthInvalidToken) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := elsewhere.Verify(t.Context(), token); !errors.Is(err, fault.CodeCommonAuthInvalidToken) {
			t.Errorf("%s, by its issuer's keys: %v", name, err)
		}
	}
	if _, err := tokens.Verify(good); err != nil {
		t.Error(err)
	}
	if _, err := elsewhere.Verify(t.Context(), good); err != nil {
		t.Error(err)
	}
}

// A token has exactly one valid text: another text that decodes to the same bytes is
// invalid.
func TestTokenHasOneText(t *testing.T) {
	at := noon()
	tokens := newTokens(t, secret, issuer, at.now)
	token, err := tokens.Sign(claims(at.now()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Verify(token); err != nil {
		t.Fatal(err)
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(digits, token[len(token)-1])
	others := []string{token + "=", token + "\n", token[:20] + "\r\n" + token[20:], token + "==", strings.ReplaceAll(token, "-", "+"), strings.ReplaceAll(token, "_", "/") + "="}
	for i := range 16 { // 64 bytes leave four unused bits in the last digit
		if d := last&^15 | i; d != last {
			others = append(others, token[:len(token)-1]+digits[d:d+1])
		}
	}
	for _, other := range others {
		if other == token {
			continue
		}
		if _, err := tokens.Verify(other); !errors.Is(err, fault.CodeCommonAuthInvalidToken) {
			t.Errorf("%q is taken: %v", other[len(other)-4:], err)
		}
	}
}

func TestShortSecret(t *testing.T) {
	if _, err := session.NewTokens(make([]byte, 31), issuer, time.Now); err == nil {
		t.Error("a secret of 31 bytes was taken")
	}
}

func FuzzVerify(f *testing.F) {
	c := &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	tokens := newTokens(f, secret, issuer, c.now)
	good, err := tokens.Sign(claims(c.at))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("a.b.c")
	f.Add(`{"payload":"","signatures":[]}`)
	f.Add(`{"payload":"..","signatures":[]}`)
	f.Fuzz(func(t *testing.T, token string) {
		got, err := tokens.Verify(token)
		if err != nil && !errors.Is(err, fault.CodeCommonAuthInvalidToken) {
			t.Fatalf("%v", err)
		}
		if err == nil && !cmp.Equal(got, claims(c.at)) {
			t.Fatalf("a token that was never signed: %v", got)
		}
	})
}
