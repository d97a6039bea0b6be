//go:build !crashpoints

package main

import (
	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
)

// faulty returns the kind itself. Only the tests' build makes networks that fail.
func faulty(k *netlog.Kind) network.Kind { return k }
