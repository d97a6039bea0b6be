// Command timbre is the time-stamp registry in one binary: the server, its demo,
// and the commands that administer its database.
//
// This package only wires the rooms together and reads configuration; it
// decides nothing that a room should.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"github.com/alecthomas/kong"
	_ "golang.org/x/crypto/x509roots/fallback" // an image without files has no root certificates

	"timbre.example/fault"
)

// release is the version that the release build sets with -X; "" in every other build. It
// has no initial value here: one that is computed would replace what -X set.
var release string

// version is what this binary was built from: a release, or a commit.
var version = built()

func built() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

type cli struct {
	Demo     demoCmd     `cmd:"" help:"Run everything in one process, with a seeded organization and an integrator's page at /demo/."`
	Serve    serveCmd    `cmd:"" help:"Run the server."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the database up to this release."`
	Doctor   doctorCmd   `cmd:"" help:"Check database, object store, networks and clock, and say what to do."`
	Org      orgCmd      `cmd:"" help:"Organizations and their settings."`
	Keys     keysCmd     `cmd:"" help:"Key pairs: a public site key and the secret key that mints its sessions."`
	Secret   secretCmd   `cmd:"" help:"The server's secret, and the parts of it that one role needs."`
	Sessions sessionsCmd `cmd:"" help:"Running sessions, to end them."`
	Origins  originsCmd  `cmd:"" help:"Which sites may embed an organization's widget."`
	Credits  creditsCmd  `cmd:"" help:"An organization's credits."`
	Works    worksCmd    `cmd:"" help:"Registered works."`
	Log      logCmd      `cmd:"" help:"The built-in log."`
	Verify   verifyCmd   `cmd:"" help:"Check the evidence of a work, offline: without a server, a database or a network."`
	Errors   errorsCmd   `cmd:"" help:"The error catalogue."`

	// Both are read as the flags of these names: see words.
	Help    helpCmd    `cmd:"" help:"Explain a command, as --help does: timbre help serve."`
	Version versionCmd `cmd:"" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

type helpCmd struct {
	Command []string `arg:"" optional:"" help:"For example: keys create." example:"serve"`
}

type versionCmd struct{}

// words are the arguments with help and version as the flags that they stand for,
// and a call without any as one for help.
func words(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case args[0] == "version" && len(args) == 1:
		return []string{"--version"}
	}
	return args
}

// The exit codes.
const (
	exitDone    = 0
	exitRefused = 1 // refused, a check that said no, or not proved
	exitUsage   = 2
	// The evidence is proved, and the page of its PDF was changed.
	exitPageChanged = 3
)

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	error
}

// usageError is a mistake in the environment, for which no command's help has more to say.
type usageError struct{ error }

func main() {
	private()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	exit := -1
	in := invocation{args: words(args)}
	parser, err := kong.New(&c, append(mappers(), kong.Name("timbre"),
		kong.Description("A time-stamp registry for songs and other creative works. Flags that name a variable can also be set in the environment."),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) {
			if exit < 0 {
				exit = code
			}
		}), kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Vars{"version": version},
		kong.WithBeforeReset(func(ctx *kong.Context) error { return environment(ctx, stderr) }))...)
	if err != nil {
		panic(err) // the structs above are wrong
	}
	ctx, err := parser.Parse(in.args)
	if exit >= 0 { // --help, --version
		return exit
	}
	in.at = ctx
	if parse := (*kong.ParseError)(nil); errors.As(err, &parse) {
		in.at = parse.Context
	}
	stderr = terminal{stderr}
	command := "timbre"
	if in.at != nil && in.at.Selected() != nil {
		command += " " + in.at.Selected().Path()
	}
	if err != nil {
		if in.logsJSON() {
			in.log(stderr, err)
			return exitUsage
		}
		fmt.Fprintf(stderr, "timbre: %s\nRun %s --help.\n", in.say(err), command)
		return exitUsage
	}
	err = ctx.Run(&output{stdout, stderr, in.say})
	if err == nil {
		return exitDone
	}
	if in.logsJSON() {
		in.log(stderr, err)
		if errors.As(err, new(usageError)) || errors.As(err, new(*wrong)) {
			return exitUsage
		}
		return exitRefused
	}
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		fmt.Fprintf(stderr, "timbre: %s: %s\n", f.Code, f.Message())
		if cause := errors.Unwrap(f); cause != nil {
			fmt.Fprintf(stderr, "  %v\n", cause)
		}
		if list, ok := f.Details["fields"].([]fault.Field); ok {
			for _, one := range list {
				fmt.Fprintf(stderr, "  %s: %s\n", one.Field, one.Message)
			}
		}
		return exitRefused
	}
	fmt.Fprintf(stderr, "timbre: %s\n", in.say(err))
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	if own := (exitError{}); errors.As(err, &own) {
		return own.code
	}
	if w := (*wrong)(nil); errors.As(err, &w) {
		fmt.Fprintf(stderr, "Run %s --help.\n", command)
		return exitUsage
	}
	return exitRefused
}

// logsJSON reports whether this is a server whose log is JSON: why it ends without
// having begun is a line of that log.
func (in invocation) logsJSON() bool {
	if in.at == nil || in.at.Selected() == nil {
		return false
	}
	if name := in.at.Selected().Name; name != "serve" && name != "demo" {
		return false
	}
	for _, flag := range in.at.Flags() {
		if flag.Name == "log-format" {
			_, format, _ := in.given(flag)
			return format == "json"
		}
	}
	return false
}

// log writes an error as a line of a server's log.
func (in invocation) log(w io.Writer, err error) {
	serverFlags{LogFormat: "json"}.logger(w).Error("ended", "error", in.say(err))
}

// output is where a command writes, and how it says an error.
type output struct {
	out, err io.Writer
	say      func(error) string
}

// print writes a result: as JSON, or in words.
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
