package certificate

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// document is a PDF file during writing, as numbered objects. The same content always
// gives the same bytes.
type document struct{ objects [][]byte }

// reserve returns the number of an object whose content follows later.
func (d *document) reserve() int {
	d.objects = append(d.objects, nil)
	return len(d.objects)
}

func (d *document) set(n int, format string, args ...any) {
	d.objects[n-1] = fmt.Appendf(nil, format, args...)
}

func (d *document) add(format string, args ...any) int {
	n := d.reserve()
	d.set(n, format, args...)
	return n
}

// stream adds data uncompressed, so that it can be read without a PDF reader.
func (d *document) stream(dict string, data []byte) int {
	return d.add("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(data), data)
}

// flate marks a compressed stream.
const flate = "/Filter/FlateDecode"

// packer compresses data. Its tables are large, so it is reused.
type packer struct{ w *zlib.Writer }

func (p *packer) pack(data []byte) []byte {
	var b bytes.Buffer
	if p.w == nil {
		p.w = zlib.NewWriter(&b)
	} else {
		p.w.Reset(&b)
	}
	_, _ = p.w.Write(data) // to memory
	_ = p.w.Close()
	return b.Bytes()
}

// bytes returns the file. Its identifier is a hash of its content.
func (d *document) bytes(root, info int) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	at := make([]int, len(d.objects))
	for i, o := range d.objects {
		at[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	id := sha256.Sum256(b.Bytes())
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root %d 0 R/Info %d 0 R/ID[<%x><%x>]>>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, root, info, id[:16], id[:16], xref)
	return b.Bytes()
}

// text returns a string of any script in the syntax of PDF.
func text(s string) string {
	b := []byte{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return "<" + hex.EncodeToString(b) + ">"
}

// refs returns references to objects, for an array.
func refs(numbers []int) string {
	var b strings.Builder
	for _, n := range numbers {
		fmt.Fprintf(&b, "%d 0 R ", n)
	}
	return "[" + strings.TrimSpace(b.String()) + "]"
}

// num writes a coordinate: a hundredth of a point is finer than any printer.
func num(f float64) string { return string(appendNum(nil, f)) }

// appendNum appends what num writes.
func appendNum(to []byte, f float64) []byte {
	from := len(to)
	to = bytes.TrimRight(strconv.AppendFloat(to, f, 'f', 2, 64), "0")
	to = bytes.TrimSuffix(to, []byte("."))
	if string(to[from:]) == "-0" {
		return append(to[:from], '0')
	}
	return to
}
