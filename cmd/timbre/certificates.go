package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"timbre.example/evidence"
	"timbre.example/internal/certificate"
	"timbre.example/internal/registry"
)

// signingFlags name what certificates are signed with.
type signingFlags struct {
	CertFile string `env:"TIMBRE_CERTIFICATE_CERT_FILE" type:"path" placeholder:"FILE" help:"Sign the PDF certificates: the certificate and those that it hangs on, as PEM."`
	KeyFile  string `env:"TIMBRE_CERTIFICATE_KEY_FILE" type:"path" placeholder:"FILE" help:"Its private key, RSA or ECDSA, as PEM, readable by this user (or its group) alone."`
}

// signer is nil when certificates are not signed. No error quotes a file.
func (f signingFlags) signer() (*certificate.Signer, error) {
	if f == (signingFlags{}) {
		return nil, nil
	}
	if f.CertFile == "" || f.KeyFile == "" {
		return nil, errors.New("a certificate to sign with and its key go together: --certificate-cert-file and --certificate-key-file, of works certificate --cert-file and --key-file")
	}
	cert, err := os.ReadFile(f.CertFile)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(f.KeyFile)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return nil, fmt.Errorf("the key file %s has mode %04o: take it from everybody but its owner (and readers of its group) with chmod 600", f.KeyFile, mode)
	}
	key, err := os.ReadFile(f.KeyFile)
	if err != nil {
		return nil, err
	}
	s, err := certificate.NewSigner(cert, key, time.Now)
	if err != nil {
		return nil, fmt.Errorf("certificates cannot be signed with %s and %s: %w", f.CertFile, f.KeyFile, err)
	}
	return s, nil
}

// certifier makes certificates that name a registry and lead to the pages of the
// server at url.
func certifier(url, registryName string, signer *certificate.Signer) func(context.Context, registry.Issue) ([]byte, error) {
	return func(_ context.Context, e registry.Issue) ([]byte, error) {
		in := certificate.Input{
			Language: e.Language, Issuer: e.Issuer, Imprint: e.Imprint, Issued: e.Issued, Registry: registryName, VerifyURL: url + "/verify",
			Title: e.Title, Registration: e.AtsID, Version: e.Version, Network: e.Network.Name, At: e.Block.Time, Block: e.Block.Number,
			File:     certificate.File{Name: e.Media.Filename, Format: e.Media.Format, Size: e.Media.SizeBytes, Duration: time.Duration(e.Media.Duration * float64(time.Second))},
			FileHash: registry.Hex(e.Media.SHA256[:]), Unseen: e.Media.Format == "", Stamped: e.RFC3161 != nil, Commitment: registry.Hex(e.Commitment[:]), Transaction: registry.Hex(e.TxHash[:]),
			PublicURL: fmt.Sprintf("%s/w/%s/%d", url, e.Network.Name, e.AtsID),
		}
		for _, one := range e.Creators {
			c := certificate.Creator{Name: one.FullName}
			for _, role := range one.Roles {
				c.Roles = append(c.Roles, role.String())
			}
			if one.IPI != nil {
				c.IPI = *one.IPI
			}
			if one.ISNI != nil {
				c.ISNI = *one.ISNI
			}
			in.Creators = append(in.Creators, c)
		}
		var err error
		if in.Evidence, err = evidence.Encode(e.Evidence); err != nil {
			return nil, err
		}
		return certificate.Render(in, signer)
	}
}
