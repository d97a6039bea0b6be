package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"timbre.example/internal/network"
)

// What keys are for. A purpose with public behind it is the public half of a
// signing key.
const (
	purposeTokens  = "session tokens"
	purposeUploads = "upload URLs"
	purposeCodes   = "access codes"
	public         = " public"
)

func purposeLog(n network.Name) string { return "log " + string(n) }

// needs are the purposes of a role: what it needs to do its work, and no more. Only
// organizations can make a token, and only a worker can sign a log.
func needs(r role) []string {
	test, main := purposeLog(network.Testnet), purposeLog(network.Mainnet)
	switch r {
	case organizations:
		return []string{purposeTokens}
	case ats:
		return []string{purposeUploads, purposeCodes, test + public, main + public}
	}
	return []string{purposeCodes, test, main}
}

// secret is the root that every key of a server is derived from or, where it has
// been split by role, some of these keys.
type secret struct {
	root []byte
	keys map[string][]byte // by purpose; nil where there is the root
}

func (s secret) none() bool { return s.root == nil && s.keys == nil }

// key is the key of 32 bytes for one purpose; nil: it is not in a file of keys.
func (s secret) key(purpose string) []byte {
	if s.root == nil {
		return s.keys[purpose]
	}
	if signing, ok := strings.CutSuffix(purpose, public); ok {
		return ed25519.NewKeyFromSeed(s.key(signing)).Public().(ed25519.PublicKey)
	}
	k, err := hkdf.Key(sha256.New, s.root, nil, "timbre "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths that SHA-256 cannot give
	}
	return k
}

// uploads signs the URLs of a store that Timbre serves. A worker gives out none, and
// one of nobody's serves it to open the store with.
func (s secret) uploads() []byte {
	if k := s.key(purposeUploads); k != nil {
		return k
	}
	var b [32]byte
	rand.Read(b[:])
	return b[:]
}

// holds reports whether a purpose can be served: a signing key has its public half.
func (s secret) holds(purpose string) bool {
	return s.root != nil || s.keys[purpose] != nil
}

// serves refuses a file that lacks a key of these roles.
func (s secret) serves(path string, roles []role) error {
	for _, r := range roles {
		for _, purpose := range needs(r) {
			// A process that signs a log needs no public half beside it.
			if !s.holds(purpose) && !s.holds(strings.TrimSuffix(purpose, public)) {
				return wrongf("secret-file", "the secret file %s has no key for %s, which the role %s needs. Make one where the whole secret is: timbre secret derive --roles %s --out FILE", path, purpose, r, joined(roles))
			}
		}
	}
	return nil
}

// spare are the secret keys that these roles do not need.
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

// parseKeys reads what secret derive wrote; ok is false for anything else.
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

// keysOf is a file for processes with these roles.
func (s secret) keysOf(roles []role) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n", keysHeading, joined(roles))
	var done []string
	for _, r := range roles {
		for _, purpose := range needs(r) {
			if !slices.Contains(done, purpose) {
				done = append(done, purpose)
				fmt.Fprintf(&b, "%s: %x\n", purpose, s.key(purpose))
			}
		}
	}
	return b.String()
}

type secretCmd struct {
	Derive secretDerive `cmd:"" help:"Write the keys that some roles need, so that their process cannot do what it is not there for."`
}

type secretDerive struct {
	Roles      []role `example:"ats" enum:"organizations,ats,worker" required:"" placeholder:"ROLE" help:"Roles of the process: organizations, ats, worker; with commas between."`
	SecretFile string `example:"data/secret" env:"TIMBRE_SECRET_FILE" default:"data/secret" type:"path" placeholder:"FILE" help:"The whole secret (default: ${default})."`
	Out        string `example:"ats.keys" short:"o" required:"" type:"path" placeholder:"FILE" help:"File to write them to, readable by this user only; - is the standard output."`
}

// Help says what each role gets.
func (secretDerive) Help() string {
	return `organizations: the key that signs session tokens.
ats:           the keys of upload URLs and access codes, and the logs' public keys.
worker:        the keys that sign the logs, and that of access codes.
The same secret gives the same file. Keep the whole secret where no server runs:
it makes these files again, and nothing else can.`
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
		return wrongf("secret-file", "%s holds keys of some roles: they are derived from the whole secret only", c.SecretFile)
	}
	text := root.keysOf(c.Roles)
	if c.Out == "-" {
		_, err := io.WriteString(o.out, text)
		return err
	}
	if err := writePrivate(c.Out, []byte(text)); err != nil {
		return wrongf("out", "cannot be written: %s", plainly(err))
	}
	_, err = fmt.Fprintln(o.out, c.Out)
	return err
}
