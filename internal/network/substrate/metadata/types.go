package metadata

import (
	"errors"
	"fmt"

	"timbre.example/internal/network/substrate/scale"
)

// Field is a member of a type, an argument of a call, or a value of an event.
type Field struct {
	// Name is "" in a tuple.
	Name string
	Type Type
}

// The kinds of types, as metadata numbers them.
const (
	composite = iota
	enum
	sequence
	array
	tuple
	primitive
	compact
	bits
)

type kind struct {
	path     []string
	def      uint8
	fields   []Field            // composite, tuple
	variants map[uint8]*variant // enum
	of       Type               // sequence, array, compact; the store of bits
	length   uint32             // array
	size     int                // primitive: its bytes; text has none
}

type variant struct {
	name   string
	index  uint8
	fields []Field
}

// sizes are the bytes of the primitives: bool, char, str, u8 to u256, i8 to i256. str has no fixed size.
var sizes = [...]int{1, 4, 0, 1, 2, 4, 8, 16, 32, 1, 2, 4, 8, 16, 32}

func (m *Metadata) readTypes(r *scale.Reader) {
	n := r.Count(5)
	m.types = make([]kind, 0, n)
	for i := range n {
		if id := typeID(r); r.Err() == nil && int(id) != i {
			r.Fail(fmt.Errorf("type %d has the number %d", i, id))
		}
		m.types = append(m.types, readType(r))
		if r.Err() != nil {
			return
		}
	}
}

func readType(r *scale.Reader) (k kind) {
	for range r.Count(1) {
		k.path = append(k.path, r.Text())
	}
	for range r.Count(2) { // parameters
		r.Text()
		if r.Some() {
			typeID(r)
		}
	}
	switch k.def = r.U8(); k.def {
	case composite:
		k.fields = readFields(r)
	case enum:
		k.variants = map[uint8]*variant{}
		for range r.Count(3) {
			v := &variant{name: r.Text(), fields: readFields(r)}
			v.index = r.U8()
			docs(r)
			k.variants[v.index] = v
		}
	case sequence, compact:
		k.of = typeID(r)
	case array:
		k.length = r.U32()
		k.of = typeID(r)
	case tuple:
		for range r.Count(1) {
			k.fields = append(k.fields, Field{Type: typeID(r)})
		}
	case primitive:
		p := r.U8()
		if int(p) >= len(sizes) {
			r.Fail(fmt.Errorf("primitive %d is unknown", p))
			return k
		}
		k.size = sizes[p]
	case bits:
		k.of = typeID(r)
		typeID(r) // the order
	default:
		r.Fail(fmt.Errorf("a type of kind %d is unknown", k.def))
	}
	docs(r)
	return k
}

func readFields(r *scale.Reader) (all []Field) {
	for range r.Count(4) {
		var f Field
		if r.Some() {
			f.Name = r.Text()
		}
		f.Type = typeID(r)
		if r.Some() { // the name of the type in the source
			r.Text()
		}
		docs(r)
		all = append(all, f)
	}
	return all
}

// check refuses metadata that names a type which it does not have.
func (m *Metadata) check() error {
	var wrong error
	see := func(t Type, who string) {
		if t < None || int(t) >= len(m.types) {
			wrong = fmt.Errorf("%s has the unknown type %d", who, t)
		}
	}
	for i, k := range m.types {
		who := fmt.Sprintf("type %d", i)
		for _, f := range k.fields {
			see(f.Type, who)
		}
		for _, v := range k.variants {
			for _, f := range v.fields {
				see(f.Type, who)
			}
		}
		see(k.of, who)
	}
	for name, p := range m.pallets {
		see(p.Calls, name)
		see(p.Events, name)
		see(p.Errors, name)
		for _, s := range p.storage {
			see(s.Value, name)
		}
		for _, c := range p.constants {
			see(c.Type, name)
		}
	}
	for _, e := range m.Extensions {
		see(e.Type, e.Name)
		see(e.Additional, e.Name)
	}
	return wrong
}

// named returns the variant of an enum with a name.
func (m *Metadata) named(t Type, name string) (*variant, bool) {
	if t != None {
		for _, v := range m.types[t].variants {
			if v.name == name {
				return v, true
			}
		}
	}
	return nil, false
}

// deepest is how deep types may be nested in a value.
const deepest = 64

// errDeep is the error of a value that is nested deeper.
var errDeep = errors.New("the value is nested too deep")

// Skip reads a value, and returns its bytes.
func (m *Metadata) Skip(r *scale.Reader, t Type) []byte {
	whole := *r
	m.skip(r, t, 0)
	if r.Err() != nil {
		return nil
	}
	return whole.Take(r.Offset() - whole.Offset())
}

func (m *Metadata) skip(r *scale.Reader, t Type, depth int) {
	if r.Err() != nil {
		return
	}
	if depth > deepest {
		r.Fail(errDeep)
		return
	}
	k := &m.types[t]
	switch k.def {
	case composite, tuple:
		for _, f := range k.fields {
			m.skip(r, f.Type, depth+1)
		}
	case enum:
		if v := m.variant(r, t); v != nil {
			for _, f := range v.fields {
				m.skip(r, f.Type, depth+1)
			}
		}
	case sequence:
		m.skipSeveral(r, k.of, r.Count(1), depth)
	case array:
		m.skipSeveral(r, k.of, int(k.length), depth)
	case primitive:
		if k.size == 0 {
			r.Bytes()
			return
		}
		r.Take(k.size)
	case compact:
		r.CompactBig()
	case bits:
		size := max(1, m.types[k.of].size)
		r.Take(int((r.Compact()+uint64(8*size)-1)/uint64(8*size)%(1<<32)) * size)
	}
}

// skipSeveral reads n values of a type. Those without bytes are not read one by one.
func (m *Metadata) skipSeveral(r *scale.Reader, t Type, n, depth int) {
	if k := m.types[t]; k.def == primitive && k.size > 0 {
		if n > r.Len()/k.size {
			n = r.Len()/k.size + 1
		}
		r.Take(n * k.size)
		return
	}
	if m.Empty(t) {
		return
	}
	for range n {
		if m.skip(r, t, depth+1); r.Err() != nil {
			return
		}
	}
}

// variant reads the index of a variant.
func (m *Metadata) variant(r *scale.Reader, t Type) *variant {
	i := r.U8()
	v, ok := m.types[t].variants[i]
	if !ok {
		r.Fail(fmt.Errorf("type %d has no variant %d", t, i))
		return nil
	}
	return v
}

// Empty reports whether values of a type have no bytes.
func (m *Metadata) Empty(t Type) bool { return m.empty(t, 0) }

func (m *Metadata) empty(t Type, depth int) bool {
	k := m.types[t]
	if depth > deepest || k.def != composite && k.def != tuple && (k.def != array || k.length > 0) {
		return false
	}
	for _, f := range k.fields {
		if !m.empty(f.Type, depth+1) {
			return false
		}
	}
	return true
}
