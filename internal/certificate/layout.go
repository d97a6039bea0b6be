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
	p.facts(in)
	return p.code(in)
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
	list := p.arrange(in.Creators, room)
	top := headBottom - (room-list.height)*0.42
	p.colour(ink)
	p.tag("H2", "", func() { p.block(title, size, margin, top, inner, centre) })
	list.draw(p, top-titleHeight-gap)
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
}

const between = 14.0 // columns

// small is the size of what stands below a name, beside the name's.
const small = 0.68

// Names are at most and at least so large, in steps of a quarter of a point.
const largest, smallest, step = 17.0, 2.0, 0.25

// arrange finds the largest type that fits, in as few columns as it can.
func (p *page) arrange(all []Creator, room float64) (best creators) {
	var c creators
	for _, one := range all {
		c.cells = append(c.cells, cell{p.set(one.Name, sans), p.set(one.below(), sans)})
	}
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
			best = c
		}
	}
	if best.size == 0 { // nothing fits: as small as it gets
		c.columns, c.size = min(3, max(len(all), 1)), smallest
		p.measure(&c)
		best = c
	}
	return best
}

func (p *page) measure(c *creators) {
	c.width = (inner - between*float64(c.columns-1)) / float64(c.columns)
	c.heights, c.height = nil, 0
	for i, one := range c.cells {
		h := p.height(one.name, c.size, c.width) + p.height(one.rest, c.size*small, c.width) + c.size*0.55
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
		p.tag("P", "", func() {
			p.colour(ink)
			y := p.block(one.name, c.size, x, top, c.width, centre)
			p.colour(grey)
			p.block(one.rest, c.size*small, x, y, c.width, centre)
		})
		if i%c.columns == c.columns-1 {
			top -= c.heights[i/c.columns]
		}
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
	return strings.Join(facts, " · ")
}

// hash is the size at which 64 digits stand in one line.
const hash = 7.5

// facts draws what was registered where, and what that proves.
func (p *page) facts(in Input) {
	y := factsTop - 6
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
		p.tag("P", "", func() {
			p.colour(grey)
			p.block(p.set(f.name, sans), 8, margin, y, labels, left)
			p.colour(ink)
			y = min(p.block(p.set(f.value, sans), f.size, margin+labels, y, inner-qrSize-16-labels, left), y-10.4) - 4.6
		})
	}
	y = min(y, factsTop-16-qrSize-20) - 8
	for i, s := range []string{
		"This proves that on the date above this recording, with this title and these creators, existed as it is: they are sealed in the commitment together, and a change of one letter or one sound would give another.",
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
			p.block(p.set("The evidence is attached to this file as "+EvidenceName+"; it can be checked without the registry that issued it.", sans), 7, margin, frame+24, inner, centre)
		})
	}
}

// code draws the QR code of the work's page.
func (p *page) code(in Input) (link string, err error) {
	q, err := qrcode.New(in.PublicURL, qrcode.Medium)
	if err != nil {
		return "", err
	}
	q.DisableBorder = true
	bits := q.Bitmap()
	x, top := pageWidth-margin-qrSize, factsTop-16.0
	one := qrSize / float64(len(bits))
	p.colour(ink)
	p.tag("Figure", "QR code of "+in.PublicURL, func() {
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
	})
	p.colour(grey)
	p.tag("P", "", func() { p.block(p.set(in.PublicURL, sans), 6.2, x-8, top-qrSize-4, qrSize+8, centre) })
	return fmt.Sprintf("%s %s %s %s", num(x), num(top-qrSize), num(x+qrSize), num(top)), nil
}
