package network

import (
	"math/big"
	"strings"
)

// Amount is an amount of a network's token. The zero value is not known.
type Amount struct {
	// Units is the amount in the smallest unit, at least 0; nil: it is not known.
	Units *big.Int
	Token Token
}

// Token describes the token of a network.
type Token struct {
	// Symbol is a short name of ASCII letters and digits; "": not known.
	Symbol string
	// Decimals: a whole token has 10 to the power of it of the smallest unit. Nil: not known.
	Decimals *int
}

// String returns the exact amount for people, such as "1.25 ALFT". Without decimals it is in units,
// the smallest ones; without a symbol it is in tokens.
func (a Amount) String() string {
	switch {
	case a.Units == nil:
		return "unknown"
	case a.Token.Decimals == nil:
		return a.Digits(",", ".") + " units"
	case a.Token.Symbol == "":
		return a.Digits(",", ".") + " tokens"
	}
	return a.Digits(",", ".") + " " + a.Token.Symbol
}

// Digits returns the exact number of tokens, or of the smallest units without decimals. group stands
// before each three digits of the whole part, and point before the rest. It is "" while the amount
// is not known.
func (a Amount) Digits(group, point string) string {
	if a.Units == nil {
		return ""
	}
	digits, decimals := new(big.Int).Abs(a.Units).String(), 0
	if a.Token.Decimals != nil {
		decimals = max(*a.Token.Decimals, 0)
	}
	if missing := decimals + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole, rest := digits[:len(digits)-decimals], strings.TrimRight(digits[len(digits)-decimals:], "0")
	var b strings.Builder
	if a.Units.Sign() < 0 {
		b.WriteByte('-')
	}
	for i, d := range []byte(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(group)
		}
		b.WriteByte(d)
	}
	if rest != "" {
		b.WriteString(point + rest)
	}
	return b.String()
}

// Float returns the amount in the smallest unit, for metrics: a float loses the last digits. It is
// 0 while the amount is not known.
func (a Amount) Float() float64 {
	if a.Units == nil {
		return 0
	}
	f, _ := new(big.Float).SetInt(a.Units).Float64()
	return f
}
