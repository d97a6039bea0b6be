package evidence

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"timbre.example/proof/commitment"
)

// ChainCheckpoint is a set of authorities of a chain that a verifier trusts.
type ChainCheckpoint struct {
	// Network is the name of the network, as in [Network].
	Network string
	// Genesis is the hash of the chain's first block.
	Genesis commitment.Hash
	// SetID is the number of the set, which the chain counts from 0.
	SetID int64
	// Authorities are the members of the set, in the order of the chain. 1 to 256.
	Authorities []ChainAuthority
}

// ChainAuthority is one member of a set of authorities.
type ChainAuthority struct {
	// Key is an Ed25519 public key.
	Key [32]byte
	// Weight is how much its vote counts, from 1.
	Weight int64
}

// The bounds of a file of checkpoints: its size in bytes, and its sets.
const maxCheckpoints, maxSets = 1 << 18, 64

// ParseChainCheckpoints reads a file of checkpoints of one chain. It has a line "network
// NAME", a line "genesis HASH", and one or more sets: a line "set NUMBER", followed by a line
// "authority KEY WEIGHT" for each member, in the order of the chain. Hashes and keys are 64
// lower-case hexadecimal digits. Words are separated by spaces or tabs. Empty lines and lines
// that begin with "#" are ignored. A file has at most 262,144 bytes and 64 sets, the
// numbers of which grow.
func ParseChainCheckpoints(text []byte) ([]ChainCheckpoint, error) {
	if len(text) > maxCheckpoints {
		return nil, fmt.Errorf("evidence: checkpoints: more than %d bytes", maxCheckpoints)
	}
	var chain ChainCheckpoint
	var sets []ChainCheckpoint
	seen := 0 // the lines about the chain
	for i, line := range bytes.Split(text, []byte("\n")) {
		words := bytes.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		var err error
		switch verb := string(words[0]); {
		case verb == "network" && len(words) == 2 && seen == 0:
			seen, chain.Network = 1, string(words[1])
			err = must(networkName.MatchString(chain.Network), "not a name of a network")
		case verb == "genesis" && len(words) == 2 && seen == 1:
			seen = 2
			chain.Genesis, err = parse32(words[1])
		case verb == "set" && len(words) == 2 && seen == 2:
			if chain.SetID, err = parseNumber(words[1], 0); err == nil {
				err = must(len(sets) < maxSets && (len(sets) == 0 || sets[len(sets)-1].SetID < chain.SetID), "too many sets, or not in their order")
			}
			sets = append(sets, chain)
		case verb == "authority" && len(words) == 3 && len(sets) > 0:
			set := &sets[len(sets)-1]
			var a ChainAuthority
			if a.Key, err = parse32(words[1]); err == nil {
				a.Weight, err = parseNumber(words[2], 1)
			}
			set.Authorities = append(set.Authorities, a)
		default:
			err = errors.New("not a line of a chain's checkpoint here")
		}
		if err != nil {
			return nil, fmt.Errorf("evidence: checkpoints: line %d: %w", i+1, err)
		}
	}
	if len(sets) == 0 {
		return nil, errors.New("evidence: checkpoints: there is no set of authorities")
	}
	for _, s := range sets {
		if err := validSet(s.Authorities); err != nil {
			return nil, fmt.Errorf("evidence: checkpoints: set %d: %w", s.SetID, err)
		}
	}
	return sets, nil
}

// parse32 reads 32 bytes in lower-case hexadecimal.
func parse32(word []byte) (key [32]byte, err error) {
	b, err := hex.DecodeString(string(word))
	if err != nil || len(b) != len(key) || hex.EncodeToString(b) != string(word) {
		return key, errors.New("not 64 lower-case hexadecimal digits")
	}
	return [32]byte(b), nil
}

// parseNumber reads a number in decimal digits, without a zero in front.
func parseNumber(word []byte, least int64) (int64, error) {
	n, err := strconv.ParseInt(string(word), 10, 64)
	if err != nil || n < least || strconv.FormatInt(n, 10) != string(word) {
		return 0, fmt.Errorf("not a number from %d", least)
	}
	return n, nil
}
