package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"timbre.example/evidence"
)

// verifyCmd checks evidence offline: it opens the files it is given and nothing else.
type verifyCmd struct {
	Evidence string `arg:"" type:"existingfile" help:"Evidence, as JSON."`
	Media    string `type:"existingfile" help:"The recording."`
	LogKey   string `help:"The log's verifier key, from a source that you trust."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

var errNotProved = errors.New("the evidence does not hold")

func (c *verifyCmd) Run(o *output) error {
	f, err := os.Open(c.Evidence)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	e, err := evidence.Decode(f)
	if err != nil {
		return err
	}
	opts := evidence.Options{Key: c.LogKey}
	if c.Media != "" {
		m, err := os.Open(c.Media)
		if err != nil {
			return err
		}
		defer func() { _ = m.Close() }()
		opts.Media = m
	}
	report, err := evidence.Verify(e, opts)
	if err != nil {
		return err
	}
	result := struct {
		OK     bool            `json:"ok"`
		Checks evidence.Report `json:"checks"`
	}{report.OK(), report}
	if err := o.print(c.JSON, result, func(w io.Writer) {
		for _, one := range report {
			fmt.Fprintf(w, "%-12s %s\n", strings.ReplaceAll(string(one.Status), "_", " "), one.Proves)
			if one.Why != "" {
				fmt.Fprintf(w, "%-12s (%s)\n", "", one.Why)
			}
		}
	}); err != nil {
		return err
	}
	if !result.OK {
		return errNotProved
	}
	return nil
}
