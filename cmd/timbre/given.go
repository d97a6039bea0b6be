package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/mod/sumdb/note"

	"timbre.example/internal/network"
	"timbre.example/proof/evidence"
)

// verifierKey is a log's verifier key, or its key page. The flag's value is the key or the
// name of a file with one of them.
type verifierKey string

// given returns the keys that were given, and the pages. The keys of a page that the caller
// trusts count, each for its trees.
func given(list []verifierKey) (keys []string, pages []evidence.KeyPage, err error) {
	for _, one := range list {
		if !strings.Contains(string(one), "\n") {
			keys = append(keys, string(one))
			continue
		}
		p, err := evidence.ParseKeyPage(string(one))
		if err != nil {
			return nil, nil, err
		}
		keys, pages = append(keys, p.Keys()...), append(pages, p)
	}
	return keys, pages, nil
}

// keyPageFile is a file with the key page of a log.
type keyPageFile struct{ evidence.KeyPage }

func (k *keyPageFile) UnmarshalText(given []byte) error {
	text, err := readAtMost(kong.ExpandPath(string(given)), evidence.MaxKeyPage)
	if err != nil {
		return bare(err)
	}
	k.KeyPage, err = evidence.ParseKeyPage(string(text))
	return err
}

func (k *verifierKey) UnmarshalText(given []byte) error {
	key := string(given)
	if _, err := note.NewVerifier(key); err != nil {
		f, err := os.Open(key)
		if err != nil {
			return errors.New("must be a verifier key (NAME+HASH+BASE64), or a file with one")
		}
		defer func() { _ = f.Close() }()
		text, err := io.ReadAll(io.LimitReader(f, evidence.MaxKeyPage+1))
		if err != nil {
			return err
		}
		if p, err := evidence.ParseKeyPage(string(text)); err == nil {
			*k = verifierKey(p.Text)
			return nil
		} else if strings.Contains(strings.TrimSpace(string(text)), "\n") {
			return fmt.Errorf("this file contains no verifier key (NAME+HASH+BASE64), and no key page that holds: %w", err)
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

// logKey is a log and the number of one of its keys, for a flag.
type logKey struct {
	network network.Name
	number  int
}

func (k *logKey) UnmarshalText(text []byte) error {
	name, digits, ok := strings.Cut(string(text), "=")
	number, err := strconv.Atoi(digits)
	k.network, k.number = network.Name(name), number
	if !ok || err != nil || !k.network.Valid() || number < 2 || number > maxLogKey || strconv.Itoa(number) != digits {
		return fmt.Errorf("must be NAME=NUMBER, such as mainnet=2, with a number from 2 to %d", maxLogKey)
	}
	return nil
}

// maxLogKey is the largest number of a log's key.
const maxLogKey = 63

// readAtMost reads a file of at most most bytes.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("this file is larger than %d bytes", most)
	}
	return text, err
}
