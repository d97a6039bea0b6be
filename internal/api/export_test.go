package api

import "time"

// SetBodyTimeout shortens the time that a body may take.
func (a *API) SetBodyTimeout(d time.Duration) { a.bodyTimeout = d }

// MaxBody is the largest JSON body, in bytes.
const MaxBody = maxBody

// AddressOf is who calls.
var AddressOf = addressOf

// Streams counts the progress streams that are open.
func (a *API) Streams() int {
	a.streams.mu.Lock()
	defer a.streams.mu.Unlock()
	return a.streams.all
}
