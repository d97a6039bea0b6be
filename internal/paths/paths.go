// Package paths has the paths of the public pages that other parts link to: the page of a
// work, and those of the explorer. Certificates print them, so they never change.
//
// It never knows the host of a server, or what a page shows.
package paths

import (
	"strconv"

	"timbre.example/internal/network"
)

// The prefixes of the pages.
const (
	Works    = "/w/"
	Explorer = "/explorer/"
)

// Logs is the list of the logs of a host, with their keys.
const Logs = "/.well-known/timbre-logs"

// Network is the page of a network.
func Network(n network.Name) string { return Explorer + string(n) }

// Work is the page of a work.
func Work(n network.Name, atsID int64) string {
	return Works + string(n) + "/" + strconv.FormatInt(atsID, 10)
}

// Transaction is the page of a transaction; hash is 0x and 64 hexadecimal digits.
func Transaction(n network.Name, hash string) string { return Network(n) + "/tx/" + hash }

// Block is the page of a block.
func Block(n network.Name, number int64) string {
	return Network(n) + "/block/" + strconv.FormatInt(number, 10)
}
