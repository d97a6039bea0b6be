package certificate

import (
	"bytes"
	"fmt"
	"math"
	"sort"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/shaping"
)

// A4 in points.
const pageWidth, pageHeight = 595.28, 841.89

type colour string

const (
	ink  colour = "0.106 0.137 0.200 rg\n"
	grey colour = "0.330 0.365 0.420 rg\n"
	snow colour = "1 1 1 rg\n"
	gold colour = "0.580 0.447 0.188 rg\n"
	pale colour = "0.900 0.862 0.765 rg\n"
	red  colour = "0.690 0.157 0.118 rg\n"
	rose colour = "0.975 0.885 0.870 rg\n"
)

// part is a part of the page that a screen reader announces: pieces of content in
// the order in which they are read.
type part struct {
	role, alt string
	pieces    []int  // by their numbers on the page
	actual    string // the text, if the pieces do not have it in its order
	link      *link  // target of the part, or nil
}

// link is the target of a part, with its places on the page.
type link struct {
	url, says string
	rects     []string
}

// page is the content of the one page, with its structure.
type page struct {
	*typesetter
	words
	embedded
	dry     bool             // draw nothing, only measure heights
	shaped  map[string]shown // texts of the lower part, which is set twice
	logo    *Logo            // of the issuer, or nil
	signer  string           // the name on the signature; "": unsigned
	field   string           // rectangle of the signature on the page
	content bytes.Buffer
	parts   []part
	pieces  int
	turned  []string // texts that content names
	placed  []placed // room for the glyphs of a cluster
}

// tag makes the content that draw draws a part.
func (p *page) tag(role, alt string, draw func()) {
	if !p.dry {
		p.parts = append(p.parts, part{role: role, alt: alt})
	}
	draw()
}

// begin begins a piece of the last part, and end ends it. Pieces must not nest, because
// screen readers then lose the order.
func (p *page) begin() {
	last := &p.parts[len(p.parts)-1]
	fmt.Fprintf(&p.content, "/%s<</MCID %d>>BDC\n", last.role, p.pieces)
	last.pieces = append(last.pieces, p.pieces)
	p.pieces++
}

// beginSpan begins a piece whose text is not that of its codes.
func (p *page) beginSpan(actual string) {
	last := &p.parts[len(p.parts)-1]
	fmt.Fprintf(&p.content, "/Span<</MCID %d/ActualText %s>>BDC\n", p.pieces, text(actual))
	last.pieces = append(last.pieces, p.pieces)
	p.pieces++
}

func (p *page) end() { p.content.WriteString("EMC\n") }

// ornament marks the content that draw draws as decoration, which is not read.
func (p *page) ornament(draw func()) {
	if p.dry {
		return
	}
	p.content.WriteString("/Artifact BMC\n")
	draw()
	p.content.WriteString("EMC\n")
}

// say shapes our own text, in the direction of the page.
func (p *page) say(s string) shown {
	base := di.DirectionLTR
	if p.rtl {
		base = di.DirectionRTL
	}
	key := textKey{base, s}
	text, ok := p.cache[key]
	if !ok {
		if len(p.cache) >= maxCached {
			clear(p.cache)
		}
		text = p.setTo(base, s, sans)
		p.cache[key] = text
	}
	return text
}

// quote shapes a user's text, in its own direction.
func (p *page) quote(s string) shown {
	return p.once(s, func() shown { return p.set(s, sans) })
}

// once caches shaped texts of one page, because its lower part is set twice.
func (p *page) once(key string, shape func() shown) shown {
	s, ok := p.shaped[key]
	if !ok {
		s = shape()
		p.shaped[key] = s
	}
	return s
}

// from returns the left edge of something with this width, x away from the start of
// the lines.
func (p *page) from(x, width float64) float64 {
	if p.rtl {
		return pageWidth - x - width
	}
	return x
}

// leads makes the last part a link, in a rectangle of the page.
func (p *page) leads(url, says string, x, y, w, h float64) {
	if p.dry {
		return
	}
	last := &p.parts[len(p.parts)-1]
	if last.link == nil {
		last.link = &link{url: url, says: says}
	}
	last.link.rects = append(last.link.rects, fmt.Sprintf("%s %s %s %s", num(x), num(y), num(x+w), num(y+h)))
}

// watermark draws a text across the page as a shape. Search and copy do not find it.
func (p *page) watermark(l shaping.Line, size, x, y, angle float64) {
	sin, cos := math.Sincos(angle)
	fmt.Fprintf(&p.content, "q %.5f %.5f %.5f %.5f %s %s cm\n", cos, sin, -sin, cos, num(x), num(y))
	unit, at := size/64/em, 0.0
	for _, run := range l {
		scale := size / float64(run.Face.Upem())
		for _, g := range run.Glyphs {
			path, _ := outline(run.Face, g.GlyphID)
			fmt.Fprintf(&p.content, "q %.6f 0 0 %.6f %s %s cm\n%sQ\n", scale, scale, num(at+float64(g.XOffset)*unit), num(float64(g.YOffset)*unit), path)
			at += float64(g.Advance) * unit
		}
	}
	p.content.WriteString("Q\n")
}

func (p *page) rect(x, y, w, h float64) {
	to := p.content.AvailableBuffer()
	for _, n := range [4]float64{x, y, w, h} {
		to = append(appendNum(to, n), ' ')
	}
	p.content.Write(append(to, "re\n"...))
}

func (p *page) colour(c colour) {
	if !p.dry {
		p.content.WriteString(string(c))
	}
}

func (p *page) fill() { p.content.WriteString("f\n") }

type align float64 // how much of the free space is left of the text

const left, centre, right align = 0, 0.5, 1

// leading is the distance of two baselines, as a multiple of the font size. Scripts with
// marks above and below need more than Latin.
const leading = 1.3

// Letters that are higher or deeper than this, in parts of the font size, such as those of
// Burmese and Tibetan, make their lines higher, by mostExtra at most.
const ascent, descent, mostExtra = 1.05, 0.27, 0.6

// lead is the distance of two baselines.
func (s shown) lead(size float64) float64 { return size * (leading + s.above + s.below) }

// block draws a paragraph from top down, and returns the position below.
func (p *page) block(s shown, size, x, top, width float64, a align) float64 {
	if p.dry {
		return top - p.height(s, size, width)
	}
	for _, l := range p.wrap(s, size, width) {
		top -= s.lead(size)
		p.line(s, l, size, x+(width-lineWidth(l, size))*float64(a), top+size*(leading-1+s.below))
	}
	return top
}

func (p *page) height(s shown, size, width float64) float64 {
	if len(s.runes) > 0 && s.width <= measure(size, width) { // most fit, and breaking lines is slow
		return s.lead(size)
	}
	at := measure(size, width)
	lines, known := s.lines[at]
	if !known {
		if len(s.lines) >= maxLines {
			clear(s.lines)
		}
		lines = len(p.wrap(s, size, width))
		s.lines[at] = lines
	}
	return float64(lines) * s.lead(size)
}

// maxLines is the maximum number of widths for which a paragraph caches its number of
// lines. The search for the best size needs some hundred widths for each of 32 names.
const maxLines = 1024

// within returns the largest size, from largest down to least, at which a paragraph has
// at most this many lines.
func (p *page) within(s shown, largest, least, width float64, lines int) float64 {
	size := largest
	for size > least && p.height(s, size, width) > (float64(lines)+0.5)*s.lead(size) {
		size -= 0.25
	}
	return size
}

// short returns a paragraph of at most this many lines. It leaves out the middle of a
// longer text.
func (p *page) short(text string, size, width float64, lines int) shown {
	full := p.quote(text)
	fits := func(s shown) bool { return p.height(s, size, width) <= (float64(lines)+0.5)*s.lead(size) }
	if fits(full) {
		return full
	}
	return p.once("short\x00"+text, func() shown {
		r := []rune(text)
		cut := func(n int) shown { // n characters are left out
			from := (len(r) - n) / 2
			return p.set(string(r[:from])+"…"+string(r[from+n:]), sans)
		}
		return cut(sort.Search(len(r), func(n int) bool { return fits(cut(n)) }))
	})
}
