package issuing

import (
	"time"

	"timbre.example/internal/work"
)

// pollEvery is how often a worker looks without being woken: after a failure, after a
// restart, or for a version that another instance made.
const pollEvery = time.Second

// raiseEvery is how often a worker looks for signatures to raise.
const raiseEvery = 10 * time.Second

// Workers returns the worker that makes certificates and, with an authority, the worker that
// requests time stamps, and the one that raises signatures. No registration waits for them. The second wakes the first when a
// certificate need not wait any longer.
func (s *Service) Workers() []*work.Worker {
	all := []*work.Worker{{Name: "certificates", Step: s.CertifyDue, Every: pollEvery, Wake: s.final, Log: s.Log}}
	if s.Stamp != nil {
		all = append(all, &work.Worker{Name: "time stamps", Step: s.StampDue, Every: pollEvery, Wake: s.unstamped, Log: s.Log})
	}
	if s.Raise != nil {
		all = append(all, &work.Worker{Name: "signatures", Step: s.RaiseDue, Every: raiseEvery, Log: s.Log})
	}
	return all
}
