package substrate

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// scheme begins the URL of such a network.
const scheme = "substrate"

// separator is between the URLs of nodes. No URL has it. A comma does the same, but separates
// networks in the flag --network, where it needs a backslash.
const separator = "|"

// parse returns the URLs of the nodes in an address.
func parse(url string) (endpoints []string, err error) {
	list, ok := strings.CutPrefix(url, scheme+":")
	if !ok {
		return nil, fmt.Errorf("must begin with %s", scheme+":")
	}
	for one := range strings.SplitSeq(strings.ReplaceAll(list, ",", separator), separator) {
		if err := checkEndpoint(one); err != nil {
			return nil, err
		}
		endpoints = append(endpoints, one)
	}
	return endpoints, nil
}

func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "wss" && u.Scheme != "ws" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("must be " + scheme + ": and one or more URLs of nodes, ws://HOST or wss://HOST, separated by " + separator)
	}
	return nil
}
