package share

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// served queues calls named "owner/member", in a given order. It records the order in which
// they get a slot when one slot after the other is given back.
type served struct {
	t     *testing.T
	p     *Pool
	order chan string
	leave map[string]func()
}

func newServed(t *testing.T, slots int) *served {
	return &served{t: t, p: New(slots), order: make(chan string), leave: map[string]func(){}}
}

// holds takes a free slot.
func (s *served) holds(owner, member string) (leave func()) {
	s.t.Helper()
	leave, err := s.p.Enter(s.t.Context(), owner, member)
	if err != nil {
		s.t.Fatal(err)
	}
	return leave
}

// waits starts a call, and returns when it is queued.
func (s *served) waits(owner, member, label string) {
	s.t.Helper()
	before := s.waiting()
	go func() {
		leave, err := s.p.Enter(s.t.Context(), owner, member)
		if err != nil {
			return // the test has ended
		}
		select {
		case s.order <- label:
		case <-s.t.Context().Done():
		}
		leave()
	}()
	for s.waiting() == before { // the goroutine is about to queue
	}
}

func (s *served) waiting() (n int) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	for _, o := range s.p.ring {
		n += o.waiting
	}
	return n
}

func (s *served) next(n int) (got []string) {
	for range n {
		got = append(got, <-s.order)
	}
	return got
}

// An owner with one item is served at its next turn, however many others wait.
func TestOwnersTakeTurns(t *testing.T) {
	t.Parallel()
	s := newServed(t, 1)
	leave := s.holds("hostile", "0")
	for i := range 20 {
		s.waits("hostile", "0", fmt.Sprint("hostile ", i))
	}
	s.waits("normal", "0", "normal")
	leave()
	if d := cmp.Diff([]string{"hostile 0", "normal", "hostile 1", "hostile 2"}, s.next(4)); d != "" {
		t.Error(d)
	}
	s.next(17)
}

// The members of one owner take turns: five that ask again and again do not block the sixth.
func TestMembersTakeTurns(t *testing.T) {
	t.Parallel()
	s := newServed(t, 1)
	leave := s.holds("a", "x")
	for i := range 10 {
		s.waits("a", fmt.Sprint(i%5), fmt.Sprint("visitor ", i%5))
	}
	s.waits("a", "sixth", "sixth")
	leave()
	got := s.next(11)
	if d := cmp.Diff([]string{"visitor 0", "visitor 1", "visitor 2", "visitor 3", "visitor 4", "sixth"}, got[:6]); d != "" {
		t.Error(d)
	}
}

// One owner holds at most half of the slots, even when no other owner wants one.
func TestHalf(t *testing.T) {
	t.Parallel()
	for slots, half := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 7: 3, 8: 4} {
		s := newServed(t, slots)
		for range half {
			s.holds("hostile", "0")
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := s.p.Enter(gone, "hostile", "1"); slots > 1 && !errors.Is(err, context.Canceled) {
			t.Errorf("%d slots: one owner got more than %d: %v", slots, half, err)
		}
		if slots > 1 {
			s.holds("normal", "0")()
		}
	}
}

// One owner can have a limited number of waiting calls, and another owner is still accepted.
func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	s := newServed(t, 1)
	leave := s.holds("hostile", "0")
	for i := range Waiting {
		s.waits("hostile", fmt.Sprint(i), "hostile")
	}
	if _, err := s.p.Enter(t.Context(), "hostile", "0"); !errors.Is(err, ErrFull) {
		t.Errorf("one call over the limit: %v", err)
	}
	s.waits("normal", "0", "normal")
	leave()
	if got := s.next(2); got[1] != "normal" {
		t.Errorf("%v", got)
	}
	s.next(Waiting - 1)
}

// A call that leaves the queue keeps neither a place nor a slot.
func TestLeavingTheQueue(t *testing.T) {
	t.Parallel()
	s := newServed(t, 2)
	leave := s.holds("a", "0")
	other := s.holds("b", "0")
	gone, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := s.p.Enter(gone, "c", "0")
		left <- err
	}()
	for s.waiting() == 0 { // the goroutine is about to queue
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	leave()
	other()
	if s.p.free != 2 || len(s.p.held) != 0 || len(s.p.ring) != 0 {
		t.Errorf("%d free, held %v, ring of %d", s.p.free, s.p.held, len(s.p.ring))
	}
}
