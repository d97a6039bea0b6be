// Package ss58 writes the addresses of accounts on Substrate chains. It holds that one
// form, and never reads it.
package ss58

import (
	"math/big"
	"slices"

	"golang.org/x/crypto/blake2b"
)

const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// Address returns the address of an account on the chains with a prefix, which is at most 16383.
func Address(account [32]byte, prefix uint16) string {
	var b []byte
	if prefix < 64 {
		b = append(b, byte(prefix))
	} else {
		b = append(b, byte(prefix&0xfc>>2)|0x40, byte(prefix>>8)|byte(prefix&3)<<6)
	}
	b = append(b, account[:]...)
	sum := blake2b.Sum512(append([]byte("SS58PRE"), b...))
	b = append(b, sum[:2]...)

	var text []byte
	n, base, rest := new(big.Int).SetBytes(b), big.NewInt(int64(len(digits))), new(big.Int)
	for n.Sign() > 0 {
		n.DivMod(n, base, rest)
		text = append(text, digits[rest.Int64()])
	}
	for _, zero := range b {
		if zero != 0 {
			break
		}
		text = append(text, digits[0])
	}
	slices.Reverse(text)
	return string(text)
}
