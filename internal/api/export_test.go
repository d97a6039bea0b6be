package api

import (
	"math"
	"time"

	"timbre.example/internal/limit"
)

// SetBodyTimeout shortens the body timeout.
func (a *API) SetBodyTimeout(d time.Duration) { a.bodyTimeout = d }

// AddressOf returns the caller's address.
var AddressOf = addressOf

// Streams counts the open progress streams.
func (a *API) Streams() int {
	a.streams.mu.Lock()
	defer a.streams.mu.Unlock()
	return a.streams.all
}

// SetBodies reduces the budget of mint bodies, and the share of an address.
func (a *API) SetBodies(most, share int64) {
	a.bodies.mints, a.bodies.addresses = limit.NewBytes(most, math.MaxInt64), limit.NewBytes(math.MaxInt64, share)
}

// BodiesHeld returns the bytes that an address holds of its share.
func (a *API) BodiesHeld(address string) int64 { return a.bodies.addresses.Held(address) }

// CountsAsked returns how often the database was queried for the counts of stats.
func (a *API) CountsAsked() int { return a.counts.asked }
