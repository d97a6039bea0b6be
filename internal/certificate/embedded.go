package certificate

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf16"

	"github.com/go-text/typesetting/font"
	ot "github.com/go-text/typesetting/font/opentype"
)

// unitsPerEm is the resolution of the embedded font.
const unitsPerEm = 1000

// shape is the outline of a glyph of a source font, as commands of a Type 2 charstring. The
// first move is not in it, so that shapes can be put together.
type shape struct {
	path       []byte
	x, y       int // where it begins
	endX, endY int
	box        [4]int
	advance    int
	drawn      bool // otherwise it is blank
}

// charstring collects the commands of a glyph. Operands of several lines or curves share
// one operator.
type charstring struct {
	b    []byte
	x, y int
	op   byte
	n    int // operands of op that are written
}

// Operators of charstrings, and the most operands of one.
const (
	rlineto   = 5
	rrcurveto = 8
	endchar   = 14
	rmoveto   = 21
	operands  = 48
)

func (c *charstring) flush() {
	if c.n > 0 {
		c.b, c.n = append(c.b, c.op), 0
	}
}

func (c *charstring) to(op byte, points ...[2]int) {
	if c.op != op || op == rmoveto || c.n+2*len(points) > operands {
		c.flush()
		c.op = op
	}
	for _, p := range points {
		c.b = appendOperand(appendOperand(c.b, p[0]-c.x), p[1]-c.y)
		c.x, c.y = p[0], p[1]
		c.n += 2
	}
}

// appendOperand writes a number of a charstring or of a dictionary.
func appendOperand(b []byte, v int) []byte {
	switch {
	case v >= -107 && v <= 107:
		return append(b, byte(v+139))
	case v >= 108 && v <= 1131:
		v -= 108
		return append(b, byte(v>>8+247), byte(v))
	case v >= -1131 && v <= -108:
		v = -v - 108
		return append(b, byte(v>>8+251), byte(v))
	}
	return append(b, 28, byte(v>>8), byte(v))
}

// outlined returns the shape of a glyph.
func outlined(face *font.Face, id font.GID) shape {
	scale := unitsPerEm / float64(face.Upem())
	round := func(x, y float64) [2]int { return [2]int{int(math.Round(x * scale)), int(math.Round(y * scale))} }
	s := shape{advance: int(math.Round(float64(face.HorizontalAdvance(id)) * scale))}
	data, _ := face.GlyphData(id).(font.GlyphOutline)
	var c charstring
	var px, py float64
	grow := func(points ...[2]int) {
		for _, p := range points {
			s.box = [4]int{min(s.box[0], p[0]), min(s.box[1], p[1]), max(s.box[2], p[0]), max(s.box[3], p[1])}
		}
	}
	for _, g := range data.Segments {
		var at [3][2]float64
		for i, a := range g.Args {
			at[i] = [2]float64{float64(a.X), float64(a.Y)}
		}
		switch g.Op {
		case ot.SegmentOpMoveTo:
			p := round(at[0][0], at[0][1])
			if !s.drawn {
				s.drawn, s.x, s.y = true, p[0], p[1]
				s.box = [4]int{p[0], p[1], p[0], p[1]}
				c.x, c.y = p[0], p[1]
			} else {
				c.to(rmoveto, p)
			}
			grow(p)
			px, py = at[0][0], at[0][1]
		case ot.SegmentOpLineTo:
			p := round(at[0][0], at[0][1])
			c.to(rlineto, p)
			grow(p)
			px, py = at[0][0], at[0][1]
		case ot.SegmentOpQuadTo:
			// The cubic curve that equals the quadratic one.
			q, e := at[0], at[1]
			points := [3][2]int{round(px+2*(q[0]-px)/3, py+2*(q[1]-py)/3), round(e[0]+2*(q[0]-e[0])/3, e[1]+2*(q[1]-e[1])/3), round(e[0], e[1])}
			c.to(rrcurveto, points[:]...)
			grow(points[:]...)
			px, py = e[0], e[1]
		case ot.SegmentOpCubeTo:
			points := [3][2]int{round(at[0][0], at[0][1]), round(at[1][0], at[1][1]), round(at[2][0], at[2][1])}
			c.to(rrcurveto, points[:]...)
			grow(points[:]...)
			px, py = at[2][0], at[2][1]
		}
	}
	c.flush()
	s.path, s.endX, s.endY = c.b, c.x, c.y
	return s
}

// placed is a glyph of a source font at a place, in units of the embedded font.
type placed struct {
	face *font.Face
	id   font.GID
	x, y int
}

// code is what one code of the embedded font means: a drawing, its width and its text. Two
// drawings with one look and two texts have two codes, so that each is copied as itself.
type code struct {
	face  *font.Face // of the first glyph; nil: blank
	id    font.GID
	more  string // the places of the glyphs, if it is not one at its own place
	text  string
	width int
}

// embedded is the one font of a file (a CFF font with numbers instead of names). A code of
// it is not a glyph of a source font, but a whole cluster: a letter with its marks, or
// letters that are written as one. So all codes stand side by side on the line, in the
// order in which programs read them.
type embedded struct {
	*typesetter
	codes   map[code]int
	strings [][]byte
	texts   []string
	widths  []int
	box     [4]int
}

// use returns the number of a code.
func (e *embedded) use(glyphs []placed, text string, width int) int {
	c := code{text: text, width: width}
	if len(glyphs) > 0 {
		c.face, c.id = glyphs[0].face, glyphs[0].id
	}
	if len(glyphs) > 1 || len(glyphs) == 1 && (glyphs[0].x != 0 || glyphs[0].y != 0) {
		var more strings.Builder
		for _, g := range glyphs {
			fmt.Fprintf(&more, "%p %d %d %d,", g.face, g.id, g.x, g.y)
		}
		c.more = more.String()
	}
	if n, ok := e.codes[c]; ok {
		return n
	}
	if e.codes == nil {
		const most = 160 // codes of most pages
		e.codes = make(map[code]int, most)
		e.strings, e.texts, e.widths = make([][]byte, 0, most), make([]string, 0, most), make([]int, 0, most)
	}
	s := appendOperand(nil, width)
	x, y := 0, 0
	for _, g := range glyphs {
		one := e.shape(g.face, g.id)
		if !one.drawn {
			continue
		}
		s = appendOperand(appendOperand(s, g.x+one.x-x), g.y+one.y-y)
		s = append(append(s, rmoveto), one.path...)
		x, y = g.x+one.endX, g.y+one.endY
		b := one.box
		e.box = [4]int{min(e.box[0], b[0]+g.x), min(e.box[1], b[1]+g.y), max(e.box[2], b[2]+g.x), max(e.box[3], b[3]+g.y)}
	}
	e.strings = append(e.strings, append(s, endchar))
	e.texts, e.widths = append(e.texts, text), append(e.widths, width)
	n := len(e.strings)
	e.codes[c] = n
	return n
}

// index writes a list of an embedded font.
func index(b []byte, all ...[]byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(all)))
	if len(all) == 0 {
		return b
	}
	at := 1
	b = append(b, 4)
	b = binary.BigEndian.AppendUint32(b, uint32(at))
	for _, one := range all {
		at += len(one)
		b = binary.BigEndian.AppendUint32(b, uint32(at))
	}
	for _, one := range all {
		b = append(b, one...)
	}
	return b
}

// fontName is the name of the font in a file. The letters before the plus say that the font
// has only the characters of the file.
const fontName = "TIMBRE+NotoCertificate"

// program returns the font (Adobe Technical Note 5176). Glyph 0 is blank.
func (e *embedded) program() []byte {
	offset := func(b []byte, v int) []byte { return append(b, 29, byte(v>>24), byte(v>>16), byte(v>>8), byte(v)) }
	glyphs := append([][]byte{append(appendOperand(nil, 0), endchar)}, e.strings...)
	top := func(charset, choice, strings, dicts int) []byte {
		var b []byte
		b = append(appendOperand(appendOperand(appendOperand(b, 391), 392), 0), 12, 30) // ROS
		for _, v := range e.box {
			b = appendOperand(b, v)
		}
		b = append(b, 5)                           // FontBBox
		b = append(offset(b, len(glyphs)), 12, 34) // CIDCount
		b = append(offset(b, charset), 15)         // charset
		b = append(offset(b, choice), 12, 37)      // FDSelect
		b = append(offset(b, strings), 17)         // CharStrings
		return append(offset(b, dicts), 12, 36)    // FDArray
	}
	head := func(t []byte) []byte {
		b := []byte{1, 0, 4, 4}
		b = index(b, []byte(fontName))
		b = index(b, t)
		b = index(b, []byte("Adobe"), []byte("Identity"))
		return index(b)
	}
	charset := len(head(top(0, 0, 0, 0)))
	choice := charset + 5
	strings := choice + 8
	list := index(nil, glyphs...)
	private := strings + len(list)
	widths := append(appendOperand(nil, 0), 21) // nominalWidthX
	dicts := private + len(widths)

	b := head(top(charset, choice, strings, dicts))
	b = append(b, 2, 0, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(glyphs)-2)) // 1 to the last
	b = append(b, 3, 0, 1, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(glyphs)))
	b = append(b, list...)
	b = append(b, widths...)
	dict := append(offset(appendOperand(nil, len(widths)), private), 18)
	return index(b, dict)
}

// unicodes returns the text of each code, as a program that copies text reads it.
func (e *embedded) unicodes() []byte {
	const most = 100 // of one list
	var b []byte
	b = append(b, "/CIDInit/ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def\n/CMapName/Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000><ffff>\nendcodespacerange\n"...)
	for from := 0; from < len(e.texts); from += most {
		some := e.texts[from:min(from+most, len(e.texts))]
		b = fmt.Appendf(b, "%d beginbfchar\n", len(some))
		for i, t := range some {
			b = append(appendHex(append(b, '<'), from+i+1), "><"...)
			for _, r := range t {
				if r > 0xffff {
					a, z := utf16.EncodeRune(r)
					b, r = appendHex(b, int(a)), z
				}
				b = appendHex(b, int(r))
			}
			b = append(b, ">\n"...)
		}
		b = append(b, "endbfchar\n"...)
	}
	return append(b, "endcmap\nCMapName currentdict/CMap defineresource pop\nend\nend\n"...)
}

// appendHex writes a number of 16 bits.
func appendHex(b []byte, v int) []byte {
	const digits = "0123456789abcdef"
	return append(b, digits[v>>12&15], digits[v>>8&15], digits[v>>4&15], digits[v&15])
}

// write adds the font to the file, and returns its entry in the page's resources.
func (e *embedded) write(d *document) string {
	var widths []byte
	for _, w := range e.widths {
		widths = fmt.Appendf(widths, "%d ", w)
	}
	b := e.box
	descriptor := d.add("<</Type/FontDescriptor/FontName/%s/Flags 4/FontBBox[%d %d %d %d]/ItalicAngle 0/Ascent 900/Descent -250/CapHeight 714/StemV 80/FontFile3 %d 0 R>>",
		fontName, b[0], b[1], b[2], b[3], d.stream("/Subtype/CIDFontType0C"+flate, e.packer.pack(e.program())))
	cid := d.add("<</Type/Font/Subtype/CIDFontType0/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW 0/W[1[%s]]/FontDescriptor %d 0 R>>", fontName, widths, descriptor)
	return fmt.Sprintf("/F %d 0 R", d.add("<</Type/Font/Subtype/Type0/BaseFont/%s-Identity-H/Encoding/Identity-H/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>",
		fontName, cid, d.stream(flate, e.packer.pack(e.unicodes()))))
}
