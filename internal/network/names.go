package network

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"timbre.example/proof/evidence"
)

// Name identifies a network on the wire.
type Name string

// The networks of the wire contract. It has no others.
const (
	Testnet Name = "testnet"
	Mainnet Name = "mainnet"
)

// Names returns the networks of the wire contract, in the order in which people see them.
func Names() []Name { return []Name{Testnet, Mainnet} }

// Valid reports whether n is a network of the wire contract.
func (n Name) Valid() bool { return slices.Contains(Names(), n) }

// ChainOf is the name of the chain on which blocks of a log are anchored. It is not a network of the
// wire contract: it has a place in the database and in metrics alone.
func ChainOf(log Name) Name { return log + "-chain" }

// Info is what a server knows of a network without asking it.
type Info struct {
	Name Name
	// Kind is the scheme of the network's URL: which implementation it is.
	Kind string
	// Test marks a test network. Test keys reach test networks and no others.
	Test bool
}

// Address says where a network is: the value of the flag --network.
type Address struct {
	Name Name
	// URL is the kind of the network, a colon, and what that kind needs to find it.
	URL string
}

// Info returns the network's kind and whether it is a test network.
func (a Address) Info() Info {
	kind, _, _ := strings.Cut(a.URL, ":")
	return Info{Name: a.Name, Kind: kind, Test: evidence.IsTest(string(a.Name))}
}

// String returns NAME=URL.
func (a Address) String() string { return string(a.Name) + "=" + a.URL }

// UnmarshalText reads NAME=URL. NAME is a network of the wire contract. Kinds.Check
// checks the URL.
func (a *Address) UnmarshalText(text []byte) error {
	name, url, ok := strings.Cut(string(text), "=")
	if !ok || url == "" {
		return errors.New("must be NAME=URL")
	}
	if !Name(name).Valid() {
		return fmt.Errorf("the name must be %s", joined(Names(), "or"))
	}
	*a = Address{Name(name), url}
	return nil
}

// Infos are the networks of a server. The order is that of Names.
type Infos []Info

// Every is the set of all networks of the wire contract, for what no server's
// configuration decides. Its members have no kind.
func Every() (s Infos) {
	for _, n := range Names() {
		s = append(s, Address{Name: n}.Info())
	}
	return s
}

// InfosOf returns the set of the networks at these addresses.
func InfosOf(addresses []Address) (s Infos) {
	for _, n := range Names() {
		for _, a := range addresses {
			if a.Name == n {
				s = append(s, a.Info())
			}
		}
	}
	return s
}

// Get returns the member with this name; ok is false if the set lacks it.
func (s Infos) Get(n Name) (info Info, ok bool) {
	for _, one := range s {
		if one.Name == n {
			return one, true
		}
	}
	return Info{}, false
}

// Has reports whether the set has a network with this name.
func (s Infos) Has(n Name) bool {
	_, ok := s.Get(n)
	return ok
}

// Tests returns the test networks of the set.
func (s Infos) Tests() (tests Infos) {
	for _, one := range s {
		if one.Test {
			tests = append(tests, one)
		}
	}
	return tests
}

// First returns the network that is meant where a caller names none: the first one.
func (s Infos) First() Name {
	if len(s) == 0 {
		return ""
	}
	return s[0].Name
}

// MustBe returns the sentence that refuses every other name: "Must be testnet or
// mainnet."
func (s Infos) MustBe() string { return "Must be " + s.String() + "." }

// String lists the names: "testnet or mainnet".
func (s Infos) String() string {
	names := make([]Name, len(s))
	for i, one := range s {
		names[i] = one.Name
	}
	return joined(names, "or")
}

func joined(names []Name, last string) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	if len(texts) < 2 {
		return strings.Join(texts, "")
	}
	return strings.Join(texts[:len(texts)-1], ", ") + " " + last + " " + texts[len(texts)-1]
}
