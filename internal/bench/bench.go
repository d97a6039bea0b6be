package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"text/tabwriter"
)

// row is one line of the table. Ratio is always Ours divided by Floor.
type row struct {
	Bench string  `json:"bench"`
	What  string  `json:"what"`
	Unit  string  `json:"unit,omitempty"`
	Ours  float64 `json:"ours,omitempty"`
	Floor float64 `json:"floor,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
	Goal  *goal   `json:"goal,omitempty"`
	Note  string  `json:"note,omitempty"`
	// Skipped says why there are no numbers.
	Skipped string `json:"skipped,omitempty"`
}

// goal is what was hoped for, of the ratio or of our own number.
type goal struct {
	Of    string  `json:"of"` // ratio | ours
	Most  float64 `json:"most,omitempty"`
	Least float64 `json:"least,omitempty"`
	Met   bool    `json:"met"`
}

func ratioAtLeast(v float64) *goal { return &goal{Of: "ratio", Least: v} }
func ratioAtMost(v float64) *goal  { return &goal{Of: "ratio", Most: v} }
func oursAtMost(v float64) *goal   { return &goal{Of: "ours", Most: v} }
func oursAtLeast(v float64) *goal  { return &goal{Of: "ours", Least: v} }

func (g *goal) String() string {
	word, v := "≥", g.Least
	if g.Most != 0 {
		word, v = "≤", g.Most
	}
	met := "missed"
	if g.Met {
		met = "met"
	}
	return fmt.Sprintf("%s %g %s", word, v, met)
}

// bench is one run of the program.
type bench struct {
	quick  bool
	works  int    // of the large organization in the bench of the console
	many   int    // works of the larger database in the bench of growth
	songs  int    // files of the bench of register
	rounds int    // pairs of it
	root   string // of the repository
	dir    string // scratch, on the disk that is measured
	binary string // the real one
	out    io.Writer
	name   string // of the bench that runs now
	rows   []row
}

// sized picks the full size, or the small one of -quick.
func sized[T any](b *bench, full, quick T) T {
	if b.quick {
		return quick
	}
	return full
}

// add takes a row into the table and prints it at once, too: a whole run lasts
// minutes.
func (b *bench) add(r row) {
	r.Bench = b.name
	if r.Floor != 0 && r.Ratio == 0 {
		r.Ratio = r.Ours / r.Floor
	}
	if r.Goal != nil && r.Skipped == "" {
		v := r.Ours
		if r.Goal.Of == "ratio" {
			v = r.Ratio
		}
		r.Goal.Met = v >= r.Goal.Least && (r.Goal.Most == 0 || v <= r.Goal.Most)
	}
	b.rows = append(b.rows, r)
	table(b.out, b.rows[len(b.rows)-1:], false)
}

func (b *bench) skip(what, why string) { b.add(row{What: what, Skipped: why}) }

// build builds the real binary.
func build(ctx context.Context, root, path string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build"}, flags...), "-o", path, "./cmd/timbre")...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, said)
	}
	return nil
}

// table prints rows, aligned.
func table(w io.Writer, rows []row, head bool) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	if head {
		fmt.Fprintln(t, "what\tours\tfloor\tratio\tgoal\tnote")
	}
	for _, r := range rows {
		if r.Skipped != "" {
			fmt.Fprintf(t, "%s\t-\t-\t-\t-\tskipped: %s\n", r.What, r.Skipped)
			continue
		}
		floor, ratio, hope := "-", "-", "-"
		if r.Floor != 0 {
			floor, ratio = number(r.Floor), fmt.Sprintf("%.2f", r.Ratio)
		}
		if r.Goal != nil {
			hope = r.Goal.String()
		}
		fmt.Fprintf(t, "%s\t%s %s\t%s\t%s\t%s\t%s\n", r.What, number(r.Ours), r.Unit, floor, ratio, hope, r.Note)
	}
}

// number prints three digits that matter, and all that stand before the point.
func number(v float64) string {
	digits := 0
	if v != 0 {
		digits = max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	return fmt.Sprintf("%.*f", min(digits, 4), v)
}
