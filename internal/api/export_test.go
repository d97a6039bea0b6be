package api

import "time"

// SetBodyTimeout shortens the time that a body may take.
func (a *API) SetBodyTimeout(d time.Duration) { a.bodyTimeout = d }

// MaxBody is the largest JSON body, in bytes.
const MaxBody = maxBody

// AddressOf is who calls.
var AddressOf = addressOf
