package node

import (
	"bytes"
	"errors"
	"math/big"

	"golang.org/x/crypto/blake2b"
)

// base58 are the digits of addresses.
const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

var errAddress = errors.New("the address is not an SS58 address of an account")

// ss58 reads an address with any prefix.
func ss58(s string) (a Account, err error) {
	v := new(big.Int)
	for _, c := range []byte(s) {
		i := bytes.IndexByte([]byte(base58), c)
		if i < 0 || len(s) > 60 {
			return a, errAddress
		}
		v.Add(v.Mul(v, big.NewInt(58)), big.NewInt(int64(i)))
	}
	b := v.Bytes()
	for i := 0; i < len(s) && s[i] == '1'; i++ {
		b = append([]byte{0}, b...)
	}
	if len(b) != 35 && len(b) != 36 || len(b) == 36 != (b[0]&0x40 != 0) {
		return a, errAddress
	}
	sum := blake2b.Sum512(append([]byte("SS58PRE"), b[:len(b)-2]...))
	if !bytes.Equal(sum[:2], b[len(b)-2:]) {
		return a, errAddress
	}
	return Account(b[len(b)-34 : len(b)-2]), nil
}
