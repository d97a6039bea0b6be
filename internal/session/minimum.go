package session

import (
	"timbre.example/internal/credits"
	"timbre.example/internal/network"
)

// Minimum returns a Service's MinimumCredits for these prices: the price of the smallest
// registration, or of a version without a new file. A network fee that follows a chain counts with
// its bound. So the balance of a new session covers the quote of that registration, whatever the
// chain takes then. Reading costs nothing.
func Minimum(prices map[network.Name]credits.Prices) func(Action, network.Name) int64 {
	return func(action Action, n network.Name) int64 {
		switch action {
		case Register:
			return prices[n].Most().Register(1).Total
		case UpdateVersion:
			return prices[n].Most().Update(0).Total
		case Access:
			return 0
		default:
			return 0
		}
	}
}
