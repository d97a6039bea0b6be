package browser

import "github.com/chromedp/cdproto/webauthn"

// Passkeys gives the browser an authenticator of its own, whose user is always there and verified. It
// keeps the passkeys that pages make.
func (p *Page) Passkeys() {
	p.t.Helper()
	_, err := call(p, webauthn.Enable, webauthn.EnableParams{})
	p.must(err, "enable passkeys")
	_, err = call(p, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	p.must(err, "add an authenticator")
}
