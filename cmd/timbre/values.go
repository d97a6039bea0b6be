package main

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgconn"

	"timbre.example/internal/limit"
	"timbre.example/internal/network"
)

// wrong is the error of a flag or an argument with an invalid value. The command ends
// with exitUsage. Its message names the flag or variable, the value, and a valid example.
type wrong struct {
	name string // of the flag, without --, or of the argument
	why  string // why the value is invalid, or what a valid one is
	text string // the value, for an argument
}

func (w *wrong) Error() string { return "--" + w.name + ": " + w.why }

// wrongf makes a wrong; why and args are as in fmt.Sprintf.
func wrongf(name, why string, args ...any) error {
	return &wrong{name: name, why: fmt.Sprintf(why, args...)}
}

// invocation is one call of the command.
type invocation struct {
	args []string
	at   *kong.Context // nil until the parser has found the command
}

// say returns the text of an error. For an invalid value it is the full description.
func (in invocation) say(err error) string {
	if w := (*wrong)(nil); errors.As(err, &w) {
		return in.describe(w)
	}
	return err.Error()
}

// describe returns the flag or variable, its value, why that value is invalid, and a
// valid example.
func (in invocation) describe(w *wrong) string {
	if in.at == nil {
		return w.Error()
	}
	for _, flag := range in.at.Flags() {
		if flag.Name != w.name {
			continue
		}
		name, value, given := in.given(flag)
		text := name
		if shown := disclosed(flag.Tag.Get("secret"), value); given && shown != "" {
			text += "=" + shown
		}
		text += ": " + w.why
		if example := flag.Tag.Get("example"); flag.IsBool() {
			text += ". For example: --" + flag.Name
		} else if example != "" {
			text += ". For example: " + name + "=" + shellWord(example)
		}
		return text
	}
	for _, arg := range in.at.Selected().Positional {
		if arg.Name == w.name {
			return fmt.Sprintf("<%s> %s: %s. For example: %s", arg.Name, shellWord(w.text), w.why, arg.Tag.Get("example"))
		}
	}
	return w.Error()
}

// given finds how a flag was set: name is the flag or the variable, value its value.
func (in invocation) given(flag *kong.Flag) (name, value string, given bool) {
	name = "--" + flag.Name
	long, short := name, "-"+string(flag.Short)
	for i, arg := range in.args {
		if arg == "--" {
			break
		}
		switch after, ok := strings.CutPrefix(arg, long+"="); {
		case ok:
			value, given = after, true
		case (arg == long || flag.Short != 0 && arg == short) && i+1 < len(in.args):
			value, given = in.args[i+1], true
		}
	}
	if given {
		return name, value, true
	}
	for _, env := range flag.Tag.Envs {
		if text, ok := os.LookupEnv(env); ok {
			return env, text, true
		}
	}
	return name, flag.Default, flag.HasDefault
}

var userinfo = regexp.MustCompile(`//[^/?#]*@`)

// disclosed returns the part of a value that messages can show. secret is "all" if the
// value is a secret, and "after-scheme" if a password can follow its scheme.
func disclosed(secret, value string) string {
	switch scheme, _, ok := strings.Cut(value, ":"); {
	case secret == "all", secret == "after-scheme" && !ok:
		return ""
	case secret == "after-scheme" && scheme != "sqlite" && scheme != "file" && scheme != "blobs":
		return shellWord(scheme + ":…")
	}
	return shellWord(userinfo.ReplaceAllString(value, "//…@"))
}

var plainWord = regexp.MustCompile(`^[\pL\pN…/:@%+=,.*?&_~\[\]{}-]+$`)

// shellWord quotes a text if a shell would split it or a terminal would obey it.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}

// plainly returns the operating system's or the database's message for an error, without
// the names of the calls around it.
func plainly(err error) string {
	var (
		pg    *pgconn.PgError
		dns   *net.DNSError
		errno syscall.Errno
		late  interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &pg):
		return pg.Message
	case errors.As(err, &dns):
		return fmt.Sprintf("unknown host %q", dns.Name)
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return "timeout"
	}
	return err.Error()
}

// mappers parse the values of flags. Their error messages are for people; those of the
// flag parser and of the standard library are not.
func mappers() []kong.Option {
	kinds := map[reflect.Kind]mapper{
		reflect.Int: number, reflect.Int64: number, reflect.String: word,
	}
	options := []kong.Option{
		kong.Vars{"networks": network.Every().String(), "network_names": strings.ReplaceAll(network.Every().String(), " or ", ",")},
		kong.KindMapper(reflect.Bool, yesOrNo{}),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), mapper(duration)),
		kong.TypeMapper(reflect.TypeFor[slog.Level](), mapper(level)),
		kong.TypeMapper(reflect.TypeFor[limit.Rate](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[proxies](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[ratio](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[verifierKey](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[keyPageFile](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[logKey](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[logURL](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[existing](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[network.Address](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[network.Elsewhere](), mapper(byText)),
		kong.TypeMapper(reflect.TypeFor[policyFile](), mapper(byText)),
		kong.NamedMapper("path", mapper(path)),
		kong.NamedMapper("existingfile", mapper(existingFile)),
	}
	for kind, m := range kinds {
		options = append(options, kong.KindMapper(kind, m))
	}
	return options
}

// mapper parses one value, and returns why it cannot; "" means success.
type mapper func(value *kong.Value, text string, target reflect.Value) (why string)

// Decode implements kong.Mapper.
func (m mapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	token := ctx.Scan.Peek()
	text, isText := token.Value.(string)
	if !isText {
		text = fmt.Sprint(token.Value)
	}
	switch {
	case token.InferredType().IsAny(kong.FlagToken, kong.ShortFlagToken):
		return wrongf(ctx.Value.Name, "has no value. If the value begins with -, write --%s=-1", ctx.Value.Name)
	case !token.IsValue():
		return wrongf(ctx.Value.Name, "has no value")
	}
	ctx.Scan.Pop()
	if why := m(ctx.Value, text, target); why != "" {
		return &wrong{ctx.Value.Name, why, text}
	}
	return nil
}

func number(_ *kong.Value, text string, target reflect.Value) string {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return "must be a whole number, and not too large"
	}
	target.SetInt(n)
	return ""
}

func word(value *kong.Value, text string, target reflect.Value) string {
	if one := value.EnumSlice(); value.Enum != "" && !slices.Contains(one, text) {
		one = slices.DeleteFunc(one, func(s string) bool { return s == "" })
		return "must be one of " + strings.Join(one, ", ")
	}
	target.SetString(text)
	return ""
}

func duration(_ *kong.Value, text string, target reflect.Value) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return `must be a time such as "90s", "10m" or "8760h" (a year)`
	}
	target.SetInt(int64(d))
	return ""
}

func level(_ *kong.Value, text string, target reflect.Value) string {
	if err := target.Addr().Interface().(*slog.Level).UnmarshalText([]byte(text)); err != nil {
		return "must be one of DEBUG, INFO, WARN, ERROR"
	}
	return ""
}

func byText(_ *kong.Value, text string, target reflect.Value) string {
	if err := target.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		return err.Error()
	}
	return ""
}

// path makes a path absolute; - stays, for standard output.
func path(_ *kong.Value, text string, target reflect.Value) string {
	if text != "-" && text != "" {
		text = kong.ExpandPath(text)
	}
	target.SetString(text)
	return ""
}

func existingFile(_ *kong.Value, text string, target reflect.Value) string {
	text = kong.ExpandPath(text)
	info, err := os.Stat(text)
	switch {
	case err != nil:
		return plainly(err)
	case info.IsDir():
		return "is a directory; it must be a file"
	}
	target.SetString(text)
	return ""
}

// yesOrNo parses a switch: a flag that needs no value.
type yesOrNo struct{}

func (yesOrNo) IsBool() bool { return true }

func (yesOrNo) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	text := "true"
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		text = fmt.Sprint(ctx.Scan.Pop().Value)
	}
	switch text {
	case "true", "false":
		target.SetBool(text == "true")
		return nil
	}
	return wrongf(ctx.Value.Name, "must be true or false")
}
