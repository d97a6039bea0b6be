package api

import (
	"math"
	"time"

	"timbre.example/internal/limit"
)

// SetBodyTimeout shortens the time that a body may take.
func (a *API) SetBodyTimeout(d time.Duration) { a.bodyTimeout = d }

// AddressOf is who calls.
var AddressOf = addressOf

// Streams counts the progress streams that are open.
func (a *API) Streams() int {
	a.streams.mu.Lock()
	defer a.streams.mu.Unlock()
	return a.streams.all
}

// SetBodies makes the budget of the bodies of mints smaller, and the share of an address.
func (a *API) SetBodies(most, share int64) {
	a.bodies.mints, a.bodies.addresses = limit.NewBytes(most, math.MaxInt64), limit.NewBytes(math.MaxInt64, share)
}

// BodiesHeld are the bytes that an address holds of its share.
func (a *API) BodiesHeld(address string) int64 { return a.bodies.addresses.Held(address) }

// CountsAsked is how often the database was asked for the counts of stats.
func (a *API) CountsAsked() int { return a.counts.asked }
