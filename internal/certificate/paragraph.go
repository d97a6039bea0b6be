package certificate

import "sort"

type align float64 // how much of the free space is left of the text

const left, centre, right align = 0, 0.5, 1

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
