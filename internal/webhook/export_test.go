package webhook

import (
	"crypto/tls"
	"net"
	"net/netip"
	"time"
)

// Export for tests: the schedule, and a client that a test can point at its own name server
// and certificate.

var Schedule = schedule

const Lease = lease

func Pause(n int64, retryAfter time.Duration) (time.Duration, bool) { return pause(n, retryAfter) }

func Readable(b []byte, most int) string { return readable(b, most) }

func (s *Service) Safe(ip netip.Addr) bool { return s.policy.safe(ip) == nil }

// Dial makes the client use a resolver, and tell each address that it connects to.
func (s *Service) Dial(r *net.Resolver, trusted *tls.Config) {
	s.client = s.policy.client(func(d *net.Dialer) { d.Resolver = r })
	s.client.Transport.(byScheme).secure.TLSClientConfig = trusted
}
