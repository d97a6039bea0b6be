package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"timbre.example/commitment"
	"timbre.example/fault"
	"timbre.example/internal/certificate"
	"timbre.example/internal/registry"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

type worksCmd struct {
	Certificate worksCertificate `cmd:"" help:"Write the PDF certificate of a registered work."`
	Evidence    worksEvidence    `cmd:"" help:"Write the evidence of a registered work, which proves it without this server."`
}

type worksCertificate struct {
	databaseFlag
	AtsID     int64  `arg:"" name:"ats-id" help:"The work's registration number."`
	Network   string `enum:"testnet,mainnet" default:"mainnet" placeholder:"NAME" help:"testnet or mainnet (default: ${default})."`
	Version   int64  `name:"work-version" placeholder:"N" help:"A version of it (default: the latest)."`
	PublicURL string `env:"TIMBRE_PUBLIC_URL" required:"" placeholder:"URL" help:"How this server is reached: the QR code leads to the page of the entry's block there."`
	Out       string `short:"o" required:"" type:"path" placeholder:"FILE" help:"Where to write it."`
	signingFlags
}

func (c *worksCertificate) Run(o *output) error {
	if err := baseURL("public-url", c.PublicURL); err != nil {
		return err
	}
	signer, err := c.signer()
	if err != nil {
		return err
	}
	return adminFlags{databaseFlag: c.databaseFlag}.with(func(ctx context.Context, db *store.DB) error {
		in, err := c.input(ctx, db.Read())
		if err != nil {
			return err
		}
		pdf, err := certificate.Render(in, signer)
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.Out, pdf, 0o644); err != nil {
			return err
		}
		_, err = fmt.Fprintln(o.out, c.Out)
		return err
	})
}

// input is what the database knows of the version.
func (c *worksCertificate) input(ctx context.Context, q *query.Queries) (certificate.Input, error) {
	w, err := q.WorkByAtsID(ctx, query.WorkByAtsIDParams{Network: c.Network, AtsID: c.AtsID})
	if errors.Is(err, sql.ErrNoRows) {
		return certificate.Input{}, fault.WorkNotFound()
	} else if err != nil {
		return certificate.Input{}, err
	}
	number := c.Version
	if number == 0 {
		number = w.LatestVersion
	}
	v, err := q.GetVersion(ctx, query.GetVersionParams{WorkID: w.ID, Version: number})
	if errors.Is(err, sql.ErrNoRows) {
		return certificate.Input{}, fault.WorkCertificateUnavailable()
	} else if err != nil {
		return certificate.Input{}, err
	}
	in := certificate.Input{
		Title: w.Title, Registration: w.AtsID, Version: v.Version, Network: w.Network, At: store.Time(v.RegisteredAt),
		Fingerprint: registry.Hex(v.MediaHash), Commitment: registry.Hex(v.Commitment), Transaction: registry.Hex(v.TxHash), Block: v.BlockNumber,
		PublicURL: fmt.Sprintf("%s/explorer/%s/block/%d", strings.TrimSuffix(c.PublicURL, "/"), w.Network, v.BlockNumber),
	}
	var list []commitment.Creator
	if err := json.Unmarshal([]byte(v.Creators), &list); err != nil {
		return in, err
	}
	for _, one := range list {
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
	return in, nil
}
