// Command bench measures Timbre beside its floors. A floor is the least work that the
// same machine needs for the same promise (one fsync, one signature, one hash).
//
// Every row is a ratio with its goal. A missed goal is printed and is not an error: only a
// failed measurement is one. Timbre and the floor run alternately (A B A B…), and the
// result is the median of the pairs. So a change of the disk's or the machine's speed
// affects both. All traffic stays on loopback, and every loop ends by count or time.
//
// The package has the measurements and a small client. It starts the real
// binary and never reaches into the server, unless a row says so.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
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

// measurement is one bench: some rows of the table.
type measurement struct {
	name string
	run  func(context.Context, *bench) error
}

// benches in the order in which they run: short and still ones first.
var benches = []measurement{
	{"widget", benchWidget},
	{"start", benchStart},
	{"prepare", benchPrepare},
	{"put", benchPut},
	{"mint", benchMint},
	{"keys", benchKeys},
	{"flood", benchFlood},
	{"fair", benchFair},
	{"registrations", benchRegistrations},
	{"sockets", benchSockets},
	{"webhooks", benchWebhooks},
	{"console", benchConsole},
}

// bench is one run of the program.
type bench struct {
	quick  bool
	works  int    // of the large organization in the bench of the console
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	quick := flag.Bool("quick", false, "small sizes: to see that everything runs, not to quote")
	only := flag.String("only", "", "run these benches alone, separated by commas")
	works := flag.Int("works", 20_000, "works of the large organization in the bench of the console; each has ten deliveries")
	file := flag.String("json", "", "write the rows to this file as well")
	dir := flag.String("dir", "", "scratch folder on the disk to measure (default: the system's for temporary files)")
	binary := flag.String("timbre", "", "measure this binary instead of building one")
	flag.Parse()
	rep, err := run(ctx, os.Stderr, options{quick: *quick, works: *works, only: *only, dir: *dir, binary: *binary})
	if rep != nil {
		fmt.Println()
		table(os.Stdout, rep.Rows, true)
		if *file != "" {
			text, jerr := json.MarshalIndent(rep, "", "  ")
			if jerr == nil {
				jerr = os.WriteFile(*file, append(text, '\n'), 0o644)
			}
			err = errors.Join(err, jerr)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	quick             bool
	works             int
	only, dir, binary string
}

// report is what the JSON file holds.
type report struct {
	At    time.Time `json:"at"`
	Go    string    `json:"go"`
	CPUs  int       `json:"cpus"`
	CPU   string    `json:"cpu,omitempty"`
	Quick bool      `json:"quick"`
	Rows  []row     `json:"rows"`
}

// run runs the benches. One that cannot be measured does not stop the others.
func run(ctx context.Context, progress io.Writer, o options) (*report, error) {
	names := strings.FieldsFunc(o.only, func(r rune) bool { return r == ',' })
	for _, name := range names {
		if !slices.ContainsFunc(benches, func(x measurement) bool { return x.name == name }) {
			return nil, fmt.Errorf("unknown bench %q", name)
		}
	}
	b := &bench{quick: o.quick, works: o.works, binary: o.binary, out: progress}
	var err error
	if b.root, err = repository(ctx); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp(o.dir, "timbre-bench-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.dir)
	if b.binary == "" {
		b.binary = filepath.Join(b.dir, "timbre")
		if err := build(ctx, b.root, b.binary, "-trimpath", "-ldflags=-s -w"); err != nil { // as `make build` does
			return nil, err
		}
	}
	var failed []error
	for _, x := range benches {
		if len(names) > 0 && !slices.Contains(names, x.name) {
			continue
		}
		b.name = x.name
		if err := x.run(ctx, b); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", x.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return &report{At: time.Now().UTC(), Go: runtime.Version(), CPUs: runtime.NumCPU(), CPU: processor(), Quick: o.quick, Rows: b.rows}, errors.Join(failed...)
}

// repository finds the module's root, so that the program runs from anywhere
// within it.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	path := strings.TrimSpace(string(out))
	if filepath.Base(path) != "go.mod" {
		return "", errors.New("run this within the repository")
	}
	return filepath.Dir(path), nil
}

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

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
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
