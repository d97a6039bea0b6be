// Command capacity computes docs/capacity.md: what one registration costs, and a simulated
// day of ten million. Its input is measured.json, which `make capacity` measures.
//
// The simulation is deterministic: the same costs give the same page. It starts no server
// and measures nothing itself.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

func main() {
	measured := flag.String("measured", "internal/bench/capacity/measured.json", "rows of the bench \"cost\"")
	page := flag.String("write", "", "put the tables into this page; without it they are printed")
	flag.Parse()
	if err := run(*measured, *page); err != nil {
		fmt.Fprintln(os.Stderr, "capacity:", err)
		os.Exit(1)
	}
}

func run(measured, page string) error {
	m, err := read(measured)
	if err != nil {
		return err
	}
	text := tables(m)
	if page == "" {
		_, err := fmt.Print(text)
		return err
	}
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	new, err := placed(string(old), text)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(new), 0o644)
}

// The tables are between these lines of the page.
const (
	begins = "<!-- Written by `make capacity`. -->\n"
	ends   = "<!-- The end of what `make capacity` writes. -->\n"
)

// placed returns the page with new tables.
func placed(page, text string) (string, error) {
	before, rest, ok1 := strings.Cut(page, begins)
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok1 || !ok2 {
		return "", errors.New("the page has no place for the tables")
	}
	return before + begins + "\n" + text + "\n" + ends + after, nil
}

// measurement is one run of the bench.
type measurement struct {
	At               time.Time
	CPUs             int
	CPU, Go          string
	SQLite, Postgres Costs
}

// read reads the rows of the bench.
func read(file string) (m measurement, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return m, err
	}
	var report struct {
		At      time.Time
		CPUs    int
		CPU, Go string
		Quick   bool
		Rows    []struct {
			What string
			Ours float64
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return m, fmt.Errorf("%s: %w", file, err)
	}
	if report.Quick {
		return m, fmt.Errorf("%s is of a quick run, which is not to be quoted", file)
	}
	m.At, m.CPUs, m.CPU, m.Go = report.At, report.CPUs, report.CPU, report.Go
	for engine, into := range map[string]*Costs{"SQLite": &m.SQLite, "Postgres": &m.Postgres} {
		for what, field := range map[string]*float64{
			"registration: processor of the server": &into.ServerMS, "registration: processor of the database": &into.DatabaseMS,
			"certificate: processor of the server": &into.CertificateMS, "certificate: processor of the database": &into.CertificateDBMS,
			"registration: each further MiB": &into.MiBMS,
			"read: a work's page, server":    &into.PageMS, "read: a work's page, database": &into.PageDBMS,
			"registration: commits": &into.Commits, "registration: write-ahead log": &into.WAL, "registration: growth of the database": &into.Stored,
			"certificate: write-ahead log": &into.CertificateWAL, "certificate: file": &into.CertificateBytes, "registration: HTTP requests": &into.Requests,
		} {
			found := false
			for _, row := range report.Rows {
				if row.What == what+", "+engine {
					*field, found = row.Ours, true
				}
			}
			if !found {
				return m, fmt.Errorf("%s has no row %q of %s: run `make capacity`", file, what, engine)
			}
		}
		into.CertificatesPerWorker = 1000 / (rests + 1) / (into.CertificateMS + into.CertificateDBMS)
	}
	return m, nil
}

// rests is how much longer than a certificate took a worker pauses after it.
const rests = 3

// day is the load of the simulation; docs/capacity.md explains each number.
var day = Load{PerDay: 10_000_000, Peak: 2.5, Burst: 4, BurstHours: 0.5, MiB: 8, Pages: 3, Skew: 1.3}

// plants are the scenarios.
var plants = []Plant{
	{Name: "one partition, small", Partitions: 1, ATS: 8, Workers: 2, Database: 4, Commits: 7000, BlockSeconds: 6, Anchoring: 0.5},
	{Name: "one partition, sized for the burst", Partitions: 1, ATS: 20, Workers: 12, Database: 12, Commits: 7000, BlockSeconds: 6, Anchoring: 1},
	{Name: "the same, pages from a replica and a CDN", Partitions: 1, ATS: 20, Workers: 12, Database: 12, Commits: 7000, BlockSeconds: 6, Replica: true, CDN: 0.95, Anchoring: 1},
	{Name: "the same as the second, a chain of 500 entries a block", Partitions: 1, ATS: 20, Workers: 12, Database: 12, Commits: 7000, BlockSeconds: 6, BlockEntries: 500, Anchoring: 1},
	{Name: "the same as the second, a chain of 1,000 entries a block", Partitions: 1, ATS: 20, Workers: 12, Database: 12, Commits: 7000, BlockSeconds: 6, BlockEntries: 1000, Anchoring: 1},
	{Name: "four partitions, each with a chain of 1,000 entries a block", Partitions: 4, ATS: 6, Workers: 4, Database: 4, Commits: 7000, BlockSeconds: 6, BlockEntries: 1000, Anchoring: 0.5},
}

// seed is that of the arrivals.
const seed = 1

// tables renders everything that depends on the measurement.
func tables(m measurement) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	say("Measured on %s, on %d shared processors (%s), %s.\n\n", m.At.Format("2 January 2006"), m.CPUs, m.CPU, m.Go)
	say("| one registration | SQLite | Postgres |\n|---|---|---|\n")
	row := func(what string, of func(Costs) string) {
		say("| %s | %s | %s |\n", what, of(m.SQLite), of(m.Postgres))
	}
	ms := func(v float64) string { return fmt.Sprintf("%.1f ms", v) }
	row("processor of the server, until final", func(c Costs) string { return ms(c.ServerMS) })
	row("processor of the database, until final", func(c Costs) string {
		if c.DatabaseMS == 0 {
			return "in the server"
		}
		return ms(c.DatabaseMS)
	})
	row("processor of the server, each further MiB of the recording", func(c Costs) string { return ms(c.MiBMS) })
	row("processor of the server, its certificate", func(c Costs) string { return ms(c.CertificateMS) })
	row("processor of the database, its certificate", func(c Costs) string {
		if c.CertificateDBMS == 0 {
			return "in the server"
		}
		return ms(c.CertificateDBMS)
	})
	row("commits, until final", func(c Costs) string { return fmt.Sprintf("%.1f", c.Commits) })
	row("write-ahead log, with its certificate", func(c Costs) string {
		if c.WAL == 0 {
			return "not measured"
		}
		return bytes(c.WAL + c.CertificateWAL)
	})
	row("growth of the database", func(c Costs) string { return bytes(c.Stored) })
	row("HTTP requests to Timbre, beside the progress stream", func(c Costs) string { return fmt.Sprintf("%.1f", c.Requests) })
	row("its certificate's file", func(c Costs) string { return bytes(c.CertificateBytes) })
	row("certificates of one worker, at most", func(c Costs) string { return fmt.Sprintf("%.0f/s", c.CertificatesPerWorker) })
	row("a public page, server and database", func(c Costs) string { return fmt.Sprintf("%.2f + %.2f ms", c.PageMS, c.PageDBMS) })

	scale, highest := day.shape()
	say("\n**%s registrations a day** are %.0f a second on average, %.0f in the evening, and %.0f in the burst. They need:\n\n", thousands(day.PerDay), day.PerDay/86400, day.PerDay/86400*day.Peak*scale, highest*scale)
	first := simulate(m.Postgres, day, plants[1], seed)
	say("- %s of write-ahead log a day, and %s more in the database;\n", bytes(first.WAL), bytes(first.Database))
	say("- %s of recordings and %s of certificates a day;\n", bytes(first.Recordings), bytes(first.Certified))
	say("- %.0f object calls a second on average.\n", first.Objects)

	say("\n### Which part is full first\n\n")
	for _, p := range plants {
		d := simulate(m.Postgres, day, p, seed)
		say("**%s%s**\n\n", strings.ToUpper(p.Name[:1]), p.Name[1:])
		each := ""
		if p.Partitions > 1 {
			each = "Each partition: "
		}
		say("%s%d processors of `ats` and `organizations`, %d processes of `worker`, %g processors of Postgres; %g for anchoring in the worker that does it.\n\n", each, p.ATS, p.Workers, p.Database, p.Anchoring)
		say("| limit | registrations a second | used on average | used at the highest |\n|---|---|---|---|\n")
		for _, part := range d.Parts {
			say("| %s | %s | %.0f %% | %.0f %% |\n", part.Name, thousands(part.Capacity), part.Mean*100, part.Peak*100)
		}
		say("\n%s registrations arrive, and %s are final by the end of the next day. From confirm to final: half within %s, 99 %% within %s, all within %s. At most %s wait for a block, and %s for a certificate (%s).\n\n",
			thousands(d.Arrived), thousands(d.Final), span(d.P50), span(d.P99), span(d.Longest), thousands(d.Backlog), thousands(d.Certificates), certified(d.CertificateHours))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func certified(hours float64) string {
	if math.IsInf(hours, 1) {
		return "some longer than a day"
	}
	return "at most " + span(hours*3600)
}

func span(seconds float64) string {
	switch {
	case math.IsInf(seconds, 1):
		return "more than a day"
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 7200:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}

func bytes(n float64) string {
	for _, unit := range []string{"bytes", "KB", "MB", "GB"} {
		if n < 1000 {
			return fmt.Sprintf("%.3g %s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%.3g TB", n)
}

// thousands writes a whole number with commas.
func thousands(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
