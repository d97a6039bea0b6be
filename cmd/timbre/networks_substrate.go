package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate"
	"timbre.example/internal/network/substrate/signer"
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
	SubstrateBatch    int    `env:"TIMBRE_SUBSTRATE_BATCH" example:"50" default:"1" placeholder:"NUMBER" help:"How many works one transaction on a Substrate chain may have, from 1 to 200. With more than 1, works that wait for the same account share a transaction and its fee. 1 gives each work its own (default: ${default})."`
	SubstrateSigner   string `env:"TIMBRE_SUBSTRATE_SIGNER" example:"unix:/run/signer.sock" placeholder:"URL" help:"Program that has the accounts and signs with them, instead of --substrate-seed-file: http://HOST:PORT, https://HOST or unix:/SOCKET. Its HTTP protocol is in docs/chain.md. Only a worker needs it. The worker asks for its accounts once, at the start."`
	SubstrateToken    string `name:"substrate-signer-token-file" env:"TIMBRE_SUBSTRATE_SIGNER_TOKEN_FILE" type:"path" example:"/run/secrets/signer-token" placeholder:"FILE" help:"File with the token that the worker sends to the signer, as Authorization: Bearer TOKEN: one line of printable characters, at most 1,024. Without it no token is sent."`
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
	if f.SubstrateBatch < 0 || f.SubstrateBatch > substrate.MaxBatch {
		return wrongf("substrate-batch", "must be from 1 to %d", substrate.MaxBatch)
	}
	seed, err := readSeed(f.SubstrateSeedFile)
	if err != nil {
		return err
	}
	if f.SubstrateSigner != "" {
		if seed != nil {
			return wrongf("substrate-signer", "cannot be used together with --substrate-seed-file: either the signer or this process has the accounts")
		}
		if err := signer.Check(f.SubstrateSigner); err != nil {
			return wrongf("substrate-signer", "%s", err)
		}
	}
	if _, err := readToken(f.SubstrateToken); err != nil {
		return err
	}
	if f.SubstrateToken != "" && f.SubstrateSigner == "" {
		return wrongf("substrate-signer-token-file", "needs --substrate-signer: the token is for the signer")
	}
	if seed == nil && f.SubstrateSigner == "" && f.has(worker) && (f.uses(substrateKind) || len(f.LogAnchors) > 0) {
		return wrongf("substrate-seed-file", "or --substrate-signer is required by a worker with a network %s:, or with --log-anchors. Create the file once: (umask 077; openssl rand -hex 32 > seed)", substrateKind)
	}
	return nil
}

// readToken reads the token for the signer. Without a path it returns "".
func readToken(path string) (string, error) {
	const flag, most = "substrate-signer-token-file", 1024
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", wrongf(flag, "cannot read the file with the token %s: %s", path, plainly(err))
	}
	if _, err := guarded(flag, "file with the token", path); err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if token == "" || len(token) > most || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", wrongf(flag, "the file with the token %s must hold one line of 1 to %d printable characters without spaces", path, most)
	}
	return token, nil
}

// substrateNetworks links Substrate chains in. Of the server, this file alone names them.
func substrateNetworks(_ context.Context, f serverFlags, d networkDeps) (network.Kind, io.Closer, error) {
	k := &substrate.Kind{DB: d.db, Batch: f.SubstrateBatch, Logger: d.log}
	if d.makes {
		k.Signer = f.signer
	}
	return k, nothing{}, nil
}

// signer returns what signs for this worker; nil: nothing does.
func (f substrateFlags) signer(ctx context.Context) (substrate.Signer, error) {
	if f.SubstrateSigner != "" {
		token, err := readToken(f.SubstrateToken)
		if err != nil {
			return nil, err
		}
		by, err := signer.Dial(ctx, signer.Config{URL: f.SubstrateSigner, Token: token})
		if err != nil {
			return nil, fmt.Errorf("--substrate-signer: %w", err)
		}
		return by, nil
	}
	seed, err := readSeed(f.SubstrateSeedFile)
	if err != nil || seed == nil {
		return nil, err
	}
	return sr25519.NewKeys(*seed, max(1, f.SubstrateAccounts))
}
