package certificate

import (
	"cmp"
	"fmt"
	"math"
	"sort"
	"strings"
)

// The page, from its edges inwards.
const (
	frame  = 26.0
	margin = 58.0
	inner  = pageWidth - 2*margin

	qrSize  = 92.0
	beside  = 18.0         // space between the facts and the code
	foot    = frame + 26.0 // where the lower part ends
	top     = pageHeight - frame - 5
	headEnd = pageHeight - 150.0 // top of the room for the title
	gap     = 20.0               // space between title and creators

	factsLeast = 250.0 // minimum height of the lower part
)

// compose draws everything.
func (p *page) compose(in Input) error {
	if len(in.PublicURL) > MaxURL || len(in.VerifyURL) > MaxURL {
		return fmt.Errorf("certificate: an address of %d bytes is too long", max(len(in.PublicURL), len(in.VerifyURL)))
	}
	code, err := squares(in.PublicURL)
	if err != nil {
		return err
	}
	// The lower part has the height that it needs. Title and creators have the rest.
	p.dry = true
	factsTop := max(foot+factsLeast, foot-p.facts(in, code, 0))
	p.dry = false
	p.ornament(func() {
		if in.Test {
			p.stamp()
		}
		p.frame()
	})
	p.head(in)
	p.work(in, factsTop)
	p.facts(in, code, factsTop)
	p.foot(in)
	return nil
}

// stamp draws the test network's watermark across the whole page.
func (p *page) stamp() {
	const long = 640.0 // of the 1,031 points of the diagonal
	text := p.say(p.test)
	size := long / (float64(text.width) / 64 / em)
	angle := math.Atan2(pageHeight, pageWidth)
	p.colour(rose)
	for _, l := range p.wrap(text, size, pageWidth*pageHeight) {
		// The middle of the capitals is on the middle of the diagonal.
		x, y := -long/2, -0.36*size
		p.watermark(l, size, pageWidth/2+x*math.Cos(angle)-y*math.Sin(angle), pageHeight/2+x*math.Sin(angle)+y*math.Cos(angle), angle)
	}
}

func (p *page) frame() {
	p.colour(gold)
	for _, f := range []struct{ inset, width float64 }{{frame, 1.6}, {frame + 5, 0.5}} {
		w, h := pageWidth-2*f.inset, pageHeight-2*f.inset
		p.rect(f.inset, f.inset, w, f.width)
		p.rect(f.inset, f.inset+h-f.width, w, f.width)
		p.rect(f.inset, f.inset, f.width, h)
		p.rect(f.inset+w-f.width, f.inset, f.width, h)
	}
	p.fill()
}

func (p *page) head(in Input) {
	wave, heading := top-33, top-48
	if in.Test {
		const ribbon = 24.0
		p.ornament(func() {
			p.colour(red)
			p.rect(frame, top+5-ribbon, pageWidth-2*frame, ribbon)
			p.fill()
		})
		p.colour(snow)
		p.tag("P", "", func() {
			text := p.say(p.test + " · " + p.testSays)
			size := p.within(text, 10, 5, inner+40, 1)
			p.block(text, size, margin-20, top+5-ribbon/2+0.73*size, inner+40, centre)
		})
		wave, heading = wave-21, heading-19
	}
	p.ornament(func() { p.wave(in.Commitment, wave) })
	p.colour(ink)
	p.tag("H1", "", func() {
		p.block(p.set(p.heading, serif), 23, margin, heading, inner, centre)
	})
}

// wave draws the commitment as a sound wave with one bar for each digit. So two
// commitments never have the same wave.
func (p *page) wave(digits string, y float64) {
	digits = strings.TrimPrefix(digits, "0x")
	p.colour(gold)
	const step, bar = 3.4, 1.7
	x := (pageWidth - step*float64(len(digits)) + step - bar) / 2
	for _, c := range digits {
		h := 3 + 1.35*float64(strings.IndexRune("0123456789abcdef", c))
		p.rect(x, y-h/2, bar, h)
		x += step
	}
	p.fill()
}

// work draws the title and the creators, as large as the room allows.
func (p *page) work(in Input, factsTop float64) {
	title := p.set(in.Title, serif)
	size, room := 36.0, 132.0
	if len(in.Creators) > 8 {
		room = 84 // the names need it more
	}
	for size > 8 && (p.height(title, size, inner) > room || len(p.wrap(title, size, inner)) > 2 && size > 24) {
		size--
	}
	// Prefer a slightly smaller title in one line.
	if one := math.Floor(0.97 * inner / (float64(title.width+1) / 64 / em)); one >= 26 {
		size = min(size, one)
	}
	titleHeight, width := p.height(title, size, inner), p.balanced(title, size, inner)
	room = headEnd - factsTop - titleHeight - gap
	list := p.arrange(in, room)
	top := headEnd - (room-list.height)*0.42
	// Clip, so that a high stack of marks on a letter does not cover the rest of the page.
	fmt.Fprintf(&p.content, "q %s %s %s %s re W n\n", num(frame), num(factsTop-4), num(pageWidth-2*frame), num(headEnd+12-factsTop))
	p.colour(ink)
	p.tag("H2", "", func() { p.block(title, size, (pageWidth-width)/2, top, width, centre) })
	list.draw(p, top-titleHeight-gap)
	p.content.WriteString("Q\n")
}

// balanced returns the smallest width in which a paragraph has no more lines than in
// width. So all lines have about the same length, and the last line is not a single word.
func (p *page) balanced(s shown, size, width float64) float64 {
	lines := len(p.wrap(s, size, width))
	if lines < 2 {
		return width
	}
	least, most := width/float64(lines), width
	for most-least > 2 {
		if w := (least + most) / 2; len(p.wrap(s, size, w)) > lines || p.widest(s, size, w) > w+0.5 {
			least = w
		} else {
			most = w
		}
	}
	return most
}

// widest returns the width of the widest line. It may exceed width, because a long word
// is not broken.
func (p *page) widest(s shown, size, width float64) (most float64) {
	for _, l := range p.wrap(s, size, width) {
		most = max(most, lineWidth(l, size))
	}
	return most
}

// cell is the drawn form of one creator.
type cell struct{ name, rest shown }

// creators are arranged in columns.
type creators struct {
	cells   []cell
	columns int
	size    float64 // of names
	width   float64 // of a column
	heights []float64
	height  float64
	more    shown // the line with the number of other creators
}

const between = 14.0 // columns

// The largest and the smallest font size of names, and the step, in points. The text
// below a name is smaller, but people can still read it without a lens.
const largest, smallest, step = 17.0, 6.0, 0.25

// The font size of the line about more creators, and its distance from the last name.
const moreSize, moreGap = 9, 3

func below(size float64) float64 { return max(0.68*size, 4.8) }

// arrange places all creators. If they do not all fit in a readable size, it places as
// many as fit, and a line with the number of the others.
func (p *page) arrange(in Input, room float64) creators {
	var all []cell
	for _, one := range in.Creators {
		all = append(all, cell{p.set(one.Name, sans), p.say(p.below(one))})
	}
	if c, ok := p.fit(all, room); ok {
		return c
	}
	says := p.more
	if in.Evidence != nil {
		says = p.moreAttached
	}
	var best creators
	sort.Search(len(all), func(n int) bool { // finds the first number that does not fit
		more := p.say(fmt.Sprintf(says, len(all)-n))
		c, ok := p.fit(all[:n], room-p.height(more, moreSize, inner)-moreGap)
		if ok {
			best, best.more = c, more
		}
		return !ok
	})
	return best
}

// fit finds the largest font size in which the cells fit, with as few columns as possible.
func (p *page) fit(all []cell, room float64) (best creators, ok bool) {
	c := creators{cells: all}
	for c.columns = 1; c.columns <= 3; c.columns++ {
		if c.columns > 1 && (c.columns > len(all) || (c.columns-1)*3 >= len(all)) { // no columns of one
			break
		}
		least := smallest
		if c.columns == 1 && len(all) > 3 { // prefer two columns to small print
			least = 12
		}
		sizes := int((largest-least)/step) + 1
		n := sort.Search(sizes, func(n int) bool { // smaller type is never higher
			c.size = largest - step*float64(n)
			return p.measure(&c, room)
		})
		if c.size = largest - step*float64(n); n < sizes && c.size > best.size {
			p.measure(&c, room)
			best, ok = c, true
		}
	}
	return best, ok
}

// measure computes the heights of the cells, and reports whether they fit into room. It
// stops at the first cell that does not fit.
func (p *page) measure(c *creators, room float64) bool {
	c.width = (inner - between*float64(c.columns-1)) / float64(c.columns)
	c.heights, c.height = nil, 0
	for i, one := range c.cells {
		h := p.height(one.name, c.size, c.width) + p.height(one.rest, below(c.size), c.width) + c.size*0.55
		if i%c.columns == 0 {
			c.heights = append(c.heights, 0)
		}
		row := &c.heights[len(c.heights)-1]
		if h > *row {
			c.height += h - *row
			*row = h
		}
		if c.height > room {
			return false
		}
	}
	return true
}

func (c creators) draw(p *page, top float64) {
	for i, one := range c.cells {
		inRow := min(c.columns, len(c.cells)-i/c.columns*c.columns) // the last row may be shorter
		x := margin + (inner-float64(inRow)*(c.width+between)+between)/2 + float64(i%c.columns)*(c.width+between)
		y := top
		p.colour(ink)
		p.tag("P", "", func() { y = p.block(one.name, c.size, x, top, c.width, centre) })
		if len(one.rest.runes) > 0 {
			p.colour(grey)
			p.tag("P", "", func() { p.block(one.rest, below(c.size), x, y, c.width, centre) })
		}
		if i%c.columns == inRow-1 {
			top -= c.heights[i/c.columns]
		}
	}
	if len(c.more.runes) > 0 {
		p.colour(ink)
		p.tag("P", "", func() { p.block(c.more, moreSize, margin, top-moreGap, inner, centre) })
	}
}

// below returns the text under a creator's name.
func (w words) below(c Creator) string {
	var facts []string
	for _, role := range c.Roles {
		name, ok := w.roles[role]
		if !ok {
			name = strings.ReplaceAll(role, "_", " ")
		}
		facts = append(facts, name)
	}
	facts = []string{strings.Join(facts, cmp.Or(w.comma, ", "))}
	if c.IPI != "" {
		facts = append(facts, w.isolated("IPI\u00a0"+c.IPI))
	}
	if c.ISNI != "" {
		facts = append(facts, w.isolated("ISNI\u00a0"+c.ISNI))
	}
	return strings.TrimPrefix(strings.Join(facts, "\u00a0· "), "\u00a0· ")
}
