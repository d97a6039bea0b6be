package certificate

import (
	"bytes"
	"strings"
	"unicode/utf16"
)

// MaxFile is the maximum size of a PDF for [Read], in bytes.
const MaxFile = 8 << 20

// maxAttachment is the maximum size of the evidence, in bytes. It equals evidence.MaxSize.
const maxAttachment = 1 << 20

// maxSpecifications is the maximum number of file specifications in a PDF.
const maxSpecifications = 64

// Attached is the content of a certificate besides its page.
type Attached struct {
	// Evidence is the file named [EvidenceName]. It is not verified yet.
	Evidence []byte
	// Changed: after the certificate was issued, something other than a signature
	// was added to the file.
	Changed bool
}

// Trouble is the reason why [Read] returns no evidence. The page /verify has the same
// values (verify/src/pdf.ts).
type Trouble string

// The troubles.
const (
	None   Trouble = "noAttachment"    // no evidence is attached
	Many   Trouble = "manyAttachments" // two different evidence files are attached
	Unsure Trouble = "unsure"          // two PDF readers may see different attachments
)

// Refusal is the error of [Read].
type Refusal struct {
	Trouble Trouble
	// Why names the part of the PDF with the problem, such as "table": see reasons.
	Why string
}

func (r *Refusal) Error() string { return reasons[r.Why] }

// reasons explain the values of [Refusal.Why].
var reasons = map[string]string{
	"none":      "the catalog lists no attachment named " + EvidenceName,
	"many":      "more than one attachment is named " + EvidenceName + ", and they differ",
	"name":      "an attachment has two names",
	"size":      "the file or its attachment is too large",
	"header":    "the file does not begin with %PDF-",
	"end":       "the file does not end with startxref and %%EOF",
	"table":     "a cross-reference table or stream has a fault",
	"hybrid":    "the file has two cross-reference tables for two kinds of readers",
	"encrypted": "the file is encrypted",
	"object":    "an object is not where the table says",
	"value":     "a value is not written as PDF writes values",
	"stream":    "a stream has a wrong length or a faulty end",
	"filter":    "a stream is packed in a way that is not read here",
	"depth":     "values are nested too deeply",
	"work":      "the file takes too much work to read",
}

// refuse panics to stop reading. [Read] returns the refusal.
func refuse(why string) {
	trouble := Unsure
	switch why {
	case "none":
		trouble = None
	case "many":
		trouble = Many
	}
	panic(&Refusal{trouble, why})
}

// Read returns the evidence in a certificate, by the rules of docs/verify.md. It returns
// a [*Refusal] when two PDF readers could see different files. verify/src/pdf.ts is the
// same reader, function by function.
func Read(file []byte) (_ Attached, err error) {
	a, _, err := read(file)
	return a, err
}

// read also returns the number of steps.
func read(file []byte) (a Attached, steps int, err error) {
	f := newPDF(file)
	defer func() {
		steps = f.steps
		if r, ok := recover().(*Refusal); ok {
			err = r
		} else if r != nil {
			panic(r)
		}
	}()
	f.open()
	return Attached{Evidence: f.attachment(), Changed: f.changed()}, 0, nil
}

// attachment returns the evidence. All file specifications named evidence.json that the
// catalog reaches must have the same content, and the catalog must list one.
func (f *pdf) attachment() []byte {
	var found []byte
	for _, spec := range f.specifications() {
		if !f.isEvidence(spec) {
			continue
		}
		data := f.embedded(spec)
		if found != nil && !bytes.Equal(found, data) {
			refuse("many")
		}
		found = data
	}
	if found == nil || !f.listed() {
		refuse("none")
	}
	return found
}

// specifications returns the reachable dictionaries with embedded files.
func (f *pdf) specifications() (specs []dictionary) {
	seen := map[int]int{f.root.number: f.root.generation}
	queue := []reference{f.root}
	var visit func(v any)
	visit = func(v any) {
		f.step(1)
		switch v := v.(type) {
		case reference:
			if generation, ok := seen[v.number]; !ok {
				seen[v.number] = v.generation
				queue = append(queue, v)
			} else if generation != v.generation {
				refuse("object")
			}
		case []any:
			for _, one := range v {
				visit(one)
			}
		case dictionary:
			if v.get("EF") != nil {
				if specs = append(specs, v); len(specs) > maxSpecifications {
					refuse("work")
				}
			}
			for _, one := range v {
				visit(one.value)
			}
		}
	}
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		o := f.object(f.newest, next)
		visit(o.value)
	}
	return specs
}

// isEvidence reports whether a file specification has the evidence's name. A reader may
// show either of its two names, so both must match.
func (f *pdf) isEvidence(spec dictionary) bool {
	names, known := 0, 0
	for _, key := range []pdfName{"UF", "F"} {
		if s, ok := f.get(f.newest, spec.get(key)).(pdfString); ok {
			names++
			if s.text() == EvidenceName {
				known++
			}
		}
	}
	if known > 0 && known < names {
		refuse("name")
	}
	return known > 0
}

// embedded returns the content of a file specification. All its entries must have the
// same content, because a reader may show any of them.
func (f *pdf) embedded(spec dictionary) []byte {
	files, ok := f.get(f.newest, spec.get("EF")).(dictionary)
	if !ok || files.get("F") == nil {
		refuse("object")
	}
	var found reference
	for i, one := range files {
		n, ok := one.value.(reference)
		if !ok || i > 0 && n != found {
			refuse("many")
		}
		found = n
	}
	o := f.object(f.newest, found)
	if o.data == nil {
		refuse("object")
	}
	return f.decode(f.newest, o, maxAttachment)
}

// listed reports whether the catalog's tree of embedded files lists the evidence, as
// PDF readers do. It refuses a tree that gives this name to another file.
func (f *pdf) listed() (listed bool) {
	catalog := f.catalog(f.newest)
	names, _ := f.get(f.newest, catalog.get("Names")).(dictionary)
	seen := map[int]bool{}
	var visit func(v any, depth int)
	visit = func(v any, depth int) {
		if n, ok := v.(reference); ok {
			if seen[n.number] || depth > maxDepth {
				refuse("value")
			}
			seen[n.number] = true
		}
		f.step(1)
		node, ok := f.get(f.newest, v).(dictionary)
		if !ok {
			if v != nil {
				refuse("value")
			}
			return
		}
		kids, _ := f.get(f.newest, node.get("Kids")).([]any)
		for _, kid := range kids {
			visit(kid, depth+1)
		}
		pairs, _ := f.get(f.newest, node.get("Names")).([]any)
		if len(pairs)%2 != 0 {
			refuse("value")
		}
		for i := 0; i < len(pairs); i += 2 {
			key, ok := f.get(f.newest, pairs[i]).(pdfString)
			spec, ok2 := f.get(f.newest, pairs[i+1]).(dictionary)
			if !ok || !ok2 {
				refuse("value")
			}
			if spec.get("EF") != nil && f.isEvidence(spec) {
				listed = true
			} else if key.text() == EvidenceName {
				refuse("name")
			}
		}
	}
	visit(names.get("EmbeddedFiles"), 0)
	return listed
}

// text returns a PDF string as UTF-8. A string without a byte order mark is read as
// ASCII, which is enough to compare names.
func (s pdfString) text() string {
	if rest, ok := strings.CutPrefix(string(s), "\xef\xbb\xbf"); ok {
		return rest
	}
	little := strings.HasPrefix(string(s), "\xff\xfe")
	if !little && !strings.HasPrefix(string(s), "\xfe\xff") {
		return string(s)
	}
	if len(s)%2 != 0 {
		refuse("value")
	}
	var units []uint16
	for i := 2; i < len(s); i += 2 {
		a, b := uint16(s[i]), uint16(s[i+1])
		if little {
			a, b = b, a
		}
		units = append(units, a<<8|b)
	}
	return string(utf16.Decode(units))
}
