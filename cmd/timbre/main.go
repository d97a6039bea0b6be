// Command timbre is the time-stamp registry in one binary: the server, its demo,
// and the commands that administer its database.
//
// This package reads the configuration and connects the other packages. It decides nothing
// about works: the rules of the registry are in those packages.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"
	_ "golang.org/x/crypto/x509roots/fallback" // for a container image without root certificates

	"timbre.example/internal/fault"
)

type cli struct {
	Demo     demoCmd     `cmd:"" help:"Run everything in one process, with a ready organization and an example page at /demo/."`
	Serve    serveCmd    `cmd:"" help:"Run the server."`
	Migrate  migrateCmd  `cmd:"" help:"Update the database's schema to this release."`
	Health   healthCmd   `cmd:"" help:"Ask the server of this machine whether it answers: for the health check of a container."`
	Doctor   doctorCmd   `cmd:"" help:"Check the configuration, the database, the object store, the networks and the clock, and say how to correct errors."`
	Org      orgCmd      `cmd:"" help:"Manage organizations and their settings."`
	People   peopleCmd   `cmd:"" help:"Invite people to organizations, and make links for new passwords."`
	Keys     keysCmd     `cmd:"" help:"Manage key pairs: a public site key, and the secret key that creates its sessions."`
	APIKeys  apikeysCmd  `cmd:"" name:"apikeys" help:"Manage the API keys of an organization's backends."`
	Secret   secretCmd   `cmd:"" help:"Derive files with only the keys of some roles from the server's secret."`
	Sessions sessionsCmd `cmd:"" help:"List and end running sessions."`
	Origins  originsCmd  `cmd:"" help:"Manage the origins (websites) that can embed an organization's widget."`
	Credits  creditsCmd  `cmd:"" help:"Grant credits to an organization, and show its balance."`
	Audit    auditCmd    `cmd:"" help:"List the changes to organizations, and verify that no one edited the list."`
	Works    worksCmd    `cmd:"" help:"Write a registered work's certificate or evidence, or erase its personal data."`
	Log      logCmd      `cmd:"" help:"Read a log as anyone can; change the key of the built-in log, end it, or repair it after a restore."`
	Chain    chainCmd    `cmd:"" help:"Print what people need to check evidence on a chain."`
	Devnet   devnetCmd   `cmd:"" help:"Run the real runtime of a chain in this process, from its chain spec: for development and tests."`
	Witness  witnessCmd  `cmd:"" help:"Cosign the checkpoints of the logs of others."`
	Register registerCmd `cmd:"" help:"Register a recording, a folder or a list of songs, with an API key."`
	Verify   verifyCmd   `cmd:"" help:"Check the evidence of a work, offline: without a server, a database or a network."`
	Evidence evidenceCmd `cmd:"" help:"Add statements of others to evidence."`
	Errors   errorsCmd   `cmd:"" help:"List and explain error codes."`

	// The function words turns both into the flags of these names.
	Help    helpCmd    `cmd:"" help:"Show the help of a command, as --help does: timbre help serve."`
	Version versionCmd `cmd:"" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

type helpCmd struct {
	Command []string `arg:"" optional:"" help:"The command, for example: keys create." example:"serve"`
}

type versionCmd struct{}

// words replaces the commands help and version by the flags --help and --version. It
// returns --help when there are no arguments.
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

func main() {
	private()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	exit := -1
	in := invocation{args: words(args)}
	parser, err := kong.New(&c, append(mappers(), kong.Name("timbre"),
		kong.Description("A time-stamp registry for songs and other creative works. A flag with a variable ($TIMBRE_…) can also be set in the environment."),
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

// logsJSON reports whether the command is a server with a log in JSON. Its errors at the
// start are then also lines of that log.
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

// log writes an error as a line of the server's log.
func (in invocation) log(w io.Writer, err error) {
	serverFlags{LogFormat: "json"}.logger(w).Error("ended", "error", in.say(err))
}
