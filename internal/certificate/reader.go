package certificate

import (
	"bytes"
	"compress/zlib"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The values of PDF. A dictionary keeps its order, and a number its written form.
type (
	reference  struct{ number, generation int }
	pdfName    string
	pdfString  string // as its bytes
	pdfNumber  string
	pdfWord    string // true, false; null is nil
	dictionary []entry
	entry      struct {
		key   pdfName
		value any
	}
)

func (d dictionary) get(key pdfName) any {
	for _, one := range d {
		if one.key == key {
			return one.value
		}
	}
	return nil
}

// number returns v as a whole number from 0; -1 for any other value.
func number(v any) int {
	s, ok := v.(pdfNumber)
	if !ok || len(s) > 10 {
		return -1
	}
	n, err := strconv.Atoi(string(s))
	if err != nil || s[0] == '+' || s[0] == '-' {
		return -1
	}
	return n
}

// object is a value. For a stream it also has the data as in the file.
type object struct {
	value any
	data  []byte // nil: not a stream
}

// place is the position of an object, from a table.
type place struct {
	kind       int // 0: deleted; 1: at an offset; 2: within an object stream
	at         int // the offset, or the number of the object stream
	generation int // or the index within the object stream
}

// section is one cross-reference table or stream with its trailer.
type section struct {
	places  map[int]place
	trailer dictionary
}

// view is one revision of the file: its sections, the latest first.
type view struct {
	sections []section
	objects  map[int]*object
	packed   map[int]*packed
}

// packed is an object stream.
type packed struct {
	numbers, offsets []int
	data             []byte
}

// pdf is a file during reading.
type pdf struct {
	file           []byte
	newest, issued *view
	// added are the sections that newest has and issued does not have.
	added []section
	root  reference
	// steps counts bytes that were read or decompressed, up to most.
	steps, most int
	// reading is the depth of nested object reads.
	reading int
}

// The limits for a file, besides its size.
const (
	maxDepth    = 64
	maxSections = 64
	maxReading  = 16
	// maxTail is the maximum distance of startxref from the end of the file, in bytes.
	maxTail = 1024
)

// newPDF allows twice the file's size in steps, plus 8 MiB for compressed data.
func newPDF(file []byte) *pdf { return &pdf{file: file, most: 2*len(file) + 8<<20} }

func (f *pdf) step(n int) {
	if f.steps += n; f.steps > f.most {
		refuse("work")
	}
}

// open reads the tables.
func (f *pdf) open() {
	if len(f.file) > MaxFile {
		refuse("size")
	}
	if !bytes.HasPrefix(f.file, []byte("%PDF-")) {
		refuse("header")
	}
	var all []section
	offsets := []int{f.start()}
	for {
		at := offsets[len(offsets)-1]
		if at >= len(f.file) || len(all) == maxSections {
			refuse("table")
		}
		one := f.section(at)
		all = append(all, one)
		prev := one.trailer.get("Prev")
		if prev == nil {
			break
		}
		next := number(prev)
		if next < 0 || slices.Contains(offsets, next) {
			refuse("table")
		}
		offsets = append(offsets, next)
	}
	root, ok := all[0].trailer.get("Root").(reference)
	if !ok {
		refuse("table")
	}
	f.root = root
	f.newest = &view{all, map[int]*object{}, map[int]*packed{}}
	// A table before the table that it continues was not appended: a linearized file
	// is one revision with two tables.
	first := len(all) - 1
	for first > 0 && offsets[first-1] < offsets[first] {
		first--
	}
	f.issued = &view{all[first:], map[int]*object{}, map[int]*packed{}}
	f.added = all[:first]
}

// start returns the offset after the last startxref.
func (f *pdf) start() int {
	s := string(f.file[max(0, len(f.file)-maxTail):])
	at := len(s)
	spaces := func() {
		for at > 0 && isWhite(s[at-1]) {
			at--
		}
	}
	before := func(word string) {
		if at < len(word) || s[at-len(word):at] != word {
			refuse("end")
		}
		at -= len(word)
	}
	f.step(len(s))
	spaces()
	before("%%EOF")
	spaces()
	to := at
	for at > 0 && s[at-1] >= '0' && s[at-1] <= '9' {
		at--
	}
	offset := number(pdfNumber(s[at:to]))
	if offset < 0 {
		refuse("end")
	}
	spaces()
	before("startxref")
	return offset
}

// section reads the table or the cross-reference stream at an offset.
func (f *pdf) section(offset int) section {
	s := &scanner{f: f, text: f.file, at: offset, end: len(f.file)}
	out := section{places: map[int]place{}}
	if s.space(); s.peek() == 'x' {
		f.table(s, &out)
	} else {
		f.packedTable(s, &out)
	}
	switch size := number(out.trailer.get("Size")); {
	case out.trailer.get("Encrypt") != nil:
		refuse("encrypted")
	case out.trailer.get("XRefStm") != nil:
		refuse("hybrid")
	case size < 0:
		refuse("table")
	default:
		for n := range out.places {
			if n >= size {
				refuse("table")
			}
		}
	}
	return out
}

func (f *pdf) table(s *scanner, out *section) {
	if s.word() != "xref" {
		refuse("table")
	}
	for {
		word := s.word()
		if word == "trailer" {
			break
		}
		first, count := number(pdfNumber(word)), number(pdfNumber(s.word()))
		if first < 0 || count < 0 {
			refuse("table")
		}
		s.space()
		for n := first; n < first+count; n++ {
			row := s.take(20)
			p := place{at: number(pdfNumber(row[:10])), generation: number(pdfNumber(row[11:16]))}
			if row[17] == 'n' {
				p.kind = 1
			}
			if end := row[18:]; row[10] != ' ' || row[16] != ' ' || row[17] != 'n' && row[17] != 'f' || end != " \n" && end != " \r" && end != "\r\n" {
				refuse("table")
			}
			out.add(n, p)
		}
	}
	d, ok := s.one().(dictionary)
	if !ok {
		refuse("table")
	}
	out.trailer = d
}

func (s *section) add(n int, p place) {
	if _, twice := s.places[n]; twice || p.at < 0 || p.generation < 0 {
		refuse("table")
	}
	s.places[n] = p
}

func (f *pdf) packedTable(s *scanner, out *section) {
	s.space()
	from := s.at
	itself := number(pdfNumber(s.word()))
	s.at = from
	o := f.indirect(nil, s, nil)
	d, _ := o.value.(dictionary)
	widths, ok := d.get("W").([]any)
	if o.data == nil || d.get("Type") != pdfName("XRef") || !ok || len(widths) != 3 {
		refuse("table")
	}
	var w [3]int
	row := 0
	for i, v := range widths {
		if w[i] = number(v); w[i] < 0 || w[i] > 4 {
			refuse("table")
		}
		row += w[i]
	}
	index, ok := d.get("Index").([]any)
	if d.get("Index") == nil {
		index, ok = []any{pdfNumber("0"), d.get("Size")}, true
	}
	if !ok || len(index)%2 != 0 || row == 0 {
		refuse("table")
	}
	data := f.decode(nil, o, f.most)
	at := 0
	for i := 0; i < len(index); i += 2 {
		first, count := number(index[i]), number(index[i+1])
		if first < 0 || count < 0 || count*row > len(data)-at {
			refuse("table")
		}
		for n := first; n < first+count; n++ {
			var values [3]int
			for k := range w {
				for range w[k] {
					values[k] = values[k]*256 + int(data[at])
					at++
				}
			}
			if w[0] == 0 {
				values[0] = 1
			}
			if values[0] > 2 {
				refuse("table")
			}
			out.add(n, place{values[0], values[1], values[2]})
		}
	}
	if own, ok := out.places[itself]; at != len(data) || ok && (own.kind != 1 || own.at != from) {
		refuse("table")
	}
	out.trailer = d
}

// place returns the position of an object in a revision.
func (v *view) place(n int) place {
	for _, s := range v.sections {
		if p, ok := s.places[n]; ok {
			return p
		}
	}
	return place{}
}

// get follows a reference once. It refuses an object that is only a reference.
func (f *pdf) get(v *view, value any) any {
	n, ok := value.(reference)
	if !ok {
		return value
	}
	return f.object(v, n).value
}

// catalog returns the catalog of a revision.
func (f *pdf) catalog(v *view) dictionary {
	d, ok := f.object(v, f.root).value.(dictionary)
	if !ok {
		refuse("object")
	}
	return d
}

// object reads an object, once in each revision. A deleted or missing object is null by
// the standard. It is refused, because some readers search for another one with its
// number.
func (f *pdf) object(v *view, n reference) *object {
	f.step(1)
	if o := v.objects[n.number]; o != nil {
		if p := v.place(n.number); p.kind == 1 && p.generation != n.generation || p.kind == 2 && n.generation != 0 {
			refuse("object")
		}
		return o
	}
	// The length of a stream may be another object, and so on, even in a cycle.
	if f.reading++; f.reading > maxReading {
		refuse("depth")
	}
	o := &object{}
	switch p := v.place(n.number); {
	case p.kind == 1:
		if p.generation != n.generation || p.at >= len(f.file) {
			refuse("object")
		}
		o = f.indirect(v, &scanner{f: f, text: f.file, at: p.at, end: len(f.file)}, &n)
	case p.kind == 2:
		if n.generation != 0 {
			refuse("object")
		}
		o.value = f.within(v, p, n.number)
	default:
		refuse("object")
	}
	f.reading--
	v.objects[n.number] = o
	return o
}

// indirect reads "N G obj", a value, and the stream after it. Without a view it follows
// no reference; without a number it accepts any number.
func (f *pdf) indirect(v *view, s *scanner, n *reference) *object {
	is := reference{number(pdfNumber(s.word())), number(pdfNumber(s.word()))}
	if is.number < 0 || is.generation < 0 || n != nil && is != *n || s.word() != "obj" {
		refuse("object")
	}
	items, end := s.items(0)
	if len(items) != 1 {
		refuse("object")
	}
	o := &object{value: items[0]}
	if _, ok := items[0].(reference); ok {
		refuse("object")
	}
	if end == "endobj" {
		return o
	}
	d, ok := o.value.(dictionary)
	if end != "stream" || !ok {
		refuse("object")
	}
	if s.peek() == '\r' {
		s.at++
	}
	if s.peek() != '\n' {
		refuse("stream")
	}
	s.at++
	stated := d.get("Length")
	if v != nil {
		stated = f.get(v, stated)
	}
	length := number(stated)
	if length < 0 || length > len(f.file)-s.at || d.get("F") != nil {
		refuse("stream")
	}
	o.data = f.file[s.at : s.at+length : s.at+length]
	s.at += length
	if s.peek() == '\r' {
		s.at++
	}
	if s.peek() == '\n' {
		s.at++
	}
	if s.bare() != "endstream" || s.word() != "endobj" {
		refuse("stream")
	}
	return o
}

// within reads an object out of an object stream.
func (f *pdf) within(v *view, p place, n int) any {
	stream := v.packed[p.at]
	if stream == nil {
		if v.place(p.at).kind != 1 {
			refuse("object")
		}
		stream = f.unpack(v, f.object(v, reference{p.at, v.place(p.at).generation}))
		v.packed[p.at] = stream
	}
	if p.generation >= len(stream.numbers) || stream.numbers[p.generation] != n {
		refuse("object")
	}
	s := &scanner{f: f, text: stream.data, at: stream.offsets[p.generation], end: stream.offsets[p.generation+1]}
	items, end := s.items(0)
	if len(items) != 1 || end != "" {
		refuse("object")
	}
	if _, ok := items[0].(reference); ok {
		refuse("object")
	}
	return items[0]
}

// unpack reads the head of an object stream.
func (f *pdf) unpack(v *view, o *object) *packed {
	d, _ := o.value.(dictionary)
	count, first := number(f.get(v, d.get("N"))), number(f.get(v, d.get("First")))
	if o.data == nil || d.get("Type") != pdfName("ObjStm") || count < 0 || first < 0 {
		refuse("object")
	}
	out := &packed{data: f.decode(v, o, f.most)}
	if first > len(out.data) {
		refuse("object")
	}
	s := &scanner{f: f, text: out.data, end: first}
	seen := map[int]bool{}
	last := 0
	for range count {
		n, at := number(pdfNumber(s.word())), number(pdfNumber(s.word()))
		if n < 0 || at < last || seen[n] || at > len(out.data)-first {
			refuse("object")
		}
		seen[n], last = true, at
		out.numbers, out.offsets = append(out.numbers, n), append(out.offsets, first+at)
	}
	out.offsets = append(out.offsets, len(out.data))
	return out
}

// decode decompresses a stream, to at most most bytes. Without a view it follows no
// reference.
func (f *pdf) decode(v *view, o *object, most int) []byte {
	d, _ := o.value.(dictionary)
	get := func(value any) any {
		if v == nil {
			return value
		}
		return f.get(v, value)
	}
	only := func(value any) any {
		value = get(value)
		if list, ok := value.([]any); ok {
			if len(list) > 1 {
				refuse("filter")
			}
			value = nil
			if len(list) == 1 {
				value = get(list[0])
			}
		}
		return value
	}
	filter, parameters := only(d.get("Filter")), only(d.get("DecodeParms"))
	if filter == nil && parameters == nil {
		f.step(len(o.data))
		if len(o.data) > most {
			refuse("size")
		}
		return o.data
	}
	if filter != pdfName("FlateDecode") {
		refuse("filter")
	}
	data := f.inflate(o.data, most)
	if parameters == nil {
		return data
	}
	p, ok := parameters.(dictionary)
	if !ok {
		refuse("filter")
	}
	or := func(key pdfName, otherwise int) int {
		if p.get(key) == nil {
			return otherwise
		}
		return number(get(p.get(key)))
	}
	predictor, columns := or("Predictor", 1), or("Columns", 1)
	if or("Colors", 1) != 1 || or("BitsPerComponent", 8) != 8 || columns < 1 || predictor != 1 && (predictor < 10 || predictor > 15) {
		refuse("filter")
	}
	if predictor == 1 {
		return data
	}
	return f.unpredict(data, columns)
}

// inflate decompresses one zlib stream. Only an end of line may follow it.
func (f *pdf) inflate(data []byte, most int) []byte {
	f.step(4 * len(data))                   // a byte of a code costs more than one of a text
	if len(data) < 2 || data[1]&0x20 != 0 { // a preset dictionary
		refuse("stream")
	}
	in := bytes.NewReader(data)
	z, err := zlib.NewReader(in)
	if err != nil {
		refuse("stream")
	}
	room := min(most, f.most-f.steps)
	out, err := io.ReadAll(io.LimitReader(z, int64(room)+1))
	if len(out) > room {
		refuse("size")
	}
	rest := string(data[len(data)-in.Len():])
	if err != nil || rest != "" && rest != "\n" && rest != "\r" && rest != "\r\n" {
		refuse("stream")
	}
	f.step(len(out))
	return out
}

// unpredict undoes the PNG filters, with one byte for each column.
func (f *pdf) unpredict(data []byte, columns int) []byte {
	f.step(len(data))
	if len(data)%(columns+1) != 0 {
		refuse("filter")
	}
	out := make([]byte, 0, len(data))
	above := make([]byte, columns)
	for at := 0; at < len(data); at += columns + 1 {
		row := slices.Clone(data[at+1 : at+1+columns])
		for i := range row {
			var left, corner byte
			if i > 0 {
				left, corner = row[i-1], above[i-1]
			}
			switch data[at] {
			case 0:
			case 1:
				row[i] += left
			case 2:
				row[i] += above[i]
			case 3:
				row[i] += byte((int(left) + int(above[i])) / 2)
			case 4:
				row[i] += paeth(int(left), int(above[i]), int(corner))
			default:
				refuse("filter")
			}
		}
		out, above = append(out, row...), row
	}
	return out
}

func paeth(left, above, corner int) byte {
	distance := func(n int) int { return max(left+above-corner-n, n-left-above+corner) }
	if distance(left) <= distance(above) && distance(left) <= distance(corner) {
		return byte(left)
	} else if distance(above) <= distance(corner) {
		return byte(above)
	}
	return byte(corner)
}

// scanner reads values from at up to end.
type scanner struct {
	f       *pdf
	text    []byte
	at, end int
}

func isWhite(c byte) bool {
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' '
}

func isDelimiter(c byte) bool { return bytes.IndexByte([]byte("()<>[]{}/%"), c) >= 0 }

// peek returns the next byte, or a space at the end.
func (s *scanner) peek() byte {
	if s.at < s.end {
		return s.text[s.at]
	}
	return ' '
}

// next reads a byte inside a value. It refuses the end of the file.
func (s *scanner) next() byte {
	if s.at >= s.end {
		refuse("value")
	}
	s.f.step(1)
	s.at++
	return s.text[s.at-1]
}

// take reads n bytes of a table.
func (s *scanner) take(n int) string {
	if s.end-s.at < n {
		refuse("table")
	}
	s.f.step(n)
	s.at += n
	return string(s.text[s.at-n : s.at])
}

// space skips white space and comments.
func (s *scanner) space() {
	from := s.at
	for s.at < s.end {
		if s.text[s.at] == '%' {
			for s.at < s.end && s.text[s.at] != '\n' && s.text[s.at] != '\r' {
				s.at++
			}
		} else if isWhite(s.text[s.at]) {
			s.at++
		} else {
			break
		}
	}
	s.f.step(s.at - from)
}

// bare reads up to the next white space or delimiter. It refuses other control
// characters, because some readers treat them as white space.
func (s *scanner) bare() string {
	from := s.at
	for s.at < s.end && !isWhite(s.text[s.at]) && !isDelimiter(s.text[s.at]) {
		s.at++
	}
	s.f.step(s.at - from)
	word := string(s.text[from:s.at])
	if strings.ContainsFunc(word, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		refuse("value")
	}
	return word
}

// word reads the next bare word, after white space and comments.
func (s *scanner) word() string {
	s.space()
	return s.bare()
}

// one reads a value that is not a number or a reference.
func (s *scanner) one() any {
	s.space()
	if s.peek() != '<' {
		refuse("value")
	}
	return s.value(s.next(), 0)
}

// items reads values up to a word or sign that is not a value, and returns that, too:
// "endobj", "stream", "]", ">>", or "" for the end.
func (s *scanner) items(depth int) (all []any, end string) {
	if depth > maxDepth {
		refuse("depth")
	}
	for {
		s.space()
		if s.at >= s.end {
			return all, ""
		}
		c := s.text[s.at]
		if isDelimiter(c) {
			s.next()
			if c == ']' {
				return all, "]"
			}
			if c == '>' {
				if s.next() != '>' {
					refuse("value")
				}
				return all, ">>"
			}
			all = append(all, s.value(c, depth))
			continue
		}
		switch word := s.bare(); word {
		case "endobj", "stream":
			return all, word
		case "true", "false":
			all = append(all, pdfWord(word))
		case "null":
			all = append(all, nil)
		case "R":
			n := len(all)
			if n < 2 {
				refuse("value")
			}
			ref := reference{number(all[n-2]), number(all[n-1])}
			if ref.number < 0 || ref.generation < 0 {
				refuse("value")
			}
			all = append(all[:n-2], ref)
		default:
			if !isNumber(word) {
				refuse("value")
			}
			all = append(all, pdfNumber(word))
		}
	}
}

// isNumber: a sign, digits, a point, digits, at most 32 signs.
func isNumber(s string) bool {
	if len(s) > 32 {
		return false
	}
	digits, points := 0, 0
	for i, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && points == 0:
			points++
		case (c == '+' || c == '-') && i == 0:
		default:
			return false
		}
	}
	return digits > 0
}

// value reads a value that begins with a delimiter.
func (s *scanner) value(c byte, depth int) any {
	switch {
	case c == '/':
		return s.name()
	case c == '(':
		return s.literal()
	case c == '[':
		list, end := s.items(depth + 1)
		if end != "]" {
			refuse("value")
		}
		return append([]any{}, list...)
	case c == '<' && s.peek() == '<':
		s.next()
		return s.dictionary(depth)
	case c == '<':
		return s.hex()
	}
	refuse("value")
	return nil
}

func (s *scanner) dictionary(depth int) dictionary {
	items, end := s.items(depth + 1)
	if end != ">>" || len(items)%2 != 0 {
		refuse("value")
	}
	d := dictionary{}
	seen := map[pdfName]bool{}
	for i := 0; i < len(items); i += 2 {
		key, ok := items[i].(pdfName)
		if !ok || seen[key] {
			refuse("value")
		}
		seen[key] = true
		if items[i+1] != nil { // null means that the entry is missing
			d = append(d, entry{key, items[i+1]})
		}
	}
	return d
}

// name reads a name. In a name, #20 is a space.
func (s *scanner) name() pdfName {
	word := s.bare()
	var out []byte
	for i := 0; i < len(word); i++ {
		if word[i] != '#' {
			out = append(out, word[i])
			continue
		}
		if i+2 >= len(word) || digit(word[i+1]) < 0 || digit(word[i+2]) < 0 || word[i+1:i+3] == "00" {
			refuse("value")
		}
		out = append(out, byte(digit(word[i+1])<<4|digit(word[i+2])))
		i += 2
	}
	return pdfName(out)
}

// digit returns the value of a hexadecimal digit, or -1.
func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// hex reads a string of hexadecimal digits.
func (s *scanner) hex() pdfString {
	var out []byte
	half := -1
	for {
		c := s.next()
		if c == '>' {
			break
		}
		if isWhite(c) {
			continue
		}
		n := digit(c)
		if n < 0 {
			refuse("value")
		}
		if half < 0 {
			half = n
		} else {
			out, half = append(out, byte(half<<4|n)), -1
		}
	}
	if half >= 0 {
		out = append(out, byte(half<<4))
	}
	return pdfString(out)
}

// literal reads a string up to its closing parenthesis.
func (s *scanner) literal() pdfString {
	var out []byte
	for open := 1; ; {
		c := s.next()
		switch c {
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				return pdfString(out)
			}
		case '\r': // CR LF counts as one character
			if s.peek() == '\n' {
				s.next()
			}
			c = '\n'
		case '\\':
			c = s.next()
			switch c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case '\r':
				if s.peek() == '\n' {
					s.next()
				}
				continue
			case '\n':
				continue
			default:
				if c >= '0' && c <= '7' {
					n := int(c - '0')
					for i := 0; i < 2 && s.peek() >= '0' && s.peek() <= '7'; i++ {
						n = n*8 + int(s.next()-'0')
					}
					c = byte(n)
				}
			}
		}
		out = append(out, c)
	}
}
