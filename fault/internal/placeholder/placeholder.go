// Package placeholder fills the {size_mb} and {max_mb} of catalogued messages. It is shared by the fault
// package and by its generator, so that the examples in the documentation read exactly like real
// refusals. It never decides what a message says.
package placeholder

import (
	"strconv"
	"strings"
)

// Fill replaces {size_mb} and {max_mb} in message by the sizes, given in bytes. A negative size is unknown and
// is shown as a question mark.
func Fill(message string, sizeBytes, maxBytes int64) string {
	if !strings.Contains(message, "{") {
		return message
	}
	size, limit := Megabytes(sizeBytes, maxBytes)
	return strings.NewReplacer("{size_mb}", size, "{max_mb}", limit).Replace(message)
}

// tenth is a tenth of a megabyte. A megabyte is 1,000,000 bytes, as file managers and disk makers count; caps are
// configured in bytes, so a cap of 500,000,000 reads as 500 MB.
const tenth = 100_000

// Megabytes returns both sizes as people read them: at most one decimal, no trailing ".0". Both are rounded to the nearest tenth,
// except that a size above the maximum is never shown as equal to it: "500 MB is too large, the maximum is
// 500 MB" helps nobody.
func Megabytes(sizeBytes, maxBytes int64) (size, limit string) {
	s, m := nearest(sizeBytes), nearest(maxBytes)
	if sizeBytes > maxBytes && maxBytes >= 0 && s == m {
		// The size goes up to the next tenth. When the maximum had been rounded up to that same tenth it goes down.
		if s*tenth < sizeBytes {
			s++
		}
		if s == m {
			m--
		}
	}
	return decimal(s), decimal(m)
}

func nearest(bytes int64) int64 {
	if bytes < 0 {
		return -1
	}
	tenths := bytes / tenth
	if bytes%tenth >= tenth/2 {
		tenths++
	}
	return tenths
}

func decimal(tenths int64) string {
	if tenths < 0 {
		return "?"
	}
	whole := strconv.FormatInt(tenths/10, 10)
	if tenths%10 == 0 {
		return whole
	}
	return whole + "." + strconv.FormatInt(tenths%10, 10)
}
