package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"timbre.example/internal/credits"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
)

// networkFlags say where the networks of a server are.
type networkFlags struct {
	Network        []network.Address `env:"TIMBRE_NETWORK" example:"mainnet=log:" placeholder:"NAME=URL" help:"A network of this server, and where it is; repeat the flag, or separate networks by commas. NAME is ${networks}. log: is the built-in transparency log. A network that is not named is not served (default: testnet=log: and mainnet=log:)."`
	NetworkTestnet string            `env:"TIMBRE_NETWORK_TESTNET" example:"log:" placeholder:"URL" help:"Former form of --network testnet=URL. It cannot be used together with --network (default: log:)."`
	NetworkMainnet string            `env:"TIMBRE_NETWORK_MAINNET" example:"log:" placeholder:"URL" help:"Former form of --network mainnet=URL. It cannot be used together with --network (default: log:)."`
}

// addresses returns the networks of the server, in the order of network.Names.
func (f networkFlags) addresses() []network.Address {
	if len(f.Network) > 0 {
		all := slices.Clone(f.Network)
		slices.SortStableFunc(all, func(a, b network.Address) int {
			return slices.Index(network.Names(), a.Name) - slices.Index(network.Names(), b.Name)
		})
		return all
	}
	former := map[network.Name]string{network.Testnet: f.NetworkTestnet, network.Mainnet: f.NetworkMainnet}
	var all []network.Address
	for _, n := range network.Names() {
		url := former[n]
		if url == "" {
			url = builtIn
		}
		all = append(all, network.Address{Name: n, URL: url})
	}
	return all
}

// address returns where a network is; ok is false if this server does not have it.
func (f networkFlags) address(n network.Name) (at network.Address, ok bool) {
	for _, at := range f.addresses() {
		if at.Name == n {
			return at, true
		}
	}
	return network.Address{}, false
}

// served returns the networks of the server, as far as the flags say.
func (f networkFlags) served() network.Infos { return network.InfosOf(f.addresses()) }

// uses reports whether a network of the server is of this kind.
func (f networkFlags) uses(kind string) bool {
	return slices.ContainsFunc(f.served(), func(one network.Info) bool { return one.Kind == kind })
}

// validateNetworks checks the flags without a connection.
func (f serverFlags) validateNetworks() error {
	for _, former := range []struct{ flag, value string }{{"network-testnet", f.NetworkTestnet}, {"network-mainnet", f.NetworkMainnet}} {
		if former.value != "" && len(f.Network) > 0 {
			return wrongf(former.flag, "cannot be used together with --network: name this network there, too")
		}
	}
	flag := func(network.Name) string { return "network" }
	if len(f.Network) == 0 {
		flag = func(n network.Name) string { return "network-" + string(n) }
	}
	return checkAddresses(f.addresses(), flag)
}

// checkAddresses refuses a network that is named twice, and an invalid URL; flag returns the
// flag that gave the address of a network.
func checkAddresses(all []network.Address, flag func(network.Name) string) error {
	kinds, closer, err := serverFlags{}.kinds(context.Background(), networkDeps{})
	if err != nil {
		return err
	}
	defer closer.Close()
	seen := map[network.Name]bool{}
	for _, at := range all {
		flag := flag(at.Name)
		if seen[at.Name] {
			return wrongf(flag, "names %s twice", at.Name)
		}
		seen[at.Name] = true
		if err := kinds.Check(at); err != nil {
			return wrongf(flag, "the URL of %s %s", at.Name, err)
		}
	}
	return nil
}

// prices returns the prices on each network of the server. validate has checked the flags.
func (f serverFlags) prices() (map[network.Name]credits.Prices, error) {
	given := map[network.Name]string{network.Testnet: f.PricesTestnet, network.Mainnet: f.PricesMainnet}
	all := map[network.Name]credits.Prices{}
	for _, one := range f.served() {
		usual := credits.MainnetPrices()
		if one.Test {
			usual = credits.TestnetPrices()
		}
		p, err := credits.ParsePrices(given[one.Name], usual)
		if err != nil {
			return nil, err
		}
		all[one.Name] = p
	}
	return all, nil
}

// networkDeps is what the kinds of networks need of a command. The zero value is enough to
// check URLs.
type networkDeps struct {
	db   *store.DB
	root secret
	// host is the host of the public URL. "" opens only networks that exist already.
	host string
	// makes: this process makes blocks.
	makes bool
	place place
	log   *slog.Logger
}

// place says what a command does with the place of the checkpoints.
type place int

const (
	leavePlace  place = iota // it needs no checkpoint
	openPlace                // it opens the place if it exists
	createPlace              // it creates a missing folder
)

// linked are the kinds of networks of this program, by the scheme of their URLs. A new kind
// gets a line here, and a file as networks_log.go.
var linked = map[string]func(context.Context, serverFlags, networkDeps) (network.Kind, io.Closer, error){
	builtInKind: logKind,
}

// kinds returns the kinds of networks, and what closes them.
func (f serverFlags) kinds(ctx context.Context, d networkDeps) (network.Kinds, io.Closer, error) {
	all, opened := network.Kinds{}, closers{}
	for scheme, link := range linked {
		kind, closer, err := link(ctx, f, d)
		if err != nil {
			opened.Close()
			return nil, nil, err
		}
		all[scheme] = kind
		opened = append(opened, closer)
	}
	return all, opened, nil
}

// openNetworks opens all networks of a server, and returns what closes them. Only a worker
// makes blocks.
func (f serverFlags) openNetworks(ctx context.Context, d networkDeps) (network.Set, io.Closer, error) {
	if d.makes = f.has(worker); d.makes {
		d.place = createPlace
	}
	kinds, closer, err := f.kinds(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	all := network.Set{}
	for _, at := range f.addresses() {
		if all[at.Name], err = kinds.Open(ctx, at); err != nil {
			closer.Close()
			return nil, nil, wrongSecret(f.SecretFile, at.Name, err)
		}
	}
	return all, closer, nil
}

// openNetwork opens a network that a server has begun.
func (f serverFlags) openNetwork(ctx context.Context, n network.Name, d networkDeps) (network.Network, io.Closer, error) {
	at, ok := f.address(n)
	if !ok {
		return nil, nil, fmt.Errorf("network %s: its URL is missing: add %s=URL to --network-url (or to TIMBRE_NETWORK), as at the server", n, n)
	}
	kinds, closer, err := f.kinds(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	opened, err := kinds.Open(ctx, at)
	if err != nil {
		closer.Close()
		return nil, nil, wrongSecret(f.SecretFile, n, err)
	}
	return opened, closer, nil
}

// wrongSecret explains an error of Kinds.Open or Kinds.Examine: a wrong secret file, or a
// network that has not started.
func wrongSecret(file string, n network.Name, err error) error {
	if w, ok := errors.AsType[*network.WrongKey](err); ok {
		return wrongf("secret-file", "the secret file %s did not sign the log %s. Restore or give the file that did: the log cannot continue with another one", file, w.Signed)
	}
	if errors.Is(err, network.ErrNotBegun) {
		return fmt.Errorf("the log %s has not started, and %s has no key to sign it: first start a worker, with the whole secret or the keys of a worker", n, file)
	}
	return err
}

// closers close what a command opened, the newest first.
type closers []io.Closer

// Close implements io.Closer.
func (c closers) Close() error {
	var err error
	for _, one := range slices.Backward(c) {
		err = errors.Join(err, one.Close())
	}
	return err
}
