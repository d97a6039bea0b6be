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
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

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
	{"parts", benchParts},
	{"mint", benchMint},
	{"keys", benchKeys},
	{"flood", benchFlood},
	{"fair", benchFair},
	{"registrations", benchRegistrations},
	{"register", benchRegister},
	{"register-many", benchRegisterMany},
	{"least", benchLeast},
	{"certificate", benchCertificate},
	{"follow", benchFollow},
	{"sockets", benchSockets},
	{"instances", benchInstances},
	{"webhooks", benchWebhooks},
	{"console", benchConsole},
	{"cost", benchCost},
	{"chain", benchChain},
	{"growth", benchGrowth},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	quick := flag.Bool("quick", false, "small sizes: to see that everything runs, not to quote")
	only := flag.String("only", "", "run these benches alone, separated by commas")
	works := flag.Int("works", 20_000, "works of the large organization in the bench of the console; each has ten deliveries")
	many := flag.Int("many", 100_000, "works of the larger database in the bench of growth")
	songs := flag.Int("songs", 100, "files of 5 MB in the bench of register; their folder and the server need 10 MB of the disk for each")
	rounds := flag.Int("rounds", 5, "pairs of runs in the bench of register")
	file := flag.String("json", "", "write the rows to this file as well")
	dir := flag.String("dir", "", "scratch folder on the disk to measure (default: the system's for temporary files)")
	binary := flag.String("timbre", "", "measure this binary instead of building one")
	cpu := flag.String("profile", "", "write a CPU profile of this process: the bench of webhooks runs in it")
	flag.Parse()
	stopProfile, err := profile(*cpu)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	rep, err := run(ctx, os.Stderr, options{quick: *quick, works: *works, many: *many, songs: *songs, rounds: *rounds, only: *only, dir: *dir, binary: *binary})
	err = errors.Join(err, stopProfile())
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

// profile begins a CPU profile in a file; "": none. The result ends it.
func profile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, errors.Join(pprof.StartCPUProfile(file))
}

// options are the flags.
type options struct {
	quick             bool
	works, many       int
	songs, rounds     int
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
	b := &bench{quick: o.quick, works: o.works, many: o.many, songs: o.songs, rounds: o.rounds, binary: o.binary, out: progress}
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

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
