// Command timbre is the time-stamp registry in one binary: the server, its demo,
// and the commands that administer its database.
//
// This package only wires the rooms together and reads configuration; it
// decides nothing that a room should.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"time"

	"github.com/alecthomas/kong"

	"timbre.example/fault"
)

// version is set by the release build.
var version = "dev"

type cli struct {
	Demo    demoCmd    `cmd:"" help:"Run everything in one process, with a seeded organization and an integrator's page at /demo/."`
	Serve   serveCmd   `cmd:"" help:"Run the server."`
	Migrate migrateCmd `cmd:"" help:"Bring the database up to this release."`
	Doctor  doctorCmd  `cmd:"" help:"Check database, object store, networks and clock, and say what to do."`
	Org     orgCmd     `cmd:"" help:"Organizations and their settings."`
	Keys    keysCmd    `cmd:"" help:"Key pairs: a public site key and the secret key that mints its sessions."`
	Origins originsCmd `cmd:"" help:"Which sites may embed an organization's widget."`
	Credits creditsCmd `cmd:"" help:"An organization's credits."`
	Works   worksCmd   `cmd:"" help:"Registered works."`
	Verify  verifyCmd  `cmd:"" help:"Check the evidence of a work, offline: without a server, a database or a network."`
	Errors  errorsCmd  `cmd:"" help:"The error catalogue."`

	Version kong.VersionFlag `help:"Print the version."`
}

// The exit codes.
const (
	exitDone    = 0
	exitRefused = 1 // refused, a check that said no, or not proved
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("timbre"),
		kong.Description("A time-stamp registry for songs and other creative works. Flags that name a variable can also be set in the environment."),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) {
			if exit < 0 {
				exit = code
			}
		}), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Vars{"version": version},
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(readTime)))
	if err != nil {
		panic(err) // the structs above are wrong
	}
	ctx, err := parser.Parse(args)
	if exit >= 0 { // --help, --version
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "timbre: %v\nRun timbre --help.\n", err)
		return exitUsage
	}
	err = ctx.Run(&output{stdout, stderr})
	if err == nil {
		return exitDone
	}
	var f *fault.Error
	if errors.As(err, &f) {
		fmt.Fprintf(stderr, "timbre: %s: %s\n", f.Code, f.Message())
		if cause := errors.Unwrap(f); cause != nil {
			fmt.Fprintf(stderr, "  %v\n", cause)
		}
		if list, ok := f.Details["fields"].([]fault.Field); ok {
			for _, one := range list {
				fmt.Fprintf(stderr, "  %s: %s\n", one.Field, one.Message)
			}
		}
	} else {
		fmt.Fprintf(stderr, "timbre: %v\n", err)
	}
	return exitRefused
}

// readTime reads a flag or variable that is a time, and says in our words, not in
// Go's, what one is.
func readTime(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("time", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`a time reads like "90s", "10m" or "8760h" (which is a year), not %q`, text)
	}
	target.SetInt(int64(d))
	return nil
}

// output is where a command writes.
type output struct{ out, err io.Writer }

// print writes a result: as JSON, or in words.
func (o *output) print(asJSON bool, v any, words func(w io.Writer)) error {
	if !asJSON {
		words(o.out)
		return nil
	}
	e := json.NewEncoder(o.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
