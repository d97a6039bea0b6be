package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"timbre.example/evidence"
	"timbre.example/internal/certificate"
	"timbre.example/internal/issuing"
	"timbre.example/internal/record"
)

// signingFlags name the certificate and the key that sign the PDF certificates.
type signingFlags struct {
	CertFile string `env:"TIMBRE_CERTIFICATE_CERT_FILE" example:"/etc/timbre/chain.pem" type:"path" placeholder:"FILE" help:"Certificate that signs the PDF certificates, and its intermediates (PEM)."`
	KeyFile  string `env:"TIMBRE_CERTIFICATE_KEY_FILE" example:"/etc/timbre/key.pem" type:"path" placeholder:"FILE" help:"Private key of the signing certificate, RSA or ECDSA (PEM). Other users must not be able to read the file."`
}

// signer returns nil when certificates are not signed. prefix is the start of the names
// of the command's two flags. Errors never include the content of a file.
func (f signingFlags) signer(prefix string) (*certificate.Signer, error) {
	const both = "is missing: give both the signing certificate and its key, or neither"
	certFile, keyFile := prefix+"cert-file", prefix+"key-file"
	switch {
	case f == (signingFlags{}):
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

// certifier returns a function that makes certificates. They show registryName and link
// to the pages of the server at url.
func certifier(url, registryName string, signer *certificate.Signer) func(context.Context, issuing.Issue) ([]byte, error) {
	return func(ctx context.Context, e issuing.Issue) ([]byte, error) {
		in := certificate.Input{
			Language: e.Language, Issuer: e.Issuer, Imprint: e.Imprint, Issued: e.Issued, Registry: registryName, VerifyURL: url + "/verify",
			Title: e.Title, Registration: e.AtsID, Version: e.Version, Network: e.Network.Name, At: e.Block.Time, Block: e.Block.Number,
			File:     certificate.File{Name: e.Media.Filename, Format: e.Media.Format, Size: e.Media.SizeBytes, Duration: time.Duration(e.Media.Duration * float64(time.Second))},
			FileHash: record.Hex(e.Media.SHA256[:]), Unseen: e.Media.Format == "", Stamped: e.RFC3161 != nil, Commitment: record.Hex(e.Commitment[:]), Transaction: record.Hex(e.TxHash[:]),
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
		return certificate.RenderWithin(ctx, in, signer)
	}
}
