// Package sheet writes CSV that is safe to open in a spreadsheet program. The program runs a
// cell that begins like a formula, so such a cell gets an apostrophe at its beginning.
//
// The package never reads a file, and does not know what a cell means.
package sheet

import (
	"encoding/csv"
	"io"
	"regexp"
	"strings"
)

// Writer writes rows of a CSV file (RFC 4180, UTF-8).
type Writer struct{ csv *csv.Writer }

// NewWriter returns a Writer to w. Call Flush after the last row.
func NewWriter(w io.Writer) Writer {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return Writer{c}
}

// Row writes one row.
func (w Writer) Row(cells ...string) error {
	safe := make([]string, len(cells))
	for i, c := range cells {
		safe[i] = Cell(c)
	}
	return w.csv.Write(safe)
}

// Flush writes everything, and returns the first error of any write.
func (w Writer) Flush() error {
	w.csv.Flush()
	return w.csv.Error()
}

var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// Cell returns a text that no spreadsheet program takes for a formula. Numbers stay as they
// are. Programs skip white space, and read full-width signs like the usual ones.
func Cell(text string) string {
	start := strings.TrimLeft(text, " \u00a0\u3000\ufeff\u200b")
	if start == "" || number.MatchString(text) || !strings.ContainsAny(start[:1], "=+-@\t\r\n|%") && !strings.HasPrefix(start, "＝") && !strings.HasPrefix(start, "＋") && !strings.HasPrefix(start, "－") && !strings.HasPrefix(start, "＠") {
		return text
	}
	return "'" + text
}
