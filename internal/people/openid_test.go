package people_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"timbre.example/internal/openid"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
)

// provider is an OpenID Connect provider on a real port: discovery, keys, the page that asks (which
// answers at once), and the exchange of the code with PKCE.
type provider struct {
	*httptest.Server
	key    *rsa.PrivateKey
	mu     sync.Mutex
	claims map[string]any        // of the person who answers
	codes  map[string]url.Values // the requests of unused codes
	alter  func(jwt.MapClaims)   // changes the id token; nil: right
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	write := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		asked, known := p.codes[r.FormValue("code")]
		delete(p.codes, r.FormValue("code"))
		challenge := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		id, secret, _ := r.BasicAuth()
		if id == "" {
			id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
		}
		if !known || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(challenge[:]) || id != "timbre" || secret != "s3cret" || r.FormValue("redirect_uri") != asked.Get("redirect_uri") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
			return
		}
		claims := jwt.MapClaims{"iss": p.URL, "aud": "timbre", "nonce": asked.Get("nonce"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
		for k, v := range p.claims {
			claims[k] = v
		}
		if p.alter != nil {
			p.alter(claims)
		}
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
		token.Header["kid"] = "1"
		raw, err := token.SignedString(key)
		if err != nil {
			t.Error(err)
		}
		write(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": raw})
	})
	return p
}

// answer is what the provider's page sends to the redirect URL.
func (p *provider) answer(t *testing.T, page string, claims map[string]any) url.Values {
	t.Helper()
	u, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" || q.Get("client_id") != "timbre" {
		t.Fatalf("the request lacks a protection: %s", page)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = claims
	code := rand.Text()
	p.codes[code] = q
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

func claims(subject, email string, verified any) map[string]any {
	return map[string]any{"sub": subject, "email": email, "email_verified": verified, "name": "Zoë"}
}

// A provider's account signs in the person whose address both have proved, and no other person.
func TestOpenID(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		var p *provider
		w := newWorld(t, db, func(c *people.Config) {
			p = newProvider(t)
			c.OpenID = openid.New(openid.Config{Issuer: p.URL, ClientID: "timbre", ClientSecret: "s3cret", Name: "Example", RedirectURL: c.URL + "/console/sign-in/openid/done"})
		})
		ctx := t.Context()
		mine, org := w.first()
		owner := w.session(mine.Session)
		enter := func(c map[string]any) (people.Entry, error) {
			t.Helper()
			page, kept, err := w.BeginOpenID(ctx, people.Session{}, "/console/account")
			if err != nil {
				t.Fatal(err)
			}
			e, next, err := w.FinishOpenID(ctx, people.Session{}, kept, p.answer(t, page, c), "", from)
			if err == nil && next != "/console/account" {
				t.Errorf("leads to %q", next)
			}
			return e, err
		}
		// The owner never proved the address: an account at the provider does not prove that the same person made it.
		_, err := enter(claims("1", email, true))
		wantErr(t, err, people.ErrConnect)
		_, err = enter(claims("2", "zoe@label.example", false))
		wantErr(t, err, people.ErrUnverified)
		_, err = enter(claims("2", "zoe@label.example", nil))
		wantErr(t, err, people.ErrUnverified)
		_, err = enter(claims("2", "zoe@label.example", true))
		wantErr(t, err, people.ErrUninvited)
		_, token, err := w.Invite(ctx, people.By{Session: owner}, org, "zoe@label.example", permission.Developer)
		if err != nil {
			t.Fatal(err)
		}
		zoe, err := enter(claims("2", "Zoe@Label.example", "true"))
		if err != nil || zoe.Person.Name != "Zoë" || zoe.Person.HasPassword {
			t.Fatal(zoe, err)
		}
		if _, err := w.Accept(ctx, w.session(zoe.Session), token, from); err != nil {
			t.Error(err)
		}
		// The subject counts afterwards: another person who gets the address is another person.
		if again, err := enter(claims("2", "other@label.example", false)); err != nil || again.Person.ID != zoe.Person.ID {
			t.Errorf("%+v, %v", again, err)
		}
		// The owner connects the account while signed in, and then signs in with it.
		connect := func(s people.Session, c map[string]any) error {
			page, kept, err := w.BeginOpenID(ctx, s, "/console/account")
			if err != nil {
				t.Fatal(err)
			}
			// Another session cannot finish it.
			if _, _, err := w.FinishOpenID(ctx, people.Session{}, kept, p.answer(t, page, c), "", from); !isErr(err, openid.ErrRefused) {
				t.Errorf("another browser finished the connection: %v", err)
			}
			_, _, err = w.FinishOpenID(ctx, s, kept, p.answer(t, page, c), "", from)
			return err
		}
		wantErr(t, connect(owner, claims("2", email, true)), people.ErrTaken)
		if err := connect(owner, claims("1", "private@mail.example", false)); err != nil {
			t.Fatal(err)
		}
		if e, err := enter(claims("1", "private@mail.example", false)); err != nil || e.Person.ID != owner.Person.ID {
			t.Errorf("%+v, %v", e, err)
		}
		w.pass(people.Recent + time.Second)
		wantErr(t, w.Disconnect(ctx, owner, p.URL, from), people.ErrProve)
		wantErr(t, connect(owner, claims("3", email, true)), people.ErrProve)
	})
}

func isErr(err, want error) bool { return errors.Is(err, want) }

// An answer that does not belong to the flow, or an invalid id token, does not sign in.
func TestOpenIDRefused(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		var p *provider
		w := newWorld(t, db, func(c *people.Config) {
			c.SignUp, c.Mail = true, true
			p = newProvider(t)
			c.OpenID = openid.New(openid.Config{Issuer: p.URL, ClientID: "timbre", ClientSecret: "s3cret", Name: "Example", RedirectURL: c.URL + "/x"})
		})
		ctx := t.Context()
		good := claims("1", "zoe@label.example", true)
		begin := func() (page, kept string) {
			t.Helper()
			page, kept, err := w.BeginOpenID(ctx, people.Session{}, "")
			if err != nil {
				t.Fatal(err)
			}
			return page, kept
		}
		refused := func(what, kept string, answer url.Values) {
			t.Helper()
			if _, _, err := w.FinishOpenID(ctx, people.Session{}, kept, answer, "", from); !isErr(err, openid.ErrRefused) {
				t.Errorf("%s: %v", what, err)
			}
		}
		page, kept := begin()
		answer := p.answer(t, page, good)
		otherPage, otherKept := begin()
		refused("another browser's flow", otherKept, answer)
		refused("no flow", "", answer)
		refused("a changed flow", kept[:len(kept)-2]+"AA", answer)
		refused("another code", kept, url.Values{"state": answer["state"], "code": {"x"}})
		refused("another issuer", kept, url.Values{"state": answer["state"], "code": answer["code"], "iss": {"https://evil.example"}})
		refused("an error", kept, url.Values{"state": answer["state"], "error": {"access_denied"}})
		refused("no code", kept, url.Values{"state": answer["state"]})
		// A code that was stolen from another flow fails its PKCE.
		stolen := p.answer(t, otherPage, good)
		refused("a stolen code", kept, url.Values{"state": answer["state"], "code": stolen["code"]})
		for what, change := range map[string]func(jwt.MapClaims){
			"another nonce":    func(c jwt.MapClaims) { c["nonce"] = "x" },
			"another audience": func(c jwt.MapClaims) { c["aud"] = "else" },
			"expired":          func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() },
			"another issuer":   func(c jwt.MapClaims) { c["iss"] = "https://evil.example" },
		} {
			page, kept := begin()
			p.alter = change
			refused(what, kept, p.answer(t, page, good))
		}
		p.alter = nil
		page, kept = begin()
		late := p.answer(t, page, good)
		w.pass(people.FlowLife + time.Second)
		refused("too late", kept, late)
		page, kept = begin()
		answer = p.answer(t, page, good)
		e, _, err := w.FinishOpenID(ctx, people.Session{}, kept, answer, "", from)
		if err != nil || e.Person.Email != "zoe@label.example" {
			t.Fatal(e, err)
		}
		refused("the same answer again", kept, answer)
	})
}
