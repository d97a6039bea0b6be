package main

import (
	"context"
	"slices"
	"time"

	"timbre.example/internal/credits"
	"timbre.example/internal/network"
)

// networkFlags say where the networks of a server are.
type networkFlags struct {
	Network        []network.Address `env:"TIMBRE_NETWORK" example:"mainnet=log:" placeholder:"NAME=URL" help:"A network of this server, and where it is; repeat the flag, or separate networks by commas. NAME is ${networks}. log: is the built-in transparency log, and substrate:wss://HOST a Substrate chain with the pallet Ats. A network that is not named is not served (default: testnet=log: and mainnet=log:)."`
	NetworkTestnet string            `env:"TIMBRE_NETWORK_TESTNET" example:"log:" placeholder:"URL" help:"Former form of --network testnet=URL. It cannot be used together with --network (default: log:)."`
	NetworkMainnet string            `env:"TIMBRE_NETWORK_MAINNET" example:"log:" placeholder:"URL" help:"Former form of --network mainnet=URL. It cannot be used together with --network (default: log:)."`
}

// explorerFlags say where pages of others show the chains of a server.
type explorerFlags struct {
	NetworkExplorer []network.Elsewhere `env:"TIMBRE_NETWORK_EXPLORER" example:"mainnet=https://explorer.your-domain.example/block/{block}" placeholder:"NAME=URL" help:"The chain's own explorer, to which the pages of works, the explorer and the console link; repeat the flag for another network. The URL has at least one of {block} (the block's number), {block_hash} and {tx_hash}. Only for a network substrate: (default: no link)."`
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
	if err := checkAddresses(f.addresses(), flag); err != nil {
		return err
	}
	seen := map[network.Name]bool{}
	for _, one := range f.NetworkExplorer {
		switch info, ok := f.served().Get(one.Name); {
		case seen[one.Name]:
			return wrongf("network-explorer", "names %s twice", one.Name)
		case !ok:
			return wrongf("network-explorer", "names %s, which is not a network of this server", one.Name)
		case info.Kind == builtInKind:
			return wrongf("network-explorer", "names %s, which is the built-in log: this server has its only explorer", one.Name)
		}
		seen[one.Name] = true
	}
	return f.validateAnchors()
}

// validateAnchors checks the chains of logs without a connection.
func (f serverFlags) validateAnchors() error {
	if f.LogAnchorEvery != 0 && (f.LogAnchorEvery < time.Minute || f.LogAnchorEvery > 7*24*time.Hour) {
		return wrongf("log-anchor-every", "must be between 1m and 168h")
	}
	if err := checkAnchors(f.LogAnchors); err != nil {
		return err
	}
	for _, one := range f.LogAnchors {
		if at, ok := f.address(one.Name); !ok || at.URL != builtIn {
			return wrongf("log-anchors", "%s is not a built-in log of this server", one.Name)
		}
		for _, other := range slices.Concat(f.addresses(), f.LogAnchors) {
			if other.Name != one.Name && other.URL == one.URL {
				return wrongf("log-anchors", "%s is anchored on the chain of %s: both would sign with the same accounts", one.Name, other.Name)
			}
		}
	}
	return nil
}

// checkAnchors refuses a log that is named twice, and a URL that is not of a chain.
func checkAnchors(all []network.Address) error {
	if err := checkAddresses(all, func(network.Name) string { return "log-anchors" }); err != nil {
		return err
	}
	for _, one := range all {
		if one.Info().Kind == builtInKind {
			return wrongf("log-anchors", "the URL of %s is a log: it must be a chain", one.Name)
		}
	}
	return nil
}

// chains returns where the chains of logs are, under their own names.
func (f serverFlags) chains() (all []network.Address) {
	for _, one := range f.LogAnchors {
		all = append(all, network.Address{Name: network.ChainOf(one.Name), URL: one.URL})
	}
	return all
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

// pricesOf returns the prices on a network.
func (f serverFlags) pricesOf(n network.Name) (credits.Prices, error) {
	if n == network.Testnet {
		return credits.ParsePrices(f.PricesTestnet, credits.TestnetPrices())
	}
	return credits.ParsePrices(f.PricesMainnet, credits.MainnetPrices())
}

// prices returns the prices on each network of the server. validate has checked the flags.
func (f serverFlags) prices() (map[network.Name]credits.Prices, error) {
	all := map[network.Name]credits.Prices{}
	for _, one := range f.served() {
		p, err := f.pricesOf(one.Name)
		if err != nil {
			return nil, err
		}
		all[one.Name] = p
	}
	return all, nil
}
