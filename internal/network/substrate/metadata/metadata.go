// Package metadata reads the description that a Substrate runtime gives of itself, in the
// versions 14, 15 and 16. It holds the types, pallets and signed extensions of one runtime, and
// walks over values of these types. It knows no pallet by name, and never asks a node.
package metadata

import (
	"errors"
	"fmt"

	"timbre.example/internal/network/substrate/scale"
)

// Metadata describes one runtime. It is not changed after Parse.
type Metadata struct {
	// Version is the version of the format.
	Version uint8
	// Extrinsics are the versions of extrinsics that the runtime accepts.
	Extrinsics []uint8
	// Extensions are the signed extensions, in the order of an extrinsic of version 4.
	Extensions []Extension

	types   []kind
	pallets map[string]*Pallet
	indexes map[uint8]*Pallet
}

// Extension is a part of a signed extrinsic beside the call.
type Extension struct {
	Name string
	// Type is what the extrinsic holds of it, Additional what only the signature covers.
	Type, Additional Type
}

// Pallet is one module of the runtime.
type Pallet struct {
	Name  string
	Index uint8
	// Prefix begins the keys of its storage.
	Prefix string
	// Calls, Events and Errors are the enums of its calls, events and errors; None if it has none.
	Calls, Events, Errors Type

	storage   map[string]Storage
	constants map[string]Constant
}

// Storage is one value or map in the state.
type Storage struct {
	// Hashers hash the keys of a map, one for each key.
	Hashers []Hasher
	// Value is the type of the value.
	Value Type
}

// Hasher is how a key of a map becomes a part of a storage key.
type Hasher uint8

// The hashers, as metadata numbers them.
const (
	Blake2_128 Hasher = iota
	Blake2_256
	Blake2_128Concat
	Twox128
	Twox256
	Twox64Concat
	Identity
)

// Constant is a value that is part of the runtime.
type Constant struct {
	Type  Type
	Value []byte
}

// Type is the number of a type in one Metadata.
type Type int

// None stands for a missing type.
const None Type = -1

// Parse reads metadata. It refuses other versions, and bytes that are left.
func Parse(b []byte) (*Metadata, error) {
	r := scale.NewReader(b)
	if magic := r.U32(); r.Err() == nil && magic != 0x6174656d {
		return nil, errors.New("metadata: the bytes do not begin with the word meta")
	}
	m := &Metadata{Version: r.U8(), pallets: map[string]*Pallet{}, indexes: map[uint8]*Pallet{}}
	if r.Err() == nil && (m.Version < 14 || m.Version > 16) {
		return nil, fmt.Errorf("metadata: version %d is not 14, 15 or 16", m.Version)
	}
	m.readTypes(r)
	for range r.Count(4) {
		m.readPallet(r)
	}
	m.readExtrinsic(r)
	m.readRest(r)
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("metadata version %d: %w", m.Version, err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("metadata version %d: %w", m.Version, err)
	}
	return m, nil
}

// Pallet returns the pallet with a name.
func (m *Metadata) Pallet(name string) (*Pallet, error) {
	if p, ok := m.pallets[name]; ok {
		return p, nil
	}
	return nil, fmt.Errorf("the runtime has no pallet %s", name)
}

// Storage returns an entry of the pallet's storage.
func (p *Pallet) Storage(name string) (Storage, error) {
	if s, ok := p.storage[name]; ok {
		return s, nil
	}
	return Storage{}, fmt.Errorf("the pallet %s has no storage %s", p.Name, name)
}

// Constant returns a constant of the pallet.
func (p *Pallet) Constant(name string) (Constant, error) {
	if c, ok := p.constants[name]; ok {
		return c, nil
	}
	return Constant{}, fmt.Errorf("the pallet %s has no constant %s", p.Name, name)
}

// Call returns the two bytes with which a call begins, and its arguments.
func (m *Metadata) Call(pallet, name string) (begin []byte, arguments []Field, err error) {
	p, err := m.Pallet(pallet)
	if err != nil {
		return nil, nil, err
	}
	v, ok := m.named(p.Calls, name)
	if !ok {
		return nil, nil, fmt.Errorf("the pallet %s has no call %s", pallet, name)
	}
	return []byte{p.Index, v.index}, v.fields, nil
}

func (m *Metadata) readPallet(r *scale.Reader) {
	p := &Pallet{Name: r.Text(), storage: map[string]Storage{}, constants: map[string]Constant{}}
	if r.Some() {
		p.Prefix = r.Text()
		for range r.Count(4) {
			m.readStorage(r, p)
		}
	}
	p.Calls, p.Events = m.readEnum(r), m.readEnum(r)
	for range r.Count(3) {
		name := r.Text()
		p.constants[name] = Constant{Type: typeID(r), Value: r.Bytes()}
		docs(r)
		m.readDeprecation(r)
	}
	p.Errors = m.readEnum(r)
	if m.Version >= 16 {
		for range r.Count(3) { // associated types
			r.Text()
			typeID(r)
			docs(r)
		}
		for range r.Count(35) { // view functions
			r.Hash()
			r.Text()
			readParameters(r)
			typeID(r)
			docs(r)
			m.readDeprecation(r)
		}
	}
	p.Index = r.U8()
	if m.Version >= 15 {
		docs(r)
		m.readDeprecation(r)
	}
	if m.pallets[p.Name] != nil || m.indexes[p.Index] != nil {
		r.Fail(fmt.Errorf("two pallets have the name %s or the index %d", p.Name, p.Index))
		return
	}
	m.pallets[p.Name], m.indexes[p.Index] = p, p
}

func (m *Metadata) readStorage(r *scale.Reader, p *Pallet) {
	name := r.Text()
	r.U8() // whether a missing value has a default
	var s Storage
	switch variant := r.U8(); variant {
	case 0:
		s.Value = typeID(r)
	case 1:
		for range r.Count(1) {
			h := Hasher(r.U8())
			if h > Identity {
				r.Fail(fmt.Errorf("hasher %d is unknown", h))
			}
			s.Hashers = append(s.Hashers, h)
		}
		typeID(r)
		s.Value = typeID(r)
	default:
		r.Fail(fmt.Errorf("storage of kind %d is unknown", variant))
	}
	r.Bytes() // the default
	docs(r)
	m.readDeprecation(r)
	p.storage[name] = s
}

// readEnum reads the type of the calls, events or errors of a pallet.
func (m *Metadata) readEnum(r *scale.Reader) Type {
	if !r.Some() {
		return None
	}
	t := typeID(r)
	if m.Version >= 16 {
		for range r.Count(2) { // deprecated variants
			r.U8()
			m.readDeprecation(r)
		}
	}
	return t
}

// readDeprecation reads whether something is deprecated, which only version 16 says.
func (m *Metadata) readDeprecation(r *scale.Reader) {
	if m.Version < 16 {
		return
	}
	switch variant := r.U8(); variant {
	case 0, 1:
	case 2:
		r.Text()
		if r.Some() {
			r.Text()
		}
	default:
		r.Fail(fmt.Errorf("deprecation of kind %d is unknown", variant))
	}
}

func (m *Metadata) readExtrinsic(r *scale.Reader) {
	switch m.Version {
	case 14:
		typeID(r)
		m.Extrinsics = []uint8{r.U8()}
		m.Extensions = readExtensions(r)
	case 15:
		m.Extrinsics = []uint8{r.U8()}
		for range 4 { // address, call, signature, extra
			typeID(r)
		}
		m.Extensions = readExtensions(r)
	default:
		m.Extrinsics = append(m.Extrinsics, r.Bytes()...)
		for range 3 { // address, call, signature
			typeID(r)
		}
		orders := map[uint8][]uint64{}
		for range r.Count(2) {
			version := r.U8()
			for range r.Count(1) {
				orders[version] = append(orders[version], r.Compact())
			}
		}
		all := readExtensions(r)
		order, ok := orders[0]
		if !ok {
			m.Extensions = all
			return
		}
		for _, i := range order {
			if i >= uint64(len(all)) {
				r.Fail(fmt.Errorf("extension %d is unknown", i))
				return
			}
			m.Extensions = append(m.Extensions, all[i])
		}
	}
}

func readExtensions(r *scale.Reader) (all []Extension) {
	for range r.Count(3) {
		all = append(all, Extension{Name: r.Text(), Type: typeID(r), Additional: typeID(r)})
	}
	return all
}

// readRest reads what follows the extrinsic, and keeps none of it.
func (m *Metadata) readRest(r *scale.Reader) {
	if m.Version < 16 {
		typeID(r) // of the runtime
	}
	if m.Version > 14 {
		r.Take(r.Len()) // runtime APIs, outer enums, custom values
	}
}

func readParameters(r *scale.Reader) {
	for range r.Count(2) {
		r.Text()
		typeID(r)
	}
}

func typeID(r *scale.Reader) Type {
	n := r.Compact()
	if n > 1<<20 {
		r.Fail(fmt.Errorf("type %d is too large a number", n))
		return None
	}
	return Type(n)
}

func docs(r *scale.Reader) {
	for range r.Count(1) {
		r.Bytes()
	}
}
