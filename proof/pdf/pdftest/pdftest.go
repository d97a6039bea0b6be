// Package pdftest makes the PDFs that every reader of certificates is held to: cases
// that were thought of, each with what has to be said of it, and mutants of
// any file. It is for tests, and needs no fonts.
package pdftest

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Objects are the objects of a file by number, each as it stands between "obj" and
// "endobj".
type Objects map[int]string

// numbers are those of the objects, in order.
func (o Objects) numbers() (all []int) {
	for n := range o {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// Stream is an object with data.
func Stream(dictionary, data string) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dictionary, len(data), data)
}

// Pack is data as zlib packs them.
func Pack(data string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(data)) // to memory
	_ = w.Close()
	return b.String()
}

// Flate is an object with packed data.
func Flate(dictionary, data string) string {
	return Stream(dictionary+"/Filter/FlateDecode", Pack(data))
}

// Certificate has what a certificate has: a page, and evidence that is attached.
func Certificate(evidence string) Objects {
	return Objects{
		1: "<</Type/Catalog/Pages 2 0 R/AF[5 0 R]/Names<</EmbeddedFiles<</Names[(evidence.json) 5 0 R]>>>>>>",
		2: "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		3: "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>/Contents 4 0 R/Annots[]>>",
		4: Flate("", "0 0 10 10 re f"),
		5: "<</Type/Filespec/F(evidence.json)/UF(evidence.json)/AFRelationship/Data/EF<</F 6 0 R/UF 6 0 R>>>>",
		6: Stream("/Type/EmbeddedFile", evidence),
	}
}

// With is the objects with one of them replaced.
func (o Objects) With(n int, object string) Objects {
	o = maps.Clone(o)
	o[n] = object
	return o
}

// Swap is the objects with a text of one of them replaced.
func (o Objects) Swap(n int, old, with string) Objects {
	if !strings.Contains(o[n], old) {
		panic(fmt.Sprintf("pdftest: %d has no %q: %s", n, old, o[n]))
	}
	return o.With(n, strings.Replace(o[n], old, with, 1))
}

const header = "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"

// form is how objects are written.
type form struct {
	objects   Objects
	writer    *writer
	predictor int
}

func (f form) trailer() string {
	if f.writer == nil {
		return "/Root 1 0 R"
	}
	return "/Root 1 0 R" + f.writer.trailer
}

// file writes the objects with a table, or with cross-reference and object streams.
func (f form) file(packed bool) []byte {
	if packed {
		return f.packedFile()
	}
	return f.appendTo([]byte(header), f.trailer(), -1)
}

// update appends a revision with other objects.
func (f form) update(file []byte, o Objects, trailer string) []byte {
	f.objects = o
	return f.appendTo(bytes.Clone(file), f.trailer()+trailer, start(file))
}

// File writes the objects with a table.
func (o Objects) File() []byte { return form{objects: o}.file(false) }

// Update appends a revision with these objects.
func Update(file []byte, o Objects, trailer string) []byte {
	return form{}.update(file, o, trailer)
}

func start(file []byte) int {
	at := bytes.LastIndex(file, []byte("startxref"))
	n, err := strconv.Atoi(strings.Fields(string(file[at+len("startxref"):]))[0])
	if err != nil {
		panic(err)
	}
	return n
}

var sizes = regexp.MustCompile(`/Size (\d+)`)

// appendTo appends the objects and their table.
func (f form) appendTo(file []byte, trailer string, prev int) []byte {
	o := f.objects
	at := map[int]int{}
	numbers := o.numbers()
	for _, n := range numbers {
		at[n] = len(file)
		file = fmt.Appendf(file, "%d 0 obj\n%s\nendobj\n", n, f.writer.object(n, o[n]))
	}
	table := len(file)
	file = append(file, "xref\n"...)
	if prev < 0 {
		file = append(file, "0 1\n0000000000 65535 f \n"...)
	}
	for _, n := range numbers {
		if o[n] == "" {
			file = fmt.Appendf(file, "%d 1\n0000000000 00001 f \n", n)
		} else {
			file = fmt.Appendf(file, "%d 1\n%010d 00000 n \n", n, at[n])
		}
	}
	if prev >= 0 {
		trailer += fmt.Sprintf("/Prev %d", prev)
	}
	size := 1
	if len(numbers) > 0 {
		size = max(100, numbers[len(numbers)-1]+1)
	}
	for _, m := range sizes.FindAllSubmatch(file, -1) { // an update does not make the file smaller
		before, err := strconv.Atoi(string(m[1]))
		if prev >= 0 && err == nil {
			size = max(size, before)
		}
	}
	return fmt.Appendf(file, "trailer\n<</Size %d%s>>\nstartxref\n%d\n%%%%EOF\n", size, trailer, table)
}

// PackedFile writes the objects with a cross-reference stream. It writes most objects that
// are not streams into an object stream. predictor is the one of the cross-reference stream.
func (o Objects) PackedFile(predictor int) []byte {
	return form{objects: o, predictor: predictor}.packedFile()
}

func (f form) packedFile() []byte {
	o, predictor := f.objects, f.predictor
	file := []byte(header)
	last := slices.Max(o.numbers())
	object, table := last+1, last+2
	type row struct{ kind, at, index int }
	rows := make([]row, table+1)
	rows[0].index = 65535
	var head, body strings.Builder
	count := 0
	for _, n := range o.numbers() {
		if strings.HasSuffix(o[n], "endstream") || f.writer != nil && n == f.writer.number {
			rows[n] = row{1, len(file), 0}
			file = fmt.Appendf(file, "%d 0 obj\n%s\nendobj\n", n, f.writer.object(n, o[n]))
			continue
		}
		rows[n] = row{2, object, count}
		fmt.Fprintf(&head, "%d %d ", n, body.Len())
		body.WriteString(o[n] + "\n")
		count++
	}
	rows[object] = row{1, len(file), 0}
	file = fmt.Appendf(file, "%d 0 obj\n%s\nendobj\n", object, f.writer.object(object, Flate(fmt.Sprintf("/Type/ObjStm/N %d/First %d", count, head.Len()), head.String()+body.String())))
	rows[table] = row{1, len(file), 0}
	var data, above []byte
	for _, r := range rows {
		line := []byte{byte(r.kind), byte(r.at >> 16), byte(r.at >> 8), byte(r.at), byte(r.index >> 8), byte(r.index)}
		if predictor > 1 {
			data = append(data, byte(predictor-10))
		}
		data = append(data, predict(line, above, 1, predictor)...)
		above = line
	}
	parameters := ""
	if predictor > 1 {
		parameters = fmt.Sprintf("/DecodeParms<</Columns 6/Predictor %d>>", predictor)
	}
	at := len(file)
	file = fmt.Appendf(file, "%d 0 obj\n%s\nendobj\n", table, Flate(fmt.Sprintf("/Type/XRef/W[1 3 2]/Size %d%s%s", len(rows), f.trailer(), parameters), string(data)))
	return fmt.Appendf(file, "startxref\n%d\n%%%%EOF\n", at)
}

// HybridFile writes the objects with a table and, for the attachment, a stream that the table names. fault is that of
// the file, if it has one.
func (o Objects) HybridFile(fault string) []byte {
	hidden := o.With(7, o[6])
	file := hidden.File()
	first := start(file)
	// The stream names the place of the attachment; the first table says that it is free.
	at := bytes.Index(file, []byte("\n6 0 obj")) + 1
	file = bytes.Replace(file, fmt.Appendf(nil, "%010d 00000 n", at), []byte("0000000000 65535 f"), 1)
	stream := len(file)
	if fault == "no stream" {
		stream += 2
	} else if fault == "no place" {
		stream = 1 << 20
	}
	row := func(n int) string { return string([]byte{1, byte(n >> 16), byte(n >> 8), byte(n), 0}) }
	file = fmt.Appendf(file, "8 0 obj\n%s\nendobj\n", Stream("/Type/XRef/W[1 3 1]/Index[6 1 8 1]/Size 100/Root 1 0 R", row(at)+row(len(file))))
	table := len(file)
	entry := "0 0\n"
	if fault == "another place" {
		entry = fmt.Sprintf("6 1\n%010d 00000 n \n", bytes.Index(file, []byte("\n7 0 obj"))+1)
	}
	return fmt.Appendf(file, "xref\n%strailer\n<</Size 100/Root 1 0 R/Prev %d/XRefStm %d>>\nstartxref\n%d\n%%%%EOF\n", entry, first, stream, table)
}

func predict(line, above []byte, pixel, predictor int) []byte {
	out := bytes.Clone(line)
	if above == nil {
		above = make([]byte, len(line))
	}
	for i := range out {
		var left, corner byte
		if i >= pixel {
			left, corner = line[i-pixel], above[i-pixel]
		}
		switch predictor {
		case 11:
			out[i] -= left
		case 12:
			out[i] -= above[i]
		case 13:
			out[i] -= byte((int(left) + int(above[i])) / 2)
		case 14:
			p := int(left) + int(above[i]) - int(corner)
			a, b, c := abs(p-int(left)), abs(p-int(above[i])), abs(p-int(corner))
			if a <= b && a <= c {
				out[i] -= left
			} else if b <= c {
				out[i] -= above[i]
			} else {
				out[i] -= corner
			}
		}
	}
	return out
}

func abs(n int) int { return max(n, -n) }
