package main

import (
	"context"
	"os"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/internal/lasting"
	"timbre.example/internal/outbound"
	"timbre.example/internal/timestamp"
)

// signingFlags name the certificate and the key that sign the PDF certificates.
type signingFlags struct {
	CertFile string  `env:"TIMBRE_CERTIFICATE_CERT_FILE" example:"/etc/timbre/chain.pem" type:"path" placeholder:"FILE" help:"Certificate that signs the PDF certificates, and its intermediates (PEM)."`
	KeyFile  string  `env:"TIMBRE_CERTIFICATE_KEY_FILE" example:"/etc/timbre/key.pem" type:"path" placeholder:"FILE" help:"Private key of the signing certificate, RSA or ECDSA (PEM). Other users must not be able to read the file."`
	Allow    proxies `env:"TIMBRE_CERTIFICATE_ALLOW" example:"10.1.0.0/16" placeholder:"CIDRS" help:"Networks in which the addresses may be that the signing certificate and the time-stamp authority name for revoked certificates and issuers, beside public addresses. Separated by commas."`
}

// signer returns nil when certificates are not signed. prefix is the start of the names
// of the command's two flags. Errors never include the content of a file.
func (f signingFlags) signer(prefix string) (*certificate.Signer, error) {
	const both = "is missing: give both the signing certificate and its key, or neither"
	certFile, keyFile := prefix+"cert-file", prefix+"key-file"
	switch {
	case !f.given():
		return nil, nil
	case f.CertFile == "":
		return nil, wrongf(certFile, both)
	case f.KeyFile == "":
		return nil, wrongf(keyFile, both)
	}
	cert, err := os.ReadFile(f.CertFile)
	if err != nil {
		return nil, wrongf(certFile, "%s", plainly(err))
	}
	info, err := os.Stat(f.KeyFile)
	if err != nil {
		return nil, wrongf(keyFile, "%s", plainly(err))
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return nil, wrongf(keyFile, "other users can read or write it (mode %04o). Run: chmod 600 %s", mode, shellWord(f.KeyFile))
	}
	key, err := os.ReadFile(f.KeyFile)
	if err != nil {
		return nil, wrongf(keyFile, "%s", plainly(err))
	}
	s, err := certificate.NewSigner(cert, key, time.Now)
	if err != nil {
		return nil, wrongf(certFile, "cannot sign certificates with it and --%s: %s", keyFile, plainly(err))
	}
	return s, nil
}

// signingConnections is how many idle connections to what certificates name are kept.
const signingConnections = 4

// raise returns what raises signatures, or nil without a signer or an authority.
func (f signingFlags) raise(signer *certificate.Signer, authority *timestamp.Client) func(context.Context, []byte) ([]byte, certificate.Level, error) {
	if signer == nil || authority == nil {
		return nil
	}
	client := outbound.NewPolicy(f.Allow).PlainClient(signingConnections, 1)
	return lasting.New(lasting.Config{Stamp: authority.Stamp, Client: client, Now: time.Now}).Raise
}

// given reports whether certificates are signed.
func (f signingFlags) given() bool { return f.CertFile != "" || f.KeyFile != "" }

// signedLevel returns the level that the signature of a certificate reaches.
func signedLevel(ctx context.Context, signer *certificate.Signer, raise func(context.Context, []byte) ([]byte, certificate.Level, error)) (certificate.Level, error) {
	probe, err := certificate.RenderWithin(ctx, certificate.Input{Title: "-", PublicURL: "https://timbre.example", At: time.Now(), Room: lasting.DefaultRoom}, signer)
	if err != nil {
		return "", err
	}
	_, level, err := raise(ctx, probe)
	return level, err
}
