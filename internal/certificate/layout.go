package certificate

import (
	"fmt"
	"sort"
	"strings"

	"github.com/skip2/go-qrcode"
)

// The page, from its edges inwards.
const (
	frame  = 26.0
	margin = 62.0
	inner  = pageWidth - 2*margin

	qrSize = 96.0
	labels = 64.0 // the column of the facts' names

	headBottom = pageHeight - 168 // where the title may begin
	factsTop   = 264.0            // where title and creators must have ended
	gap        = 22.0             // between title and creators
)

// compose draws everything, and returns the rectangle that is a link.
func (p *page) compose(in Input) (link string, err error) {
	p.ornament(p.frame)
	p.head(in)
	p.work(in)
	bottom := p.facts(in)
	link, bottom, err = p.code(in, bottom)
	p.proof(in, bottom)
	return link, err
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
	p.ornament(func() { p.wave(in.Commitment, pageHeight-92) })
	p.colour(ink)
	p.tag("H1", "", func() {
		p.block(p.set("Certificate of registration", serif), 23, margin, pageHeight-108, inner, centre)
	})
	if in.Network == "testnet" {
		p.colour(red)
		p.tag("P", "", func() {
			p.block(p.set("On a test network: for trying out only", sans), 9, margin, pageHeight-142, inner, centre)
		})
	}
}

// wave draws the commitment as the picture of a sound: a bar a digit, so that
// no two works have the same.
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

// work draws the title and the creators as large as they fit together.
func (p *page) work(in Input) {
	title := p.set(in.Title, serif)
	size, room := 36.0, 138.0
	if len(in.Creators) > 8 {
		room = 96 // the names need it more
	}
	for size > 8 && (p.height(title, size, inner) > room || len(p.wrap(title, size, inner)) > 2 && size > 24) {
		size--
	}
	titleHeight := p.height(title, size, inner)
	room = headBottom - factsTop - titleHeight - gap
	list := p.arrange(in, room)
	top := headBottom - (room-list.height)*0.42
	// Marks that are stacked on a letter without end stay off the rest of the page.
	fmt.Fprintf(&p.content, "q %s %s %s %s re W n\n", num(frame), num(factsTop-4), num(pageWidth-2*frame), num(headBottom+12-factsTop))
	p.colour(ink)
	p.tag("H2", "", func() { p.block(title, size, margin, top, inner, centre) })
	list.draw(p, top-titleHeight-gap)
	p.content.WriteString("Q\n")
}

// cell is one creator as it is drawn.
type cell struct{ name, rest shown }

// creators are arranged in columns.
type creators struct {
	cells   []cell
	columns int
	size    float64 // of names
	width   float64 // of a column
	heights []float64
	height  float64
	more    shown // how many there are besides
}

const between = 14.0 // columns

// Names are at most and at least so large, in steps of a quarter of a point. What
// stands below a name is smaller, and at least so large that a lens is not needed.
const largest, smallest, step = 17.0, 6.0, 0.25

// How large it is said that there are more, and how far below the last.
const moreSize, moreGap = 9, 3

func below(size float64) float64 { return max(0.68*size, 4.8) }

// arrange places all creators, or, when there are more than can be read on a page,
// as many as fit and how many more there are.
func (p *page) arrange(in Input, room float64) creators {
	var all []cell
	for _, one := range in.Creators {
		all = append(all, cell{p.set(one.Name, sans), p.set(one.below(), sans)})
	}
	if c, ok := p.fit(all, room); ok {
		return c
	}
	where := ""
	if in.Evidence != nil {
		where = ", all in the attached evidence"
	}
	var best creators
	sort.Search(len(all), func(n int) bool { // how many are too many
		more := p.set(fmt.Sprintf("and %d more%s", len(all)-n, where), sans)
		c, ok := p.fit(all[:n], room-p.height(more, moreSize, inner)-moreGap)
		if ok {
			best, best.more = c, more
		}
		return !ok
	})
	return best
}

// fit finds the largest type in which cells fit, in as few columns as it can.
func (p *page) fit(all []cell, room float64) (best creators, ok bool) {
	c := creators{cells: all}
	for c.columns = 1; c.columns <= 3; c.columns++ {
		if c.columns > 1 && (c.columns > len(all) || (c.columns-1)*3 >= len(all)) { // no columns of one
			break
		}
		least := smallest
		if c.columns == 1 && len(all) > 3 { // rather two columns than small print
			least = 12
		}
		sizes := int((largest-least)/step) + 1
		n := sort.Search(sizes, func(n int) bool { // smaller type is never higher
			c.size = largest - step*float64(n)
			p.measure(&c)
			return c.height <= room
		})
		if c.size = largest - step*float64(n); n < sizes && c.size > best.size {
			p.measure(&c)
			best, ok = c, true
		}
	}
	return best, ok
}

func (p *page) measure(c *creators) {
	c.width = (inner - between*float64(c.columns-1)) / float64(c.columns)
	c.heights, c.height = nil, 0
	for i, one := range c.cells {
		h := p.height(one.name, c.size, c.width) + p.height(one.rest, below(c.size), c.width) + c.size*0.55
		if i%c.columns == 0 {
			c.heights = append(c.heights, 0)
		}
		row := &c.heights[len(c.heights)-1]
		*row = max(*row, h)
	}
	for _, h := range c.heights {
		c.height += h
	}
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

// below is what stands under a creator's name.
func (c Creator) below() string {
	facts := []string{}
	if len(c.Roles) > 0 {
		facts = append(facts, strings.ReplaceAll(strings.Join(c.Roles, ", "), "_", " "))
	}
	if c.IPI != "" {
		facts = append(facts, "IPI\u00a0"+c.IPI)
	}
	if c.ISNI != "" {
		facts = append(facts, "ISNI\u00a0"+c.ISNI)
	}
	return strings.Join(facts, "\u00a0· ")
}

// hash is the size at which 64 digits stand in one line.
const hash = 7.5

// facts draws what was registered where, and returns where that ends.
func (p *page) facts(in Input) (y float64) {
	y = factsTop - 6
	p.ornament(func() {
		p.colour(pale)
		p.rect(margin, y, inner, 0.8)
		p.fill()
	})
	y -= 8
	at := in.At.UTC()
	for _, f := range []struct {
		name, value string
		size        float64
	}{
		{"Registration", fmt.Sprintf("No. %d, version %d", in.Registration, in.Version), 9},
		{"Registered", at.Format("2 January 2006, 15:04:05") + " UTC", 9},
		{"Network", fmt.Sprintf("%s, block %d", in.Network, in.Block), 9},
		{"Transaction", in.Transaction, hash},
		{"Fingerprint", in.Fingerprint, hash},
		{"Commitment", in.Commitment, hash},
	} {
		p.colour(grey)
		p.tag("P", "", func() { p.block(p.set(f.name, sans), 8, margin, y, labels, left) })
		p.colour(ink)
		p.tag("P", "", func() {
			y = min(p.block(p.set(f.value, sans), f.size, margin+labels, y, inner-qrSize-16-labels, left), y-10.4) - 4.6
		})
	}
	return y
}

// proof says what it proves, and what it does not.
func (p *page) proof(in Input, y float64) {
	proves := "This proves that on the date above this recording, with this title and these creators, existed as it is: they are sealed in the commitment together, and a change of one letter or one sound would give another."
	if in.Unseen {
		proves = "This proves that on the date above this fingerprint of a recording, with this title and these creators, was known: they are sealed in the commitment together. The registry has not seen the recording; whoever has it can show that the fingerprint is its own."
	}
	for i, s := range []string{
		proves,
		"It does not prove by itself who made the work or who owns it: it proves when this was said, and that nothing of it was changed since.",
	} {
		p.tag("P", "", func() {
			p.colour([]colour{ink, grey}[i])
			y = p.block(p.set(s, sans), 8.8, margin, y, inner, left) - 2
		})
	}
	if in.Evidence != nil {
		p.tag("P", "", func() {
			p.colour(grey)
			p.block(p.set("The evidence is attached as "+EvidenceName+", with the creators' e-mail addresses; it can be checked without the registry that issued it.", sans), 7, margin, frame+24, inner, centre)
		})
	}
}

// code draws the QR code of the work's page, and below it where it leads; y is
// where the facts beside it end, bottom where both do.
func (p *page) code(in Input, y float64) (link string, bottom float64, err error) {
	if len(in.PublicURL) > MaxURL {
		return "", 0, fmt.Errorf("certificate: an address of %d bytes is too long", len(in.PublicURL))
	}
	q, err := qrcode.New(in.PublicURL, qrcode.Medium)
	if err != nil {
		return "", 0, err
	}
	q.DisableBorder = true
	bits := q.Bitmap()
	x, top := pageWidth-margin-qrSize, factsTop-16.0
	one := qrSize / float64(len(bits))
	p.colour(ink)
	p.tag("Figure", "QR code of "+in.PublicURL, func() {
		p.begin()
		for i, row := range bits {
			for from := 0; from < len(row); from++ {
				to := from
				for to < len(row) && row[to] {
					to++
				}
				if to > from {
					// A hair wider, so that no viewer shows seams.
					p.rect(x+float64(from)*one, top-float64(i+1)*one-0.02, float64(to-from)*one+0.02, one+0.04)
					from = to
				}
			}
		}
		p.fill()
		p.end()
	})
	p.colour(grey)
	p.tag("P", "", func() {
		const size, wider = 6.2, 8.0
		url := p.set(in.PublicURL, sans)
		if len(p.wrap(url, size, qrSize+wider)) <= 2 {
			p.block(url, size, x-wider, top-qrSize-4, qrSize+wider, centre)
			bottom = min(y, top-qrSize-20) - 8
		} else { // a long one takes the width of the page
			bottom = p.block(url, size, margin, min(y, top-qrSize)-4, inner, right) - 6
		}
	})
	return fmt.Sprintf("%s %s %s %s", num(x), num(top-qrSize), num(x+qrSize), num(top)), bottom, nil
}
