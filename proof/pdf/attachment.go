package pdf

import (
	"bytes"
	"fmt"
)

// attachment returns the evidence. All file specifications named evidence.json that the
// trailer reaches must have the same content, and the catalog must list one.
func (f *pdf) attachment() []byte {
	var found []byte
	var first *object
	for _, spec := range f.specifications() {
		f.where = spec.where
		if !f.isEvidence(spec.dictionary) {
			continue
		}
		o := f.embedded(spec.dictionary)
		if first == o {
			continue
		}
		f.where = fmt.Sprintf("object %d", o.of.number)
		data := f.decode(f.newest, o, maxAttachment)
		if first == nil {
			found, first = data, o
		} else if !bytes.Equal(found, data) {
			f.where = fmt.Sprintf("object %d, object %d", first.of.number, o.of.number)
			refuse("many")
		}
	}
	if first == nil || !f.listed() {
		f.where = ""
		refuse("none")
	}
	return found
}

// specification is a file specification, and the object in which it stands.
type specification struct {
	dictionary
	where string
}

// specifications returns the dictionaries with embedded files that the last trailer reaches, through the catalog
// or otherwise. All objects on the way are read: for a missing one, some readers search the file.
func (f *pdf) specifications() (specs []specification) {
	seen := map[int]int{}
	var queue []reference
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
				if specs = append(specs, specification{v, f.where}); len(specs) > maxSpecifications {
					refuse("work")
				}
			}
			for _, one := range v {
				visit(one.value)
			}
		}
	}
	visit(f.newest.sections[0].trailer)
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		f.where = fmt.Sprintf("object %d", next.number)
		visit(f.object(f.newest, next).value)
	}
	return specs
}

// isEvidence reports whether a file specification has the evidence's name. A reader may
// show either of its two names, so both must match.
func (f *pdf) isEvidence(spec dictionary) bool {
	names, known := 0, 0
	for _, key := range []pdfName{"UF", "F"} {
		switch s := f.get(f.newest, spec.get(key)).(type) {
		case pdfString:
			names++
			if s.text() == EvidenceName {
				known++
			}
		case undeciphered:
			refuse("value")
		}
	}
	if known > 0 && known < names {
		refuse("name")
	}
	return known > 0
}

// embedded returns the stream of a file specification. All its entries must be the
// same, because a reader may show any of them.
func (f *pdf) embedded(spec dictionary) *object {
	files, ok := f.get(f.newest, spec.get("EF")).(dictionary)
	if !ok || files.get("F") == nil {
		refuse("object")
	}
	var found reference
	for i, one := range files {
		n, ok := one.value.(reference)
		if !ok {
			refuse("value")
		} else if i > 0 && n != found {
			f.where = fmt.Sprintf("object %d, object %d", found.number, n.number)
			refuse("many")
		}
		found = n
	}
	o := f.object(f.newest, found)
	d, _ := o.value.(dictionary)
	// The streams of two other types are not encrypted as others are.
	if kind := d.get("Type"); o.data == nil || f.cipher != nil && kind != nil && kind != pdfName("EmbeddedFile") {
		f.where = fmt.Sprintf("object %d", found.number)
		refuse("object")
	}
	return o
}

// listed reports whether the catalog's tree of embedded files lists the evidence, as
// PDF readers do. It refuses a tree that gives this name to another file.
func (f *pdf) listed() (listed bool) {
	f.where = fmt.Sprintf("object %d", f.root.number)
	catalog := f.catalog(f.newest)
	names, _ := f.get(f.newest, catalog.get("Names")).(dictionary)
	seen := map[int]bool{}
	var visit func(v any, depth int)
	visit = func(v any, depth int) {
		if n, ok := v.(reference); ok {
			f.where = fmt.Sprintf("object %d", n.number)
			if seen[n.number] {
				refuse("loop")
			} else if depth > maxDepth {
				refuse("depth")
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
