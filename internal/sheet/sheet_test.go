package sheet_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"timbre.example/internal/sheet"
)

func TestCell(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "Song": "Song", "-12": "-12", "12.5": "12.5", "a=b": "a=b", "Ünï": "Ünï",
		"=1+1": "'=1+1", "+1": "'+1", "-1+1": "'-1+1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1",
		" =1": "' =1", "\u00a0=1": "'\u00a0=1", "\u3000＝1": "'\u3000＝1", "＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x", "\ufeff=1": "'\ufeff=1", "-": "'-", "--1": "'--1",
	} {
		if got := sheet.Cell(text); got != want {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
}

func FuzzRow(f *testing.F) {
	for _, s := range []string{"=cmd|' /C calc'!A0", "a,b", "\"quoted\"", "-5", "＝1", "two\r\nlines", "\u200b=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b bytes.Buffer
		w := sheet.NewWriter(&b)
		if err := w.Row(text, "end"); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 1 || len(rows[0]) != 2 {
			t.Fatalf("%q is read as %q, %v", text, rows, err)
		}
		cell := rows[0][0]
		lines := strings.ReplaceAll(text, "\r", "") // the writer makes CRLF of each end of a line
		if cell != lines && cell != "'"+lines {
			t.Fatalf("%q is read as %q", text, cell)
		}
		if strings.ContainsAny(cell[:min(1, len(cell))], "=+@") {
			t.Fatalf("%q is a formula", cell)
		}
	})
}
