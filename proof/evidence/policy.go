package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Policy says which logs and witnesses a verifier trusts, and how many witnesses must have
// seen a checkpoint. It is the content of a policy file (c2sp.org/tlog-policy).
type Policy struct {
	// Logs are the verifier keys of the trusted logs. A policy may have none.
	Logs []string
	// Witnesses are the known witnesses, in the order of the file.
	Witnesses []Witness

	groups map[string]group // by name; a witness is a group of itself
	quorum string
}

// Witness is a witness of a [Policy].
type Witness struct {
	// Name is the witness's name in the policy. It has no meaning elsewhere.
	Name string
	// Key is the witness's verifier key, and URL its address, "" if the policy has none.
	Key, URL string

	keyName string
	keyHash uint32
	public  ed25519.PublicKey // nil for a key of a kind that this package cannot verify
}

// group is satisfied when at least k of its members are.
type group struct {
	k       int
	members []string
	witness int // the index of the witness, or -1
}

// The limits of a policy, and the signature types of keys.
const (
	maxPolicy      = 1 << 16 // bytes
	maxPolicyNames = 256
	noQuorum       = "none"

	typeEd25519     = 0x01 // a log
	typeCosignature = 0x04 // a witness with Ed25519
	typeMLDSA       = 0x06 // a witness with ML-DSA-44
)

// ParsePolicy reads a policy file of at most 65,536 bytes, with at most 256 logs and names.
// Witnesses with ML-DSA-44 keys are read, and never count: this package verifies Ed25519.
func ParsePolicy(text []byte) (Policy, error) {
	if len(text) > maxPolicy {
		return Policy{}, fmt.Errorf("policy: more than %d bytes", maxPolicy)
	}
	for _, c := range text {
		if c < 0x20 && c != '\t' && c != '\n' || c == 0x7f {
			return Policy{}, fmt.Errorf("policy: the byte %#x is not allowed", c)
		}
	}
	p := Policy{groups: map[string]group{}}
	seen, used := map[string]bool{}, map[string]bool{}
	for i, line := range strings.Split(string(text), "\n") {
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := p.line(words, seen, used); err != nil {
			return Policy{}, fmt.Errorf("policy: line %d: %w", i+1, err)
		}
		if len(p.Logs)+len(p.groups) > maxPolicyNames {
			return Policy{}, fmt.Errorf("policy: more than %d logs and names", maxPolicyNames)
		}
	}
	if p.quorum == "" {
		return Policy{}, errors.New("policy: the line quorum is missing")
	}
	return p, nil
}

// line reads one line. seen has the public keys, and used the names that are members of a
// group.
func (p *Policy) line(words []string, seen, used map[string]bool) error {
	switch {
	case words[0] == "log" && (len(words) == 2 || len(words) == 3):
		_, _, kind, public, err := parseKey(words[1])
		if err != nil {
			return err
		}
		if kind != typeEd25519 {
			return errors.New("the key is not that of a log")
		}
		if seen[string(public)] {
			return errors.New("this key stands here twice")
		}
		seen[string(public)] = true
		p.Logs = append(p.Logs, words[1])
		return nil
	case words[0] == "witness" && (len(words) == 3 || len(words) == 4):
		name, hash, kind, public, err := parseKey(words[2])
		if err != nil {
			return err
		}
		if kind != typeCosignature && kind != typeMLDSA {
			return errors.New("the key is not that of a witness")
		}
		if seen[string(public)] {
			return errors.New("this key stands here twice")
		}
		seen[string(public)] = true
		w := Witness{Name: words[1], Key: words[2], keyName: name, keyHash: hash}
		if len(words) == 4 {
			w.URL = words[3]
		}
		if kind == typeCosignature {
			w.public = public
		}
		p.Witnesses = append(p.Witnesses, w)
		return p.define(words[1], group{k: 1, witness: len(p.Witnesses) - 1})
	case words[0] == "group" && len(words) >= 4:
		g := group{members: words[3:], witness: -1}
		switch words[2] {
		case "any":
			g.k = 1
		case "all":
			g.k = len(g.members)
		default:
			k, err := strconv.Atoi(words[2])
			if err != nil || strconv.Itoa(k) != words[2] || k < 1 || k > len(g.members) {
				return fmt.Errorf("%.20q is not any, all or a number from 1 to %d", words[2], len(g.members))
			}
			g.k = k
		}
		for _, m := range g.members {
			if _, known := p.groups[m]; !known {
				return fmt.Errorf("%.80q is not defined before this line", m)
			}
			if used[m] {
				return fmt.Errorf("%.80q is a member twice", m)
			}
			used[m] = true
		}
		return p.define(words[1], g)
	case words[0] == "quorum" && len(words) == 2:
		if _, known := p.groups[words[1]]; !known && words[1] != noQuorum {
			return fmt.Errorf("%.80q is not defined before this line", words[1])
		}
		if p.quorum != "" {
			return errors.New("a second line quorum")
		}
		p.quorum = words[1]
		return nil
	}
	return fmt.Errorf("%.20q is not a line of a policy", words[0])
}

func (p *Policy) define(name string, g group) error {
	if _, known := p.groups[name]; known || name == noQuorum {
		return fmt.Errorf("the name %.80q is used already", name)
	}
	p.groups[name] = g
	return nil
}

// Asks reports whether the policy asks for any witness.
func (p Policy) Asks() bool { return p.quorum != "" && p.quorum != noQuorum }

// parseKey reads a verifier key (c2sp.org/signed-note): NAME+HASH+BASE64.
func parseKey(vkey string) (name string, hash uint32, kind byte, public []byte, err error) {
	bad := fmt.Errorf("%.80q is not a verifier key", vkey)
	name, rest, ok := strings.Cut(vkey, "+")
	digits, encoded, ok2 := strings.Cut(rest, "+")
	sum, err := strconv.ParseUint(digits, 16, 32)
	key, err2 := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || !ok2 || !validName(name) || len(digits) != 8 || err != nil || err2 != nil || len(key) < 2 {
		return "", 0, 0, nil, bad
	}
	digest := sha256.Sum256(append([]byte(name+"\n"), key...))
	kind, public = key[0], key[1:]
	if binary.BigEndian.Uint32(digest[:]) != uint32(sum) || kind != typeMLDSA && len(public) != ed25519.PublicKeySize {
		return "", 0, 0, nil, bad
	}
	return name, uint32(sum), kind, public, nil
}

// Cosigned is the result of [Policy.Witnessed].
type Cosigned struct {
	// Names are the witnesses of the policy whose cosignatures hold, by their names there.
	Names []string
	// Met reports whether the quorum is there. Since is then the earliest time by which, by
	// their own clocks, a quorum had seen the checkpoint; zero if the policy asks for no
	// witness, and none has cosigned.
	Met   bool
	Since time.Time
}

// Witnessed checks the cosignatures of the checkpoint with this text. It ignores signatures
// of keys that the policy does not have. A cosignature of a known key that does not hold is
// an error.
func (p Policy) Witnessed(text string, cosignatures []string) (Cosigned, error) {
	at := make([]int64, len(p.Witnesses)) // the time of each witness, in seconds since 1970; 0: none
	for _, line := range cosignatures {
		s, err := parseSignature(line)
		if err != nil {
			return Cosigned{}, err
		}
		i := slices.IndexFunc(p.Witnesses, func(w Witness) bool {
			return w.public != nil && w.keyName == s.name && w.keyHash == s.hash
		})
		if i < 0 {
			continue
		}
		seen, err := p.Witnesses[i].opened(text, s)
		if err != nil {
			return Cosigned{}, err
		}
		if at[i] == 0 || seen < at[i] {
			at[i] = seen
		}
	}
	var c Cosigned
	times := []int64{}
	for i, seen := range at {
		if seen != 0 {
			c.Names = append(c.Names, p.Witnesses[i].Name)
			times = append(times, seen)
		}
	}
	slices.Sort(times)
	if !p.Asks() {
		if c.Met = true; len(times) > 0 {
			c.Since = time.Unix(times[0], 0).UTC()
		}
		return c, nil
	}
	for _, t := range times {
		if p.satisfied(p.quorum, at, t) {
			c.Met, c.Since = true, time.Unix(t, 0).UTC()
			break
		}
	}
	return c, nil
}

// satisfied reports whether enough witnesses below name had cosigned by the time t.
func (p Policy) satisfied(name string, at []int64, t int64) bool {
	g := p.groups[name]
	if g.witness >= 0 {
		return at[g.witness] != 0 && at[g.witness] <= t
	}
	n := 0
	for _, m := range g.members {
		if p.satisfied(m, at, t) {
			n++
		}
	}
	return n >= g.k
}

// Enough reports whether the witnesses with these names in the policy are a quorum.
func (p Policy) Enough(names ...string) bool {
	at := make([]int64, len(p.Witnesses))
	for i, w := range p.Witnesses {
		if slices.Contains(names, w.Name) {
			at[i] = 1
		}
	}
	return !p.Asks() || p.satisfied(p.quorum, at, 1)
}

// maxTime is the last second that has a form in RFC 3339.
const maxTime = 253402300799

// opened verifies a cosignature (c2sp.org/tlog-cosignature) and returns its time.
func (w Witness) opened(text string, s signature) (int64, error) {
	if len(s.bytes) != 8+ed25519.SignatureSize {
		return 0, fmt.Errorf("the cosignature of %s does not hold", w.Name)
	}
	seen := binary.BigEndian.Uint64(s.bytes)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", seen, text)
	if seen == 0 || seen > maxTime || !ed25519.Verify(w.public, []byte(message), s.bytes[8:]) {
		return 0, fmt.Errorf("the cosignature of %s does not hold", w.Name)
	}
	return int64(seen), nil
}
