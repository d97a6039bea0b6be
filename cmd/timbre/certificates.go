package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"timbre.example/internal/certificate"
	"timbre.example/internal/registry"
)

// certificateFlags name what certificates are signed with.
type certificateFlags struct {
	CertificateCertFile string `env:"TIMBRE_CERTIFICATE_CERT_FILE" type:"path" placeholder:"FILE" help:"Sign the PDF certificates: the certificate and its chain, as PEM."`
	CertificateKeyFile  string `env:"TIMBRE_CERTIFICATE_KEY_FILE" type:"path" placeholder:"FILE" help:"Its private key, RSA or ECDSA, as PEM."`
}

// signer is nil when certificates are not signed.
func (f certificateFlags) signer() (*certificate.Signer, error) {
	if f.CertificateCertFile == "" && f.CertificateKeyFile == "" {
		return nil, nil
	}
	if f.CertificateCertFile == "" || f.CertificateKeyFile == "" {
		return nil, errors.New("--certificate-cert-file and --certificate-key-file go together")
	}
	cert, err := os.ReadFile(f.CertificateCertFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(f.CertificateKeyFile)
	if err != nil {
		return nil, err
	}
	s, err := certificate.NewSigner(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificates cannot be signed with %s and %s: %w", f.CertificateCertFile, f.CertificateKeyFile, err)
	}
	return s, nil
}

// certifier makes certificates that lead to the pages of this server.
func certifier(url string, signer *certificate.Signer) func(context.Context, registry.Certified) ([]byte, error) {
	return func(_ context.Context, c registry.Certified) ([]byte, error) {
		in := certificate.Input{
			Title: c.Title, Registration: c.AtsID, Version: c.Version, Network: string(c.Network), At: c.At,
			Fingerprint: c.MediaHash, Commitment: c.Commitment, Transaction: c.TxHash, Block: c.BlockNumber,
			PublicURL: fmt.Sprintf("%s/w/%s/%d", url, c.Network, c.AtsID), Evidence: c.Evidence,
		}
		for _, one := range c.Creators {
			k := certificate.Creator{Name: one.FullName}
			for _, role := range one.Roles {
				k.Roles = append(k.Roles, role.String())
			}
			if one.IPI != nil {
				k.IPI = *one.IPI
			}
			if one.ISNI != nil {
				k.ISNI = *one.ISNI
			}
			in.Creators = append(in.Creators, k)
		}
		return certificate.Render(in, signer)
	}
}
