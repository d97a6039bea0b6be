package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"timbre.example/internal/fault"
)

type errorsCmd struct {
	List    errorsList    `cmd:"" help:"List every error code."`
	Explain errorsExplain `cmd:"" help:"Explain an error code: its meaning, its cause and what to do."`
}

type errorsList struct {
	JSON bool `help:"Print JSON, the same as /docs/errors.json."`
}

func (c *errorsList) Run(o *output) error {
	return o.print(c.JSON, fault.All(), func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		defer t.Flush()
		for _, e := range fault.All() {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.Code, orDash(e.Status), e.Class, e.Message)
		}
	})
}

type errorsExplain struct {
	Code string `arg:"" example:"registration.duplicate_title" help:"Error code, for example registration.duplicate_title."`
	JSON bool   `help:"Print JSON."`
}

func (c *errorsExplain) Run(o *output) error {
	e, ok := fault.Lookup(fault.Code(c.Code))
	if !ok {
		return fmt.Errorf("unknown code %q; the most similar ones are %s", c.Code, strings.Join(closest(c.Code), ", "))
	}
	return o.print(c.JSON, e, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s\n\nCause:      %s\nWhat to do: %s\n\n", e.Code, e.Message, e.Cause, e.Action)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		defer t.Flush()
		fmt.Fprintf(t, "status\t%s\nclass\t%s\n", orDash(e.Status), e.Class)
		if e.Stage != "" {
			fmt.Fprintf(t, "field\t%s\n", e.Stage)
		}
		for _, d := range e.Details {
			fmt.Fprintf(t, "details.%s\t%s\n", d.Name, d.Meaning)
		}
		if e.Rehearse != "" {
			fmt.Fprintf(t, "rehearsed at\t%s, by a mint with a test key and \"rehearse\": %q\n", e.Rehearse, e.Code)
		}
		fmt.Fprintf(t, "more\tPUBLIC_URL/docs/errors#%s\n", e.Code)
	})
}

func orDash(status int) string {
	if status == 0 {
		return "-" // only the browser raises this code
	}
	return fmt.Sprint(status)
}

// closest returns the three codes that are most similar to asked: first codes that
// contain it, then by the number of letters that differ.
func closest(wanted string) []string {
	var codes []string
	distance := map[string]int{}
	for _, e := range fault.All() {
		code := string(e.Code)
		codes = append(codes, code)
		distance[code] = edits(wanted, code)
		if wanted != "" && strings.Contains(code, wanted) {
			distance[code] = -1
		}
	}
	slices.SortStableFunc(codes, func(a, b string) int { return distance[a] - distance[b] })
	return codes[:3]
}

// edits returns the Levenshtein distance: letters to insert, remove or change.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
