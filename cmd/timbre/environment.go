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

// environment looks at the variables before any is used. One that a flag of the
// command cannot take is refused by its own name. So is one that no flag of any
// command has and that looks like a slip: a server would start without what the
// variable was to say. Any other unknown one is only named.
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
			break // what comes after the first that is set is not read
		}
	}
	known := variables(ctx.Model.Node)
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "TIMBRE_") || slices.Contains(known, name) || foreign(name) {
			continue
		}
		near, distance := nearest(name, known)
		if base, ok := strings.CutSuffix(name, "_FILE"); ok && slices.Contains(known, base) {
			return usageError{fmt.Errorf("%s is not a variable of timbre: %s has no form that names a file. Set %s itself, or remove %s", name, base, base, name)}
		}
		if distance <= 2 {
			return usageError{fmt.Errorf("%s is not a variable of timbre. Did you mean %s? Correct it, or remove it", name, near)}
		}
		fmt.Fprintf(stderr, "timbre: warning: %s is not a variable of timbre and is not read. The nearest is %s.\n", name, near)
	}
	return nil
}

// variables are the names of all variables that some flag reads.
func variables(n *kong.Node) (all []string) {
	for _, flag := range n.Flags {
		all = append(all, flag.Tag.Envs...)
	}
	for _, child := range n.Children {
		all = append(all, variables(child)...)
	}
	return all
}

// foreign variables begin as ours do and are none: Kubernetes sets TIMBRE_PORT and
// the like beside a service of the name timbre; the tests have their own.
func foreign(name string) bool {
	rest := strings.TrimPrefix(name, "TIMBRE_")
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_") ||
		strings.HasPrefix(rest, "TEST_") || rest == "SCREENSHOTS" || rest == "CRASH_AT"
}

// nearest is the known name that is most like another, and by how many letters it differs.
func nearest(name string, known []string) (near string, distance int) {
	for _, one := range known {
		if d := edits(name, one); near == "" || d < distance {
			near, distance = one, d
		}
	}
	return near, distance
}
