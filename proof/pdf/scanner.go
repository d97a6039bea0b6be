package pdf

import (
	"bytes"
	"strings"
)

// scanner reads values from at up to end.
type scanner struct {
	b       *budget
	text    []byte
	at, end int
}

func isWhite(c byte) bool {
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' '
}

func isDelimiter(c byte) bool { return bytes.IndexByte([]byte("()<>[]{}/%"), c) >= 0 }

// peek returns the next byte, or a space at the end.
func (s *scanner) peek() byte {
	if s.at < s.end {
		return s.text[s.at]
	}
	return ' '
}

// next reads a byte inside a value. It refuses the end of the file.
func (s *scanner) next() byte {
	if s.at >= s.end {
		refuse("value")
	}
	s.b.step(1)
	s.at++
	return s.text[s.at-1]
}

// take reads n bytes of a table.
func (s *scanner) take(n int) string {
	if s.end-s.at < n {
		refuse("table")
	}
	s.b.step(n)
	s.at += n
	return string(s.text[s.at-n : s.at])
}

// space skips white space and comments.
func (s *scanner) space() {
	from := s.at
	for s.at < s.end {
		if s.text[s.at] == '%' {
			for s.at < s.end && s.text[s.at] != '\n' && s.text[s.at] != '\r' {
				s.at++
			}
		} else if isWhite(s.text[s.at]) {
			s.at++
		} else {
			break
		}
	}
	s.b.step(s.at - from)
}

// bare reads up to the next white space or delimiter. It refuses other control
// characters, because some readers treat them as white space.
func (s *scanner) bare() string {
	from := s.at
	for s.at < s.end && !isWhite(s.text[s.at]) && !isDelimiter(s.text[s.at]) {
		s.at++
	}
	s.b.step(s.at - from)
	word := string(s.text[from:s.at])
	if strings.ContainsFunc(word, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		refuse("value")
	}
	return word
}

// word reads the next bare word, after white space and comments.
func (s *scanner) word() string {
	s.space()
	return s.bare()
}

// one reads a value that is not a number or a reference.
func (s *scanner) one() any {
	s.space()
	if s.peek() != '<' {
		refuse("value")
	}
	return s.value(s.next(), 0)
}

// items reads values up to a word or sign that is not a value, and returns that, too:
// "endobj", "stream", "]", ">>", or "" for the end.
func (s *scanner) items(depth int) (all []any, end string) {
	if depth > maxDepth {
		refuse("depth")
	}
	for {
		s.space()
		if s.at >= s.end {
			return all, ""
		}
		s.b.one(&s.b.values, maxValues)
		c := s.text[s.at]
		if isDelimiter(c) {
			s.next()
			if c == ']' {
				return all, "]"
			}
			if c == '>' {
				if s.next() != '>' {
					refuse("value")
				}
				return all, ">>"
			}
			all = append(all, s.value(c, depth))
			continue
		}
		switch word := s.bare(); word {
		case "endobj", "stream":
			return all, word
		case "true", "false":
			all = append(all, pdfWord(word))
		case "null":
			all = append(all, nil)
		case "R":
			n := len(all)
			if n < 2 {
				refuse("value")
			}
			ref := reference{number(all[n-2]), number(all[n-1])}
			if ref.number < 0 || ref.generation < 0 {
				refuse("value")
			}
			all = append(all[:n-2], ref)
		default:
			if !isNumber(word) {
				refuse("value")
			}
			all = append(all, pdfNumber(word))
		}
	}
}

// isNumber: a sign, digits, a point, digits, at most 32 signs.
func isNumber(s string) bool {
	if len(s) > 32 {
		return false
	}
	digits, points := 0, 0
	for i, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && points == 0:
			points++
		case (c == '+' || c == '-') && i == 0:
		default:
			return false
		}
	}
	return digits > 0
}

// value reads a value that begins with a delimiter.
func (s *scanner) value(c byte, depth int) any {
	switch {
	case c == '/':
		return s.name()
	case c == '(':
		return s.literal()
	case c == '[':
		list, end := s.items(depth + 1)
		if end != "]" {
			refuse("value")
		}
		return append([]any{}, list...)
	case c == '<' && s.peek() == '<':
		s.next()
		return s.dictionary(depth)
	case c == '<':
		return s.hex()
	}
	refuse("value")
	return nil
}

func (s *scanner) dictionary(depth int) dictionary {
	items, end := s.items(depth + 1)
	if end != ">>" || len(items)%2 != 0 {
		refuse("value")
	}
	d := dictionary{}
	seen := map[pdfName]bool{}
	for i := 0; i < len(items); i += 2 {
		key, ok := items[i].(pdfName)
		if !ok || seen[key] {
			refuse("value")
		}
		seen[key] = true
		if items[i+1] != nil { // null means that the entry is missing
			d = append(d, entry{key, items[i+1]})
		}
	}
	return d
}

// name reads a name. In a name, #20 is a space.
func (s *scanner) name() pdfName {
	word := s.bare()
	var out []byte
	for i := 0; i < len(word); i++ {
		if word[i] != '#' {
			out = append(out, word[i])
			continue
		}
		if i+2 >= len(word) || digit(word[i+1]) < 0 || digit(word[i+2]) < 0 || word[i+1:i+3] == "00" {
			refuse("value")
		}
		out = append(out, byte(digit(word[i+1])<<4|digit(word[i+2])))
		i += 2
	}
	return pdfName(out)
}

// digit returns the value of a hexadecimal digit, or -1.
func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// hex reads a string of hexadecimal digits.
func (s *scanner) hex() pdfString {
	var out []byte
	half := -1
	for {
		c := s.next()
		if c == '>' {
			break
		}
		if isWhite(c) {
			continue
		}
		n := digit(c)
		if n < 0 {
			refuse("value")
		}
		if half < 0 {
			half = n
		} else {
			out, half = append(out, byte(half<<4|n)), -1
		}
	}
	if half >= 0 {
		out = append(out, byte(half<<4))
	}
	return pdfString(out)
}

// literal reads a string up to its closing parenthesis.
func (s *scanner) literal() pdfString {
	var out []byte
	for open := 1; ; {
		c := s.next()
		switch c {
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				return pdfString(out)
			}
		case '\r': // CR LF counts as one character
			if s.peek() == '\n' {
				s.next()
			}
			c = '\n'
		case '\\':
			c = s.next()
			switch c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case '\r':
				if s.peek() == '\n' {
					s.next()
				}
				continue
			case '\n':
				continue
			default:
				if c >= '0' && c <= '7' {
					n := int(c - '0')
					for i := 0; i < 2 && s.peek() >= '0' && s.peek() <= '7'; i++ {
						n = n*8 + int(s.next()-'0')
					}
					c = byte(n)
				}
			}
		}
		out = append(out, c)
	}
}
