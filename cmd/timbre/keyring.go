package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"timbre.example/internal/network"
)

// The purposes of keys. A purpose that ends in public is the public half of a signing
// key.
const (
	purposeTokens   = "session tokens"
	purposeUploads  = "upload URLs"
	purposeCodes    = "access codes"
	purposeConsole  = "console"
	purposeWebhooks = "webhook secrets"
	purposeWitness  = "witness"
	public          = " public"
)

func purposeLog(n network.Name) string { return "log " + string(n) }

// purposeLogKey is the purpose of the key of a log with this number. The first one is that of
// purposeLog. A file of keys has a later one only if it was asked for. So a thief of the file
// has no key that the log will have.
func purposeLogKey(n network.Name, number int) string {
	if number == 1 {
		return purposeLog(n)
	}
	return fmt.Sprintf("log %s %d", n, number)
}

// needs returns the purposes of the keys that a role needs, and no others. Only
// organizations can sign a token, and only a worker can sign a log.
func needs(r role) []string {
	var signing, verifying []string
	for _, n := range network.Names() {
		signing = append(signing, purposeLog(n))
		verifying = append(verifying, purposeLog(n)+public)
	}
	switch r {
	case organizations:
		return []string{purposeTokens, purposeWebhooks}
	case ats:
		return append([]string{purposeUploads, purposeCodes}, verifying...)
	case worker:
		return append([]string{purposeCodes, purposeWebhooks}, signing...)
	default:
		return nil
	}
}

// servesConsole reports whether a process with these roles serves the console. Its key is not among
// those that a role needs: a file of keys from an older release lacks it, and its process runs
// without the console.
func servesConsole(roles []role) bool {
	return slices.Contains(roles, organizations) && slices.Contains(roles, ats)
}

// secret is the root from which every key of a server is derived. A file for some roles
// has only their keys instead of the root.
type secret struct {
	root []byte
	keys map[string][]byte // by purpose; nil if root is set
}

func (s secret) none() bool { return s.root == nil && s.keys == nil }

// key returns the 32 bytes of the key for a purpose, or nil if the file of keys lacks it.
func (s secret) key(purpose string) []byte {
	if s.root == nil {
		return s.keys[purpose]
	}
	if signing, ok := strings.CutSuffix(purpose, public); ok {
		return ed25519.NewKeyFromSeed(s.key(signing)).Public().(ed25519.PublicKey)
	}
	k, err := hkdf.Key(sha256.New, s.root, nil, "timbre "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths that HKDF with SHA-256 cannot produce
	}
	return k
}

// uploads returns the key that signs upload URLs. A worker signs no URLs and may lack
// this key: it gets a random key, only to open the store.
func (s secret) uploads() []byte {
	if k := s.key(purposeUploads); k != nil {
		return k
	}
	var b [32]byte
	rand.Read(b[:])
	return b[:]
}

// holds reports whether the secret has the key for a purpose.
func (s secret) holds(purpose string) bool {
	return s.root != nil || s.keys[purpose] != nil
}

// serves returns an error if a key of these roles is missing.
func (s secret) serves(path string, roles []role) error {
	for _, r := range roles {
		for _, purpose := range needs(r) {
			// A process that signs a log needs no public half beside it. It needs the newest key of
			// a log, and of the first one perhaps only the public half.
			if !s.holds(purpose) && !s.holds(strings.TrimSuffix(purpose, public)) && !(s.holds(purpose+public) && s.numbered(purpose)) {
				return wrongf("secret-file", "the secret file %s has no key for %s, which the role %s needs. On the machine with the whole secret, run: timbre secret derive --roles %s --out FILE", path, purpose, r, joined(roles))
			}
		}
	}
	return nil
}

// numbered reports whether a file of keys has a later key of the log with this purpose.
func (s secret) numbered(purpose string) bool {
	for has := range s.keys {
		if digits, ok := strings.CutPrefix(has, purpose+" "); ok && digits != strings.TrimSpace(public) {
			return true
		}
	}
	return false
}

// spare returns the purposes of the secret keys that these roles do not need.
func (s secret) spare(roles []role) (out []string) {
	var needed []string
	for _, r := range roles {
		needed = append(needed, needs(r)...)
	}
	for _, r := range allRoles {
		for _, purpose := range needs(r) {
			if s.holds(purpose) && !slices.Contains(needed, purpose) && !slices.Contains(out, purpose) && !strings.HasSuffix(purpose, public) {
				out = append(out, purpose)
			}
		}
	}
	if s.root == nil && !slices.Contains(roles, worker) {
		for _, n := range network.Names() {
			for number := 2; number <= maxLogKey; number++ {
				if s.holds(purposeLogKey(n, number)) {
					out = append(out, purposeLogKey(n, number))
				}
			}
		}
	}
	return out
}

func joined(roles []role) string {
	var out []string
	for _, r := range roles {
		out = append(out, string(r))
	}
	return strings.Join(out, ",")
}

const keysHeading = "timbre keys of "

// parseKeys reads a file of `secret derive`; ok is false for any other text.
func parseKeys(text string) (s secret, ok bool) {
	lines := bufio.NewScanner(strings.NewReader(text))
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), keysHeading) {
		return secret{}, false
	}
	s.keys = map[string][]byte{}
	for lines.Scan() {
		purpose, digits, found := strings.Cut(lines.Text(), ": ")
		b, err := hex.DecodeString(digits)
		if !found || err != nil || len(b) != 32 || s.keys[purpose] != nil {
			return secret{}, false
		}
		s.keys[purpose] = b
	}
	return s, lines.Err() == nil && len(s.keys) > 0
}

// keysOf returns the content of a file of keys for processes with these roles. Of a log with a
// numbered key, it has the public half of the first key alone.
func (s secret) keysOf(roles []role, numbered []logKey) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n", keysHeading, joined(roles))
	var done []string
	if servesConsole(roles) {
		done = append(done, purposeConsole)
		fmt.Fprintf(&b, "%s: %x\n", purposeConsole, s.key(purposeConsole))
	}
	for _, r := range roles {
		for _, purpose := range needs(r) {
			if slices.ContainsFunc(numbered, func(k logKey) bool { return purpose == purposeLog(k.network) }) {
				purpose += public
			}
			if !slices.Contains(done, purpose) {
				done = append(done, purpose)
				fmt.Fprintf(&b, "%s: %x\n", purpose, s.key(purpose))
			}
		}
	}
	for _, k := range numbered {
		fmt.Fprintf(&b, "%s: %x\n", purposeLogKey(k.network, k.number), s.key(purposeLogKey(k.network, k.number)))
	}
	return b.String()
}

// readSecret reads the secret file. If the file is missing and mayMake is true, it
// creates one: that is safe only at the first start of the only process.
func readSecret(path string, mayMake bool) (secret, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && mayMake {
		if err := makeSecret(path); err != nil {
			return secret{}, wrongf("secret-file", "cannot create the secret file %s: %s", path, plainly(err))
		}
		text, err = os.ReadFile(path)
		if err != nil {
			return secret{}, err
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		return secret{}, wrongf("secret-file", "the secret file %s is missing. Restore it, or give the file that the server uses. Only for a new registry, create one and give every instance the same: (umask 077; openssl rand -hex 32 > %s)", path, shellWord(path))
	} else if err != nil {
		return secret{}, wrongf("secret-file", "cannot read the secret file %s: %s", path, plainly(err))
	}
	if s, ok := parseKeys(string(text)); ok {
		return s, nil
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != 32 {
		return secret{}, wrongf("secret-file", "the secret file %s must hold 64 hex digits and nothing else, or the keys that `timbre secret derive` wrote", path)
	}
	return secret{root: b}, nil
}

// makeSecret writes a new secret to path, unless that file exists already.
func makeSecret(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	var b [32]byte
	rand.Read(b[:])
	// A complete file is linked into place. If two processes start at the same time, one
	// wins, and the other reads the winner's secret.
	tmp, err := os.CreateTemp(filepath.Dir(path), ".secret-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(hex.EncodeToString(b[:]) + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// The secret must be on the disk before anything is signed with it.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

type secretCmd struct {
	Derive secretDerive `cmd:"" help:"Write a file with only the keys that some roles need, so that their process cannot do the work of other roles."`
}

type secretDerive struct {
	Roles      []role   `example:"ats" enum:"organizations,ats,worker" placeholder:"ROLE" help:"Roles of the process, separated by commas: organizations, ats, worker."`
	LogKeys    []logKey `name:"log-key-number" example:"mainnet=2" placeholder:"NAME=NUMBER" help:"With the role worker: write the key with this number of the log NAME, and not its first key. After a rotation ('timbre log rotate') this is the key that signs. For a rotation, name the current one and the next one, separated by commas."`
	Witness    bool     `help:"Write the key of a witness (timbre witness serve), alone or beside those of --roles."`
	SecretFile string   `example:"data/secret" env:"TIMBRE_SECRET_FILE" default:"data/secret" type:"path" placeholder:"FILE" help:"File with the whole secret (default: ${default})."`
	Out        string   `example:"ats.keys" short:"o" required:"" type:"path" placeholder:"FILE" help:"File to write the keys to, readable by this user only; - for standard output."`
}

// Help lists the keys of each role.
func (secretDerive) Help() string {
	return `organizations: the key that signs session tokens, and the key that encrypts webhook
               secrets.
ats:           the keys of upload URLs and access codes, and the logs' public keys.
worker:        the keys that sign the logs, and the keys of access codes and webhook
                secrets.
--log-key-number: see docs/operating.md, Change the log's key.
--witness:     the key that cosigns the checkpoints of others' logs.
organizations and ats together serve the console, and have its key.
The same secret always gives the same file. Keep the whole secret on a machine
where no server runs: only the whole secret can make these files again.`
}

// Validate refuses a file without keys.
func (c *secretDerive) Validate() error {
	if len(c.Roles) == 0 && !c.Witness {
		return wrongf("roles", "is missing: name the roles of the process, or give --witness")
	}
	if len(c.LogKeys) > 0 && !slices.Contains(c.Roles, worker) {
		return wrongf("log-key-number", "can only be used together with --roles worker")
	}
	return nil
}

func (c *secretDerive) Run(o *output) error {
	root, err := readSecret(c.SecretFile, false)
	if err != nil {
		return err
	}
	if _, err := guarded("secret-file", "secret file", c.SecretFile); err != nil {
		return err
	}
	if root.root == nil {
		return wrongf("secret-file", "%s holds only the keys of some roles: this command needs the whole secret", c.SecretFile)
	}
	text := root.keysOf(c.Roles, c.LogKeys)
	if c.Witness {
		text += fmt.Sprintf("%s: %x\n", purposeWitness, root.key(purposeWitness))
	}
	if c.Out == "-" {
		_, err := io.WriteString(o.out, text)
		return err
	}
	if err := writePrivate(c.Out, []byte(text)); err != nil {
		return wrongf("out", "cannot write this file: %s", plainly(err))
	}
	_, err = fmt.Fprintln(o.out, c.Out)
	return err
}
