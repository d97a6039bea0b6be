package main

import (
	"errors"
	"net/netip"
	"strings"
)

// proxies are networks, separated by commas, or "none": those of proxies, and those that
// receive webhooks.
type proxies []netip.Prefix

func (p *proxies) UnmarshalText(text []byte) error {
	*p = nil
	if string(text) == "none" {
		return nil
	}
	for one := range strings.SplitSeq(string(text), ",") {
		network, err := netip.ParsePrefix(strings.TrimSpace(one))
		if err != nil {
			return errors.New("must be networks such as 10.0.0.0/8, separated by commas, or none. Write one address as a network with /32 or, in IPv6, /128")
		}
		*p = append(*p, network)
	}
	return nil
}
