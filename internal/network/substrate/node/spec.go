package node

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"timbre.example/internal/network/substrate/scale"
)

// maxSpec is the most bytes of a chain spec.
const maxSpec = 64 << 20

// ErrSpec says that a chain spec cannot be used.
var ErrSpec = errors.New("the chain spec cannot be used")

// Spec is what a chain begins with: its first state, with the code of its runtime.
type Spec struct {
	// Name is the name of the chain, and Properties what it says of its token; nil if nothing.
	Name       string
	Properties json.RawMessage
	top        [][2][]byte
}

// ReadSpec reads a raw chain spec: the JSON that `build-spec --raw` of a node prints. Its errors
// wrap ErrSpec.
func ReadSpec(r io.Reader) (*Spec, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSpec+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if len(b) > maxSpec {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrSpec, maxSpec)
	}
	var file struct {
		Name       string
		Properties json.RawMessage
		Genesis    struct {
			Raw struct {
				Top             map[string]string
				ChildrenDefault map[string]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	raw := file.Genesis.Raw
	switch {
	case raw.Top["0x"+hex.EncodeToString(keyCode)] == "":
		return nil, fmt.Errorf("%w: it has no code under genesis.raw.top; make a raw one with build-spec --raw", ErrSpec)
	case len(raw.ChildrenDefault) > 0:
		return nil, fmt.Errorf("%w: it has child tries", ErrSpec)
	}
	s := &Spec{Name: file.Name, Properties: file.Properties}
	if string(s.Properties) == "null" {
		s.Properties = nil
	}
	for k, v := range raw.Top {
		key, err := unhexed(k)
		if err != nil {
			return nil, fmt.Errorf("%w: the key %.80q is not hexadecimal", ErrSpec, k)
		}
		value, err := unhexed(v)
		if err != nil {
			return nil, fmt.Errorf("%w: the value of %.80s is not hexadecimal", ErrSpec, k)
		}
		s.top = append(s.top, [2][]byte{key, value})
	}
	return s, nil
}

// Decimals is how many digits the chain's coin has after the point; 12 if the spec does
// not say it.
func (s *Spec) Decimals() int {
	p := struct{ TokenDecimals json.RawMessage }{}
	var one int
	var list []int
	switch {
	case json.Unmarshal(s.Properties, &p) != nil:
	case json.Unmarshal(p.TokenDecimals, &one) == nil && one >= 0 && one <= 30:
		return one
	case json.Unmarshal(p.TokenDecimals, &list) == nil && len(list) > 0 && list[0] >= 0 && list[0] <= 30:
		return list[0]
	}
	return 12
}

// ParseAddress reads an SS58 address with any prefix, or the 64 hex digits of a public key.
func ParseAddress(s string) (Account, error) {
	if b, err := hex.DecodeString(strings.TrimPrefix(s, "0x")); err == nil && len(b) == len(Account{}) {
		return Account(b), nil
	}
	return ss58(s)
}

// endow gives an account of the first block free money, and counts it in the issuance.
func (s *state) endow(a Account, amount uint64) {
	v := s.get(accountKey(a))
	if len(v) != accountSize {
		s.setAccount(a, Balance{providers: 1})
		v = s.get(accountKey(a))
	}
	v = append([]byte(nil), v...)
	more := new(big.Int).SetUint64(amount)
	free := scale.NewReader(v[freeAt:]).U128()
	copy(v[freeAt:], scale.AppendUint(nil, free.Add(free, more), 16))
	s.put(accountKey(a), v)
	total := new(big.Int)
	if issued := s.get(keyIssuance); len(issued) == 16 {
		total = scale.NewReader(issued).U128()
	}
	s.put(keyIssuance, scale.AppendUint(nil, total.Add(total, more), 16))
}

// An account's value: four counters, and four amounts, of which the first is free.
const (
	freeAt      = 4 * 4
	accountSize = freeAt + 4*16
)

// nonce returns the nonce of an account's next transaction.
func (s *state) nonce(a Account) uint32 {
	v := s.get(accountKey(a))
	if len(v) < 4 {
		return 0
	}
	return scale.NewReader(v).U32()
}
