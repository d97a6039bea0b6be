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
		"6 0 R", "7 0 R", "5 0 R", "6 1 R", "R", "obj", "endobj", "stream\n", "endstream", "/Filter/FlateDecode", "/Filter[]", "/Type/ObjStm", "/#45#46", "#", "\\", "/Names", "/Kids[1 0 R]", "{", "%",
		"8 0 R", "9 0 R", "10 0 R", "/AF[8 0 R]", "/AF 9 0 R", "/Names[(evidence.json) 8 0 R]", "/EmbeddedFiles 9 0 R", "/FS 8 0 R", "/Kids[9 0 R]", "/Limits[(a)(b)]", "(\\145vidence.json)", "(other.json)",
		"<FEFF0065007600690064 0065006E00630065002E006A0073006F006E>", "<FFFE6500>", "/Filter/Crypt", "/Filter[/Crypt]", "/Filter/ASCIIHexDecode", "/DecodeParms<</Predictor 12>>", "/DP", "/Identity", "/StdCF", "/StmF/Identity",
		"/StrF/Identity", "/EFF/Identity", "/EncryptMetadata false", "/CFM/V2", "/V 4", "/R 3", "/Length 128", "/Type/EmbeddedFile", "/Type/Metadata", "/Type/XRef", "-1", "4294967252", "00", "6 0 obj"}
	token  = regexp.MustCompile(`/[A-Za-z0-9]+|\d+ \d+ R|\([^()]*\)|\d+|<<|>>|\[|\]|[A-Za-z]+`)
	number = regexp.MustCompile(`\d+`)
	blank  = regexp.MustCompile(`[ \n]`)
	name   = regexp.MustCompile(`/[A-Za-z]+`)

	objectHead = regexp.MustCompile(`\d+ 0 obj`)
)

// Mutate is a file of other objects, in another form, encrypted or not, with other revisions, or with
// other bytes. With the same source it is the same.
func (o Objects) Mutate(r *rand.Rand) []byte {
	f := form{objects: maps.Clone(o)}
	if r.IntN(3) == 0 {
		password := ""
		if r.IntN(20) == 0 {
			password = "user"
		}
		f = o.encrypted(Kinds[r.IntN(len(Kinds))], password)
	}
	for range r.IntN(3) {
		f.objects.mutate(r)
	}
	f.predictor = 10 + r.IntN(5)
	var file []byte
	switch {
	case f.writer == nil && r.IntN(12) == 0:
		fault := []string{"", "", "", "another place", "no stream", "no place"}[r.IntN(6)]
		file = f.objects.HybridFile(fault)
	default:
		file = f.file(r.IntN(3) == 0)
	}
	for range max(0, r.IntN(5)-2) {
		later := Objects{}
		for range 1 + r.IntN(3) {
			n := f.objects.any(r)
			later[n] = f.objects[n]
			if r.IntN(2) == 0 {
				later.mutate(r)
			}
			if r.IntN(20) == 0 {
				later[n] = ""
			}
		}
		file = f.update(file, later, "")
	}
	return MutateForm(r, file)
}

// MutateForm changes how a file is written: most times not at all, else the bytes before the header, a twin of an object that no table names, or
// some bytes.
func MutateForm(r *rand.Rand, file []byte) []byte {
	if r.IntN(20) == 0 {
		front := []string{"\xef\xbb\xbf", "junk\n", "%PDF-1.4\n", "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat(" ", 1030)}
		file = append([]byte(front[r.IntN(len(front))]), file...)
	}
	if r.IntN(20) == 0 { // in front of the tables: offsets of what follows are wrong, unless nothing follows
		all := objectHead.FindAllIndex(file, -1)
		if len(all) > 1 {
			i, k := r.IntN(len(all)-1), r.IntN(len(all))
			twin := bytes.Clone(file[all[i][0]:all[i+1][0]])
			if r.IntN(2) == 0 {
				file = append(file, twin...)
			} else {
				file = slices.Insert(bytes.Clone(file), all[k][0], twin...)
			}
		}
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
			if r.IntN(2) == 0 {
				o[n] = Stream("/Filter/FlateDecode", repacked(r, body))
			} else {
				o[n] = filtered(r, body)
			}
			return
		}
	case 11:
		o[n+r.IntN(3)] = o[n]
		return
	}
	o[n] = head + data
}

// filtered is a stream with several filters, and some bits of its data changed.
func filtered(r *rand.Rand, data string) string {
	var filters, parameters []string
	for range 1 + r.IntN(3) {
		filter, parameter := "", "null"
		switch r.IntN(6) {
		case 0:
			filter, data = "ASCIIHexDecode", fmt.Sprintf("%x>", data)
		case 1:
			filter, data = "ASCII85Decode", Base85(data)
		case 2:
			filter, data = "RunLengthDecode", Runs(data)+"\x80"
		case 3:
			early := r.IntN(2)
			filter, data, parameter = "LZWDecode", LZW(data, early), fmt.Sprintf("<</EarlyChange %d>>", early)
		case 4:
			row := 1 + r.IntN(9)
			for len(data)%row != 0 {
				data += " "
			}
			filter, data, parameter = "FlateDecode", Pack(Predicted(data, row, 1)), fmt.Sprintf("<</Predictor 15/Columns %d>>", row)
		case 5:
			filter, data = "FlateDecode", Pack(data)
		}
		if b := []byte(data); r.IntN(6) == 0 && len(b) > 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			data = string(b)
		}
		data += []string{"", "", "", "", "\n", "\r\n", " "}[r.IntN(7)]
		filters, parameters = append([]string{"/" + filter}, filters...), append([]string{parameter}, parameters...)
	}
	if len(filters) == 1 && r.IntN(2) == 0 {
		return Stream("/Filter"+filters[0]+"/DecodeParms "+parameters[0], data)
	}
	return Stream("/Filter["+strings.Join(filters, "")+"]/DecodeParms["+strings.Join(parameters, " ")+"]", data)
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
			if m := objectHead.FindAllIndex(b, -1); len(m) > 0 {
				i := m[r.IntN(len(m))]
				w := signs[r.IntN(6)][0]
				s := bytes.ReplaceAll(bytes.Clone(b[i[0]:i[1]]), []byte(" "), []byte{w})
				copy(b[i[0]:], s)
			}
		}
	}
	return b
}
