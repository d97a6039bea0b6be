package evidence

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// maxLog is more entries than any log has. Above this size tlog's powers of two
// overflow, and its loop never ends.
const maxLog = 1 << 62

// maxSignatures bounds the signature lines of one note. Package note has the same bound.
const maxSignatures = 100

// OpenCheckpoint verifies a log's signed checkpoint with the log's verifier key, and
// returns the signed tree. The key's name must be the log's origin. OpenCheckpoint
// refuses a note of another log, and a note that is not a tree.
func OpenCheckpoint(signed, origin, key string) (tlog.Tree, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	if v.Name() != origin {
		return tlog.Tree{}, errors.New("the key belongs to another log")
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return tlog.Tree{}, err
	}
	return parseTree(n.Text, origin)
}

// parseTree reads the text of a checkpoint of the log with this origin.
func parseTree(text, origin string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > maxLog || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, errors.New("the size is not the size of a log")
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// Split separates a served checkpoint into two parts. The first one is the note with the
// log's signature alone. The other one is the signature lines of others, in the order of
// format 2. The log's signature is the one line whose name is the origin. Split verifies no signature.
func Split(signed string) (own string, cosignatures []string, err error) {
	text, lines, err := parseNote(signed)
	if err != nil {
		return "", nil, err
	}
	origin, _, _ := strings.Cut(text, "\n")
	for _, line := range lines {
		if line.name != origin {
			cosignatures = append(cosignatures, line.text)
			continue
		}
		if own != "" {
			return "", nil, errors.New("the log signed twice")
		}
		own = text + "\n" + line.text + "\n"
	}
	if own == "" {
		return "", nil, errors.New("the log did not sign")
	}
	slices.Sort(cosignatures)
	return own, slices.Compact(cosignatures), nil
}

// Join is the reverse of [Split].
func Join(own string, cosignatures []string) string {
	var b strings.Builder
	b.WriteString(own)
	for _, line := range cosignatures {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// alone returns an error if signed is not a note with one signature, that of its origin.
func alone(signed string) error {
	own, _, err := Split(signed)
	if err == nil && own != signed {
		err = errors.New("it must have one signature, that of the log")
	}
	return err
}

// signature is one signature line of a note.
type signature struct {
	text  string // the line, without the newline
	name  string
	hash  uint32
	bytes []byte // after the key's hash
}

// parseNote reads the form of a signed note (c2sp.org/signed-note).
func parseNote(signed string) (text string, lines []signature, err error) {
	if !utf8.ValidString(signed) || strings.ContainsFunc(signed, func(r rune) bool { return r < 0x20 && r != '\n' }) {
		return "", nil, errors.New("not a signed note")
	}
	split := strings.LastIndex(signed, "\n\n")
	if split < 0 || !strings.HasSuffix(signed, "\n") || split+2 >= len(signed) {
		return "", nil, errors.New("not a signed note")
	}
	all := strings.Split(strings.TrimSuffix(signed[split+2:], "\n"), "\n")
	if len(all) > maxSignatures {
		return "", nil, fmt.Errorf("more than %d signatures", maxSignatures)
	}
	for _, line := range all {
		s, err := parseSignature(line)
		if err != nil {
			return "", nil, err
		}
		lines = append(lines, s)
	}
	return signed[:split+1], lines, nil
}

// parseSignature reads one signature line.
func parseSignature(line string) (signature, error) {
	rest, ok := strings.CutPrefix(line, "— ")
	name, encoded, found := strings.Cut(rest, " ")
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || !found || !validName(name) || err != nil || len(raw) < 5 {
		return signature{}, errors.New("not a signature line")
	}
	return signature{text: line, name: name, hash: binary.BigEndian.Uint32(raw), bytes: raw[4:]}, nil
}

// validName reports whether name may be the name of a key.
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsSpace) && !strings.Contains(name, "+")
}

// validateCosignatures returns an error if lines are not in the one form of format 2.
func validateCosignatures(lines []string) error {
	if len(lines) > maxCosignatures {
		return fmt.Errorf("more than %d", maxCosignatures)
	}
	for i, line := range lines {
		if strings.ContainsAny(line, "\r\n") { // the decoder of base64 would skip them
			return errors.New("not a signature line")
		}
		if _, err := parseSignature(line); err != nil {
			return err
		}
		if i > 0 && lines[i-1] >= line {
			return errors.New("repeated, or not in the order of their bytes")
		}
	}
	return nil
}
