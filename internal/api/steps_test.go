package api

import (
	"testing"

	"timbre.example/internal/record"
)

// Every step has a text, and a percentage that never falls.
func TestEveryStepIsShown(t *testing.T) {
	t.Parallel()
	before := 0
	for _, code := range record.StepCodes {
		s, ok := shown[code]
		if !ok || s.Description == "" || s.Progress < before || s.Progress > 100 {
			t.Errorf("%s is shown as %+v", code, s)
		}
		before = s.Progress
	}
	if len(shown) != len(record.StepCodes) || before != 100 {
		t.Errorf("%d texts for %d steps, the last at %d percent", len(shown), len(record.StepCodes), before)
	}
}
