package certificate

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	qr "github.com/piglig/go-qr"
)

// hash is the font size of a hash of 64 digits, in points.
const hash = 7.5

// lineGap is the space between two facts, afterGap between two groups, in points.
const lineGap, afterGap = 3.4, 7.0

// facts draws the registered data, what it proves, and how to check it. It returns the
// position below.
func (p *page) facts(in Input, code [][]bool, y float64) float64 {
	p.ornament(func() {
		p.colour(pale)
		p.rect(margin, y-1, inner, 0.8)
		p.fill()
	})
	y -= 9
	end := p.code(in, code, y)
	above := []fact{
		{name: p.number, value: fmt.Sprintf(p.numberIs, in.Registration, in.Version), fixed: true},
		{name: p.registered, value: p.time(in.At), fixed: true},
		{name: p.issued, value: p.issuedOn(in), fixed: true},
		{name: p.issuedBy, value: in.Issuer, rest: in.Imprint, logo: true},
		{name: p.registry, value: in.Registry},
		{name: p.file, value: in.File.Name, rest: p.about(in.File), fixed: in.File.Name == ""},
		{name: p.network, value: fmt.Sprintf(p.networkIs, p.isolated(in.Network), in.Block), fixed: true},
	}
	if in.Origin != "" {
		above = append(above, fact{name: p.log, value: in.Origin, rest: fmt.Sprintf(p.keyIs, p.isolated(in.KeyFingerprint))})
	}
	hashes := []fact{
		{name: p.transaction, value: in.Transaction, size: hash},
		{name: p.words.hash, value: in.FileHash, size: hash},
		{name: p.commitment, value: in.Commitment, size: hash},
	}
	names := p.names(append(above, hashes...))
	y = min(p.rows(y, inner-qrSize-beside, names, above), end) - 1
	if p.long(in.PublicURL) {
		p.colour(grey)
		p.tag("P", "", func() { y = p.block(p.quote(in.PublicURL), urlSize, margin, y, inner, right-p.start()) - lineGap })
	}
	y = p.rows(y, inner, names, hashes) - afterGap + 1

	proves := p.proves
	if in.Unseen {
		proves = p.unseen
	}
	y = p.paragraph(proves, 8.4, ink, margin, y, inner) - 1.5
	y = p.paragraph(p.provesNot+" "+p.later, 8.4, ink, margin, y, inner) - 2.5
	stamped := []struct{ says, by string }{{p.stamped, in.Authority}, {p.stampedBlock, in.BlockAuthority}}
	if in.Authority == in.BlockAuthority {
		stamped = stamped[:1]
		stamped[0].says = p.stampedBoth
	}
	for _, one := range stamped {
		if one.by != "" {
			y = p.paragraph(fmt.Sprintf(one.says, p.isolated(cut(one.by, mostAuthority))), 7, grey, margin, y, inner) - 1
		}
	}
	if len(in.Witnesses) > 0 && !in.Unwitnessed {
		y = p.paragraph(fmt.Sprintf(p.witnessed, p.few(in.Witnesses)), 7, grey, margin, y, inner) - 1
	}
	if in.Unwitnessed {
		y = p.paragraph(p.unwitnessed, 7, grey, margin, y, inner) - 1
	}
	y = p.paragraph(p.made, 7, grey, margin, y, inner) - afterGap
	return p.check(in, y)
}

// mostAuthority is the maximum number of characters of an authority's name.
const mostAuthority = 120

// cut leaves out the end of a longer text.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func (p *page) issuedOn(in Input) string {
	if in.Issued.IsZero() {
		return ""
	}
	return p.time(in.Issued)
}

// The bounds of a list of witnesses on a page.
const maxShown, maxWitness = 3, 40

// few lists the first names, shortened, and how many more there are.
func (w words) few(names []string) string {
	var shown []string
	for _, name := range names[:min(len(names), maxShown)] {
		if short := []rune(name); len(short) > maxWitness {
			name = string(short[:maxWitness-1]) + "…"
		}
		shown = append(shown, w.isolated(name))
	}
	if more := len(names) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("+%d", more))
	}
	return strings.Join(shown, ", ")
}

// about describes a file: everything except its name.
func (w words) about(f File) string {
	var facts []string
	if f.Format != "" {
		facts = append(facts, fmt.Sprintf(w.audio, w.isolated(f.Format)))
	}
	if f.Duration > 0 {
		facts = append(facts, length(f.Duration))
	}
	if f.Size > 0 {
		facts = append(facts, w.size(f.Size))
	}
	return strings.Join(facts, " · ")
}

// fact is a line with a name and a value. A fact without a value is not drawn.
type fact struct {
	name, value string
	rest        string  // in smaller type below the value
	size        float64 // of the value; 0: 9 points
	logo        bool    // the issuer's logo is at the end of the line
	fixed       bool    // the value is a text of the page, not of a user, and has the page's direction
}

const nameSize, restSize = 8.0, 7.5

// picture draws the logo as the last part.
func (p *page) picture(x, y, w, h float64) {
	if p.dry {
		return
	}
	p.begin()
	fmt.Fprintf(&p.content, "q %s 0 0 %s %s %s cm\n/Logo Do\nQ\n", num(w), num(h), num(x), num(y))
	p.end()
}

// names returns the width of the column of names.
func (p *page) names(facts []fact) (widest float64) {
	for _, f := range facts {
		widest = max(widest, float64(p.say(f.name).width)/64/em*nameSize)
	}
	return min(math.Ceil(widest)+12, 0.3*inner)
}

// rows draws facts with their names in a column.
func (p *page) rows(y, width, names float64, facts []fact) float64 {
	for _, f := range facts {
		if f.value == "" && f.rest == "" {
			continue
		}
		size := f.size
		if size == 0 {
			size = 9
		}
		p.colour(grey)
		var named float64
		p.tag("P", "", func() {
			// Both texts have the same baseline.
			named = p.block(p.say(f.name), nameSize, p.from(margin, names-6), y-(size-nameSize), names-6, p.start())
		})
		room, under := width-names, y
		if f.logo && p.logo != nil {
			w, h := p.logo.size()
			p.tag("Figure", cmp.Or(f.value, f.rest), func() { p.picture(p.from(margin+width-w, w), y-h, w, h) })
			room -= w + logoGap
			under = y - h
		}
		x := p.from(margin+names, room)
		at := y
		if f.value != "" {
			p.colour(ink)
			p.tag("P", "", func() {
				text := p.short(f.value, 6.5, room, 2)
				if f.fixed {
					text = p.say(f.value)
				}
				at = p.block(text, p.within(text, size, 6.5, room, 2), x, at, room, p.start())
			})
		}
		if f.rest != "" {
			p.colour(grey)
			p.tag("P", "", func() {
				text := p.say(f.rest)
				if !f.fixed && f.name == p.issuedBy {
					text = p.short(f.rest, 6, room, 2)
				}
				at = p.block(text, p.within(text, restSize, 6, room, 2), x, at+0.5, room, p.start())
			})
		}
		y = min(at, named, under) - lineGap
	}
	return y
}

// start returns the side where lines of the page begin.
func (p *page) start() align {
	if p.rtl {
		return right
	}
	return left
}

func (p *page) paragraph(s string, size float64, c colour, x, y, width float64) (end float64) {
	p.colour(c)
	p.tag("P", "", func() { end = p.block(p.say(s), size, p.from(x, width), y, width, p.start()) })
	return end
}

// The box of a signature.
const signedWidth, signedHeight = 158.0, 46.0

// check draws how to check the certificate, and who signed it.
func (p *page) check(in Input, y float64) float64 {
	width, end := inner, y
	if p.signer != "" {
		width -= signedWidth + 14
		end = p.signature(y)
	}
	if in.VerifyURL == "" {
		return end
	}
	y = p.paragraph(p.words.check, 9.5, ink, margin, y, width) - 1
	p.colour(ink)
	p.tag("P", "", func() {
		top := y
		y = p.block(p.say("1.\u00a0"+fmt.Sprintf(p.step1, p.isolated(in.VerifyURL))), 8.4, p.from(margin, width), y, width, p.start()) - 0.5
		p.leads(in.VerifyURL, in.VerifyURL, p.from(margin, width), y, width, top-y)
	})
	y = p.paragraph("2.\u00a0"+p.step2, 8.4, ink, margin, y, width)
	return min(y, end)
}

func (p *page) signature(y float64) float64 {
	x := p.from(margin+inner-signedWidth, signedWidth)
	if !p.dry {
		p.field = fmt.Sprintf("%s %s %s %s", num(x), num(y-signedHeight), num(x+signedWidth), num(y))
	}
	const inset = 7.0
	x, width := x+inset, signedWidth-2*inset
	at := y - 4
	p.colour(grey)
	p.tag("P", "", func() { at = p.block(p.say(p.signed), 7, x, at, width, p.start()) })
	p.colour(ink)
	p.tag("P", "", func() {
		name := p.short(p.signer, 7, width, 1)
		at = p.block(name, p.within(name, 10, 7, width, 1), x, at, width, p.start())
	})
	p.colour(grey)
	p.tag("P", "", func() {
		text := p.say(p.signedNote)
		p.block(text, p.within(text, 6.5, 5, width, 1), x, at-1, width, p.start())
	})
	return y - signedHeight
}

// foot draws the last line of the page.
func (p *page) foot(in Input) {
	const size, y = 7.0, foot - 5
	p.colour(grey)
	if in.Evidence != nil {
		p.tag("P", "", func() { p.block(p.say(p.mail), size, p.from(margin, inner), y, inner, p.start()) })
	}
	p.tag("P", "", func() { p.block(p.say(p.words.page), size, p.from(margin, inner), y, inner, right-p.start()) })
}

// squares returns the dark (true) and light squares of a QR code, row by row, without
// the margin. At least 15% of the code may be unreadable.
func squares(url string) ([][]bool, error) {
	code, err := qr.EncodeText(url, qr.Medium)
	if err != nil {
		return nil, fmt.Errorf("QR code of %d bytes: %w", len(url), err)
	}
	rows := make([][]bool, code.Size())
	for y := range rows {
		for x := range code.Size() {
			rows[y] = append(rows[y], code.Module(x, y))
		}
	}
	return rows, nil
}

// code draws the QR code of the work's page and its address. It returns the position
// below.
func (p *page) code(in Input, bits [][]bool, y float64) float64 {
	x, top := p.from(margin+inner-qrSize, qrSize), y-2
	one := qrSize / float64(len(bits))
	says := fmt.Sprintf(p.pageOf, in.PublicURL)
	p.colour(ink)
	p.tag("Figure", fmt.Sprintf(p.codeOf, in.PublicURL), func() {
		if p.dry {
			return
		}
		p.begin()
		fmt.Fprintf(&p.content, "q %.4f 0 0 %.4f %s %s cm\n", one, one, num(x), num(top))
		for i, row := range bits {
			for from := 0; from < len(row); from++ {
				to := from
				for to < len(row) && row[to] {
					to++
				}
				if to > from {
					// A hair wider, so that no viewer shows seams.
					p.rect(float64(from), -float64(i)-1.01, float64(to-from)+0.01, 1.02)
					from = to
				}
			}
		}
		p.fill()
		p.content.WriteString("Q\n")
		p.end()
	})
	p.leads(in.PublicURL, says, x, top-qrSize, qrSize, qrSize)
	if y = top - qrSize - 3; p.long(in.PublicURL) {
		return y
	}
	p.colour(grey)
	p.tag("P", "", func() {
		url := p.quote(in.PublicURL)
		width := p.balanced(url, urlSize, qrSize+2*urlWider)
		y = p.block(url, urlSize, x+(qrSize-width)/2, y, width, centre)
		p.leads(in.PublicURL, says, x, y, qrSize, top-qrSize-y)
	})
	return y
}

// The address below the code: its font size, and how much wider than the code it may be.
const urlSize, urlWider = 6.2, 6.0

// long reports whether an address needs the width of the page.
func (p *page) long(url string) bool {
	return len(p.wrap(p.quote(url), urlSize, qrSize+2*urlWider)) > 2
}
