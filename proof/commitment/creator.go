package commitment

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Role is what a creator did for the work. Its value is its tag in the encoding.
//
// It is an int and not a byte, because encoding/json reads every slice of bytes as base64. It does so even when the
// element has its own text form.
type Role int

// The roles. Their values are part of the protocol.
const (
	Author Role = iota
	Composer
	Arranger
	Adapter
)

var roleNames = [...]string{Author: "author", Composer: "composer", Arranger: "arranger", Adapter: "adapter"}

// Valid reports whether r is a role of the protocol.
func (r Role) Valid() bool { return r >= 0 && int(r) < len(roleNames) }

// String returns the role's name, such as "author".
func (r Role) String() string {
	if !r.Valid() {
		return fmt.Sprintf("Role(%d)", int(r))
	}
	return roleNames[r]
}

// ParseRole reads the name of a role, in lower case.
func ParseRole(name string) (Role, error) {
	i := slices.Index(roleNames[:], name)
	if i < 0 {
		return 0, fmt.Errorf("commitment: %q is not a role; the roles are author, composer, arranger and adapter", name)
	}
	return Role(i), nil
}

// MarshalText returns the role's name. It fails for a value that is not a role.
func (r Role) MarshalText() ([]byte, error) {
	if !r.Valid() {
		return nil, fmt.Errorf("commitment: %d is not a role", int(r))
	}
	return []byte(roleNames[r]), nil
}

// UnmarshalText reads the name of a role. On an error r keeps its value.
func (r *Role) UnmarshalText(text []byte) error {
	parsed, err := ParseRole(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// UnmarshalJSON reads the name of a role. UnmarshalText alone is not enough: encoding/json skips a null,
// which would leave the zero value, an author. On an error r keeps its value.
func (r *Role) UnmarshalJSON(data []byte) error {
	var name *string
	if err := json.Unmarshal(data, &name); err != nil {
		return fmt.Errorf("commitment: decode role: %w", err)
	}
	if name == nil {
		return errors.New("commitment: decode role: null is not a role")
	}
	return r.UnmarshalText([]byte(*name))
}

// Creator is one person who has a part in the work.
type Creator struct {
	FullName string  `json:"full_name"`
	Email    string  `json:"email"`
	Roles    []Role  `json:"roles"`          // in any order; repetitions count once
	IPI      *string `json:"ipi,omitempty"`  // 1 to 11 digits; nil when the creator has no IPI
	ISNI     *string `json:"isni,omitempty"` // 16 characters, each 0 to 9 or X; nil when the creator has no ISNI
}

// Encode returns the canonical bytes of c. It does not validate: the bytes are meaningful only for a creator that
// [Creator.Validate] accepts.
func Encode(c Creator) []byte {
	b := appendString(nil, c.FullName)
	b = appendString(b, c.Email)
	roles := slices.Clone(c.Roles)
	slices.Sort(roles)
	roles = slices.Compact(roles)
	b = append(b, byte(len(roles)))
	for _, r := range roles {
		b = append(b, byte(r))
	}
	b = appendOption(b, c.IPI)
	return appendOption(b, c.ISNI)
}

// Leaf returns the leaf of c in the tree of creators.
func Leaf(c Creator) Hash { return sha256.Sum256(Encode(c)) }

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func appendOption(b []byte, s *string) []byte {
	if s == nil {
		return append(b, 0)
	}
	return appendString(append(b, 1), *s)
}

// DecodeCreator decodes the bytes of [Encode]. It accepts only canonical bytes of a valid creator, so encoding the result
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
