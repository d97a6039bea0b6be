package network

import (
	"context"
	"errors"
	"fmt"
)

// Set is the networks of a server, by their names.
type Set map[Name]Network

// Get returns a network of the set. A missing network is an error of the configuration.
func (s Set) Get(n Name) (Network, error) {
	if net, ok := s[n]; ok {
		return net, nil
	}
	return nil, fmt.Errorf("network %q is not configured", n)
}

// Stopped returns why a network accepts nothing until its operator acts; nil when no network
// is stopped.
func (s Set) Stopped(ctx context.Context) error {
	var all []error
	for _, n := range s {
		all = append(all, n.Stopped(ctx))
	}
	return errors.Join(all...)
}
