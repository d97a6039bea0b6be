package pdf

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// The values of PDF. A dictionary keeps its order, and a number its written form.
type (
	reference struct{ number, generation int }
	pdfName   string
	pdfString string // as its bytes
	pdfNumber string
	pdfWord   string // true, false; null is nil
	// undeciphered is a string of an encrypted file that is not encrypted as the file says.
	undeciphered struct{}
	dictionary   []entry
	entry        struct {
		key   pdfName
		value any
	}
)

func (d dictionary) get(key pdfName) any {
	for _, one := range d {
		if one.key == key {
			return one.value
		}
	}
	return nil
}

// number returns v as a whole number from 0; -1 for any other value.
func number(v any) int {
	s, ok := v.(pdfNumber)
	if !ok {
		return -1
	}
	return whole(string(s))
}

// whole returns the number of at most ten digits; -1 for any other text.
func whole(s string) int {
	if len(s) > 10 || strings.Trim(s, "0123456789") != "" {
		return -1
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// text returns a text string as UTF-8: UTF-16 or UTF-8 with a byte order mark, or PDFDocEncoding. The part of
// PDFDocEncoding above ASCII is returned as its bytes: no name that is compared has it.
func (s pdfString) text() string {
	if rest, ok := strings.CutPrefix(string(s), "\xef\xbb\xbf"); ok {
		return rest
	}
	little := strings.HasPrefix(string(s), "\xff\xfe")
	if !little && !strings.HasPrefix(string(s), "\xfe\xff") {
		return string(s)
	}
	if len(s)%2 != 0 {
		refuse("value")
	}
	var units []uint16
	for i := 2; i < len(s); i += 2 {
		a, b := uint16(s[i]), uint16(s[i+1])
		if little {
			a, b = b, a
		}
		units = append(units, a<<8|b)
	}
	return string(utf16.Decode(units))
}
