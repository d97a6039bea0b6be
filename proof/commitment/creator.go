package commitment

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// encode returns the canonical bytes of c. It does not validate: the bytes are meaningful only for a creator that
// [Creator.Validate] accepts.
func encode(c Creator) []byte {
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
func Leaf(c Creator) Hash { return sha256.Sum256(encode(c)) }

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
