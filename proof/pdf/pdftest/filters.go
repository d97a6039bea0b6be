package pdftest

import (
	"bytes"
	"fmt"
	"strings"
)

// Base85 is data in the digits of ASCII85Decode.
func Base85(data string) string {
	var out strings.Builder
	for len(data) > 0 {
		group := data[:min(4, len(data))]
		data = data[len(group):]
		value := 0
		for i := range 4 {
			value <<= 8
			if i < len(group) {
				value |= int(group[i])
			}
		}
		if value == 0 && len(group) == 4 {
			out.WriteByte('z')
			continue
		}
		digits := make([]byte, 5)
		for i := 4; i >= 0; i-- {
			digits[i] = '!' + byte(value%85)
			value /= 85
		}
		out.Write(digits[:len(group)+1])
		if out.Len()%70 == 0 {
			out.WriteByte('\n')
		}
	}
	return out.String() + "~>"
}

// Runs is data as RunLengthDecode reads them, without an end.
func Runs(data string) string {
	var out strings.Builder
	for len(data) > 0 {
		n := 1
		for n < len(data) && n < 128 && data[n] == data[0] {
			n++
		}
		if n > 1 {
			fmt.Fprintf(&out, "%s%c", []byte{byte(257 - n)}, data[0])
		} else {
			for n < len(data) && n < 100 && data[n] != data[n-1] {
				n++
			}
			out.WriteByte(byte(n - 1))
			out.WriteString(data[:n])
		}
		data = data[n:]
	}
	return out.String()
}

// LZW is data as LZWDecode reads them.
func LZW(data string, early int) string {
	var out []byte
	held, bits, width := 0, 0, 9
	write := func(code int) {
		held, bits = held<<width|code, bits+width
		for bits >= 8 {
			bits -= 8
			out = append(out, byte(held>>bits))
			held &= 1<<bits - 1
		}
	}
	table := map[string]int{}
	next := 258
	clear := func() {
		write(256)
		width, next = 9, 258
		for i := range 256 {
			table[string([]byte{byte(i)})] = i
		}
	}
	clear()
	for at := 0; at < len(data); {
		n := 1
		for at+n < len(data) && table[data[at:at+n+1]] != 0 {
			n++
		}
		write(table[data[at:at+n]])
		if at+n < len(data) {
			table[data[at:at+n+1]] = next
		}
		at += n
		next++
		// The reader is one entry behind.
		if next-1+early >= 1<<width && width < 12 {
			width++
		}
		if next == 4094 {
			table = map[string]int{}
			clear()
		}
	}
	write(257)
	if bits > 0 {
		out = append(out, byte(held<<(8-bits)))
	}
	return string(out)
}

// Predicted is data with the PNG predictors, another one in each row.
func Predicted(data string, row, pixel int) string {
	var out []byte
	above := make([]byte, row)
	for i := 0; i*row < len(data); i++ {
		line := []byte(data[i*row : (i+1)*row])
		kind := 10 + i%5
		out = append(append(out, byte(kind-10)), predict(line, above, pixel, kind)...)
		above = line
	}
	return string(out)
}

// differences is data with the TIFF predictor.
func differences(data string, row, pixel int) string {
	out := bytes.Clone([]byte(data))
	for i := range out {
		if i%row >= pixel {
			out[i] -= data[i-pixel]
		}
	}
	return string(out)
}
