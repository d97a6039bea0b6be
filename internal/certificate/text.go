package certificate

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	ot "github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/bidi"
)

//go:embed fonts/*.gz fonts/coverage.txt
var fontFiles embed.FS

// A source is a font in the binary: a selection of Noto. It is decompressed only when a
// character needs it.
type source struct {
	name   string
	ranges []uint32 // the first character of a range and the one after it, in turn
}

// sources are tried in this order.
var sources = func() (all []source) {
	text, err := fontFiles.ReadFile("fonts/coverage.txt")
	if err != nil {
		panic(err) // impossible: it is embedded
	}
	for line := range strings.Lines(string(text)) {
		name, ranges, _ := strings.Cut(strings.TrimSpace(line), " ")
		s := source{name: name}
		for r := range strings.SplitSeq(ranges, ",") {
			first, last, ok := strings.Cut(r, "-")
			if !ok {
				last = first
			}
			from, _ := strconv.ParseUint(first, 16, 32) // a test reads it, too
			to, _ := strconv.ParseUint(last, 16, 32)
			s.ranges = append(s.ranges, uint32(from), uint32(to)+1)
		}
		all = append(all, s)
	}
	return all
}()

// has reports whether the font has a character.
func (s source) has(r rune) bool {
	i, found := slices.BinarySearch(s.ranges, uint32(r))
	if found {
		i++
	}
	return i%2 == 1
}

const serif, sans = 0, 1

// emoji is the index of the line drawings.
var emoji = slices.IndexFunc(sources, func(s source) bool { return s.name == "emoji.ttf" })

// readFont reads a font of the binary.
func readFont(name string) (*font.Font, error) {
	packed, err := fontFiles.ReadFile("fonts/" + name + ".gz")
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	face, err := font.ParseTTF(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("font %s: %w", name, err)
	}
	return face.Font, nil
}

var fontCache = func() (all []func() (*font.Font, error)) {
	for _, s := range sources {
		all = append(all, sync.OnceValues(func() (*font.Font, error) { return readFont(s.name) }))
	}
	return all
}()

// em is the font size for measuring text.
const em = 1000

// typesetter turns text into glyphs of the embedded fonts. It caches the loaded fonts
// and the drawn glyphs for later certificates. It serves one certificate at a time.
type typesetter struct {
	faces []*font.Face // by index of sources; nil until needed
	first int          // the font to try first

	shaper  shaping.HarfbuzzShaper
	wrapper shaping.LineWrapper
	drawn   map[drawnKey]shape
	cache   map[textKey]shown // the fixed texts, which most certificates share
	packer  packer
	ctx     context.Context // of the current certificate
}

// overtime is the panic value when the context of a certificate has ended. A panic,
// because no function between goOn and RenderWithin has to handle it.
type overtime struct{ error }

// goOn panics with overtime when the context has ended. It is called before each text is
// set or broken into lines.
func (t *typesetter) goOn() {
	if err := t.ctx.Err(); err != nil {
		panic(overtime{err})
	}
}

type textKey struct {
	base di.Direction
	text string
}

// maxCached is the maximum number of cached texts, some 10 KB each. A language has 40.
const maxCached = 320

// kept is the typesetter of the last certificate. It takes 4 MB for Latin, 12 MB after
// the first Han character, and 33 MB after texts in all scripts. A second certificate at
// the same time uses a new typesetter, which is then discarded.
var kept = make(chan *typesetter, 1)

func takeTypesetter(ctx context.Context) *typesetter {
	select {
	case t := <-kept:
		t.ctx = ctx
		return t
	default:
		return &typesetter{drawn: map[drawnKey]shape{}, cache: map[textKey]shown{}, ctx: ctx}
	}
}

func (t *typesetter) keep() {
	t.ctx = nil
	select {
	case kept <- t:
	default:
	}
}

type drawnKey struct {
	face *font.Face
	id   font.GID
}

// maxDrawn is the maximum number of cached glyphs, some 300 bytes each. A page with
// every script has 300.
const maxDrawn = 4096

func (t *typesetter) shape(face *font.Face, id font.GID) shape {
	k := drawnKey{face, id}
	if g, ok := t.drawn[k]; ok {
		return g
	}
	if len(t.drawn) >= maxDrawn {
		clear(t.drawn)
	}
	g := outlined(face, id)
	t.drawn[k] = g
	return g
}

func (t *typesetter) face(i int) *font.Face {
	if t.faces == nil {
		t.faces = make([]*font.Face, len(sources))
	}
	if t.faces[i] == nil {
		f, err := fontCache[i]()
		if err != nil {
			panic(err) // impossible: the font is embedded, and the tests read it
		}
		t.faces[i] = font.NewFace(f)
	}
	return t.faces[i]
}

// find returns the index of the font that has a character, or -1.
func (t *typesetter) find(r rune) int {
	if sources[t.first].has(r) {
		return t.first
	}
	for i, s := range sources[sans:] {
		if s.has(r) {
			return sans + i
		}
	}
	return -1
}

// ResolveFace implements shaping.Fontmap.
func (t *typesetter) ResolveFace(r rune) *font.Face { return t.face(max(t.find(r), 0)) }

// shown is one shaped paragraph: its drawn characters, and their text where it differs.
type shown struct {
	runes        []rune
	actual       map[int]string // by index: the text of this character, which may be ""
	runs         []shaping.Output
	base         di.Direction
	levels       []int         // of the directions, by index
	width        fixed.Int26_6 // in one line, at em
	above, below float64       // more room that high and deep letters need, as parts of the font size
	whole        bool          // it is one run without a break, and its end is not a space, which the wrapper would make narrow
	// lines caches the number of lines by their width at em. Copies share it.
	lines map[fixed.Int26_6]int
	// last caches the lines of the last width: a paragraph is measured and then drawn, and
	// the fixed texts have the same width on every page. Copies share it.
	last *wrapped
}

// wrapped is a paragraph in lines.
type wrapped struct {
	at    fixed.Int26_6
	lines []shaping.Line
}

// brackets are around the number of a character that is not shown itself. No embedded
// font has them, so drawnBrackets are drawn.
const brackets, drawnBrackets = "⟨⟩", "‹›"

// breaks are the characters that always end a line.
const breaks = "\n\v\f\r\u0085\u2028\u2029"

// set shapes one paragraph in the direction of its first letter.
func (t *typesetter) set(s string, first int) shown {
	base := di.DirectionLTR
	for _, r := range s {
		if c, _ := bidi.LookupRune(r); c.Class() == bidi.L {
			break
		} else if c.Class() == bidi.R || c.Class() == bidi.AL {
			base = di.DirectionRTL
			break
		}
	}
	return t.setTo(base, s, first)
}

// setTo shapes one paragraph. A character that no font has is shown by its number, not
// as an empty box. Search and copy still find the character itself.
func (t *typesetter) setTo(base di.Direction, s string, first int) shown {
	t.goOn()
	t.first = first
	p := shown{actual: map[int]string{}, base: base, lines: map[fixed.Int26_6]int{}, last: &wrapped{}}
	for _, r := range s {
		if i := strings.IndexRune(brackets, r); i >= 0 && t.find(r) < 0 {
			p.actual[len(p.runes)] = string(r)
			r = []rune(drawnBrackets)[i/len("⟨")]
		}
		if strings.ContainsRune(isolates, r) {
			p.actual[len(p.runes)] = "" // not part of the text
		}
		if t.find(r) >= 0 || unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.White_Space) {
			p.runes = append(p.runes, r)
			continue
		}
		from := len(p.runes)
		p.runes = append(p.runes, []rune(fmt.Sprintf("‹U+%04X›", r))...)
		for i := from; i < len(p.runes); i++ {
			p.actual[i] = ""
		}
		p.actual[from] = string(r)
	}
	if len(p.runes) == 0 { // the segmenter would return a run without a font
		return p
	}
	p.levels = levels(p.runes, p.base)
	var seg shaping.Segmenter
	for from := 0; from < len(p.runes); {
		to := from + 1
		for to < len(p.runes) && p.levels[to] == p.levels[from] {
			to++
		}
		in := shaping.Input{Text: p.runes, RunStart: from, RunEnd: to, Direction: di.DirectionLTR, Size: fixed.I(em), Language: language.NewLanguage("en")}
		if p.levels[from]%2 == 1 {
			in.Direction = di.DirectionRTL
		}
		for _, in := range t.regroup(seg.Split(in, t)) {
			run := t.shaper.Shape(in)
			p.runs = append(p.runs, run)
			p.width += run.Advance
			if in.Face == t.faces[serif] || in.Face == t.faces[sans] {
				continue // a stack of marks may cover the line above
			}
			p.above = max(p.above, min(float64(run.GlyphBounds.Ascent)/64/em-ascent, mostExtra))
			p.below = max(p.below, min(float64(-run.GlyphBounds.Descent)/64/em-descent, mostExtra))
		}
		from = to
	}
	p.whole = len(p.runs) == 1 && !unicode.IsSpace(p.runes[len(p.runes)-1]) && !slices.ContainsFunc(p.runes, func(r rune) bool { return strings.ContainsRune(breaks, r) })
	return p
}

// keycap encloses the character before it.
const keycap = '\u20e3'

// regroup corrects the ends of runs of emoji. The segmenter gives a space the font of
// the character before it, and separates a digit from its enclosing keycap.
func (t *typesetter) regroup(runs []shaping.Input) []shaping.Input {
	pictures := func(in shaping.Input) bool { return t.faces[emoji] != nil && in.Face == t.faces[emoji] }
	if !slices.ContainsFunc(runs, pictures) {
		return runs
	}
	var out []shaping.Input
	for _, in := range runs {
		if !pictures(in) {
			out = append(out, in)
			continue
		}
		if in.Text[in.RunStart] == keycap && len(out) > 0 {
			before, from := &out[len(out)-1], in.RunStart-1
			if from > before.RunStart && in.Text[from] == '\ufe0f' {
				from--
			}
			if before.Direction == in.Direction && from >= before.RunStart && before.RunEnd == in.RunStart && strings.ContainsRune("0123456789#*", in.Text[from]) {
				before.RunEnd, in.RunStart = from, from
				if before.RunStart == before.RunEnd {
					out = out[:len(out)-1]
				}
			}
		}
		for from := in.RunStart; from < in.RunEnd; {
			space, to := unicode.IsSpace(in.Text[from]), from+1
			for to < in.RunEnd && unicode.IsSpace(in.Text[to]) == space {
				to++
			}
			part := in
			part.RunStart, part.RunEnd = from, to
			if space {
				part.Face = t.face(t.first)
			}
			out = append(out, part)
			from = to
		}
	}
	return out
}

// measure converts a width in points at a font size to the width at em.
func measure(size, width float64) fixed.Int26_6 { return fixed.Int26_6(width / size * em * 64) }

// wrap breaks a paragraph into lines of a width, both in points.
func (t *typesetter) wrap(p shown, size, width float64) []shaping.Line {
	if len(p.runes) == 0 {
		return nil
	}
	t.goOn()
	at := measure(size, width)
	if p.whole && p.width <= at { // most texts: the wrapper would return the run as it is
		return []shaping.Line{p.runs}
	}
	if p.last.at == at && p.last.lines != nil {
		return p.last.lines
	}
	copies := make([]shaping.Output, len(p.runs)) // the wrapper changes its input
	for i, r := range p.runs {
		r.Glyphs = append([]shaping.Glyph(nil), r.Glyphs...)
		copies[i] = r
	}
	lines, _ := t.wrapper.WrapParagraphF(shaping.WrapConfig{Direction: p.base}, at, p.runes, shaping.NewSliceIterator(copies))
	own := make([]shaping.Line, len(lines)) // the wrapper reuses its lines for the next paragraph
	for i, l := range lines {
		own[i] = append(shaping.Line(nil), l...)
		sort.SliceStable(own[i], func(a, b int) bool { return own[i][a].Runes.Offset < own[i][b].Runes.Offset })
		visual(own[i], func(run shaping.Output) int { return p.levels[run.Runes.Offset] })
	}
	*p.last = wrapped{at, own}
	return own
}

func lineWidth(l shaping.Line, size float64) float64 {
	w := 0.0
	for _, run := range l {
		for _, g := range run.Glyphs {
			w += float64(g.Advance)
		}
	}
	return w / 64 / em * size
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
