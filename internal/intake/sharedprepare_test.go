package intake

import (
	"errors"
	"testing"
)

// A job is forgotten when its last caller has left, also after an error.
func TestPreparedJobsAreForgotten(t *testing.T) {
	t.Parallel()
	joined := 0
	shared := sharedPrepares{joined: func() { joined++ }, jobs: map[string]*sharedPrepare{}}
	failed := errors.New("failed")
	for _, want := range []error{nil, failed} {
		p, err := shared.prepare(t.Context(), "job", func(bool) (Prepared, error) {
			if len(shared.jobs) != 1 {
				t.Errorf("%d jobs during a prepare", len(shared.jobs))
			}
			return Prepared{JobID: "job"}, want
		})
		if !errors.Is(err, want) || p.JobID != "job" {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if joined != 2 || len(shared.jobs) != 0 {
		t.Errorf("%d callers, and %d jobs are still remembered", joined, len(shared.jobs))
	}
}
