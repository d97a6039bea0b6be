package pdf

import (
	"errors"
	"runtime"
	"testing"

	"timbre.example/proof/pdf/pdftest"
)

// The result of each case. verify/build tests the page with the same cases.
func TestCases(t *testing.T) {
	t.Parallel()
	for _, c := range pdftest.Cases(`{"evidence":1}`, `{"evidence":2}`) {
		got, steps, err := read(c.PDF)
		why := ""
		if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
			why = refusal.Why
			if err.Error() == "" {
				t.Errorf("%s: nothing explains %s", c.Name, why)
			}
		} else if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if why != c.Why || string(got.Evidence) != c.Evidence || got.Changed != c.Changed {
			t.Errorf("%s: %q, %q, changed %t; want %q, %q, %t", c.Name, why, got.Evidence, got.Changed, c.Why, c.Evidence, c.Changed)
		}
		// The work has a bound, which a little more can be looked at than.
		if most := 2*len(c.PDF) + 8<<20; steps > most+len(c.PDF) {
			t.Errorf("%s: %d steps for %d bytes", c.Name, steps, len(c.PDF))
		}
	}
}

// TestMemory bounds the memory for files that name or contain as much as possible. It is not parallel: it counts what
// the process allocates.
func TestMemory(t *testing.T) {
	const most = 16 * MaxFile
	for _, c := range pdftest.Full() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, steps, err := read(c.PDF)
		runtime.ReadMemStats(&after)
		refusal := (*Refusal)(nil)
		if !errors.As(err, &refusal) || refusal.Why != c.Why {
			t.Errorf("%s: %v; want %s", c.Name, err, c.Why)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
			t.Errorf("%s: %d bytes for a file of %d", c.Name, allocated, len(c.PDF))
		} else {
			t.Logf("%s: %d bytes, %d steps for a file of %d: %v", c.Name, allocated, steps, len(c.PDF), err)
		}
	}
}
