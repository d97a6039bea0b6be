package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// environment checks the environment variables before any is used. It refuses:
//   - a variable whose value its flag cannot take; the error names the variable;
//   - an unknown variable that looks like a typing error, because the server would
//     otherwise start without that setting.
//
// For any other unknown TIMBRE_ variable it prints a warning.
func environment(ctx *kong.Context, stderr io.Writer) error {
	for _, flag := range ctx.Flags() {
		for _, name := range flag.Tag.Envs {
			text, ok := os.LookupEnv(name)
			if !ok {
				continue
			}
			scratch := reflect.New(flag.Target.Type()).Elem()
			err := flag.Parse(kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: text}), scratch)
			if w := (*wrong)(nil); errors.As(err, &w) {
				return w
			}
			break // only the first variable that is set is read
		}
	}
	known := append(variables(ctx.Model.Node), "TIMBRE_API_KEY") // the command register reads it: no flag may have a key
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "TIMBRE_") || slices.Contains(known, name) || foreign(name) {
			continue
		}
		near, distance := nearest(name, known)
		if base, ok := strings.CutSuffix(name, "_FILE"); ok && slices.Contains(known, base) {
			return usageError{fmt.Errorf("%s is not a variable of timbre: %s cannot be read from a file. Set %s itself, or remove %s", name, base, base, name)}
		}
		if distance <= 2 {
			return usageError{fmt.Errorf("%s is not a variable of timbre. Did you mean %s? Correct it, or remove it", name, near)}
		}
		fmt.Fprintf(stderr, "timbre: warning: %s is not a variable of timbre and is ignored. The most similar one is %s.\n", name, near)
	}
	return nil
}

// variables returns the names of all variables that flags read.
func variables(n *kong.Node) (all []string) {
	for _, flag := range n.Flags {
		all = append(all, flag.Tag.Envs...)
	}
	for _, child := range n.Children {
		all = append(all, variables(child)...)
	}
	return all
}

// foreign reports whether a variable that begins with TIMBRE_ belongs to another program.
// Kubernetes sets TIMBRE_PORT and similar ones next to a service with the name timbre;
// the tests have variables of their own.
func foreign(name string) bool {
	rest := strings.TrimPrefix(name, "TIMBRE_")
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_") ||
		strings.HasPrefix(rest, "TEST_") || rest == "SCREENSHOTS" || rest == "CRASH_AT"
}

// nearest returns the known name that is most similar, and the number of letters that
// differ.
func nearest(name string, known []string) (near string, distance int) {
	for _, one := range known {
		if d := edits(name, one); near == "" || d < distance {
			near, distance = one, d
		}
	}
	return near, distance
}
