package api

import (
	"time"

	"github.com/go-chi/chi/v5"
)

// SetBodyTimeout shortens the time that a body may take.
func (a *API) SetBodyTimeout(d time.Duration) { a.bodyTimeout = d }

// Router is what the routes are on.
func (a *API) Router() chi.Router { return a.router }

// MaxBody is the largest JSON body, in bytes.
const MaxBody = maxBody

// AddressOf is who calls.
var AddressOf = addressOf
