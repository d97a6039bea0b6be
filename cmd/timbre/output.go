package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// output is where a command writes, and how it formats errors.
type output struct {
	out, err io.Writer
	say      func(error) string
}

// print writes a result as JSON, or as text for people.
func (o *output) print(asJSON bool, v any, words func(w io.Writer)) error {
	if !asJSON {
		words(terminal{o.out})
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := o.out.Write(escaped(b.Bytes()))
	return err
}

// line prints a value as JSON in one line.
func (o *output) line(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := o.out.Write(escaped(b.Bytes()))
	return err
}

// write writes a file, such as CSV, as it is.
func (o *output) write(file func(w io.Writer) error) error { return file(o.out) }

// tellFork prints two checkpoints of a log that contradict each other.
func tellFork(o *output, older, newer string) {
	fmt.Fprintf(o.err, "\nThe log signed these two checkpoints. Publish both.\n\n%s\n%s\n", older, newer)
}

func plural64(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
