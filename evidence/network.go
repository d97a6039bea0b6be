package evidence

import (
	"regexp"
	"strings"
)

// realNetwork is the name of the one network on which a registration counts.
const realNetwork = "mainnet"

// networkName is what a network may be called.
var networkName = regexp.MustCompile(`\A[a-z][a-z0-9-]{0,62}\z`)

// NetworkOf is the network whose log has the origin: the name in HOST/log/NAME,
// where HOST has no slash, and NAME begins with one of a–z and has at most 63 of
// a–z, 0–9 and "-". Every other text is the origin of none: "". The page /verify has
// the same rule (verify/src/network.ts); testdata/networks.json holds both.
func NetworkOf(origin string) string {
	host, name, found := strings.Cut(origin, "/log/")
	if !found || host == "" || strings.Contains(host, "/") || !networkName.MatchString(name) {
		return ""
	}
	return name
}

// OnTestNetwork reports whether the evidence is of a network on which nothing
// counts: of every network but mainnet. A log's network is in its origin, which the
// log signs. A chain's is only claimed.
func (e Evidence) OnTestNetwork() bool {
	if e.Log != nil {
		return NetworkOf(e.Log.Origin) != realNetwork
	}
	return e.Network.Name != realNetwork
}
