package pdf

import (
	"bytes"
	"reflect"
	"slices"
)

// changed reports whether something other than an invisible signature was added
// to the first revision. Validation data (DSS) and time-stamps of the document may be
// added to a certificate later. An attacker can write the whole file again, so "not
// changed" proves nothing.
func (f *pdf) changed() bool {
	if len(f.added) == 0 {
		return false
	}
	for _, s := range append(slices.Clone(f.added), f.issued.sections[0]) {
		if s.trailer.get("Root") != any(f.root) {
			return true
		}
	}
	was, is := f.catalog(f.issued), f.catalog(f.newest)
	if !same(was, is, "DSS", "Extensions", "AcroForm") {
		return true
	}
	pages, _ := f.get(f.issued, was.get("Pages")).(dictionary)
	kids, _ := f.get(f.issued, pages.get("Kids")).([]any)
	if len(kids) != 1 {
		return true
	}
	page, _ := f.get(f.issued, kids[0]).(dictionary)
	pageNow, _ := f.get(f.newest, kids[0]).(dictionary)
	form, _ := f.get(f.issued, was.get("AcroForm")).(dictionary)
	formNow, _ := f.get(f.newest, is.get("AcroForm")).(dictionary)
	info, infoNow := f.information(f.issued), f.information(f.newest)
	if !same(info, infoNow, "ModDate", "Producer") || !same(page, pageNow, "Annots") || !same(form, formNow, "Fields", "SigFlags") {
		return true
	}
	fields, ok := f.appended(form.get("Fields"), formNow.get("Fields"))
	annotations, ok2 := f.appended(page.get("Annots"), pageNow.get("Annots"))
	if !ok || !ok2 {
		return true
	}
	for _, field := range fields {
		if !f.invisible(field) {
			return true
		}
	}
	for _, one := range annotations {
		if !slices.Contains(fields, one) {
			return true
		}
	}
	// Every other object must be unchanged.
	may := []any{any(f.root), kids[0], f.issued.sections[0].trailer.get("Info"), was.get("AcroForm"), form.get("Fields"), page.get("Annots")}
	for _, s := range f.added {
		numbers := make([]int, 0, len(s.places))
		for n := range s.places {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		for _, n := range numbers {
			p, known := f.issued.entry(n)
			if p.kind == 0 && known && n != 0 {
				return true // a deleted object came back: an older reference may name it
			}
			if p.kind == 0 || slices.ContainsFunc(may, func(v any) bool { r, ok := v.(reference); return ok && r.number == n }) {
				continue
			}
			now := f.newest.place(n)
			if now.kind == 0 || !f.same(f.object(f.issued, f.named(n, p)), f.object(f.newest, f.named(n, now))) {
				return true
			}
		}
	}
	return false
}

// information returns the information dictionary of a revision.
func (f *pdf) information(v *view) dictionary {
	d, _ := f.get(v, v.sections[0].trailer.get("Info")).(dictionary)
	return d
}

// named returns the reference to the object at a place.
func (f *pdf) named(n int, p place) reference {
	if p.kind == 2 {
		return reference{number: n}
	}
	return reference{n, p.generation}
}

func (f *pdf) same(a, b *object) bool {
	f.step(len(a.data))
	return reflect.DeepEqual(a.value, b.value) && (a.data == nil) == (b.data == nil) && bytes.Equal(a.data, b.data)
}

// same reports whether two dictionaries are equal, without the entries in but.
func same(a, b dictionary, but ...pdfName) bool {
	rest := func(d dictionary) dictionary {
		d = slices.DeleteFunc(slices.Clone(d), func(e entry) bool { return slices.Contains(but, e.key) })
		slices.SortFunc(d, func(x, y entry) int { return bytes.Compare([]byte(x.key), []byte(y.key)) })
		return d
	}
	x, y := rest(a), rest(b)
	return slices.EqualFunc(x, y, func(p, q entry) bool { return p.key == q.key && reflect.DeepEqual(p.value, q.value) })
}

// appended returns the references that were added to a list. ok is false when an old
// one is missing.
func (f *pdf) appended(was, is any) ([]any, bool) {
	before, _ := f.get(f.issued, was).([]any)
	now, _ := f.get(f.newest, is).([]any)
	if len(now) < len(before) || !slices.EqualFunc(before, now[:len(before)], reflect.DeepEqual) {
		return nil, false
	}
	for _, one := range now[len(before):] {
		if n, ok := one.(reference); !ok || f.issued.place(n.number).kind != 0 {
			return nil, false
		}
	}
	return now[len(before):], true
}

// invisible reports whether a field is a signature without an appearance.
func (f *pdf) invisible(field any) bool {
	d, _ := f.get(f.newest, field).(dictionary)
	allowed := []pdfName{"Type", "Subtype", "FT", "T", "TU", "V", "Rect", "F", "P", "Ff", "Lock", "SV", "StructParent"}
	for _, one := range d {
		if !slices.Contains(allowed, one.key) {
			return false
		}
	}
	if d.get("FT") != pdfName("Sig") {
		return false
	}
	if d.get("Rect") == nil {
		return true
	}
	rect, _ := f.get(f.newest, d.get("Rect")).([]any)
	return len(rect) == 4 && !slices.ContainsFunc(rect, func(v any) bool { return number(v) != 0 })
}
