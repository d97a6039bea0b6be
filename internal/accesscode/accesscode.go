// Package accesscode derives the access codes of works, and the hashes by which they are
// stored and found. It reads no row and authorizes no caller: it does not know which code opens
// which work.
package accesscode

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"strings"

	"timbre.example/fault"
)

// Secret derives access codes. With it and the database every code can be computed, so it
// stays on the server.
type Secret []byte

// Code derives the access code of a work for one generation. Only the hash of the code is
// stored, and the code can still be shown while it is new.
func (s Secret) Code(workID string, generation int64) string {
	mac := hmac.New(sha256.New, s)
	mac.Write([]byte(workID))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(generation)))
	return "atc_" + hex.EncodeToString(mac.Sum(nil))
}

var form = regexp.MustCompile(`^atc_[0-9a-f]{64}$`)

// Canonical returns an access code as it was issued: people also type it in capitals. Text
// that is not an access code is access_code.format_invalid.
func Canonical(typed string) (string, error) {
	code := strings.ToLower(typed)
	if len(typed) != len(code) || !form.MatchString(code) {
		return "", fault.AccessCodeFormatInvalid()
	}
	return code, nil
}

// Hash returns the hash by which a code is stored and found. A code has 256 random bits, so
// it needs no slow hash. A look-up by hash compares no secret.
func Hash(code string) []byte {
	h := sha256.Sum256([]byte(code))
	return h[:]
}
