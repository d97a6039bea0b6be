package main

import (
	"context"
	"fmt"
	"strings"

	"timbre.example/internal/certificate"
	"timbre.example/internal/issuing"
	"timbre.example/internal/store"
)

type worksCmd struct {
	Certificate worksCertificate `cmd:"" help:"Write the PDF certificate of a registered work."`
	Redact      worksRedact      `cmd:"" help:"Erase the personal data of a registered work. This cannot be undone."`
	Files       worksFiles       `cmd:"" help:"Compare the store with the database, after a restore: list recordings and certificates that are missing."`
	Evidence    worksEvidence    `cmd:"" help:"Write the evidence of a registered work, which proves it without this server."`
}

type worksCertificate struct {
	databaseFlag
	versionFlags
	PublicURL string `example:"https://timbre.your-domain.example" env:"TIMBRE_PUBLIC_URL" required:"" placeholder:"URL" help:"Public URL of the server: the QR code links to the work's page there."`
	Out       string `example:"certificate.pdf" short:"o" required:"" type:"path" placeholder:"FILE" help:"File to write the PDF to, readable by this user only."`
	registryFlag
	signingFlags
	authorityFlag
}

// Help says how this certificate differs from the one that the server stores.
func (worksCertificate) Help() string {
	return `The server makes and stores a certificate of each version. This command makes the
certificate again, with the same language and date of issue. With the same release
and the same registry name the bytes are the same, except for the signature. The
attached evidence contains the name and e-mail address of every creator.`
}

func (c *worksCertificate) Run(o *output) error {
	if err := baseURL("public-url", c.PublicURL); err != nil {
		return err
	}
	signer, err := c.signer("")
	if err != nil {
		return err
	}
	authority, err := c.authority()
	if err != nil {
		return err
	}
	raise := c.raise(signer, authority)
	root, err := readSecret(c.SecretFile, false)
	if err != nil {
		return err
	}
	return adminFlags{databaseFlag: c.databaseFlag}.with(func(ctx context.Context, db *store.DB) error {
		reg, work, closer, err := c.find(ctx, db, root)
		if err != nil {
			return err
		}
		defer closer.Close()
		facts, err := reg.Issuing.Issue(ctx, work, c.Version)
		if err != nil {
			return err
		}
		url := strings.TrimSuffix(c.PublicURL, "/")
		pdf, err := issuing.Pages{PublicURL: url, Registry: c.registryName(url), Signer: signer, Raised: raise != nil}.Certify(ctx, facts)
		if err != nil {
			return err
		}
		if raise != nil {
			var level certificate.Level
			var low error
			if pdf, level, low = raise(ctx, pdf); low != nil {
				fmt.Fprintf(o.err, "the signature has the level %s: %s\n", level, plainly(low))
			}
		}
		if err := writePrivate(c.Out, pdf); err != nil {
			return wrongf("out", "cannot be written: %s", plainly(err))
		}
		_, err = fmt.Fprintln(o.out, c.Out)
		return err
	})
}
