package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/mod/sumdb/note"

	"timbre.example/internal/network"
	"timbre.example/proof/evidence"
)

// verifierKey is a log's verifier key. The flag's value is the key or the name of a file
// with it.
type verifierKey string

func (k *verifierKey) UnmarshalText(given []byte) error {
	key := string(given)
	if _, err := note.NewVerifier(key); err != nil {
		f, err := os.Open(key)
		if err != nil {
			return errors.New("must be a verifier key (NAME+HASH+BASE64), or a file with one")
		}
		defer func() { _ = f.Close() }()
		text, err := io.ReadAll(io.LimitReader(f, 1<<10))
		if err != nil {
			return err
		}
		key = strings.TrimSpace(string(text))
		if _, err := note.NewVerifier(key); err != nil {
			return errors.New("this file contains no verifier key (NAME+HASH+BASE64)")
		}
	}
	*k = verifierKey(key)
	return nil
}

// logURL is the address of a log, whose files are below it.
type logURL string

func (l *logURL) UnmarshalText(given []byte) error {
	u, err := url.Parse(string(given))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("must be the address of a log: https://HOST/log/NAME")
	}
	*l = logURL(given)
	return nil
}

// existing is the path of an existing file.
type existing string

func (f *existing) UnmarshalText(given []byte) error {
	path := kong.ExpandPath(string(given))
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return bare(err)
	case info.IsDir():
		return errors.New("is a directory; it must be a file")
	}
	*f = existing(path)
	return nil
}

// policyFile is a log and the file with the policy of its witnesses.
type policyFile struct {
	network network.Name
	path    string
	policy  evidence.Policy
}

// UnmarshalText reads NAME=FILE, and the file.
func (p *policyFile) UnmarshalText(text []byte) error {
	name, path, ok := strings.Cut(string(text), "=")
	if !ok || path == "" || !network.Name(name).Valid() {
		return fmt.Errorf("must be NAME=FILE, where NAME is %s", network.Every())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, bare(err))
	}
	policy, err := evidence.ParsePolicy(b)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	*p = policyFile{network.Name(name), path, policy}
	return nil
}

// bare returns the system's error without the name of the call and the file.
func bare(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}
