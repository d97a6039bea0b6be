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
		unread := right && slices.ContainsFunc(all, func(c cluster) bool { return slices.ContainsFunc(c.text, unturned) })
		if unread {
			pen.beginUnturned(all)
		}
		for k, c := range all {
			glyphs, advance := p.place(run, c)
			width := int(math.Round(advance))
			if len(glyphs) == 1 && glyphs[0].x == 0 && glyphs[0].y == 0 {
				width = p.shape(glyphs[0].face, glyphs[0].id).advance // kerning is not in the code
			}
			switch {
			case len(c.text) == 0: // an isolate
			case right && !slices.ContainsFunc(c.text, astral):
				extra := 0
				if k+1 < len(all) && beforeMark(all, k+1) {
					space := run.Glyphs[all[k+1].from].Advance
					extra = max(int(float64(space)/64/em*unitsPerEm)-narrow, 0)
				}
				if beforeMark(all, k) {
					pen.put(p.use(nil, " ", narrow), narrow, x+(advance-narrow)*pen.unit)
				} else {
					pen.right(glyphs, c.text, width, extra, x)
				}
			default:
				odd = pen.left(glyphs, c.text, width, x) || odd
			}
			x += advance * pen.unit
		}
		if unread {
			pen.endUnturned()
		}
	}
	pen.flush()
	p.content.WriteString("ET\n")
	p.end()
	if odd {
		p.parts[len(p.parts)-1].actual = s.meaning()
	}
}

// narrow is the width of a space in units, if a mark is drawn next. pdf.js counts the width
// of what is before the mark, but not that of a space, and Poppler needs some space.
const narrow = 80

// beforeMark reports whether a cluster of a line from right to left is a space, with a mark as
// the next code.
func beforeMark(all []cluster, k int) bool {
	return string(all[k].text) == " " && k > 0 && k+1 < len(all) && len(all[k+1].text) > 0 && isMark(all[k+1].text[len(all[k+1].text)-1])
}

// place returns the glyphs of a cluster, from its left, and its width in units.
func (p *page) place(run *shaping.Output, c cluster) (glyphs []placed, advance float64) {
	glyphs = p.placed[:0]
	const unit = float64(unitsPerEm) / 64 / em
	for _, g := range run.Glyphs[c.from:c.to] {
		glyphs = append(glyphs, placed{run.Face, g.GlyphID, int(math.Round(advance + float64(g.XOffset)*unit)), int(math.Round(float64(g.YOffset) * unit))})
		advance += float64(g.Advance) * unit
	}
	p.placed = glyphs
	return glyphs, advance
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
func (s shown) clusters(run *shaping.Output, right bool) []cluster {
	all := make([]cluster, 0, len(run.Glyphs))
	for from := 0; from < len(run.Glyphs); {
		first := &run.Glyphs[from]
		c := cluster{from: from, to: min(from+max(first.GlyphsCount(), 1), len(run.Glyphs))}
		at, end := first.TextIndex(), first.TextIndex()+first.RunesCount()
		if c.text = s.runes[at:end:end]; len(s.actual) > 0 {
			c.text = nil
			for i := at; i < end; i++ {
				if actual, ok := s.actual[i]; ok {
					c.text = append(c.text, []rune(actual)...)
				} else {
					c.text = append(c.text, s.runes[i])
				}
			}
		}
		from = c.to
		all = append(all, c)
	}
	text := s.runes[run.Runes.Offset : run.Runes.Offset+run.Runes.Count]
	if !right && len(s.actual) == 0 && !slices.ContainsFunc(text, func(r rune) bool { return r >= 0x300 }) {
		return all // most texts: no marks, no joiners
	}
	if right {
		slices.Reverse(all)
	}
	for i := len(all) - 1; i >= 0; i-- { // the number of a character that is not shown itself
		if len(all[i].text) > 0 {
			continue
		}
		at := run.Glyphs[all[i].from].TextIndex()
		if i > 0 {
			m := &all[i-1]
			m.from, m.to = min(m.from, all[i].from), max(m.to, all[i].to)
			all = slices.Delete(all, i, i+1)
		} else if !strings.ContainsRune(isolates, s.runes[at]) {
			all[i].text = []rune{s.runes[at]} // a line begins within the number
		}
	}
	if right {
		if slices.ContainsFunc(text, astral) {
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
	if right {
		return merged
	}
	// PDFium leaves out a space that stands alone between two texts of their own.
	all, merged = merged, nil
	for i, c := range all {
		if last := len(merged) - 1; last >= 0 && string(c.text) == " " && i+1 < len(all) && spanned(merged[last].text) {
			merged[last].to, merged[last].text = c.to, slices.Concat(merged[last].text, c.text)
		} else {
			merged = append(merged, c)
		}
	}
	return merged
}

// spanned reports whether a cluster from left to right has its text around it.
func spanned(text []rune) bool { return rest(text) < len(text) && !slices.ContainsFunc(text, astral) }

// rest returns where the part of a cluster begins that has a code of its own: the first mark.
func rest(text []rune) int {
	first := slices.IndexFunc(text, isMark)
	if first < 0 && len(text) > 0 && unicode.Is(unicode.Cf, text[len(text)-1]) {
		first = slices.IndexFunc(text, func(r rune) bool { return unicode.Is(unicode.Cf, r) })
	}
	if first <= 0 {
		first = len(text)
	}
	return min(first, longest)
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
func (p *pen) left(glyphs []placed, letters []rune, width int, x float64) (odd bool) {
	first := rest(letters)
	if first == len(letters) {
		p.put(p.use(glyphs, textOf(letters), width), width, x)
		return false
	}
	odd = spanned(letters)
	end := x + float64(width)*p.unit
	if odd {
		p.flush()
		p.end()
		p.beginSpan(string(letters))
	} else {
		end -= 20 * p.unit // Poppler sorts by place
	}
	p.put(p.use(glyphs, textOf(letters[:first]), width), width, x)
	for more := letters[first:]; len(more) > 0; more = more[min(longest, len(more)):] {
		p.put(p.use(nil, string(more[:min(longest, len(more))]), 0), 0, end)
	}
	if odd {
		p.flush()
		p.end()
		p.begin()
	}
	return odd
}

// right writes a cluster from right to left: letter by letter, the last one at the left.
// The first code has the drawing, and each letter has a part of its width. The last code is
// wider by extra.
func (p *pen) right(glyphs []placed, text []rune, width, extra int, x float64) {
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
		if width -= part; n == 1 {
			part += extra
		}
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

// unturned reports whether a letter is from right to left for PDFium and pdf.js, but not for
// Poppler: its table has only Hebrew, Arabic and Syriac.
func unturned(r rune) bool { return r >= 0x7c0 && r < 0x870 }

// beginUnturned begins clusters with such letters. Poppler reads their text around them. PDFium
// reads the inner text, which has a name, and turns it. pdf.js reads the codes.
func (p *pen) beginUnturned(all []cluster) {
	var text []rune
	for i := len(all) - 1; i >= 0; i-- {
		text = append(text, all[i].text...)
	}
	p.flush()
	p.end()
	p.beginSpan(string(text))
	fmt.Fprintf(&p.content, "/Span/T%d BDC\n", len(p.turned))
	p.turned = append(p.turned, turned(text))
}

func (p *pen) endUnturned() {
	p.flush()
	p.end()
	p.end()
	p.begin()
}

// properties are the texts that content names.
func (p *page) properties() string {
	if len(p.turned) == 0 {
		return ""
	}
	var b strings.Builder
	for i, t := range p.turned {
		fmt.Fprintf(&b, "/T%d<</ActualText %s>>", i, text(t))
	}
	return "/Properties<<" + b.String() + ">>"
}

// textOf returns characters as a string. For one of ASCII it needs no memory.
func textOf(text []rune) string {
	if len(text) == 1 {
		return string(text[0])
	}
	return string(text)
}

// turned returns a text in reverse.
func turned(text []rune) string {
	other := slices.Clone(text)
	slices.Reverse(other)
	return string(other)
}
