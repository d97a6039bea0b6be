package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strings"
)

// The prefixes of keys. A test key reaches only test networks, and works of test keys.
const (
	livePrefix = "afo_sk_live_"
	testPrefix = "afo_sk_test_"
)

// The digits of a key: random ones, and then their checksum.
const (
	randomDigits = 40
	digits       = 48
	lastDigits   = 4 // stored and shown
)

// Like reports whether a bearer token is meant as an API key: it begins with afo_.
func Like(token string) bool { return strings.HasPrefix(token, "afo_") }

// WellFormed reports whether a token has the form of an API key: a prefix, 40 lowercase hex
// digits, and the CRC-32 (IEEE) of these digits as text. It reads no database.
func WellFormed(token string) bool {
	text, live := strings.CutPrefix(token, livePrefix)
	if !live {
		var test bool
		if text, test = strings.CutPrefix(token, testPrefix); !test {
			return false
		}
	}
	return len(text) == digits && strings.Trim(text, "0123456789abcdef") == "" && text[randomDigits:] == checksum(text[:randomDigits])
}

// checksum returns 8 hex digits by which a typing error is found without a database.
func checksum(text string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) }

// prefixOf returns the prefix of keys of one kind.
func prefixOf(test bool) string {
	if test {
		return testPrefix
	}
	return livePrefix
}

// newToken makes a key of 160 random bits.
func newToken(test bool) string {
	var b [randomDigits / 2]byte
	rand.Read(b[:]) // never fails: without randomness the program ends
	text := hex.EncodeToString(b[:])
	return prefixOf(test) + text + checksum(text)
}

// hashOf returns the stored form of a key, by which it is found. 160 random bits need no slow
// hash, and a lookup by hash compares no secret.
func hashOf(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}
