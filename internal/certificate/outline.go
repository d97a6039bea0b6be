package certificate

import (
	"bytes"
	"fmt"
	"math"

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

// outline returns the path of a glyph and its box, in units of its font.
func outline(face *font.Face, id font.GID) (_ []byte, box [4]int) {
	var path bytes.Buffer
	first := true
	at := func(p ot.SegmentPoint) (int, int) {
		x, y := int(p.X), int(p.Y)
		if first {
			box, first = [4]int{x, y, x, y}, false
		}
		box = [4]int{min(box[0], x), min(box[1], y), max(box[2], x), max(box[3], y)}
		return x, y
	}
	data, _ := face.GlyphData(id).(font.GlyphOutline)
	var px, py int
	for i, s := range data.Segments {
		switch s.Op {
		case ot.SegmentOpMoveTo:
			if i > 0 {
				path.WriteString("h\n")
			}
			px, py = at(s.Args[0])
			fmt.Fprintf(&path, "%d %d m\n", px, py)
		case ot.SegmentOpLineTo:
			px, py = at(s.Args[0])
			fmt.Fprintf(&path, "%d %d l\n", px, py)
		case ot.SegmentOpQuadTo:
			cx, cy := at(s.Args[0])
			ex, ey := at(s.Args[1])
			fmt.Fprintf(&path, "%s %s %s %s %d %d c\n", third(px, cx), third(py, cy), third(ex, cx), third(ey, cy), ex, ey)
			px, py = ex, ey
		case ot.SegmentOpCubeTo:
			ax, ay := at(s.Args[0])
			bx, by := at(s.Args[1])
			px, py = at(s.Args[2])
			fmt.Fprintf(&path, "%d %d %d %d %d %d c\n", ax, ay, bx, by, px, py)
		}
	}
	if path.Len() > 0 {
		path.WriteString("h f\n")
	}
	return path.Bytes(), box
}

// third returns the control point of the cubic curve that equals a quadratic one.
func third(end, control int) string { return num(float64(end) + 2*float64(control-end)/3) }
