package metadata

import (
	"encoding/binary"
	"fmt"
	"math/big"

	"timbre.example/internal/network/substrate/scale"
)

// Event is something that a block recorded.
type Event struct {
	// Extrinsic is the index of the extrinsic that caused it, or -1.
	Extrinsic    int
	Pallet, Name string
	Values       []Value
}

// Value is a field with its bytes.
type Value struct {
	Field
	Bytes []byte
}

// Value returns the bytes of a field.
func (e Event) Value(name string) ([]byte, error) {
	for _, v := range e.Values {
		if v.Name == name {
			return v.Bytes, nil
		}
	}
	return nil, fmt.Errorf("the event %s.%s has no %s", e.Pallet, e.Name, name)
}

// Number returns a field that is a number of size bytes, at most 8.
func (e Event) Number(name string, size int) (uint64, error) {
	b, err := e.Value(name)
	if err != nil {
		return 0, err
	}
	if len(b) != size {
		return 0, fmt.Errorf("%s of the event %s.%s has %d bytes, not %d", name, e.Pallet, e.Name, len(b), size)
	}
	var whole [8]byte
	copy(whole[:], b)
	return binary.LittleEndian.Uint64(whole[:]), nil
}

// Events reads the value of System.Events: all events of a block, in their order.
func (m *Metadata) Events(b []byte) ([]Event, error) {
	r := scale.NewReader(b)
	var all []Event
	for range r.Count(4) {
		e := Event{Extrinsic: -1}
		switch phase := r.U8(); phase {
		case 0:
			e.Extrinsic = int(r.U32())
		case 1, 2:
		default:
			r.Fail(fmt.Errorf("phase %d of an event is unknown", phase))
		}
		index := r.U8()
		p, ok := m.indexes[index]
		if !ok || p.Events == None {
			r.Fail(fmt.Errorf("an event of the unknown pallet %d", index))
			break
		}
		v := m.variant(r, p.Events)
		if v == nil {
			break
		}
		e.Pallet, e.Name = p.Name, v.name
		for _, f := range v.fields {
			e.Values = append(e.Values, Value{f, m.Skip(r, f.Type)})
		}
		for range r.Count(32) { // topics
			r.Hash()
		}
		if r.Err() != nil {
			break
		}
		all = append(all, e)
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return all, nil
}

// ErrorName names a dispatch error as the chain does: the pallet and its error, such as
// Ats.NotOwner, or the variants, such as Token.FundsUnavailable.
func (m *Metadata) ErrorName(v Value) (string, error) {
	r := scale.NewReader(v.Bytes)
	name := ""
	t := v.Type
	for depth := 0; depth < 4; depth++ {
		if m.types[t].def != enum {
			break
		}
		chosen := m.variant(r, t)
		if chosen == nil {
			break
		}
		if chosen.name == "Module" {
			return m.moduleError(r)
		}
		if name != "" {
			name += "."
		}
		name += chosen.name
		if len(chosen.fields) != 1 {
			break
		}
		t = chosen.fields[0].Type
	}
	if r.Err() != nil || name == "" {
		return "", fmt.Errorf("the dispatch error %x cannot be read", v.Bytes)
	}
	return name, nil
}

// moduleError reads the index of a pallet and of its error.
func (m *Metadata) moduleError(r *scale.Reader) (string, error) {
	index, code := r.U8(), r.U8()
	p, ok := m.indexes[index]
	if r.Err() != nil || !ok {
		return "", fmt.Errorf("a dispatch error of the unknown pallet %d", index)
	}
	if p.Errors != None {
		if v, ok := m.types[p.Errors].variants[code]; ok {
			return p.Name + "." + v.name, nil
		}
	}
	return fmt.Sprintf("%s.%d", p.Name, code), nil
}

// Number reads a constant that is a number.
func (c Constant) Number() *big.Int { return scale.NewReader(c.Value).Uint(len(c.Value)) }

// Member returns a member of a composite value, by the path of its names.
func (m *Metadata) Member(t Type, b []byte, path ...string) ([]byte, error) {
	for _, name := range path {
		r := scale.NewReader(b)
		found := false
		for _, f := range m.types[t].fields {
			value := m.Skip(r, f.Type)
			if f.Name == name {
				t, b, found = f.Type, value, true
				break
			}
		}
		if r.Err() != nil || !found {
			return nil, fmt.Errorf("the value has no member %s: %w", name, r.Err())
		}
	}
	return b, nil
}
