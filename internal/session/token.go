package session

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/recent"
)

// Audience is the aud of every session token.
const Audience = "timbre-widget"

// Rotation is how long a key signs. A key is published one rotation before it signs, and
// verifies for two rotations after. So no valid token outlives its key.
const Rotation = 24 * time.Hour

const keptKeys = 2

// Tokens signs and verifies session tokens with EdDSA keys that are derived from one
// secret and the date. Every instance with the secret has the same keys. No key is
// stored, and each expires by itself.
type Tokens struct {
	secret []byte
	issuer string
	now    func() time.Time

	mu          sync.Mutex
	keys        map[int64]ed25519.PrivateKey // by period
	published   keySet                       // of the period publishedAt
	publishedAt int64

	verified verifiedTokens
}

// NewTokens derives keys from secret (at least 32 bytes). The keys are published below
// the issuer, which is a URL.
func NewTokens(secret []byte, issuer string, now func() time.Time) (*Tokens, error) {
	if len(secret) < 32 {
		return nil, errors.New("session: the signing secret is shorter than 32 bytes")
	}
	return &Tokens{secret: secret, issuer: issuer, now: now, keys: map[int64]ed25519.PrivateKey{}}, nil
}

func (t *Tokens) period() int64 { return t.now().Unix() / int64(Rotation/time.Second) }

// key returns the private key of a period.
func (t *Tokens) key(period int64) (ed25519.PrivateKey, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k, ok := t.keys[period]; ok {
		return k, nil
	}
	seed, err := hkdf.Key(sha256.New, t.secret, nil, "timbre session signing key "+strconv.FormatInt(period, 10), ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	k := ed25519.NewKeyFromSeed(seed)
	for old := range t.keys { // a process can run for a long time; it must not keep old keys
		if old < period-keptKeys-1 {
			delete(t.keys, old)
		}
	}
	t.keys[period] = k
	return k, nil
}

// keyName returns the id of a period's key.
func keyName(period int64) string { return "s" + strconv.FormatInt(period, 10) }

// JWKS returns the published key set: the keys that verify now, and the next one.
func (t *Tokens) JWKS() (_ []byte, err error) {
	defer operation.Wrap(&err, "encode the public keys of tokens")
	set, err := t.public()
	if err != nil {
		return nil, err
	}
	return json.Marshal(set)
}

// public returns the key set, which it makes once in each period.
func (t *Tokens) public() (keySet, error) {
	now := t.period()
	t.mu.Lock()
	set := t.published
	current := t.publishedAt == now
	t.mu.Unlock()
	if set != nil && current {
		return set, nil
	}
	set = nil
	for p := now + 1; p >= now-keptKeys; p-- {
		k, err := t.key(p)
		if err != nil {
			return nil, err
		}
		set = append(set, publicKey{keyName(p), k.Public().(ed25519.PublicKey)})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.published, t.publishedAt = set, now
	return set, nil
}

// Claims is the content of a token. Only the token decides these values.
type Claims struct {
	ID              string // jti
	Organization    string
	SiteKeyHash     string
	Action          Action
	Network         network.Name
	AtsID           int64      // the only work that the token can update; 0: any
	ExternalUserRef string     // "": an end-user without an account
	MaxFileSize     int64      // bytes; 0: the session sets no limit
	Rehearse        fault.Code // the error code that a test session rehearses; ""
	HashOnly        bool       // no file is stored, also if the organization stores files
	IssuedAt        time.Time
	Expires         time.Time
}

// tokenClaims is the JSON form of Claims. The names of the private claims are short
// because every call carries the token.
type tokenClaims struct {
	jwt.RegisteredClaims
	SiteKeyHash     string       `json:"skh"`
	Action          Action       `json:"act"`
	Network         network.Name `json:"net"`
	AtsID           int64        `json:"ats,omitempty"`
	ExternalUserRef string       `json:"ref,omitempty"`
	MaxFileSize     int64        `json:"max,omitempty"`
	Rehearse        fault.Code   `json:"reh,omitempty"`
	HashOnly        bool         `json:"hash,omitempty"`
}

// Sign returns the token in compact form.
func (t *Tokens) Sign(c Claims) (_ string, err error) {
	defer operation.Wrap(&err, "sign the token of session %s", c.ID)
	period := t.period()
	k, err := t.key(period)
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: t.issuer, Audience: jwt.ClaimStrings{Audience}, Subject: c.Organization, ID: c.ID,
			IssuedAt: jwt.NewNumericDate(c.IssuedAt), ExpiresAt: jwt.NewNumericDate(c.Expires),
		},
		SiteKeyHash: c.SiteKeyHash, Action: c.Action, Network: c.Network, AtsID: c.AtsID, ExternalUserRef: c.ExternalUserRef,
		MaxFileSize: c.MaxFileSize, Rehearse: c.Rehearse, HashOnly: c.HashOnly,
	})
	token.Header["kid"] = keyName(period)
	return token.SignedString(k)
}

// Verify checks a token with this process's own keys: see [Issuer.Verify].
func (t *Tokens) Verify(token string) (_ Claims, err error) {
	defer operation.Wrap(&err, "verify a token")
	set, err := t.public()
	if err != nil {
		return Claims{}, err
	}
	if c, ok := t.verified.get(token, set, t.now()); ok {
		return c, nil
	}
	id, err := keyID(token)
	if err != nil {
		return Claims{}, err
	}
	c, err := verify(token, t.issuer, set)
	if err == nil {
		t.verified.put(token, c, publicKey{id, set.find(id)})
	}
	return c, err
}

// verifiedTokens remembers tokens whose signature is valid, by their hash, until they expire.
type verifiedTokens struct {
	kept recent.Map[[sha256.Size]byte, verifiedToken]
}

type verifiedToken struct {
	claims Claims
	key    publicKey
}

// get returns the claims of a token that was verified, while the set still has its key.
func (v *verifiedTokens) get(token string, set keySet, at time.Time) (Claims, bool) {
	kept, ok := v.kept.Get(sha256.Sum256([]byte(token)), at)
	return kept.claims, ok && set.find(kept.key.id).Equal(kept.key.key)
}

func (v *verifiedTokens) put(token string, c Claims, key publicKey) {
	v.kept.Put(sha256.Sum256([]byte(token)), verifiedToken{c, key}, c.Expires)
}

// invalid is the error for a text that is not a valid token; reason is a word of the
// catalogue.
func invalid(reason string, err error) error {
	return fault.CommonAuthInvalidToken(reason).Because(err)
}

// keyID reads the id of the key that a token says it was signed with. A text that has not
// the form of a token is common.auth.invalid_token.
func keyID(token string) (string, error) {
	if len(token) > 8192 {
		return "", invalid("malformed", errors.New("longer than any valid token"))
	}
	if strings.Count(token, ".") != 2 {
		return "", invalid("malformed", errors.New("not in compact form"))
	}
	// Each token has exactly one text: the unused bits of the last base64 digit must be
	// zero.
	for part := range strings.SplitSeq(token, ".") {
		if raw, err := base64.RawURLEncoding.DecodeString(part); err != nil || base64.RawURLEncoding.EncodeToString(raw) != part {
			return "", invalid("malformed", errors.New("not in canonical base64url"))
		}
	}
	var head struct {
		Algorithm string `json:"alg"`
		ID        string `json:"kid"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(token[:strings.IndexByte(token, '.')])
	if err == nil {
		err = json.Unmarshal(raw, &head)
	}
	switch {
	case err != nil:
		return "", invalid("malformed", err)
	case head.Algorithm == "":
		return "", invalid("malformed", errors.New("names no algorithm"))
	case head.ID != "":
		return head.ID, nil
	}
	return "", invalid("unknown_key", errors.New("has no key id"))
}

// parser accepts tokens with an EdDSA signature only. The caller checks the claims.
var parser = jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithoutClaimsValidation())

// verify checks a token's signature, issuer and audience, and decodes it. It does not
// check the expiry, because only some calls need that: see [Claims.Expires]. A token that
// this issuer did not sign is common.auth.invalid_token.
func verify(token, issuer string, set keySet) (Claims, error) {
	var c tokenClaims
	// Every key of the set is for EdDSA. So a token cannot choose a weaker algorithm or
	// an expired key.
	if _, err := parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		if key := set.find(id); key != nil {
			return key, nil
		}
		return nil, errors.New("session: no key has the token's key id")
	}); err != nil {
		return Claims{}, invalid("signature", err)
	}
	if c.Issuer != issuer || !slices.Contains(c.Audience, Audience) || c.ExpiresAt == nil {
		return Claims{}, invalid("claims", errors.New("another issuer or audience, or no expiry"))
	}
	out := Claims{
		ID: c.ID, Organization: c.Subject, SiteKeyHash: c.SiteKeyHash, Action: c.Action, Network: c.Network, AtsID: c.AtsID,
		ExternalUserRef: c.ExternalUserRef, MaxFileSize: c.MaxFileSize, Rehearse: c.Rehearse, HashOnly: c.HashOnly, Expires: c.ExpiresAt.Time,
	}
	if c.IssuedAt != nil {
		out.IssuedAt = c.IssuedAt.Time
	}
	return out, nil
}
