package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"time"

	"timbre.example/internal/outbound"
)

// Export for tests: the schedule, and a client that a test can point at its own name server
// and certificate.

var Schedule = schedule

const Lease = lease

func Pause(n int64, retryAfter time.Duration) (time.Duration, bool) { return pause(n, retryAfter) }

func Readable(b []byte, most int) string { return readable(b, most) }

func (s *Service) Safe(ip netip.Addr) bool { return s.policy.Safe(ip) == nil }

// Dial makes the client use a resolver, and tell each address that it connects to.
func (s *Service) Dial(r *net.Resolver, trusted *tls.Config) {
	s.client = s.policy.client(func(d *net.Dialer) { d.Resolver = r })
	s.client.Transport.(outbound.ByScheme).Secure.TLSClientConfig = trusted
}

// DeliverOne takes one delivery of a lane, and makes its attempt in this goroutine.
func DeliverOne(ctx context.Context, s *Service, name string) {
	l := newLane(name)
	if mine, err := s.queue.Claim(ctx, name); err != nil || !mine {
		panic(fmt.Sprint("not claimed: ", err))
	}
	b, err := s.take(ctx, l, 1)
	if err != nil || len(b.taken) != 1 {
		panic(fmt.Sprint(b.taken, err))
	}
	m, ok := s.attempt(context.WithoutCancel(ctx), b.taken[0], b)
	if !ok {
		panic("no attempt")
	}
	s.record(context.WithoutCancel(ctx), []made{m})
}
