package web

import (
	"errors"
	"fmt"
	"testing"

	"timbre.example/internal/fault"
)

// One organization has at most half of the streams, however many transactions it has.
// Another organization can use the other half, and closed streams are free again.
func TestStreamsAreShared(t *testing.T) {
	t.Parallel()
	const most = 6 * followersOfOne
	s := newStreams(most)
	var leave []func()
	enter := func(org string, n int) error {
		out, err := s.enter(org, fmt.Sprint(org, n/followersOfOne))
		if err == nil {
			leave = append(leave, out)
		}
		return err
	}
	for i := range most / 2 {
		if err := enter("hostile", i); err != nil {
			t.Fatal(err)
		}
	}
	var refused *fault.Error
	if err := enter("hostile", most); !errors.Is(err, fault.CodeCommonRateLimited) || !errors.As(err, &refused) || refused.Details["reason"] != "organization" {
		t.Errorf("one more than half: %v", err)
	}
	for i := range most / 2 {
		if err := enter("normal", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := enter("another", 0); !errors.Is(err, fault.CodeCommonServiceUnavailable) {
		t.Errorf("one more than all: %v", err)
	}
	for _, f := range leave {
		f()
	}
	if s.all != 0 || len(s.of) != 0 || len(s.orgs) != 0 {
		t.Errorf("%d stay, of %v and %v", s.all, s.of, s.orgs)
	}
}

// Streams of unknown transactions, which any client can open, leave half to the others.
func TestStreamsOfUnknownTransactions(t *testing.T) {
	t.Parallel()
	const most = 6 * followersOfOne
	s := newStreams(most)
	for range most / 2 {
		if _, err := s.enter("", ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.enter("", ""); !errors.Is(err, fault.CodeCommonRateLimited) {
		t.Errorf("one more than half: %v", err)
	}
	if _, err := s.enter("normal", "1"); err != nil {
		t.Error(err)
	}
}
