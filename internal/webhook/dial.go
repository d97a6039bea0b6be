package webhook

import (
	"net"
	"net/http"
	"time"
)

// The bounds of one request.
const (
	// bodyTime is how long the body of an answer may take after its status.
	bodyTime = 5 * time.Second
	// maxBody is how much of the body of an answer is read, kept how much is stored.
	maxBody = 64 << 10
	kept    = 4 << 10
)

// client makes the requests of deliveries.
func (p policy) client(options ...func(*net.Dialer)) *http.Client {
	return p.Client(quickSlots, maxWindow, options...)
}
