package main

import (
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/mod/sumdb/note"
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
		if errno := syscall.Errno(0); errors.As(err, &errno) {
			return errno
		}
		return err
	case info.IsDir():
		return errors.New("is a directory; it must be a file")
	}
	*f = existing(path)
	return nil
}
