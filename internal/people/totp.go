package people

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The codes of authenticator apps: RFC 6238 with SHA-1, 6 digits and 30 seconds, which is
// what all apps support.
const (
	totpStep   = 30 * time.Second
	totpWindow = 1 // steps before and after the current one, for clocks that differ
)

func newTOTPSecret() []byte {
	b := make([]byte, 20)
	rand.Read(b) // never fails: without randomness the program ends
	return b
}

// totpCode is the code of one step.
func totpCode(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// totpMatches returns the step whose code this is, or 0. Steps up to last were used.
func totpMatches(secret []byte, code string, now time.Time, last int64) (step int64) {
	current := now.Unix() / int64(totpStep/time.Second)
	for s := current - totpWindow; s <= current+totpWindow; s++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(secret, s)), []byte(code)) == 1 && s > last {
			step = s
		}
	}
	return step
}

var base32Plain = base32.StdEncoding.WithPadding(base32.NoPadding)

// totpURL is the content of the QR code that authenticator apps read.
func totpURL(issuer, email string, secret []byte) string {
	label := url.PathEscape(issuer) + ":" + url.PathEscape(email)
	values := url.Values{"secret": {base32Plain.EncodeToString(secret)}, "issuer": {issuer}}
	return "otpauth://totp/" + label + "?" + strings.ReplaceAll(values.Encode(), "+", "%20")
}

// newRecoveryCode returns a code of 12 signs (60 random bits), as people type it: xxxx-xxxx-xxxx.
func newRecoveryCode() string {
	const signs = "abcdefghjkmnpqrstuvwxyz023456789" // 32, without letters that look like others
	var b [12]byte
	rand.Read(b[:]) // never fails: without randomness the program ends
	for i := range b {
		b[i] = signs[b[i]&31]
	}
	return string(b[:4]) + "-" + string(b[4:8]) + "-" + string(b[8:])
}

// plainCode removes what people type between the signs of a code.
func plainCode(typed string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' {
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(typed)))
}
