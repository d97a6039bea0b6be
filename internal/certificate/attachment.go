package certificate

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf16"
)

// ErrNoAttachment is wrapped by every error of [Attachment].
var ErrNoAttachment = errors.New("no evidence is attached that can be read")

// maxAttachment is how large an attachment is taken out.
const maxAttachment = 4 << 20

// Attachment takes the evidence out of a certificate: the one file named
// [EvidenceName] of its latest revision. It reads what [Render] writes, and what
// a program appends that leaves those bytes alone, as signing does; a file that
// was written anew by another program may be beyond it. What it returns is
// nobody's word yet.
func Attachment(file []byte) ([]byte, error) {
	f := pdf{file: file, at: map[int]int{}}
	b, err := f.attachment()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAttachment, err)
	}
	return b, nil
}

// pdf is a file and where its objects are, by number.
type pdf struct {
	file []byte
	at   map[int]int
	root reference
}

// The values of PDF that have no like in Go. A dictionary is a map, a string a
// text, a number an int; what is of no use here is nil.
type (
	reference  int
	pdfName    string
	pdfString  string // as its bytes
	dictionary map[pdfName]any
)

func (f *pdf) attachment() ([]byte, error) {
	if err := f.index(); err != nil {
		return nil, err
	}
	catalog, _ := f.get(f.root).(dictionary)
	list, _ := f.get(catalog["AF"]).([]any)
	names, _ := f.get(catalog["Names"]).(dictionary)
	tree, _ := f.get(names["EmbeddedFiles"]).(dictionary)
	pairs, _ := f.get(tree["Names"]).([]any)
	var found reference
	for _, entry := range slices.Concat(list, pairs) {
		spec, _ := f.get(entry).(dictionary)
		if !isName(spec["UF"]) && !isName(spec["F"]) {
			continue
		}
		files, _ := f.get(spec["EF"]).(dictionary)
		for _, key := range []pdfName{"F", "UF"} { // which of them is shown is a viewer's choice
			file, ok := files[key].(reference)
			if ok && found != 0 && file != found {
				return nil, errors.New("more than one is attached: take out the one that you mean")
			} else if ok {
				found = file
			}
		}
	}
	if found == 0 {
		return nil, errors.New("its catalog names none")
	}
	return f.stream(found)
}

func isName(v any) bool {
	s, _ := v.(pdfString)
	if wide, ok := bytes.CutPrefix([]byte(s), []byte{0xfe, 0xff}); ok {
		var u []uint16
		for pair := range slices.Chunk(wide, 2) {
			if len(pair) == 2 {
				u = append(u, uint16(pair[0])<<8|uint16(pair[1]))
			}
		}
		s = pdfString(utf16.Decode(u))
	}
	return s == EvidenceName
}

// index reads the tables of the file's revisions, the latest first.
func (f *pdf) index() error {
	end := bytes.LastIndex(f.file, []byte("startxref"))
	if end < 0 {
		return errors.New("it does not end as a PDF file does")
	}
	s := scanner{file: f.file, at: end + len("startxref")}
	offset, ok := s.value(0).(int)
	for seen := map[int]bool{}; ok; {
		if seen[offset] || offset < 0 || offset >= len(f.file) {
			return errors.New("its tables lead nowhere")
		}
		seen[offset] = true
		trailer, err := f.table(offset)
		if err != nil {
			return err
		}
		if f.root == 0 {
			f.root, _ = trailer["Root"].(reference)
		}
		offset, ok = trailer["Prev"].(int)
	}
	if f.root == 0 {
		return errors.New("it has no catalog")
	}
	return nil
}

// table reads one revision's: what a later one said stands.
func (f *pdf) table(offset int) (dictionary, error) {
	s := scanner{file: f.file, at: offset}
	if s.word() != "xref" {
		return nil, errors.New("it was written anew by another program, in a form that is not read here")
	}
	for {
		word := s.word()
		if word == "trailer" {
			d, ok := s.value(0).(dictionary)
			if !ok {
				return nil, errors.New("a table without its end")
			}
			return d, nil
		}
		first, err := strconv.Atoi(word)
		count, err2 := strconv.Atoi(s.word())
		if err != nil || err2 != nil || first < 0 || count < 0 || count > len(f.file)/18 {
			return nil, errors.New("a table that is none")
		}
		for n := first; n < first+count; n++ {
			at, err := strconv.Atoi(s.word())
			s.word() // the generation
			if used := s.word(); err == nil && used == "n" {
				if _, later := f.at[n]; !later {
					f.at[n] = at
				}
			} else if used != "f" {
				return nil, errors.New("a table that is none")
			}
		}
	}
}

// open returns a scanner after "N G obj".
func (f *pdf) open(n reference) (*scanner, bool) {
	at, ok := f.at[int(n)]
	if !ok || at < 0 || at >= len(f.file) {
		return nil, false
	}
	s := &scanner{file: f.file, at: at}
	number := s.word()
	s.word()
	return s, number == strconv.Itoa(int(n)) && s.word() == "obj"
}

// get follows a reference, once: no object here is only another reference.
func (f *pdf) get(v any) any {
	n, ok := v.(reference)
	if !ok {
		return v
	}
	s, ok := f.open(n)
	if !ok {
		return nil
	}
	return s.value(0)
}

func (f *pdf) stream(v any) ([]byte, error) {
	n, _ := v.(reference)
	s, ok := f.open(n)
	if !ok {
		return nil, errors.New("the attached file is not there")
	}
	d, _ := s.value(0).(dictionary)
	length, ok := f.get(d["Length"]).(int)
	if s.word() != "stream" || !ok || length < 0 || length > maxAttachment {
		return nil, errors.New("the attached file is not there, or too large")
	}
	rest, _ := bytes.CutPrefix(s.file[s.at:], []byte("\r"))
	rest, ok = bytes.CutPrefix(rest, []byte("\n"))
	if !ok || length > len(rest) {
		return nil, errors.New("the attached file ends too early")
	}
	data := rest[:length]
	switch filter := f.get(d["Filter"]); filter {
	case nil:
		return data, nil
	case pdfName("FlateDecode"):
		z, err := zlib.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		out, err := io.ReadAll(io.LimitReader(z, maxAttachment+1))
		if err == nil && len(out) > maxAttachment {
			err = errors.New("the attached file is too large")
		}
		return out, err
	}
	return nil, errors.New("the attached file is encoded in a way that is not read here")
}

// scanner reads values from a place in the file. It never fails: what is no
// value is nil, and the end is the empty word.
type scanner struct {
	file []byte
	at   int
}

const (
	white     = "\x00\t\n\f\r "
	delimiter = "()<>[]{}/%"
)

// space skips white space and comments.
func (s *scanner) space() {
	for s.at < len(s.file) {
		if c := s.file[s.at]; c == '%' {
			for s.at < len(s.file) && s.file[s.at] != '\n' && s.file[s.at] != '\r' {
				s.at++
			}
		} else if bytes.IndexByte([]byte(white), c) < 0 {
			return
		} else {
			s.at++
		}
	}
}

// word is what stands before the next white space or delimiter.
func (s *scanner) word() string {
	s.space()
	from := s.at
	for s.at < len(s.file) && bytes.IndexByte([]byte(white+delimiter), s.file[s.at]) < 0 {
		s.at++
	}
	return string(s.file[from:s.at])
}

// cut skips a delimiter when it comes next.
func (s *scanner) cut(token string) bool {
	s.space()
	if !bytes.HasPrefix(s.file[s.at:], []byte(token)) {
		return false
	}
	s.at += len(token)
	return true
}

// maxDepth is how deep values stand in each other here.
const maxDepth = 16

func (s *scanner) value(depth int) any {
	if depth > maxDepth {
		s.at = len(s.file)
		return nil
	}
	switch {
	case s.cut("<<"):
		d := dictionary{}
		for !s.cut(">>") {
			if !s.cut("/") {
				s.at = len(s.file)
				return nil
			}
			key := pdfName(s.word())
			d[key] = s.value(depth + 1)
		}
		return d
	case s.cut("["):
		list := []any{}
		for !s.cut("]") {
			if s.space(); s.at == len(s.file) {
				return nil
			}
			list = append(list, s.value(depth+1))
		}
		return list
	case s.cut("/"):
		return pdfName(s.word())
	case s.cut("("):
		return s.literal()
	case s.cut("<"):
		end := bytes.IndexByte(s.file[s.at:], '>')
		if end < 0 {
			s.at = len(s.file)
			return nil
		}
		b, err := hex.DecodeString(string(s.file[s.at : s.at+end]))
		s.at += end + 1
		if err != nil {
			return nil
		}
		return pdfString(b)
	}
	word := s.word()
	if word == "" { // a delimiter that begins nothing
		s.at = min(s.at+1, len(s.file))
		return nil
	}
	n, err := strconv.Atoi(word)
	if err != nil {
		return nil
	}
	after := s.at
	if _, err := strconv.Atoi(s.word()); err == nil && s.word() == "R" {
		return reference(n)
	}
	s.at = after
	return n
}

// literal reads a string up to its closing parenthesis.
func (s *scanner) literal() any {
	var out []byte
	for open := 1; s.at < len(s.file); s.at++ {
		c := s.file[s.at]
		switch c {
		case '\\':
			if s.at++; s.at < len(s.file) {
				out = append(out, s.file[s.at])
			}
			continue
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				s.at++
				return pdfString(out)
			}
		}
		out = append(out, c)
	}
	return nil
}
