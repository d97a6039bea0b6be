package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"timbre.example/client"
	"timbre.example/internal/bulk"
)

// registerCmd registers songs through the organization API.
type registerCmd struct {
	Path string `arg:"" optional:"" example:"albums" help:"A recording, a folder with recordings (also in folders below it), or a list (.csv or .json)."`

	URL           string        `env:"TIMBRE_URL" example:"https://ats.example" placeholder:"URL" help:"Address of the server."`
	APIKeyFile    string        `name:"api-key-file" env:"TIMBRE_API_KEY_FILE" example:"key.txt" placeholder:"FILE" help:"File with an API key that has the scope works:register, and works:read for --save. Without this flag, the variable TIMBRE_API_KEY has the key."`
	Network       string        `example:"testnet" placeholder:"NETWORK" help:"Where the songs are registered: testnet or mainnet."`
	Creator       []string      `example:"'Ada Example <ada@songs.example>'" sep:"none" placeholder:"CREATOR" help:"A creator of each song without creators in the list, as 'NAME <E-MAIL>'. Can be repeated. Without it, the composers or the artist of the tags are the creators."`
	Email         string        `example:"rights@songs.example" placeholder:"E-MAIL" help:"E-mail address of creators without one. Tags have none."`
	Roles         string        `example:"author,composer" placeholder:"ROLES" help:"Roles of creators without any: author, composer, arranger, adapter, separated by commas."`
	Ref           string        `example:"user-17" placeholder:"REF" help:"End-user to whom songs without another one in the list belong. Without it they belong to the organization."`
	TitleFromName bool          `help:"Take the name of the file as the title of a song without a title in the list and in its tags."`
	Language      string        `example:"fr" placeholder:"LANGUAGE" help:"Language of the certificates, such as fr."`
	HashOnly      bool          `help:"Register the hashes: the recordings stay here, and are not uploaded."`
	Parallel      int           `example:"8" default:"8" placeholder:"N" help:"Number of songs that are sent at once, 1 to 64 (default: ${default})."`
	DryRun        bool          `help:"Ask for the prices, and register nothing. Only descriptions and hashes are sent. The prices are without storage."`
	MaxCost       *int64        `example:"5000" placeholder:"CREDITS" help:"Stop before all songs of the journal together cost more than this many credits."`
	Journal       string        `example:"songs.journal" type:"path" placeholder:"FILE" help:"Journal, by which the command continues after an interruption. It has access codes, so keep it secret. By default it is timbre-register.NETWORK.journal, beside the list or in the folder."`
	Report        []string      `example:"report.csv" sep:"none" placeholder:"FILE" help:"Write a report when the command ends: FILE ends with .csv or .json. Can be repeated."`
	Save          string        `example:"proofs" type:"path" placeholder:"DIR" help:"Folder for the evidence and the certificate of each song. It is created."`
	AccessCodes   string        `example:"codes.csv" type:"path" placeholder:"FILE" help:"Write the access codes of the songs as CSV. Each code opens its work, so keep the file secret."`
	Wait          time.Duration `example:"5m" default:"5m" placeholder:"TIME" help:"How long a call is repeated while the server does not answer, at most 24h (default: ${default})."`
	JSON          bool          `name:"json" help:"Print the report as JSON when the command ends."`
	Template      string        `example:"csv" placeholder:"FORMAT" help:"Print a list to fill in, csv or json, and end: of the recordings in a folder, with their tags, or of two examples."`
}

// Help says how the command continues, and its exit codes.
func (registerCmd) Help() string {
	return `Registers each song once, also after an interruption: run the same command again. The
command first prints everything that the list lacks, for all songs, and sends nothing. The
page docs/register.md has examples.

Exit codes:
  0    every song is registered
  1    some songs are not registered: the report says why
  2    a flag, the list or the journal is wrong, and nothing was sent
  11   no song is registered
  130  interrupted: run the same command again`
}

// songs reads the list, and says what is wrong with it.
func (c *registerCmd) songs() (*bulk.List, error) {
	if c.Path == "" {
		return nil, usageError{errors.New("give a recording, a folder or a list")}
	}
	list, err := bulk.Read(c.Path)
	if missing := (*bulk.Missing)(nil); errors.As(err, &missing) {
		return list, err
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return nil, &wrong{name: "path", why: plainly(err), text: c.Path}
	}
	if err != nil { // of the text of a list: another path would not help
		return nil, usageError{fmt.Errorf("%s: %w%s", shellWord(c.Path), err, meant(err))}
	}
	if len(list.Items) == 0 {
		return nil, &wrong{name: "path", why: "it has no recordings", text: c.Path}
	}
	return list, nil
}

// meant names the columns that the unknown ones of a list are probably.
func meant(err error) (text string) {
	unknown := (*bulk.UnknownColumns)(nil)
	if !errors.As(err, &unknown) {
		return ""
	}
	for _, name := range unknown.Names {
		if near, letters := nearest(strings.ToLower(name), unknown.Known); letters <= 2 {
			text += fmt.Sprintf(" For %q, did you mean %s?", name, near)
		}
	}
	if text != "" {
		text = "." + text
	}
	return text
}

// defaults are what the flags say of every song.
func (c *registerCmd) defaults() (d bulk.Defaults, err error) {
	d = bulk.Defaults{Email: c.Email, Roles: bulk.ParseRoles(c.Roles), TitleFromName: c.TitleFromName, Ref: c.Ref}
	for _, r := range d.Roles {
		if !slices.Contains(bulk.Roles, r) {
			return d, wrongf("roles", "must be some of author, composer, arranger and adapter")
		}
	}
	if c.Email != "" {
		if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email {
			return d, wrongf("email", "must be an e-mail address")
		}
	}
	for _, text := range c.Creator {
		a, err := mail.ParseAddress(text)
		if err != nil || a.Name == "" {
			return d, wrongf("creator", "must be a name and an e-mail address, such as 'Ada Example <ada@songs.example>'")
		}
		d.Creators = append(d.Creators, client.Creator{FullName: a.Name, Email: a.Address})
	}
	return d, nil
}

// client returns the client of the server, with the key of the file or of the variable.
func (c *registerCmd) client(transport http.RoundTripper) (*client.Client, error) {
	if c.URL == "" {
		return nil, wrongf("url", "is required")
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		return nil, wrongf("url", "must begin with https:// or http://, and have a host and no password")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, wrongf("url", "must be the address of the server, without a path: %s://%s", u.Scheme, u.Host)
	}
	key := strings.TrimSpace(os.Getenv("TIMBRE_API_KEY"))
	if c.APIKeyFile != "" {
		if warning, err := guarded("api-key-file", "API key", c.APIKeyFile); err != nil {
			return nil, err
		} else if warning != "" {
			return nil, wrongf("api-key-file", "%s", warning)
		}
		text, err := os.ReadFile(c.APIKeyFile)
		if err != nil {
			return nil, wrongf("api-key-file", "cannot be read: %s", plainly(err))
		}
		key = strings.TrimSpace(string(text))
	}
	switch {
	case key == "" && c.APIKeyFile == "":
		return nil, usageError{errors.New("an API key is required: set the variable TIMBRE_API_KEY, or give a file with --api-key-file")}
	case !strings.HasPrefix(key, "afo_sk_") && c.APIKeyFile == "":
		return nil, usageError{errors.New("TIMBRE_API_KEY: has no API key: a key begins with afo_sk_")}
	case !strings.HasPrefix(key, "afo_sk_"):
		return nil, wrongf("api-key-file", "has no API key: a key begins with afo_sk_")
	}
	wait := c.Wait
	if wait == 0 {
		wait = -1 // one attempt: 0 is the client's own time
	}
	calls, err := client.New(client.Config{URL: c.URL, APIKey: key, Wait: wait, HTTP: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		return nil, wrongf("url", "%s", strings.TrimPrefix(err.Error(), "client: "))
	}
	return calls, nil
}

// languages is the form of Accept-Language, more or less.
var languages = regexp.MustCompile(`^[A-Za-z0-9,;=.* -]{0,100}$`)

// writable reports why a file cannot be written later.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is not a file")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".timbre-*") // as it is written in the end
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// check refuses wrong flags.
func (c *registerCmd) check() error {
	switch {
	case c.Network != string(client.Testnet) && c.Network != string(client.Mainnet):
		return wrongf("network", "must be testnet or mainnet")
	case c.Parallel < 1 || c.Parallel > 64:
		return wrongf("parallel", "must be 1 to 64")
	case c.Wait < 0 || c.Wait > 24*time.Hour:
		return wrongf("wait", "must be 0s to 24h")
	case c.MaxCost != nil && *c.MaxCost < 0:
		return wrongf("max-cost", "must be 0 or more")
	case len(c.Ref) > 255:
		return wrongf("ref", "must have at most 255 bytes")
	case !languages.MatchString(c.Language):
		return wrongf("language", "must be a list of languages, such as fr")
	}
	for _, path := range c.Report {
		if ext := strings.ToLower(filepath.Ext(path)); ext != ".csv" && ext != ".json" {
			return wrongf("report", "must end with .csv or .json")
		}
		if err := writable(path); err != nil {
			return wrongf("report", "cannot be written: %s", plainly(err))
		}
	}
	if c.AccessCodes != "" {
		if err := writable(c.AccessCodes); err != nil {
			return wrongf("access-codes", "cannot be written: %s", plainly(err))
		}
	}
	if c.Save != "" {
		if _, err := folder("save", c.Save); err != nil {
			return err
		}
	}
	return nil
}

func (c *registerCmd) Run(o *output) error {
	if c.Template != "" {
		if c.Template != "csv" && c.Template != "json" {
			return wrongf("template", "must be csv or json")
		}
		return c.template(o)
	}
	list, unread := c.songs()
	if list == nil {
		return unread
	}
	if err := c.check(); err != nil {
		return err
	}
	defaults, err := c.defaults()
	if err != nil {
		return err
	}
	transport := newTransport()
	calls, err := c.client(transport)
	if err != nil {
		return err
	}
	run := &bulk.Run{Client: calls, DryRun: c.DryRun, Network: client.Network(c.Network), Parallel: c.Parallel, MaxCost: -1, HashOnly: c.HashOnly, Language: c.Language, Save: c.Save}
	if c.MaxCost != nil {
		run.MaxCost = *c.MaxCost
	}
	journal := cmp.Or(c.Journal, filepath.Join(list.Folder, "timbre-register."+c.Network+".journal"))
	open := bulk.OpenJournal
	if c.DryRun || unread != nil {
		open = bulk.ReadJournal
	}
	if run.Journal, err = open(journal, strings.TrimRight(c.URL, "/"), c.Network); err != nil {
		return wrongf("journal", "%s cannot be used: %s", shellWord(journal), plainly(err))
	}
	defer func() { _ = run.Journal.Close() }() // after an early return; otherwise its error was returned already
	if err := bulk.Together(unread, bulk.Complete(list.Items, defaults, run.Journal.Done)); err != nil {
		return c.incomplete(list, run.Journal, err)
	}
	if n := len(list.Unlisted); n > 0 {
		const shown = 3
		text := strings.Join(list.Unlisted[:min(n, shown)], ", ")
		if n > shown {
			text += ", …"
		}
		fmt.Fprintf(o.err, "%s beside those of the list: not in the list, and not registered: %s\n", plural(n, "recording"), oneLine(text))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // a person runs it beside other programs, and it makes little garbage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := newProgress(o.err, list, c.DryRun)
	transport.told.Store(p)
	run.Moved, run.Ended = p.moved, p.ended
	out, err := run.Do(ctx, list.Items)
	p.close()
	unwritten := c.write(o, run, out)
	err = errors.Join(err, run.Journal.Close())
	return errors.Join(unwritten, c.conclude(o, out, p, err))
}

// template prints a list to fill in: with the songs of a folder, their tags and the flags, or with examples.
func (c *registerCmd) template(o *output) error {
	var items []bulk.Item
	if c.Path != "" {
		list, err := c.songs()
		if list == nil {
			return err
		}
		defaults, wrong := c.defaults()
		if wrong != nil {
			return wrong
		}
		if items = list.Items; err == nil {
			err = bulk.Complete(items, defaults, func(*bulk.Item) bool { return false })
		}
		if missing := (*bulk.Missing)(nil); err != nil && !errors.As(err, &missing) {
			return err
		} // what is missing is to be filled in
	}
	return o.write(func(w io.Writer) error { return bulk.Template(w, c.Template, items) })
}

// incomplete writes the reports of a list with problems: a person reads some of them here, and all of them there.
func (c *registerCmd) incomplete(list *bulk.List, j *bulk.Journal, err error) error {
	missing := (*bulk.Missing)(nil)
	if !errors.As(err, &missing) {
		return usageError{err}
	}
	text := missing.Error()
	if flags := missing.Flags(); len(flags) > 0 {
		text += "\nThese flags complete all songs: " + strings.Join(flags, ", ") + ". "
		if list.Items[0].Row > 0 {
			text += "Or complete the list"
		} else {
			dir := c.Path
			if info, err := os.Stat(dir); err == nil && !info.IsDir() {
				dir = filepath.Dir(dir)
			}
			text += fmt.Sprintf("Or make a list, and complete it: timbre register %s --template csv > %s", shellWord(c.Path), shellWord(filepath.Join(dir, "songs.csv")))
		}
	}
	if len(c.Report) > 0 {
		if err := c.reports(j, missing.Outcomes(list.Items)); err != nil {
			return err
		}
		text += "\nThe report has each of them"
	}
	return usageError{errors.New(text)}
}

// reports writes the reports.
func (c *registerCmd) reports(j *bulk.Journal, out []bulk.Outcome) error {
	for _, path := range c.Report {
		write := j.WriteCSV
		if strings.EqualFold(filepath.Ext(path), ".json") {
			write = j.WriteJSON
		}
		if err := bulk.Replace(path, func(w io.Writer) error { return write(w, out) }); err != nil {
			return fmt.Errorf("write the report %s: %s", shellWord(path), plainly(err))
		}
	}
	return nil
}

// write writes the reports and the access codes.
func (c *registerCmd) write(o *output, run *bulk.Run, out []bulk.Outcome) error {
	if err := c.reports(run.Journal, out); err != nil {
		return err
	}
	if c.AccessCodes != "" && !c.DryRun {
		if err := bulk.Replace(c.AccessCodes, func(w io.Writer) error { return run.Journal.AccessCodes(w, out) }); err != nil {
			return fmt.Errorf("write the access codes: %s", plainly(err))
		}
	}
	if c.JSON {
		return o.write(func(w io.Writer) error { return run.Journal.WriteJSON(w, out) })
	}
	return nil
}

// conclude prints the numbers of the run, and returns its exit code as an error. why is the reason of an early end.
func (c *registerCmd) conclude(o *output, out []bulk.Outcome, p *progress, why error) error {
	if !c.JSON {
		fmt.Fprint(terminal{o.out}, p.summary())
	}
	interrupted := errors.Is(why, context.Canceled)
	registered, unsaved := 0, 0
	for _, one := range out {
		if one.Status == bulk.Registered || one.Status == bulk.Priced {
			registered++
		}
		if one.Unsaved != "" {
			unsaved++
		}
	}
	switch left := len(out) - registered; {
	case interrupted:
		return exitError{exitInterrupted, errors.New("interrupted. Run the same command again: it continues, and registers no song twice")}
	case why != nil:
		why = c.located(why)
		return exitError{c.code(registered), fmt.Errorf("stopped: %w. Correct the cause, and run the same command again", why)}
	case left > 0:
		return exitError{c.code(registered), fmt.Errorf("%s not registered", plural(left, "song"))}
	case unsaved > 0:
		return exitError{exitRefused, fmt.Errorf("the files of %s not saved. Run the same command again", plural(unsaved, "song"))}
	}
	return nil
}

// located says which flag or variable a refusal concerns that is not of a song.
func (c *registerCmd) located(why error) error {
	e := (*client.Error)(nil)
	if !errors.As(why, &e) {
		return why
	}
	switch {
	case bulk.OfKey(e) && c.APIKeyFile != "":
		return fmt.Errorf("the server refuses the API key of the file %s: %w", shellWord(c.APIKeyFile), e)
	case bulk.OfKey(e):
		return fmt.Errorf("the server refuses the API key of TIMBRE_API_KEY: %w", e)
	case (e.Code == "" || e.Code == client.CodeCommonNotFound) && e.Status < http.StatusBadGateway && strings.HasPrefix(why.Error(), "POST /v1/works/init: "):
		// the first call of a song: a later one may have reached the store of the server
		return fmt.Errorf("--url must be the address of a Timbre server: %w", e)
	}
	return why
}

func (c *registerCmd) code(registered int) int {
	if registered == 0 && !c.DryRun {
		return exitNone
	}
	return exitRefused
}
