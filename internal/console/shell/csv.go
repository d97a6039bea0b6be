package shell

import (
	"encoding/csv"
	"io"
	"strings"
)

// WriteCSV writes rows as CSV, as RFC 4180 describes. A cell that a spreadsheet would take for a
// formula begins with an apostrophe instead. next returns false after the last row.
func WriteCSV(w io.Writer, header []string, next func() (row []string, more bool, err error)) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	write := func(row []string) error {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = harmless(cell)
		}
		return out.Write(safe)
	}
	if err := write(header); err != nil {
		return err
	}
	for {
		row, more, err := next()
		if err != nil || !more {
			out.Flush()
			if err == nil {
				err = out.Error()
			}
			return err
		}
		if err := write(row); err != nil {
			return err
		}
	}
}

// harmless returns a cell that no spreadsheet evaluates. Spreadsheets skip leading white space, and
// some fold full-width signs. A plain number stays a number, also a negative one.
func harmless(cell string) string {
	trimmed := strings.TrimLeft(cell, " \t\r\n\u00a0\ufeff")
	if trimmed == "" || number(trimmed) {
		return cell
	}
	if strings.ContainsAny(trimmed[:1], "=+-@|%") || strings.HasPrefix(trimmed, "＝") || strings.HasPrefix(trimmed, "＋") ||
		strings.HasPrefix(trimmed, "－") || strings.HasPrefix(trimmed, "＠") || cell[0] == '\t' || cell[0] == '\r' || cell[0] == '\n' {
		return "'" + cell
	}
	return cell
}

// number reports whether a cell is a whole number.
func number(cell string) bool {
	digits := strings.TrimPrefix(cell, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}
