package network

import (
	"math"
	"math/big"
	"testing"
)

func TestAmount(t *testing.T) {
	number := func(text string) *big.Int {
		v, ok := new(big.Int).SetString(text, 10)
		if !ok {
			t.Fatal(text)
		}
		return v
	}
	of := func(symbol string, decimals int) Token { return Token{symbol, &decimals} }
	most := number("340282366920938463463374607431768211455") // 128 bits
	for _, x := range []struct {
		units *big.Int
		token Token
		want  string
	}{
		{nil, of("ALFT", 12), "unknown"},
		{nil, Token{}, "unknown"},
		{number("0"), of("ALFT", 12), "0 ALFT"},
		{number("0"), of("ALFT", 0), "0 ALFT"},
		{number("0"), Token{}, "0 units"},
		{number("1"), of("ALFT", 12), "0.000000000001 ALFT"},
		{number("1"), of("ALFT", 18), "0.000000000000000001 ALFT"},
		{number("1"), of("ALFT", 0), "1 ALFT"},
		{number("1250000000000"), of("ALFT", 12), "1.25 ALFT"},
		{number("1250000000000"), of("", 12), "1.25 tokens"},
		{number("1250000000000"), of("ALFT", 0), "1,250,000,000,000 ALFT"},
		{number("1250000000000"), Token{Symbol: "ALFT"}, "1,250,000,000,000 units"},
		{number("999999999999"), of("ALFT", 12), "0.999999999999 ALFT"},
		{number("100000000000"), of("ALFT", 12), "0.1 ALFT"},
		{number("9985000000000001"), of("ALFT", 12), "9,985.000000000001 ALFT"},
		{number("12"), of("X", 1), "1.2 X"},
		{number("-1250000000000"), of("ALFT", 12), "-1.25 ALFT"},
		{number("-5"), Token{}, "-5 units"},
		{most, of("ALFT", 0), "340,282,366,920,938,463,463,374,607,431,768,211,455 ALFT"},
		{most, of("ALFT", 12), "340,282,366,920,938,463,463,374,607.431768211455 ALFT"},
		{most, of("ALFT", 18), "340,282,366,920,938,463,463.374607431768211455 ALFT"},
		{most, of("ALFT", 38), "3.40282366920938463463374607431768211455 ALFT"},
	} {
		a := Amount{x.units, x.token}
		if got := a.String(); got != x.want {
			t.Errorf("%v of %+v: %q, want %q", x.units, x.token, got, x.want)
		}
	}
	if got := (Amount{most, of("ALFT", 30)}).Digits(".", ","); got != "340.282.366,920938463463374607431768211455" {
		t.Error(got)
	}
	if f := (Amount{Units: most}).Float(); f != math.Ldexp(1, 128) {
		t.Error(f)
	}
	if f := (Amount{}).Float(); f != 0 {
		t.Error(f)
	}
}
