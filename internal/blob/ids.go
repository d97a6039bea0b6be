package blob

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"
)

// timeDigits is how many characters at the start of an upload's ID are the time of its begin:
// seconds since 1970, in base 36.
const timeDigits = 7

// validID reports whether an ID can be one of newID.
func validID(id string) bool {
	return len(id) > timeDigits && len(id) <= 64 && !strings.ContainsFunc(id, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
}

func newID(now time.Time) string {
	at := strconv.FormatInt(now.Unix(), 36)
	return strings.Repeat("0", max(0, timeDigits-len(at))) + at + strings.ToLower(rand.Text())
}

func begunAt(id string) time.Time {
	seconds, err := strconv.ParseInt(id[:timeDigits], 36, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
