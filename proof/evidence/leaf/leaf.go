// Package leaf holds the two texts of the log network: the transaction that is
// broadcast, and the leaf that the log keeps of it.
//
// A transaction is five lines, each ended by a newline and nothing else:
//
//	timbre-log/v1
//	create
//	commitment 64 lower-case hex digits
//	protocol 1
//	nonce 64 lower-case hex digits
//
// The second line is "create" for a new work or "update N" for a further
// version of the work with ats id N. The SHA-256 of the text is the transaction
// hash.
//
// A leaf is the transaction followed by what sequencing decided:
//
//	ats 17
//	version 1
//	block 4
//	time 2026-03-01T12:00:00.000000Z
//
// Numbers are decimal from 1 without leading zeros; times are UTC with exactly
// six decimals. There is one text for each value and one value for each text,
// so that a hash names both. The log hashes a leaf as RFC 6962 says:
// SHA-256(0x00 ‖ leaf).
//
// The package needs only the standard library, so that a verifier can read leaves
// without a database. A leaf has no room for personal data: the nonce is a hash, never
// an identifier in clear.
//
// The package keeps no state: all functions and methods may be called at the same
// time.
package leaf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const header = "timbre-log/v1"

const timeFormat = "2006-01-02T15:04:05.000000Z"

// ErrMalformed is the error that every parse error wraps.
var ErrMalformed = errors.New("malformed log entry")

// Transaction is the content of the text that is broadcast.
type Transaction struct {
	// Updates is the ats id to add a version to, 0 for a new work.
	Updates int64
	// Commitment is the 32 bytes of the commitment protocol.
	Commitment [32]byte
	// ProtocolVersion is the commitment protocol's version byte.
	ProtocolVersion uint8
	// Nonce tells two transactions with the same content apart. See [Nonce].
	Nonce [32]byte
}

// Nonce returns the SHA-256 of the caller's nonce. The log is public, and the caller's
// nonce can be a secret that gives access (Timbre's transaction id does). So the log has
// only its hash. A client that knows the nonce can still find the entry.
func Nonce(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// Bytes returns the canonical text.
func (t Transaction) Bytes() []byte {
	action := "create"
	if t.Updates != 0 {
		action = "update " + strconv.FormatInt(t.Updates, 10)
	}
	return fmt.Appendf(nil, "%s\n%s\ncommitment %x\nprotocol %d\nnonce %x\n", header, action, t.Commitment, t.ProtocolVersion, t.Nonce)
}

// Hash returns the SHA-256 of the canonical text: the hash of the transaction.
func (t Transaction) Hash() [32]byte { return sha256.Sum256(t.Bytes()) }

// ParseTransaction reads the canonical text of a transaction. It refuses every other
// text with an error that wraps [ErrMalformed].
func ParseTransaction(text []byte) (Transaction, error) {
	var t Transaction
	lines := strings.Split(string(text), "\n")
	if len(lines) != 6 || lines[0] != header {
		return t, fmt.Errorf("%w: want five lines, the first %q", ErrMalformed, header)
	}
	if lines[1] != "create" {
		n, err := number(lines[1], "update")
		if err != nil {
			return Transaction{}, err
		}
		t.Updates = n
	}
	if err := digest(lines[2], "commitment", &t.Commitment); err != nil {
		return Transaction{}, err
	}
	n, err := number(lines[3], "protocol")
	if err != nil {
		return Transaction{}, err
	}
	t.ProtocolVersion = uint8(n)
	if err := digest(lines[4], "nonce", &t.Nonce); err != nil {
		return Transaction{}, err
	}
	// One comparison rules out every other way to write the same values:
	// leading zeros, capitals, a protocol over 255, a missing last newline.
	if !bytes.Equal(t.Bytes(), text) {
		return Transaction{}, fmt.Errorf("%w: not the canonical text", ErrMalformed)
	}
	return t, nil
}

// Leaf is the content of an entry of the log.
type Leaf struct {
	Transaction
	// AtsID is the work's id, Version counts from 1 within it.
	AtsID, Version int64
	// Block is the block's number, from 1.
	Block int64
	// At is the block's time, in whole microseconds.
	At time.Time
}

// Bytes returns the canonical text.
func (l Leaf) Bytes() []byte {
	return fmt.Appendf(l.Transaction.Bytes(), "ats %d\nversion %d\nblock %d\ntime %s\n", l.AtsID, l.Version, l.Block, l.At.UTC().Format(timeFormat))
}

// ParseLeaf reads the canonical text of a leaf. It refuses every other text with an
// error that wraps [ErrMalformed]. It also refuses a leaf that contradicts itself: a
// create that is not version 1, or an update that is version 1 or names another work.
func ParseLeaf(text []byte) (Leaf, error) {
	lines := strings.SplitAfterN(string(text), "\n", 6)
	if len(lines) != 6 {
		return Leaf{}, fmt.Errorf("%w: want nine lines", ErrMalformed)
	}
	t, err := ParseTransaction([]byte(strings.Join(lines[:5], "")))
	if err != nil {
		return Leaf{}, err
	}
	l := Leaf{Transaction: t}
	rest := strings.Split(lines[5], "\n")
	if len(rest) != 5 {
		return Leaf{}, fmt.Errorf("%w: want nine lines", ErrMalformed)
	}
	for i, f := range []struct {
		key string
		to  *int64
	}{{"ats", &l.AtsID}, {"version", &l.Version}, {"block", &l.Block}} {
		if *f.to, err = number(rest[i], f.key); err != nil {
			return Leaf{}, err
		}
	}
	at, ok := strings.CutPrefix(rest[3], "time ")
	if !ok {
		return Leaf{}, fmt.Errorf("%w: want a line time", ErrMalformed)
	}
	if l.At, err = time.Parse(timeFormat, at); err != nil {
		return Leaf{}, fmt.Errorf("%w: time: %v", ErrMalformed, err)
	}
	if !bytes.Equal(l.Bytes(), text) {
		return Leaf{}, fmt.Errorf("%w: not the canonical text", ErrMalformed)
	}
	if (l.Updates == 0) != (l.Version == 1) || l.Updates != 0 && l.Updates != l.AtsID {
		return Leaf{}, fmt.Errorf("%w: the sequencing contradicts the transaction", ErrMalformed)
	}
	return l, nil
}

func number(line, key string) (int64, error) {
	s, ok := strings.CutPrefix(line, key+" ")
	n, err := strconv.ParseInt(s, 10, 64)
	if !ok || err != nil || n < 1 {
		return 0, fmt.Errorf("%w: want %q and a number from 1, got %.80q", ErrMalformed, key, line)
	}
	return n, nil
}

func digest(line, key string, to *[32]byte) error {
	s, ok := strings.CutPrefix(line, key+" ")
	b, err := hex.DecodeString(s)
	if !ok || err != nil || len(b) != len(to) {
		return fmt.Errorf("%w: want %q and 64 hex digits, got %.80q", ErrMalformed, key, line)
	}
	copy(to[:], b)
	return nil
}
