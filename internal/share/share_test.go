package share

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// served enters for each of names in that order ("owner/member"), and returns who
// gets a slot in which order when one slot after the other is given back.
type served struct {
	t     *testing.T
	p     *Pool
	order chan string
	leave map[string]func()
}

func newServed(t *testing.T, slots int) *served {
	return &served{t: t, p: New(slots), order: make(chan string), leave: map[string]func(){}}
}

// holds takes a slot that is free.
func (s *served) holds(owner, member string) (leave func()) {
	s.t.Helper()
	leave, err := s.p.Enter(s.t.Context(), owner, member)
	if err != nil {
		s.t.Fatal(err)
	}
	return leave
}

// waits queues, and returns when it stands there.
func (s *served) waits(owner, member, label string) {
	s.t.Helper()
	before := s.waiting()
	go func() {
		leave, err := s.p.Enter(s.t.Context(), owner, member)
		if err != nil {
			return // the test is over
		}
		select {
		case s.order <- label:
		case <-s.t.Context().Done():
		}
		leave()
	}()
	for s.waiting() == before { // a goroutine that is about to queue
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

// Inside an owner its members take turns: five that ask again and again do not stop
// the sixth.
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

// One owner holds half of the slots at most, also while nobody else wants one.
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

// What may wait for one owner is bounded, and another is still let in.
func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	s := newServed(t, 1)
	leave := s.holds("hostile", "0")
	for i := range Waiting {
		s.waits("hostile", fmt.Sprint(i), "hostile")
	}
	if _, err := s.p.Enter(t.Context(), "hostile", "0"); !errors.Is(err, ErrFull) {
		t.Errorf("the one too many: %v", err)
	}
	s.waits("normal", "0", "normal")
	leave()
	if got := s.next(2); got[1] != "normal" {
		t.Errorf("%v", got)
	}
	s.next(Waiting - 1)
}

// Whoever leaves the queue keeps no place in it and no slot.
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
	for s.waiting() == 0 { // a goroutine that is about to queue
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
