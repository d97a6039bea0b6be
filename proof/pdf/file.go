package pdf

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
)

// object is a value. For a stream it also has the data as in the file.
type object struct {
	value any
	data  []byte // nil: not a stream
	of    reference
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
	budget
	file           []byte
	newest, issued *view
	// added are the sections that newest has and issued does not have.
	added []section
	root  reference
	// cipher is nil for a file that is not encrypted.
	cipher *cipherer
	// reading are the objects that are being read, each for the one before.
	reading []int
	// where is the part of the file that is being read.
	where string
}

// newPDF allows twice the file's size in steps, plus 8 MiB for compressed data.
func newPDF(file []byte) *pdf {
	return &pdf{file: file, budget: budget{most: 2*len(file) + 8<<20}}
}

// Is reports whether the beginning of a file is that of a PDF.
func Is(head []byte) bool { return header(head) >= 0 }

// header returns the offset of the header, or -1.
func header(file []byte) int {
	return bytes.Index(file[:min(len(file), maxHead)], []byte("%PDF-"))
}

// open reads the tables.
func (f *pdf) open() {
	if len(f.file) > MaxFile {
		refuse("size")
	}
	// Offsets are counted from the header, whatever stands before it.
	start := header(f.file)
	if start < 0 {
		refuse("header")
	}
	f.file = f.file[start:]
	var all []section
	offsets := []int{f.start()}
	for {
		at := offsets[len(offsets)-1]
		f.where = fmt.Sprintf("xref %d", at)
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
		if next < 0 {
			refuse("table")
		} else if slices.Contains(offsets, next) {
			refuse("loop")
		}
		offsets = append(offsets, next)
	}
	f.where = fmt.Sprintf("xref %d", offsets[0])
	root, ok := all[0].trailer.get("Root").(reference)
	if !ok {
		refuse("table")
	}
	// An update cannot make the file smaller: some readers forget the objects from its Size on.
	for _, one := range all {
		f.bounded(one, all[0].trailer)
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
	f.decipher(all)
}

// decipher reads how an encrypted file is encrypted: the last table says so, and no other table says otherwise.
func (f *pdf) decipher(all []section) {
	encrypt := all[0].trailer.get("Encrypt")
	for _, s := range all {
		if other := s.trailer.get("Encrypt"); other != nil && !reflect.DeepEqual(other, encrypt) {
			refuse("encryption")
		}
	}
	if encrypt == nil {
		return
	}
	if n, ok := encrypt.(reference); ok && f.newest.place(n.number).kind == 2 {
		refuse("encryption")
	}
	d, ok := f.get(f.newest, encrypt).(dictionary)
	if !ok {
		refuse("encryption")
	}
	var id pdfString
	if list, _ := f.get(f.newest, all[0].trailer.get("ID")).([]any); len(list) > 0 {
		id, _ = list[0].(pdfString)
	}
	f.cipher = newCipherer(&f.budget, d, id)
}

// start returns the offset after the last startxref.
func (f *pdf) start() int {
	f.where = "startxref"
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
	offset := whole(s[at:to])
	if offset < 0 {
		refuse("end")
	}
	spaces()
	before("startxref")
	return offset
}

// section reads the table or the cross-reference stream at an offset. The table of a hybrid file is read together
// with the stream that it names.
func (f *pdf) section(offset int) section {
	s := &scanner{b: &f.budget, text: f.file, at: offset, end: len(f.file)}
	out := section{places: map[int]place{}}
	if s.space(); s.peek() == 'x' {
		f.table(s, &out)
		if hidden := out.trailer.get("XRefStm"); hidden != nil {
			f.hybrid(hidden, out.places)
		}
	} else {
		f.packedTable(s, &out)
	}
	f.bounded(out, out.trailer)
	return out
}

// bounded refuses entries at or above the Size of a trailer.
func (f *pdf) bounded(s section, trailer dictionary) {
	size := number(trailer.get("Size"))
	if size < 0 {
		refuse("table")
	}
	for n := range s.places {
		if n >= size {
			refuse("table")
		}
	}
}

// hybrid adds the entries of the stream that a table names. Readers that know such streams differ on an object that
// both have.
func (f *pdf) hybrid(at any, places map[int]place) {
	offset := number(at)
	if offset < 0 || offset >= len(f.file) {
		refuse("table")
	}
	more := section{places: map[int]place{}}
	f.packedTable(&scanner{b: &f.budget, text: f.file, at: offset, end: len(f.file)}, &more)
	for n, p := range more.places {
		if other, ok := places[n]; ok && other != p {
			refuse("hybrid")
		}
		places[n] = p
	}
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
		first, count := whole(word), whole(s.word())
		if first < 0 || count < 0 {
			refuse("table")
		}
		s.space()
		for n := first; n < first+count; n++ {
			row := s.take(20)
			p := place{at: whole(row[:10]), generation: whole(row[11:16])}
			if row[17] == 'n' {
				p.kind = 1
			}
			if end := row[18:]; row[10] != ' ' || row[16] != ' ' || row[17] != 'n' && row[17] != 'f' || end != " \n" && end != " \r" && end != "\r\n" {
				refuse("table")
			}
			f.add(out, n, p)
		}
	}
	d, ok := s.one().(dictionary)
	if !ok {
		refuse("table")
	}
	out.trailer = d
}

func (f *pdf) add(s *section, n int, p place) {
	f.one(&f.entries, maxEntries)
	if _, twice := s.places[n]; twice || p.at < 0 || p.generation < 0 {
		refuse("table")
	}
	s.places[n] = p
}

func (f *pdf) packedTable(s *scanner, out *section) {
	s.space()
	from := s.at
	itself := whole(s.word())
	if itself < 0 {
		refuse("table")
	}
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
		if w[i] = number(v); w[i] < 0 || w[i] > 6 {
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
			f.add(out, n, place{values[0], values[1], values[2]})
		}
	}
	if own, ok := out.places[itself]; at != len(data) || ok && (own.kind != 1 || own.at != from) {
		refuse("table")
	}
	out.trailer = d
}

// place returns the position of an object in a revision.
func (v *view) place(n int) place {
	p, _ := v.entry(n)
	return p
}

// entry is place, and reports whether any table has an entry for the object.
func (v *view) entry(n int) (place, bool) {
	for _, s := range v.sections {
		if p, ok := s.places[n]; ok {
			return p, true
		}
	}
	return place{}, false
}

// get follows a reference once. It refuses an object that is only a reference.
func (f *pdf) get(v *view, value any) any {
	if n, ok := value.(reference); ok {
		return f.object(v, n).value
	}
	return value
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
	where := f.where
	f.where = fmt.Sprintf("object %d", n.number)
	p := v.place(n.number)
	if p.kind == 1 && p.generation != n.generation || p.kind == 2 && n.generation != 0 {
		refuse("object")
	}
	o := v.objects[n.number]
	if o == nil {
		// The length of a stream may be another object, and so on.
		if slices.Contains(f.reading, n.number) {
			refuse("loop")
		} else if len(f.reading) == maxReading {
			refuse("depth")
		}
		f.reading = append(f.reading, n.number)
		switch {
		case p.kind == 1 && p.at < len(f.file):
			o = f.indirect(v, &scanner{b: &f.budget, text: f.file, at: p.at, end: len(f.file)}, &n)
			if f.cipher != nil {
				o.value = f.deciphered(o.value, n)
			}
		case p.kind == 2:
			o = &object{value: f.within(v, p, n.number)}
		default:
			refuse("object")
		}
		o.of = n
		f.reading = f.reading[:len(f.reading)-1]
		v.objects[n.number] = o
	}
	f.where = where
	return o
}

// deciphered is a value with its strings decrypted.
func (f *pdf) deciphered(value any, of reference) any {
	switch value := value.(type) {
	case pdfString:
		f.step(4 * len(value))
		text, ok := f.cipher.decrypt(f.cipher.strings, of, []byte(value))
		if !ok {
			return undeciphered{}
		}
		return pdfString(text)
	case []any:
		for i := range value {
			value[i] = f.deciphered(value[i], of)
		}
	case dictionary:
		for i := range value {
			value[i].value = f.deciphered(value[i].value, of)
		}
	}
	return value
}

// indirect reads "N G obj", a value, and the stream after it. Without a view it follows
// no reference; without a number it accepts any number.
func (f *pdf) indirect(v *view, s *scanner, n *reference) *object {
	is := reference{whole(s.word()), whole(s.word())}
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
		stream = f.objectStream(v, f.object(v, reference{p.at, v.place(p.at).generation}))
		v.packed[p.at] = stream
	}
	if p.generation >= len(stream.numbers) || stream.numbers[p.generation] != n {
		refuse("object")
	}
	s := &scanner{b: &f.budget, text: stream.data, at: stream.offsets[p.generation], end: stream.offsets[p.generation+1]}
	items, end := s.items(0)
	if len(items) != 1 || end != "" {
		refuse("object")
	}
	if _, ok := items[0].(reference); ok {
		refuse("object")
	}
	return items[0]
}

// objectStream reads the head of an object stream.
func (f *pdf) objectStream(v *view, o *object) *packed {
	d, _ := o.value.(dictionary)
	count, first := number(f.get(v, d.get("N"))), number(f.get(v, d.get("First")))
	if o.data == nil || d.get("Type") != pdfName("ObjStm") || count < 0 || first < 0 {
		refuse("object")
	}
	out := &packed{data: f.decode(v, o, f.most)}
	if first > len(out.data) {
		refuse("object")
	}
	s := &scanner{b: &f.budget, text: out.data, end: first}
	seen := map[int]bool{}
	last := 0
	for range count {
		n, at := whole(s.word()), whole(s.word())
		if n < 0 || at < last || seen[n] || at > len(out.data)-first {
			refuse("object")
		}
		seen[n], last = true, at
		out.numbers, out.offsets = append(out.numbers, n), append(out.offsets, first+at)
	}
	out.offsets = append(out.offsets, len(out.data))
	return out
}

// decode decrypts and unpacks a stream, to at most most bytes. Without a view it follows no reference, and decrypts
// nothing: so are cross-reference streams.
func (f *pdf) decode(v *view, o *object, most int) []byte {
	d, _ := o.value.(dictionary)
	get := func(value any) any {
		if v == nil {
			return value
		}
		return f.get(v, value)
	}
	list := func(key pdfName) (all []any, one bool) {
		switch value := get(d.get(key)).(type) {
		case nil:
			return nil, false
		case []any:
			if len(value) > maxFilters {
				refuse("filter")
			}
			for _, one := range value {
				all = append(all, get(one))
			}
			return all, false
		default:
			return []any{value}, true
		}
	}
	filters, oneFilter := list("Filter")
	parameters, oneParameter := list("DecodeParms")
	// A reader may ignore parameters in another form than that of the filters, and an entry DP is an old name of theirs.
	if len(parameters) > len(filters) || len(parameters) > 0 && oneFilter != oneParameter || d.get("DP") != nil {
		refuse("filter")
	}
	of := func(i int) dictionary {
		if i >= len(parameters) || parameters[i] == nil {
			return nil
		}
		p, ok := parameters[i].(dictionary)
		if !ok {
			refuse("filter")
		}
		p = slices.Clone(p)
		for k := range p {
			p[k].value = get(p[k].value)
		}
		return p
	}
	data, first := o.data, 0
	var m method
	if f.cipher != nil {
		m = f.cipher.streams
	}
	if len(filters) > 0 && filters[0] == pdfName("Crypt") {
		first = 1
		if name := of(0).get("Name"); name == nil || name == pdfName("Identity") {
			m = identity
		} else if f.cipher == nil || f.cipher.filters == nil {
			refuse("filter")
		} else {
			m = f.cipher.method(name)
		}
	}
	if m != identity && v != nil {
		f.step(4 * len(data))
		var ok bool
		if data, ok = f.cipher.decrypt(m, o.of, data); !ok {
			refuse("stream")
		}
	}
	for i := first; i < len(filters); i++ {
		room := f.most
		if i == len(filters)-1 {
			room = most
		}
		data = f.unpack(filters[i], of(i), data, room)
	}
	if first == len(filters) {
		f.step(len(data))
		if len(data) > most {
			refuse("size")
		}
	}
	return data
}
