// Package openid signs people in at an OpenID Connect provider that the operator has
// configured: the authorization code flow with state, nonce and PKCE. It returns what the
// provider states about a person. It never decides who the person is, and stores nothing.
package openid

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"timbre.example/internal/operation"
)

// Config names a provider and this server's registration there.
type Config struct {
	Issuer, ClientID, ClientSecret string
	// Name is the name on the button, such as "Example Corp".
	Name string
	// RedirectURL is this server's page that the provider redirects to.
	RedirectURL string
}

// Provider is a configured provider. It is safe for concurrent use.
type Provider struct {
	Config
	client *http.Client

	mu       sync.Mutex
	provider *oidc.Provider
}

// timeout is how long the provider may take for one answer.
const timeout = 10 * time.Second

// New makes a provider. The provider is first asked at the first sign-in, and again after a failure.
func New(c Config) *Provider { return &Provider{Config: c, client: &http.Client{Timeout: timeout}} }

// Flow is one sign-in that waits for the provider's answer. The caller keeps it secret and
// unchanged in the browser that began.
type Flow struct{ State, Nonce, Verifier string }

// Claims are what the provider states about a person.
type Claims struct {
	Issuer, Subject string
	Email           string
	EmailVerified   bool
	Name            string
}

// ErrRefused is the error of an answer that the provider or the person refused, or that does not
// belong to the flow.
var ErrRefused = errors.New("openid: the provider did not sign the person in")

// discover reads the provider's description, once.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.provider == nil {
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.Issuer)
		if err != nil {
			return nil, err
		}
		p.provider = found
	}
	return p.provider, nil
}

// Check reads the provider's description.
func (p *Provider) Check(ctx context.Context) (err error) {
	defer operation.Wrap(&err, "read the description of the OpenID provider %s", p.Issuer)
	_, err = p.discover(ctx)
	return err
}

func (p *Provider) config(at *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: at.Endpoint(), RedirectURL: p.RedirectURL, Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}
}

// Begin returns the provider's page for a new flow.
func (p *Provider) Begin(ctx context.Context) (page string, f Flow, err error) {
	defer operation.Wrap(&err, "begin a sign-in at the OpenID provider %s", p.Issuer)
	at, err := p.discover(ctx)
	if err != nil {
		return "", f, err
	}
	f = Flow{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier()}
	return p.config(at).AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), f, nil
}

// Finish reads the provider's answer: the query of its redirect. An answer that does not belong to the
// flow is ErrRefused, and so is a refusal of the provider.
func (p *Provider) Finish(ctx context.Context, f Flow, answer url.Values) (_ Claims, err error) {
	defer operation.Wrap(&err, "finish a sign-in at the OpenID provider %s", p.Issuer)
	if f.State == "" || subtle.ConstantTimeCompare([]byte(f.State), []byte(answer.Get("state"))) != 1 {
		return Claims{}, fmt.Errorf("%w: another state", ErrRefused)
	}
	if iss := answer.Get("iss"); iss != "" && iss != p.Issuer {
		return Claims{}, fmt.Errorf("%w: another issuer", ErrRefused)
	}
	if answer.Get("error") != "" || answer.Get("code") == "" {
		return Claims{}, ErrRefused
	}
	at, err := p.discover(ctx)
	if err != nil {
		return Claims{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.config(at).Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(f.Verifier))
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) {
		return Claims{}, fmt.Errorf("%w: %s", ErrRefused, refused.ErrorCode)
	} else if err != nil {
		return Claims{}, err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Claims{}, fmt.Errorf("%w: no id token", ErrRefused)
	}
	id, err := at.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: the id token is invalid", ErrRefused)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return Claims{}, fmt.Errorf("%w: another nonce", ErrRefused)
	}
	var more struct {
		Email    string `json:"email"`
		Verified any    `json:"email_verified"` // some providers write "true"
		Name     string `json:"name"`
	}
	if err := id.Claims(&more); err != nil {
		return Claims{}, fmt.Errorf("%w: the id token is invalid", ErrRefused)
	}
	return Claims{Issuer: id.Issuer, Subject: id.Subject, Email: more.Email, EmailVerified: more.Verified == true || more.Verified == "true", Name: more.Name}, nil
}
