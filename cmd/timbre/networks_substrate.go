package main

import (
	"context"
	"encoding/hex"
	"io"
	"os"
	"strings"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate"
	"timbre.example/internal/network/substrate/sr25519"
)

// substrateKind is the scheme of the URLs of Substrate chains.
const substrateKind = "substrate"

// maxAccounts bounds the accounts of a seed: each is read from the chain every minute.
const maxAccounts = 256

// substrateFlags are what a worker needs to anchor on a Substrate chain.
type substrateFlags struct {
	SubstrateSeedFile string `env:"TIMBRE_SUBSTRATE_SEED_FILE" type:"path" example:"/run/secrets/substrate-seed" placeholder:"FILE" help:"File with the seed of the accounts that sign on Substrate chains: 64 hex digits. Only a worker needs it, and only with a network substrate:. The accounts have the paths //0, //1, … of this seed. Back it up: only these accounts can add versions to their works."`
	SubstrateAccounts int    `env:"TIMBRE_SUBSTRATE_ACCOUNTS" example:"4" default:"1" placeholder:"NUMBER" help:"How many accounts of the seed sign, from 1 to 256. The chain limits the works of one account: give the server more accounts before they are full. The number may only grow (default: ${default})."`
}

// readSeed reads the seed of the accounts. Without a path it returns nil.
func readSeed(path string) (*[sr25519.SeedSize]byte, error) {
	const flag = "substrate-seed-file"
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, wrongf(flag, "cannot read the file with the seed %s: %s", path, plainly(err))
	}
	if _, err := guarded(flag, "file with the seed", path); err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(b)), "0x"))
	if err != nil || len(seed) != sr25519.SeedSize {
		return nil, wrongf(flag, "the file with the seed %s must hold 64 hex digits and nothing else", path)
	}
	return (*[sr25519.SeedSize]byte)(seed), nil
}

// validateSubstrate checks the flags without a connection.
func (f serverFlags) validateSubstrate() error {
	if f.SubstrateAccounts < 0 || f.SubstrateAccounts > maxAccounts {
		return wrongf("substrate-accounts", "must be from 1 to %d", maxAccounts)
	}
	seed, err := readSeed(f.SubstrateSeedFile)
	if err != nil {
		return err
	}
	if seed == nil && f.has(worker) && f.uses(substrateKind) {
		return wrongf("substrate-seed-file", "is required by a worker with a network %s:. Create the file once: (umask 077; openssl rand -hex 32 > seed)", substrateKind)
	}
	return nil
}

// substrateNetworks links Substrate chains in. This is the only file that names them.
func substrateNetworks(_ context.Context, f serverFlags, d networkDeps) (network.Kind, io.Closer, error) {
	k := &substrate.Kind{DB: d.db, Accounts: f.SubstrateAccounts, Logger: d.log}
	if d.makes {
		seed, err := readSeed(f.SubstrateSeedFile)
		if err != nil {
			return nil, nil, err
		}
		k.Seed = seed
	}
	return k, nothing{}, nil
}
