package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"timbre.example/internal/legible"
)

// terminal writes text for people. Titles, names and addresses come from other people and
// can contain characters that control a terminal. terminal writes those characters, and
// invisible ones, by number: ⟨U+009B⟩.
type terminal struct{ io.Writer }

func (t terminal) Write(p []byte) (int, error) {
	if bytes.ContainsFunc(p, func(r rune) bool { return r != '\n' && r != '\t' && (r < ' ' || r > '~') }) {
		var b strings.Builder
		text := string(p)
		for text != "" {
			n := strings.IndexAny(text, "\n\t")
			if n < 0 {
				n = len(text)
			}
			b.WriteString(legible.Shown(text[:n]))
			if n < len(text) {
				b.WriteByte(text[n])
				n++
			}
			text = text[n:]
		}
		if _, err := io.WriteString(t.Writer, b.String()); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return t.Writer.Write(p)
}

// escaped returns the same JSON with escapes for characters that control a terminal or
// are invisible.
func escaped(text []byte) []byte {
	var b bytes.Buffer
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r < 0x7f || !unicode.In(r, unicode.C, unicode.Zl, unicode.Zp):
			b.Write(text[:n])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[n:]
	}
	return b.Bytes()
}

// oneLine returns a text on one line, so that no part of it looks like a line of timbre.
func oneLine(s string) string { return legible.Shown(s) }
