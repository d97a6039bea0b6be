package session

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"timbre.example/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
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
	keys        map[int64]jwk.Key // private keys by period
	published   jwk.Set           // of the period publishedAt
	publishedAt int64
}

// NewTokens derives keys from secret (at least 32 bytes). The keys are published below
// the issuer, which is a URL.
func NewTokens(secret []byte, issuer string, now func() time.Time) (*Tokens, error) {
	if len(secret) < 32 {
		return nil, errors.New("session: the signing secret is shorter than 32 bytes")
	}
	return &Tokens{secret: secret, issuer: issuer, now: now, keys: map[int64]jwk.Key{}}, nil
}

func (t *Tokens) period() int64 { return t.now().Unix() / int64(Rotation/time.Second) }

// key returns the private key of a period.
func (t *Tokens) key(period int64) (jwk.Key, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k, ok := t.keys[period]; ok {
		return k, nil
	}
	seed, err := hkdf.Key(sha256.New, t.secret, nil, "timbre session signing key "+strconv.FormatInt(period, 10), ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	k, err := jwk.Import(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]any{jwk.KeyIDKey: "s" + strconv.FormatInt(period, 10), jwk.AlgorithmKey: jwa.EdDSA(), jwk.KeyUsageKey: jwk.ForSignature} {
		if err := k.Set(name, value); err != nil {
			return nil, err
		}
	}
	for old := range t.keys { // a process can run for a long time; it must not keep old keys
		if old < period-keptKeys-1 {
			delete(t.keys, old)
		}
	}
	t.keys[period] = k
	return k, nil
}

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
func (t *Tokens) public() (jwk.Set, error) {
	now := t.period()
	t.mu.Lock()
	set := t.published
	current := t.publishedAt == now
	t.mu.Unlock()
	if set != nil && current {
		return set, nil
	}
	set = jwk.NewSet()
	for p := now + 1; p >= now-keptKeys; p-- {
		k, err := t.key(p)
		if err != nil {
			return nil, err
		}
		public, err := jwk.PublicKeyOf(k)
		if err != nil {
			return nil, err
		}
		if err := set.AddKey(public); err != nil {
			return nil, err
		}
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

// The private claims. They are short because every call carries the token.
const (
	claimSiteKey  = "skh"
	claimAction   = "act"
	claimNetwork  = "net"
	claimAtsID    = "ats"
	claimRef      = "ref"
	claimMaxSize  = "max"
	claimRehearse = "reh"
	claimHashOnly = "hash"
)

// Sign returns the token in compact form.
func (t *Tokens) Sign(c Claims) (_ string, err error) {
	defer operation.Wrap(&err, "sign the token of session %s", c.ID)
	b := jwt.NewBuilder().Issuer(t.issuer).Audience([]string{Audience}).Subject(c.Organization).JwtID(c.ID).
		IssuedAt(c.IssuedAt).Expiration(c.Expires).
		Claim(claimSiteKey, c.SiteKeyHash).Claim(claimAction, string(c.Action)).Claim(claimNetwork, string(c.Network))
	if c.AtsID != 0 {
		b = b.Claim(claimAtsID, c.AtsID)
	}
	if c.ExternalUserRef != "" {
		b = b.Claim(claimRef, c.ExternalUserRef)
	}
	if c.MaxFileSize != 0 {
		b = b.Claim(claimMaxSize, c.MaxFileSize)
	}
	if c.Rehearse != "" {
		b = b.Claim(claimRehearse, string(c.Rehearse))
	}
	if c.HashOnly {
		b = b.Claim(claimHashOnly, true)
	}
	token, err := b.Build()
	if err != nil {
		return "", err
	}
	k, err := t.key(t.period())
	if err != nil {
		return "", err
	}
	signed, err := jwt.Sign(token, jwt.WithKey(jwa.EdDSA(), k))
	return string(signed), err
}

// Verify checks a token with this process's own keys: see [Issuer.Verify].
func (t *Tokens) Verify(token string) (_ Claims, err error) {
	defer operation.Wrap(&err, "verify a token")
	set, err := t.public()
	if err != nil {
		return Claims{}, err
	}
	if _, err := keyID(token); err != nil {
		return Claims{}, err
	}
	return verify(token, t.issuer, set)
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
	message, err := jws.ParseString(token, jws.WithCompact())
	if err != nil {
		return "", invalid("malformed", err)
	}
	for _, s := range message.Signatures() { // there is exactly one
		if id, _ := s.ProtectedHeaders().KeyID(); id != "" {
			return id, nil
		}
	}
	return "", invalid("unknown_key", errors.New("has no key id"))
}

// verify checks a token's signature, issuer and audience, and decodes it. It does not
// check the expiry, because only some calls need that: see [Claims.Expires]. A token that
// this issuer did not sign is common.auth.invalid_token.
func verify(token, issuer string, set jwk.Set) (Claims, error) {
	// Every key of the set is for EdDSA and has its own id. So a token cannot choose a
	// weaker algorithm or an expired key.
	parsed, err := jwt.Parse([]byte(token), jwt.WithKeySet(set), jwt.WithValidate(false))
	if err != nil {
		return Claims{}, invalid("signature", err)
	}
	if err := jwt.Validate(parsed, jwt.WithIssuer(issuer), jwt.WithAudience(Audience), jwt.WithResetValidators(true),
		jwt.WithRequiredClaim(jwt.ExpirationKey), jwt.WithRequiredClaim(jwt.JwtIDKey)); err != nil {
		return Claims{}, invalid("claims", err)
	}
	var c Claims
	c.ID, _ = parsed.JwtID()
	c.Organization, _ = parsed.Subject()
	c.IssuedAt, _ = parsed.IssuedAt()
	c.Expires, _ = parsed.Expiration()
	var action, name, rehearse string
	var atsID, maxSize float64
	for claim, target := range map[string]any{claimSiteKey: &c.SiteKeyHash, claimAction: &action, claimNetwork: &name, claimRef: &c.ExternalUserRef, claimAtsID: &atsID, claimMaxSize: &maxSize, claimRehearse: &rehearse, claimHashOnly: &c.HashOnly} {
		if parsed.Has(claim) {
			if err := parsed.Get(claim, target); err != nil {
				return Claims{}, invalid("claims", err)
			}
		}
	}
	c.Action, c.Network, c.AtsID, c.MaxFileSize, c.Rehearse = Action(action), network.Name(name), int64(atsID), int64(maxSize), fault.Code(rehearse)
	return c, nil
}
