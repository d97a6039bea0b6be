package node

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"timbre.example/internal/network/substrate/scale"
)

//go:embed testdata/*.gz
var published embed.FS

// unpacked returns a file of testdata.
func unpacked(name string) []byte {
	f, err := published.Open("testdata/" + name)
	if err != nil {
		panic(err) // embedded
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		panic(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return b
}

// described is what a metadata blob says of the parts that the node plays. It keeps the
// places of the numbers, so that edit can change them.
type described struct {
	pallets map[string]*pallet
	enums   map[int]enum
	exts    []string // the names of signed extensions, in order
}

// pallet is one pallet: what it has by name, and the place of its index.
type pallet struct {
	index                 byte
	at                    int
	calls, events, errors map[string]byte
	constants             map[string][]byte // parts of the blob: a change of them changes it
}

// enum is a type with variants.
type enum struct {
	path     []string
	variants []variant
}

// variant is one variant of an enumeration; at is the place of its index.
type variant struct {
	name  string
	index byte
	at    int
}

func texts(r *scale.Reader) (out []string) {
	for n := r.Count(1); n > 0; n-- {
		out = append(out, r.Text())
	}
	return out
}

// option reads the id of a type that may be missing, which is -1.
func option(r *scale.Reader) int {
	if r.Some() {
		return int(r.Compact())
	}
	return -1
}

func fields(r *scale.Reader) {
	for n := r.Count(1); n > 0; n-- {
		if r.Some() {
			r.Text()
		}
		r.Compact()
		if r.Some() {
			r.Text()
		}
		texts(r)
	}
}

// types reads the list of all types, and keeps the enumerations.
func types(r *scale.Reader) map[int]enum {
	enums := map[int]enum{}
	for n := r.Count(1); n > 0; n-- {
		id := int(r.Compact())
		path := texts(r)
		for k := r.Count(1); k > 0; k-- {
			r.Text()
			option(r)
		}
		switch kind := r.U8(); kind {
		case 0:
			fields(r)
		case 1:
			e := enum{path: path}
			for k := r.Count(1); k > 0; k-- {
				v := variant{name: r.Text()}
				fields(r)
				v.at = r.Offset()
				v.index = r.U8()
				texts(r)
				e.variants = append(e.variants, v)
			}
			enums[id] = e
		case 2, 6:
			r.Compact()
		case 3:
			r.U32()
			r.Compact()
		case 4:
			for k := r.Count(1); k > 0; k-- {
				r.Compact()
			}
		case 5:
			r.U8()
		case 7:
			r.Compact()
			r.Compact()
		default:
			r.Fail(fmt.Errorf("a type of kind %d", kind))
		}
		texts(r)
	}
	return enums
}

// deprecation reads whether an item is deprecated, which version 16 says of most.
func deprecation(r *scale.Reader) {
	if r.U8() == 2 {
		r.Text()
		if r.Some() {
			r.Text()
		}
	}
}

// describe reads metadata of version 14, 15 or 16.
func describe(blob []byte) (*described, error) {
	r := scale.NewReader(blob)
	r.Take(4)
	version := r.U8()
	if version < 14 || version > 16 {
		return nil, fmt.Errorf("metadata of version %d", version)
	}
	d := &described{pallets: map[string]*pallet{}, enums: types(r)}
	deprecated := func() {
		if version == 16 {
			deprecation(r)
		}
	}
	enumeration := func() int { // an option of a type, and which of its variants are deprecated
		id := option(r)
		if version == 16 && id >= 0 {
			for n := r.Count(2); n > 0; n-- {
				r.U8()
				deprecation(r)
			}
		}
		return id
	}
	names := func(id int) map[string]byte {
		m := map[string]byte{}
		for _, v := range d.enums[id].variants {
			m[v.name] = v.index
		}
		return m
	}
	for n := r.Count(1); n > 0; n-- {
		name := r.Text()
		p := &pallet{constants: map[string][]byte{}}
		if r.Some() {
			r.Text()
			for k := r.Count(1); k > 0; k-- {
				r.Text()
				r.U8()
				if r.U8() == 0 {
					r.Compact()
				} else {
					r.Bytes()
					r.Compact()
					r.Compact()
				}
				r.Bytes()
				texts(r)
				deprecated()
			}
		}
		p.calls = names(enumeration())
		p.events = names(enumeration())
		for k := r.Count(1); k > 0; k-- {
			constant := r.Text()
			r.Compact()
			p.constants[constant] = r.Bytes()
			texts(r)
			deprecated()
		}
		p.errors = names(enumeration())
		if version == 16 {
			associated(r)
		}
		p.at = r.Offset()
		p.index = r.U8()
		if version > 14 {
			texts(r)
		}
		deprecated()
		d.pallets[name] = p
	}
	switch version {
	case 14:
		r.Compact() // the type of extrinsics
		r.U8()
	case 15:
		r.U8()
		for range 4 {
			r.Compact()
		}
	default:
		before(r)
	}
	for n := r.Count(1); n > 0; n-- {
		d.exts = append(d.exts, r.Text())
		r.Compact()
		r.Compact()
	}
	return d, r.Err()
}

// associated reads the associated types and the view functions of a pallet in version 16.
func associated(r *scale.Reader) {
	for n := r.Count(1); n > 0; n-- {
		r.Text()
		r.Compact()
		texts(r)
	}
	for n := r.Count(1); n > 0; n-- {
		r.Take(32)
		r.Text()
		for k := r.Count(1); k > 0; k-- {
			r.Text()
			r.Compact()
		}
		r.Compact()
		texts(r)
		deprecation(r)
	}
}

// before reads what comes before the extensions of an extrinsic in version 16. All of them
// are in use, in their order.
func before(r *scale.Reader) {
	r.Bytes()
	for range 3 {
		r.Compact()
	}
	for n := r.Count(1); n > 0; n-- {
		r.U8()
		for k := r.Count(1); k > 0; k-- {
			r.Compact()
		}
	}
}

// lowered writes metadata of version 16 as version 14, which state_getMetadata has to return.
// Types, indexes and constants stay; what version 14 cannot say is left out.
func lowered(blob []byte) []byte {
	r := scale.NewReader(blob)
	out := bytes.Clone(r.Take(4))
	r.U8()
	out = append(out, 14)
	copied := func(read func()) { // keeps what read reads
		from := r.Offset()
		read()
		out = append(out, blob[from:r.Offset()]...)
	}
	count := func() (n int) {
		copied(func() { n = r.Count(1) })
		return n
	}
	kind := func() {
		from := r.Offset()
		some := option(r) >= 0
		out = append(out, blob[from:r.Offset()]...)
		if some {
			for n := r.Count(2); n > 0; n-- {
				r.U8()
				deprecation(r)
			}
		}
	}
	copied(func() { types(r) })
	for n := count(); n > 0; n-- {
		storage := false
		copied(func() { r.Text(); storage = r.Some() })
		if storage {
			copied(func() { r.Text() })
			for k := count(); k > 0; k-- {
				copied(func() {
					r.Text()
					r.U8()
					if r.U8() == 0 {
						r.Compact()
					} else {
						r.Bytes()
						r.Compact()
						r.Compact()
					}
					r.Bytes()
					texts(r)
				})
				deprecation(r)
			}
		}
		kind()
		kind()
		for k := count(); k > 0; k-- {
			copied(func() { r.Text(); r.Compact(); r.Bytes(); texts(r) })
			deprecation(r)
		}
		kind()
		associated(r)
		copied(func() { r.U8() })
		texts(r)
		deprecation(r)
	}
	before(r)
	out = append(out, 0, 4) // a type for the extrinsic, of which no client reads more, and its version
	for n := count(); n > 0; n-- {
		copied(func() { r.Text(); r.Compact(); r.Compact() })
	}
	if r.Err() != nil {
		panic(r.Err()) // embedded
	}
	return append(out, 0) // a type for the runtime
}

// edit changes a copy of a blob: constants, and the numbers of the pallet Ats, of its calls,
// events and errors. Its length stays.
func edit(blob []byte, v Runtime) []byte {
	blob = bytes.Clone(blob)
	d, err := describe(blob)
	if err != nil {
		panic(err) // embedded
	}
	ats := d.pallets["Ats"]
	for name, value := range map[string]uint64{
		"BaseDeposit": v.Rules.BaseDeposit, "VersionDeposit": v.Rules.VersionDeposit,
		"MaxVersionsPerAts": uint64(v.Rules.MaxVersionsPerAts), "MaxAtsPerAccount": uint64(v.Rules.MaxAtsPerAccount),
	} {
		fill(ats.constants[name], value)
	}
	fill(d.pallets["Balances"].constants["ExistentialDeposit"], v.Rules.ExistentialDeposit)
	version := d.pallets["System"].constants["Version"]
	spec, transaction := versions(version)
	fill(version[spec:spec+4], uint64(v.Spec))
	fill(version[transaction:transaction+4], uint64(v.Transaction))
	if v.Moved {
		move(blob, d)
	}
	return blob
}

// versions returns the places of the two version numbers in a RuntimeVersion.
func versions(b []byte) (spec, transaction int) {
	r := scale.NewReader(b)
	r.Text()
	r.Text()
	r.U32()
	spec = r.Offset()
	r.Take(8)
	for n := r.Count(12); n > 0; n-- {
		r.Take(12)
	}
	return spec, r.Offset()
}

// movedIndex is the index of the pallet Ats in a runtime whose numbers are moved.
const movedIndex = 77

// exchanged are the names in the pallet Ats that exchange their numbers there.
var exchanged = map[string]string{
	"create": "revoke", "revoke": "create", "AtsCreated": "AtsRevoked", "AtsRevoked": "AtsCreated",
	"AtsNotFound": "NotOwner", "NotOwner": "AtsNotFound",
}

// move writes the numbers of a runtime whose numbers are moved over those of d.
func move(blob []byte, d *described) {
	blob[d.pallets["Ats"].at] = movedIndex
	for _, e := range d.enums {
		if len(e.path) == 0 {
			continue
		}
		outer := strings.HasPrefix(e.path[len(e.path)-1], "Runtime") // the enumerations over all pallets
		numbers := map[string]byte{}
		for _, v := range e.variants {
			numbers[v.name] = v.index
		}
		for _, v := range e.variants {
			if outer && v.name == "Ats" {
				blob[v.at] = movedIndex
			}
			if n, ok := numbers[exchanged[v.name]]; ok && e.path[0] == "pallet_ats" {
				blob[v.at] = n
			}
		}
	}
}

// fill writes v over b, little-endian.
func fill(b []byte, v uint64) {
	clear(b)
	var whole [16]byte
	binary.LittleEndian.PutUint64(whole[:], v)
	copy(b, whole[:])
}
