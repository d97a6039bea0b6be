package certificate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/shaping"
)

// longest is the maximum number of characters of one code: fewer than the limit of PDF
// readers.
const longest = 64

// cluster is the glyphs of some characters, which are written as one.
type cluster struct {
	from, to int // glyphs of the run
	text     []rune
}

// line draws one line of a paragraph from left to right, with its baseline from x, y.
//
// Programs that copy text read a line from left to right, and then turn what is written from
// right to left. Each does it in its own way. A code of one character is turned in the same
// way by all of them, so text from right to left has no code of several letters.
func (p *page) line(s shown, l shaping.Line, size, x, y float64) {
	p.begin()
	pen := pen{page: p, size: size, y: y, unit: size / unitsPerEm}
	p.content.WriteString("BT\n")
	fmt.Fprintf(&p.content, "/F %s Tf\n", num(size))
	odd := false
	for i := range l {
		run := &l[i]
		right := run.Direction == di.DirectionRTL
		odd = odd || right
		all := s.clusters(run, right)
		if right {
			slices.Reverse(all)
		}
		for _, c := range all {
			var glyphs []placed
			at := 0.0 // from the left of the cluster, in units
			const unit = float64(unitsPerEm) / 64 / em
			for _, g := range run.Glyphs[c.from:c.to] {
				glyphs = append(glyphs, placed{run.Face, g.GlyphID, int(math.Round(at + float64(g.XOffset)*unit)), int(math.Round(float64(g.YOffset) * unit))})
				at += float64(g.Advance) * unit
			}
			width := int(math.Round(at))
			if len(glyphs) == 1 && glyphs[0].x == 0 && glyphs[0].y == 0 {
				width = p.shape(glyphs[0].face, glyphs[0].id).advance // kerning is not in the code
			}
			switch {
			case len(c.text) == 0: // an isolate
			case right && slices.ContainsFunc(c.text, astral):
				pen.put(p.use(glyphs, string(c.text), width), width, x)
			case right:
				pen.right(glyphs, c.text, width, x)
			default:
				odd = pen.left(glyphs, c.text, width, x) || odd
			}
			x += at * pen.unit
		}
	}
	pen.flush()
	p.content.WriteString("ET\n")
	p.end()
	if odd {
		p.parts[len(p.parts)-1].actual = s.meaning()
	}
}

// meaning is the text of the paragraph.
func (s shown) meaning() string {
	var b strings.Builder
	for i, r := range s.runes {
		if actual, ok := s.actual[i]; ok {
			b.WriteString(actual)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// clusters returns the clusters of a run in reading order. Characters without a shape of
// their own, such as joiners, belong to the cluster before.
func (s shown) clusters(run *shaping.Output, right bool) (all []cluster) {
	for from := 0; from < len(run.Glyphs); {
		first := run.Glyphs[from]
		c := cluster{from: from, to: min(from+max(first.GlyphsCount(), 1), len(run.Glyphs))}
		for i := first.TextIndex(); i < first.TextIndex()+first.RunesCount(); i++ {
			if actual, ok := s.actual[i]; ok {
				c.text = append(c.text, []rune(actual)...)
			} else {
				c.text = append(c.text, s.runes[i])
			}
		}
		from = c.to
		all = append(all, c)
	}
	if right {
		slices.Reverse(all)
		if slices.ContainsFunc(s.runes[run.Runes.Offset:run.Runes.Offset+run.Runes.Count], astral) {
			one := cluster{to: len(run.Glyphs)}
			for _, c := range all {
				one.text = append(one.text, c.text...)
			}
			return []cluster{one}
		}
	}
	merged := all[:0]
	for _, c := range all {
		if last := len(merged) - 1; last >= 0 && (formats(c.text) || !right && endsInFormat(merged[last].text)) {
			m := &merged[last]
			m.from, m.to, m.text = min(m.from, c.from), max(m.to, c.to), slices.Concat(m.text, c.text)
		} else {
			merged = append(merged, c)
		}
	}
	return merged
}

// formats reports whether a text has no character with a shape of its own.
func formats(text []rune) bool {
	return !slices.ContainsFunc(text, func(r rune) bool { return !unicode.Is(unicode.Cf, r) })
}

// endsInFormat reports whether pdf.js would leave out a code with this text.
func endsInFormat(text []rune) bool {
	return len(text) > 0 && unicode.Is(unicode.Cf, text[len(text)-1]) && !slices.ContainsFunc(text, isMark)
}

// astral reports whether a character needs two units of UTF-16. PDFium leaves it out of an
// ActualText, and no program turns letters of such a script.
func astral(r rune) bool { return r > 0xffff }

func isMark(r rune) bool { return unicode.Is(unicode.Mn, r) }

// pen writes codes of one line.
type pen struct {
	*page
	size, unit float64 // unit: of the font, in points
	x, y       float64 // where the next code would be by itself
	open       bool
}

func (p *pen) put(code, width int, x float64) {
	if !p.open {
		fmt.Fprintf(&p.content, "1 0 0 1 %s %s Tm[<", num(x), num(p.y))
		p.open, p.x = true, x
	} else if apart := math.Round((x - p.x) / p.unit); apart != 0 {
		fmt.Fprintf(&p.content, ">%d<", -int(apart))
		p.x += apart * p.unit
	}
	p.content.Write(appendHex(p.content.AvailableBuffer(), code))
	p.x += float64(width) * p.unit
}

func (p *pen) flush() {
	if p.open {
		p.content.WriteString(">]TJ\n")
		p.open = false
	}
}

// left writes a cluster from left to right, and reports whether it needs a text around it.
//
// pdf.js takes a code with a mark in its text for one without width. So marks, and what is
// after them, have a blank code without width. Poppler would put that code into another
// word. So the cluster's text is around it.
func (p *pen) left(glyphs []placed, letters []rune, width int, x float64) (spanned bool) {
	first := slices.IndexFunc(letters, isMark)
	if first < 0 && len(letters) > 0 && unicode.Is(unicode.Cf, letters[len(letters)-1]) {
		first = slices.IndexFunc(letters, func(r rune) bool { return unicode.Is(unicode.Cf, r) })
	}
	if first <= 0 {
		first = len(letters)
	}
	first = min(first, longest)
	if first == len(letters) {
		p.put(p.use(glyphs, string(letters), width), width, x)
		return false
	}
	spanned = !slices.ContainsFunc(letters, astral)
	if !spanned {
		p.put(p.use(glyphs, string(letters[:first]), width), width, x)
		for rest := letters[first:]; len(rest) > 0; rest = rest[min(longest, len(rest)):] {
			p.put(p.use(nil, string(rest[:min(longest, len(rest))]), 0), 0, x+float64(width-20)*p.unit)
		}
		return false
	}
	p.flush()
	p.end()
	p.beginSpan(string(letters))
	p.put(p.use(glyphs, string(letters[:first]), width), width, x)
	for rest := letters[first:]; len(rest) > 0; rest = rest[min(longest, len(rest)):] {
		p.put(p.use(nil, string(rest[:min(longest, len(rest))]), 0), 0, x+float64(width)*p.unit)
	}
	p.flush()
	p.end()
	p.begin()
	return true
}

// right writes a cluster from right to left: letter by letter, the last one at the left.
// The first code has the drawing, and each letter has a part of its width.
func (p *pen) right(glyphs []placed, text []rune, width int, x float64) {
	var letters [][]rune // with their marks
	for _, r := range text {
		if n := len(letters); n > 0 && (isMark(r) || unicode.Is(unicode.Cf, r)) {
			letters[n-1] = append(letters[n-1], r)
		} else {
			letters = append(letters, []rune{r})
		}
	}
	for n := len(letters); n > 0; n-- {
		letter := letters[n-1]
		part := width / n
		after := letter[1:]
		if slices.ContainsFunc(after, isMark) {
			p.marks(after, x)
			after = nil
		}
		drawing := glyphs
		if n < len(letters) {
			drawing = nil
		}
		p.put(p.use(drawing, turned(append([]rune{letter[0]}, after...)), part), part, x)
		width -= part
		x += float64(part) * p.unit
	}
}

// marks writes the marks of a letter as a blank code at its left. A code without any width, or
// at the place of the letter, would be sorted by Poppler.
func (p *pen) marks(text []rune, x float64) {
	const width, before = 10, 20
	for rest := text; len(rest) > 0; {
		n := min(longest, len(rest))
		p.put(p.use(nil, turned(rest[len(rest)-n:]), width), width, x-before*p.unit)
		rest = rest[:len(rest)-n]
	}
}

// turned returns a text in reverse.
func turned(text []rune) string {
	other := slices.Clone(text)
	slices.Reverse(other)
	return string(other)
}
