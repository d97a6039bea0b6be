package intake

import (
	"time"

	"timbre.example/internal/credits"
	"timbre.example/internal/record"
)

// Prepared is a quote: what will be anchored, its price, and the time until which the price
// is valid.
type Prepared struct {
	JobID      string
	WorkID     string
	Commitment []byte
	MediaHash  []byte
	Price      credits.Quote
	Media      record.Media
	Expires    time.Time
}
