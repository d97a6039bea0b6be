package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"timbre.example/evidence"
	"timbre.example/fault"
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
	"timbre.example/internal/registry"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// versionFlags name a version of a work, and the secret that is needed to prove it.
type versionFlags struct {
	AtsID      int64  `arg:"" example:"44" name:"ats-id" help:"The work's registration number."`
	Network    string `example:"testnet" enum:"testnet,mainnet" default:"mainnet" placeholder:"NAME" help:"testnet or mainnet (default: ${default})."`
	Version    int64  `example:"1" name:"work-version" placeholder:"N" help:"Version of the work, from 1 (default: the latest)."`
	SecretFile string `example:"data/secret" env:"TIMBRE_SECRET_FILE" default:"data/secret" type:"path" placeholder:"FILE" help:"The server's secret file; the log's key is derived from it (default: ${default})."`
}

type worksEvidence struct {
	databaseFlag
	versionFlags
	OnlyCreator []int  `example:"1" placeholder:"N" help:"Include only this creator, by position in the work, from 1. Can be repeated."`
	Out         string `example:"evidence.json" short:"o" required:"" type:"path" placeholder:"FILE" help:"File to write the JSON to, readable by this user only; - for standard output."`
}

// Help describes the file.
func (worksEvidence) Help() string {
	return `The evidence proves the version without this server: "timbre verify" checks it.
It contains the name and e-mail address of every included creator. For the same
version, this command always writes the same bytes.`
}

func (c *worksEvidence) Run(o *output) error {
	root, err := readSecret(c.SecretFile, false)
	if err != nil {
		return err
	}
	return adminFlags{databaseFlag: c.databaseFlag}.with(func(ctx context.Context, db *store.DB) error {
		text, err := c.evidence(ctx, db, root)
		if err != nil {
			return err
		}
		if c.Out == "-" {
			_, err := o.out.Write(text)
			return err
		}
		if err := writePrivate(c.Out, text); err != nil {
			return wrongf("out", "cannot write this file: %s", plainly(err))
		}
		_, err = fmt.Fprintln(o.out, c.Out)
		return err
	})
}

func (c *worksEvidence) evidence(ctx context.Context, db *store.DB, root secret) ([]byte, error) {
	e, err := c.proved(ctx, db, root)
	if err != nil {
		return nil, err
	}
	if len(c.OnlyCreator) > 0 {
		if e, err = only(e, c.OnlyCreator); err != nil {
			return nil, err
		}
	}
	return evidence.Encode(e)
}

// proved returns the evidence of the version that the flags name.
func (f versionFlags) proved(ctx context.Context, db *store.DB, root secret) (evidence.Evidence, error) {
	reg, work, err := f.find(ctx, db, root)
	if err != nil {
		return evidence.Evidence{}, err
	}
	return reg.Issuing.Evidence(ctx, work, f.Version)
}

// find returns a registry that can prove the work, and the work's id.
func (f versionFlags) find(ctx context.Context, db *store.DB, root secret) (*registry.Registry, string, error) {
	w, err := db.Read().WorkByAtsID(ctx, query.WorkByAtsIDParams{Network: f.Network, AtsID: f.AtsID})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", fault.WorkNotFound()
	} else if err != nil {
		return nil, "", err
	}
	l, err := existingLog(ctx, db, network.Name(f.Network), f.SecretFile, root)
	if err != nil {
		return nil, "", err
	}
	return registry.New(registry.Config{DB: db, Networks: map[network.Name]network.Network{l.Name(): l}}), w.ID, nil
}

// only returns e with only the creators at these positions, counted from 1.
func only(e evidence.Evidence, places []int) (evidence.Evidence, error) {
	keep := make([]int, len(places))
	for i, n := range places {
		keep[i] = n - 1
		if !slices.ContainsFunc(e.Creators, func(c evidence.Creator) bool { return c.Proof.Index() == keep[i] }) {
			return e, fmt.Errorf("--only-creator=%d: the work has no creator at this position, or the evidence does not include it", n)
		}
	}
	return e.Redact(keep...)
}

// existingLog opens a log that a server has started already.
func existingLog(ctx context.Context, db *store.DB, name network.Name, file string, root secret) (*netlog.Log, error) {
	row, err := db.Read().GetLog(ctx, string(name))
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", name, err)
	}
	l, err := netlog.Open(ctx, db, netlog.Config{Network: name, Origin: row.Origin, Key: root.key(purposeLog(name)), PublicKey: root.key(purposeLog(name) + public)})
	if err != nil {
		return nil, wrongSecret(ctx, db, file, name, err)
	}
	return l, nil
}
