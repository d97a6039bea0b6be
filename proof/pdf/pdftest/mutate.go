package pdftest

import (
	"bytes"
	"fmt"
	"hash/adler32"
	"io"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"compress/flate"
)

// Parse takes apart a file of one table, as [Objects.File] and certificate.Render
// write it.
func Parse(file []byte) Objects {
	o := Objects{}
	table := file[start(file):]
	var at []int
	for _, m := range regexp.MustCompile(`(\d{10}) \d{5} n`).FindAllSubmatch(table, -1) {
		var n int
		_, _ = fmt.Sscan(strings.TrimLeft(string(m[1]), "0"), &n) // digits
		at = append(at, n)
	}
	slices.Sort(at)
	at = append(at, start(file))
	for i, from := range at[:len(at)-1] {
		var n int
		object := string(file[from:at[i+1]])
		head, body, _ := strings.Cut(object, " 0 obj\n")
		_, _ = fmt.Sscan(head, &n)
		o[n] = strings.TrimSuffix(body, "\nendobj\n")
	}
	return o
}

var (
	signs = []string{" ", "\n", "\r", "\t", "\f", "\x00", "\r\n", "%\n", "% >> endobj\r", "  ", "\x0b", "\xa0"}
	words = []string{"null", "true", "0", "1", "-1", "6", "7", "1.5", "[", "]", "<<", ">>", "(", ")", "<", ">", "()", "(evidence.json)", "<65>", "/EF", "/F", "/UF", "/Length 7",
		"6 0 R", "7 0 R", "5 0 R", "6 1 R", "R", "obj", "endobj", "stream\n", "endstream", "/Filter/FlateDecode", "/Filter[]", "/Type/ObjStm", "/#45#46", "#", "\\", "/Names", "/Kids[1 0 R]", "{", "%"}
	token  = regexp.MustCompile(`/[A-Za-z0-9]+|\d+ \d+ R|\([^()]*\)|\d+|<<|>>|\[|\]|[A-Za-z]+`)
	number = regexp.MustCompile(`\d+`)
	blank  = regexp.MustCompile(`[ \n]`)
	name   = regexp.MustCompile(`/[A-Za-z]+`)
)

// Mutate is a file of other objects, in another form, with other revisions, or with
// other bytes. With the same source it is the same.
func (o Objects) Mutate(r *rand.Rand) []byte {
	o = maps.Clone(o)
	for range r.IntN(3) {
		o.mutate(r)
	}
	var file []byte
	if r.IntN(3) == 0 {
		file = o.PackedFile(10 + r.IntN(5))
	} else {
		file = o.File()
	}
	for range max(0, r.IntN(5)-2) {
		later := Objects{}
		for range 1 + r.IntN(3) {
			n := o.any(r)
			later[n] = o[n]
			if r.IntN(2) == 0 {
				later.mutate(r)
			}
			if r.IntN(20) == 0 {
				later[n] = ""
			}
		}
		file = Update(file, later, "")
	}
	if r.IntN(3) == 0 {
		return MutateBytes(r, file)
	}
	return file
}

func (o Objects) any(r *rand.Rand) int {
	numbers := o.numbers()
	return numbers[r.IntN(len(numbers))]
}

// mutate changes one object outside of the data of a stream, most times.
func (o Objects) mutate(r *rand.Rand) {
	n := o.any(r)
	head, data, stream := strings.Cut(o[n], "\nstream\n")
	if stream {
		data = "\nstream\n" + data
	}
	swap := func(re *regexp.Regexp, with func(string) string) {
		all := re.FindAllStringIndex(head, -1)
		if len(all) > 0 {
			at := all[r.IntN(len(all))]
			head = head[:at[0]] + with(head[at[0]:at[1]]) + head[at[1]:]
		}
	}
	switch r.IntN(12) {
	case 0:
		swap(blank, func(string) string { return signs[r.IntN(len(signs))] })
	case 1:
		swap(token, func(s string) string { return s + signs[r.IntN(len(signs))] })
	case 2:
		swap(token, func(s string) string { return signs[r.IntN(len(signs))] + s })
	case 3:
		swap(name, func(s string) string { return fmt.Sprintf("/#%02x%s", s[1], s[2:]) })
	case 4:
		swap(token, func(s string) string { return s + words[r.IntN(len(words))] })
	case 5:
		swap(token, func(string) string { return words[r.IntN(len(words))] })
	case 6:
		swap(number, func(string) string { return fmt.Sprint(r.IntN(12)) })
	case 7:
		swap(token, func(s string) string { return s + " " + s })
	case 8:
		o[n] = o[o.any(r)]
		return
	case 9:
		swap(regexp.MustCompile(`\([^()]*\)`), func(s string) string { return fmt.Sprintf("<%x>", s[1:len(s)-1]) })
	case 10: // the same data, packed
		if stream && !strings.Contains(head, "/Filter") {
			body := strings.TrimSuffix(strings.TrimPrefix(data, "\nstream\n"), "\nendstream")
			o[n] = Stream("/Filter/FlateDecode", repacked(r, body))
			return
		}
	case 11:
		o[n+r.IntN(3)] = o[n]
		return
	}
	o[n] = head + data
}

// repacked is data packed by any block form, with some of its bits changed, and the
// right sum wherever it can be unpacked.
func repacked(r *rand.Rand, data string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, []int{flate.NoCompression, flate.BestSpeed, flate.HuffmanOnly, flate.BestCompression}[r.IntN(4)])
	_, _ = w.Write([]byte(data)) // to memory
	_ = w.Close()
	packed := b.Bytes()
	for range r.IntN(3) {
		packed[r.IntN(min(len(packed), 120))] ^= 1 << r.IntN(8)
	}
	in := bytes.NewReader(packed)
	out, _ := io.ReadAll(io.LimitReader(flate.NewReader(in), 1<<20))
	packed = packed[:len(packed)-in.Len()]
	sum := adler32.Checksum(out)
	return "\x78\x9c" + string(packed) + string([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// MutateBytes changes bytes of a file, most times without moving others.
func MutateBytes(r *rand.Rand, file []byte) []byte {
	b := bytes.Clone(file)
	for range 1 + r.IntN(2) {
		if len(b) < 100 {
			return b
		}
		at := r.IntN(len(b))
		if r.IntN(2) == 0 { // near the end, where the tables are
			at = len(b) - 1 - r.IntN(min(len(b), 600))
		}
		switch r.IntN(8) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = signs[r.IntN(len(signs))][0]
		case 2:
			copy(b[at:], words[r.IntN(len(words))])
		case 3:
			if i := bytes.IndexByte(b[at:], ' '); i >= 0 {
				b[at+i] = "\t\r\n\f\x00"[r.IntN(5)]
			}
		case 4:
			if i := bytes.IndexAny(b[at:], "123456789"); i >= 0 {
				b[at+i] = '0' + byte(r.IntN(10))
			}
		case 5:
			b = append(b, signs[r.IntN(len(signs))]...)
		case 6:
			b = slices.Insert(b, at, []byte(words[r.IntN(len(words))])...)
		case 7:
			if m := regexp.MustCompile(`\d+ 0 obj`).FindAllIndex(b, -1); len(m) > 0 {
				i := m[r.IntN(len(m))]
				w := signs[r.IntN(6)][0]
				s := bytes.ReplaceAll(bytes.Clone(b[i[0]:i[1]]), []byte(" "), []byte{w})
				copy(b[i[0]:], s)
			}
		}
	}
	return b
}
