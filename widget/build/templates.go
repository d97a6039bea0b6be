package main

import (
	"regexp"
	"strings"
)

// tighten removes the line breaks and the indentation inside html`…` and svg`…` literals of a
// source: completely between two tags or values, elsewhere down to one space. Code, strings and
// other literals stay as they are.
func tighten(src string) string {
	var out strings.Builder
	t := tightener{src: src, out: &out}
	t.code(false)
	return out.String()
}

type tightener struct {
	src string
	at  int
	out *strings.Builder
}

// code copies up to the end of the source, or of the ${…} that it is in.
func (t *tightener) code(inside bool) {
	depth := 0
	for t.at < len(t.src) {
		rest := t.src[t.at:]
		switch c := rest[0]; {
		case strings.HasPrefix(rest, "//"):
			t.copy(until(rest, "\n"))
		case strings.HasPrefix(rest, "/*"):
			t.copy(until(rest, "*/"))
		case c == '\'' || c == '"':
			t.copy(quoted(rest))
		case strings.HasPrefix(rest, "html`") || strings.HasPrefix(rest, "svg`"):
			t.copy(strings.IndexByte(rest, '`') + 1)
			t.template(true)
		case c == '`':
			t.copy(1)
			t.template(false)
		case c == '}' && depth == 0 && inside:
			t.copy(1)
			return
		default:
			if c == '{' {
				depth++
			} else if c == '}' {
				depth--
			}
			t.copy(1)
		}
	}
}

// template copies up to the closing backtick.
func (t *tightener) template(tight bool) {
	start := t.at
	flush := func() {
		chunk := t.src[start:t.at]
		if tight {
			chunk = tightChunk(chunk)
		}
		t.out.WriteString(chunk)
	}
	for t.at < len(t.src) {
		rest := t.src[t.at:]
		switch {
		case rest[0] == '\\':
			t.at += 2
		case rest[0] == '`':
			flush()
			t.copy(1)
			return
		case strings.HasPrefix(rest, "${"):
			flush()
			t.copy(2)
			t.code(true)
			start = t.at
		default:
			t.at++
		}
	}
	flush()
}

func (t *tightener) copy(n int) {
	t.out.WriteString(t.src[t.at : t.at+n])
	t.at += n
}

var lineBreak = regexp.MustCompile(`[ \t]*\n\s*`)

// tightChunk tightens the text between two values.
func tightChunk(chunk string) string {
	var out strings.Builder
	last := 0
	for _, m := range lineBreak.FindAllStringIndex(chunk, -1) {
		out.WriteString(chunk[last:m[0]])
		last = m[1]
		opens := m[0] == 0 || chunk[m[0]-1] == '>'
		closes := m[1] == len(chunk) || chunk[m[1]] == '<' || chunk[m[1]] == '>'
		if !opens || !closes {
			out.WriteByte(' ')
		}
	}
	out.WriteString(chunk[last:])
	return out.String()
}

// until is the length up to and with end.
func until(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

// quoted is the length of a string literal at the start of s.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		} else if s[i] == s[0] {
			return i + 1
		}
	}
	return len(s)
}
