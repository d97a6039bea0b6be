package network

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind is one implementation of networks, with what it needs of this server: its
// database, its keys, its settings.
type Kind interface {
	// Check reports why a URL of this kind is invalid. It connects to nothing, and needs
	// none of the kind's settings. The error completes the sentence "the URL …".
	Check(url string) error
	// Open opens a network. The error wraps WrongKey or ErrNotBegun where they apply.
	Open(ctx context.Context, at Address) (Network, error)
}

// Kinds are the implementations that a program has, by the scheme of their URLs.
type Kinds map[string]Kind

// Check reports why a network cannot have this address. It connects to nothing.
func (k Kinds) Check(at Address) error {
	kind, err := k.of(at)
	if err != nil {
		return err
	}
	return kind.Check(at.URL)
}

// Open opens the network at this address.
func (k Kinds) Open(ctx context.Context, at Address) (Network, error) {
	kind, err := k.of(at)
	if err == nil {
		err = kind.Check(at.URL)
	}
	if err != nil {
		return nil, fmt.Errorf("network %s: the URL %w", at.Name, err)
	}
	n, err := kind.Open(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", at.Name, err)
	}
	return n, nil
}

// of returns the kind of an address.
func (k Kinds) of(at Address) (Kind, error) {
	if kind, ok := k[at.Info().Kind]; ok && strings.Contains(at.URL, ":") {
		return kind, nil
	}
	var known []string
	for _, scheme := range slices.Sorted(maps.Keys(k)) {
		known = append(known, scheme+":")
	}
	return nil, fmt.Errorf("must begin with %s", strings.Join(known, " or "))
}

// Begun reports whether the server's database has begun one of these networks, of any
// kind.
func (k Kinds) Begun(ctx context.Context, names ...Name) (bool, error) {
	for _, scheme := range slices.Sorted(maps.Keys(k)) {
		kept, ok := k[scheme].(Kept)
		if !ok {
			continue
		}
		for _, n := range names {
			if begun, err := kept.Begun(ctx, n); begun || err != nil {
				return begun, err
			}
		}
	}
	return false, nil
}

// Kept is a Kind whose networks are in the server's own database.
type Kept interface {
	// Begun reports whether the database has the network. It reads only.
	Begun(ctx context.Context, n Name) (bool, error)
}

// Examined is a Kind that can find out whether a server could use its networks.
type Examined interface {
	// Examine reports one finding per check. It changes nothing.
	Examine(ctx context.Context, at Address, report func(Finding))
}

// Finding is the result of one check.
type Finding struct {
	// Check is the subject of the check: a few words.
	Check string
	// Err is why the check failed; nil if it did not.
	Err error
	// Found is what was found if Err is nil, and Remedy what to do if it is not.
	Found, Remedy string
}

// Examine checks the network at this address, as far as its kind can.
func (k Kinds) Examine(ctx context.Context, at Address, report func(Finding)) {
	kind, err := k.of(at)
	if err != nil {
		report(Finding{Check: "network " + string(at.Name), Err: fmt.Errorf("the URL %w", err)})
		return
	}
	if examined, ok := kind.(Examined); ok {
		examined.Examine(ctx, at, report)
		return
	}
	report(Finding{Check: "network " + string(at.Name), Found: "this kind of network has no checks"})
}

// ErrNotBegun is wrapped by Open if the network does not exist yet and this process has
// no key to begin it.
var ErrNotBegun = errors.New("it has not started, and this process has no key to start it")

// WrongKey is the error of Open if another key than this server's signed the network.
type WrongKey struct {
	// Signed is the name under which the network signs.
	Signed string
}

func (w *WrongKey) Error() string { return "another key signed " + w.Signed }
