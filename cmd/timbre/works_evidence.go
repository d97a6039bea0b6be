package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/registry"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// versionFlags name a version of a work, and the secret that is needed to prove it.
type versionFlags struct {
	AtsID      int64  `arg:"" example:"44" name:"ats-id" help:"The work's registration number."`
	Network    string `example:"testnet" enum:"${network_names}" default:"mainnet" placeholder:"NAME" help:"${networks} (default: ${default})."`
	Version    int64  `example:"1" name:"work-version" placeholder:"N" help:"Version of the work, from 1 (default: the latest)."`
	SecretFile string `example:"data/secret" env:"TIMBRE_SECRET_FILE" default:"data/secret" type:"path" placeholder:"FILE" help:"The server's secret file; the log's key is derived from it (default: ${default})."`
	networkURLFlag
	LogAnchors []network.Address `name:"log-anchors" env:"TIMBRE_LOG_ANCHORS" example:"mainnet=substrate:wss://node.example" placeholder:"NAME=URL" help:"Where the log is anchored: the same as the server's --log-anchors. No chain is asked. Without it, evidence has no anchor."`
}

// networkURLFlag says where the server's networks are, for commands whose --network chooses
// one of them.
type networkURLFlag struct {
	NetworkURL []network.Address `name:"network-url" env:"TIMBRE_NETWORK" example:"mainnet=log:" placeholder:"NAME=URL" help:"Where the network is: the same as the server's --network (default: testnet=log: and mainnet=log:)."`
}

// validate refuses an invalid address.
func (f networkURLFlag) validate() error {
	return checkAddresses(f.NetworkURL, func(network.Name) string { return "network-url" })
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
	reg, work, closer, err := f.find(ctx, db, root)
	if err != nil {
		return evidence.Evidence{}, err
	}
	defer closer.Close()
	return reg.Issuing.Evidence(ctx, work, f.Version)
}

// find returns a registry that can prove the work, the work's id, and what closes the
// registry's network.
func (f versionFlags) find(ctx context.Context, db *store.DB, root secret) (*registry.Registry, string, io.Closer, error) {
	if err := f.networkURLFlag.validate(); err != nil {
		return nil, "", nil, err
	}
	if err := checkAnchors(f.LogAnchors); err != nil {
		return nil, "", nil, err
	}
	w, err := db.Read().WorkByAtsID(ctx, query.WorkByAtsIDParams{Network: f.Network, AtsID: f.AtsID})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", nil, fault.WorkNotFound()
	} else if err != nil {
		return nil, "", nil, err
	}
	d := networkDeps{db: db, root: root, log: slog.New(slog.DiscardHandler)}
	server := serverFlags{networkFlags: networkFlags{Network: f.NetworkURL}, SecretFile: f.SecretFile}
	n, closer, err := server.openNetwork(ctx, network.Name(f.Network), d)
	if err != nil {
		return nil, "", nil, err
	}
	config := registry.Config{DB: db, Networks: network.Set{n.Name(): n}}
	for _, one := range f.LogAnchors {
		if one.Name != n.Name() {
			continue
		}
		server.Network = []network.Address{{Name: network.ChainOf(one.Name), URL: one.URL}}
		chain, also, err := server.openNetwork(ctx, network.ChainOf(one.Name), d)
		if err != nil {
			closer.Close()
			return nil, "", nil, err
		}
		closer = closers{closer, also}
		config.Stamping.Chains = map[network.Name]network.Network{one.Name: chain}
	}
	return registry.New(config), w.ID, closer, nil
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
