// Package placeholder fills the {size_mb} and {max_mb} of catalogue messages. Package fault and its
// generator share it, so the examples in the documentation read exactly like real errors. It knows no code.
package placeholder

import (
	"strconv"
	"strings"
)

// Fill replaces {size_mb} and {max_mb} in message by the sizes, given in bytes. A negative size means unknown; Fill
// writes a question mark.
func Fill(message string, sizeBytes, maxBytes int64) string {
	if !strings.Contains(message, "{") {
		return message
	}
	size, limit := Megabytes(sizeBytes, maxBytes)
	return strings.NewReplacer("{size_mb}", size, "{max_mb}", limit).Replace(message)
}

// megabyte is 1,048,576 bytes, as for every size and price in Timbre. The default limit of 524,288,000 bytes
// is therefore 500 MB.
const megabyte = 1 << 20

// Megabytes returns a size and its maximum as text, in megabytes: with one decimal, or without if that decimal is 0. The
// size is rounded up and the maximum down, so that a size above the maximum never looks equal to it: "500 MB is too
// large, the maximum is 500 MB" would not help. A maximum below a tenth has as many decimals as it needs.
func Megabytes(sizeBytes, maxBytes int64) (size, limit string) {
	decimals, scale := 1, int64(10)
	for maxBytes > 0 && maxBytes*scale < megabyte && decimals < 6 {
		decimals, scale = decimals+1, scale*10
	}
	show := func(bytes, round int64) string {
		if bytes < 0 {
			return "?"
		}
		whole, rest := bytes/megabyte, (bytes%megabyte*scale+round)/megabyte
		text := strconv.FormatFloat(float64(whole)+float64(rest)/float64(scale), 'f', decimals, 64)
		return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return show(sizeBytes, megabyte-1), show(maxBytes, 0)
}
