package accesscode_test

import (
	"testing"

	"timbre.example/internal/accesscode"
)

// A code never changes: it is derived again whenever it is shown. The answers were computed
// by another program.
func TestCode(t *testing.T) {
	t.Parallel()
	for generation, want := range []string{
		"atc_0735f4933e407de6440d6d38cbbb880f5c28db1f8ef7aafdd789234ff735256a",
		"atc_2a688c9c625c7bdb55d239178934bca6bda4e735baabc8bd903bcd4db8575f37",
	} {
		got := accesscode.Secret("secret").Code("0190163d-8694-739b-aea5-966c26f8ad91", int64(generation))
		if got != want {
			t.Errorf("generation %d: %s, want %s", generation, got, want)
		}
		if canonical, err := accesscode.Canonical(got); err != nil || canonical != got {
			t.Errorf("%s is not accepted: %v", got, err)
		}
	}
}
