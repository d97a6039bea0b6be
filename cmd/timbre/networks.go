package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"timbre.example/internal/events"
	"timbre.example/internal/network"
	"timbre.example/internal/store"
)

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
	// events records blocks; nil: none is recorded.
	events *events.Recorder
	log    *slog.Logger
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
	builtInKind:   logKind,
	substrateKind: substrateNetworks,
}

// kinds returns the kinds of networks, and what closes them.
func (f serverFlags) kinds(ctx context.Context, d networkDeps) (network.Kinds, io.Closer, error) {
	all, opened := network.Kinds{}, closers{}
	for scheme, link := range linked {
		kind, closer, err := link(ctx, f, d)
		if err != nil {
			_ = opened.Close() // the first error is the one to correct
			return nil, nil, err
		}
		all[scheme] = kind
		opened = append(opened, closer)
	}
	return all, opened, nil
}

// openNetworks opens all networks of a server and the chains of its logs, and returns what closes
// them. Only a worker makes blocks. chains are by the names of the logs.
func (f serverFlags) openNetworks(ctx context.Context, d networkDeps) (all network.Set, chains map[network.Name]network.Network, _ io.Closer, err error) {
	if d.makes = f.has(worker); d.makes {
		d.place = createPlace
	}
	kinds, closer, err := f.kinds(ctx, d)
	if err != nil {
		return nil, nil, nil, err
	}
	all, chains = network.Set{}, map[network.Name]network.Network{}
	for _, at := range f.addresses() {
		if all[at.Name], err = kinds.Open(ctx, at); err != nil {
			closer.Close()
			return nil, nil, nil, wrongSecret(f.SecretFile, at.Name, err)
		}
	}
	for i, at := range f.chains() {
		if chains[f.LogAnchors[i].Name], err = kinds.Open(ctx, at); err != nil {
			closer.Close()
			return nil, nil, nil, err
		}
	}
	for _, n := range network.Names() {
		if all[n] != nil {
			continue
		}
		begun, err := kinds.Begun(ctx, n)
		if err != nil {
			closer.Close()
			return nil, nil, nil, err
		}
		if begun {
			d.log.WarnContext(ctx, "this database has a network that --network does not name: its works cannot be reached, and its open transactions wait", "network", n)
		}
	}
	return all, chains, closer, nil
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
