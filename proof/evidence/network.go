package evidence

import (
	"regexp"
	"strings"
)

// realNetwork is the name of the only network that is not a test network.
const realNetwork = "mainnet"

// networkName matches the valid names of networks.
var networkName = regexp.MustCompile(`\A[a-z][a-z0-9-]{0,62}\z`)

// NetworkOf returns the name of the network whose log has this origin. The form of
// an origin is HOST/log/NAME. HOST has no slash. NAME begins with a letter a–z and
// has at most 63 characters of a–z, 0–9 and "-". For any other text NetworkOf
// returns "". The page /verify has the same rule (verify/src/network.ts), and
// testdata/networks.json tests both.
func NetworkOf(origin string) string {
	host, name, found := strings.Cut(origin, "/log/")
	if !found || host == "" || strings.Contains(host, "/") || !networkName.MatchString(name) {
		return ""
	}
	return name
}

// IsTest reports whether the network with this name is a test network. Every network
// except mainnet is one: a verifier knows only the name.
func IsTest(network string) bool { return network != realNetwork }

// OnTestNetwork reports whether the evidence is of a test network. The name of a
// log's network is in its origin, which the log signs. The name of a chain is only a
// claim of the evidence.
func (e Evidence) OnTestNetwork() bool {
	if e.Log != nil {
		return IsTest(NetworkOf(e.Log.Origin))
	}
	return IsTest(e.Network.Name)
}
