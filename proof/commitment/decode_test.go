package commitment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Encode shows the canonical bytes to the tests. Together with DecodeCreator it
// shows that different creators have different bytes.
var Encode = encode

// DecodeCreator decodes the bytes that a leaf is the hash of. It accepts only canonical bytes of a valid creator, so encoding the result
// gives the same bytes. It never allocates more than data can fill.
func DecodeCreator(data []byte) (Creator, error) {
	d := decoder{rest: data}
	c := Creator{FullName: d.string(), Email: d.string(), Roles: d.roles(), IPI: d.option(), ISNI: d.option()}
	switch {
	case d.err != nil:
		return Creator{}, fmt.Errorf("commitment: decode creator: %w", d.err)
	case len(d.rest) > 0:
		return Creator{}, fmt.Errorf("commitment: decode creator: %d bytes too many", len(d.rest))
	}
	if err := c.Validate(); err != nil {
		return Creator{}, fmt.Errorf("commitment: decode creator: %w", err)
	}
	return c, nil
}

var errShort = errors.New("the bytes end too early")

// decoder takes values from the front of rest. After the first error every value is zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail(errShort)
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) byte() byte {
	b := d.take(1)
	if b == nil {
		return 0
	}
	return b[0]
}

func (d *decoder) string() string {
	length := d.take(4)
	if length == nil {
		return ""
	}
	s := d.take(uint64(binary.LittleEndian.Uint32(length)))
	if !utf8.Valid(s) {
		d.fail(errors.New("a string is not UTF-8"))
		return ""
	}
	return string(s)
}

func (d *decoder) option() *string {
	switch tag := d.byte(); tag {
	case 0:
		return nil
	case 1:
		s := d.string()
		return &s
	default:
		d.fail(fmt.Errorf("%d marks neither a present nor an absent value: want 0 or 1", tag))
		return nil
	}
}

func (d *decoder) roles() []Role {
	tags := d.take(uint64(d.byte()))
	roles := make([]Role, len(tags))
	for i, tag := range tags {
		roles[i] = Role(tag)
		if i > 0 && roles[i] <= roles[i-1] {
			d.fail(errors.New("the roles are not ascending"))
			return nil
		}
	}
	return roles
}
