package substrate

import (
	"context"
	"encoding/json"
	"errors"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/store/query"
)

// token is what a node says of the chain's token. It is for people, and for the prices of quotes.
type token struct {
	decimals int64  // -1: the chain does not say it, or says it in another way
	symbol   string // "": the same
}

// mostDecimals is how many decimals a token can have: an amount has at most 39 digits.
const mostDecimals = 38

// mostSymbol is the longest symbol.
const mostSymbol = 16

// token asks for the chain's token.
func (c *chain) token(ctx context.Context) (t token, err error) {
	var p struct{ TokenDecimals, TokenSymbol json.RawMessage }
	var refused *rpc.Error
	if err := c.client.Call(ctx, &p, "system_properties"); errors.As(err, &refused) {
		return token{decimals: -1}, nil
	} else if err != nil {
		return t, err
	}
	var ok bool
	if t.decimals, ok = first[int64](p.TokenDecimals); !ok || t.decimals < 0 || t.decimals > mostDecimals {
		t.decimals = -1
	}
	if t.symbol, _ = first[string](p.TokenSymbol); !plain(t.symbol) {
		t.symbol = ""
	}
	return t, nil
}

// first reads a value, or the first one of several: of several tokens, the first one pays fees.
func first[T any](coded json.RawMessage) (v T, ok bool) {
	var all []T
	if json.Unmarshal(coded, &all) == nil {
		if len(all) == 0 {
			return v, false
		}
		return all[0], true
	}
	return v, json.Unmarshal(coded, &v) == nil
}

// plain says whether a symbol can be a part of any text: a node could say anything.
func plain(symbol string) bool {
	for _, b := range []byte(symbol) {
		if (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') {
			return false
		}
	}
	return len(symbol) <= mostSymbol
}

// inTokens is an amount of a row, for people. An empty text is not known.
func inTokens(at query.SubstrateChain, units string) (a network.Amount) {
	if units != "" {
		a.Units = amount(units)
	}
	a.Token.Symbol = at.Symbol
	if decimals := int(at.Decimals); decimals >= 0 && at.Network != "" {
		a.Token.Decimals = &decimals
	}
	return a
}
