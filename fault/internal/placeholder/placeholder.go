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

// megabyte is 1,048,576 bytes, as for every size and price that Timbre states: the default cap of 524,288,000 bytes
// reads as 500 MB.
const megabyte = 1 << 20

// Megabytes returns a size and its maximum as people read them: with one decimal, or none where that is 0. The size is
// rounded up and the maximum down, so that a size above the maximum never looks equal to it: "500 MB is too
// large, the maximum is 500 MB" helps nobody. A maximum below a tenth gets as many decimals as show it.
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
