package network

import (
	"strings"
	"testing"
)

func TestElsewhere(t *testing.T) {
	t.Parallel()
	block, tx := [32]byte{0xab}, [32]byte{0xcd}
	inHex := func(first string) string { return "0x" + first + strings.Repeat("00", 31) }
	for template, want := range map[string][2]string{
		"https://chain.example/block/{block}":            {"https://chain.example/block/7", "https://chain.example/block/7"},
		"http://127.0.0.1:8080/{block_hash}":             {"http://127.0.0.1:8080/" + inHex("ab"), "http://127.0.0.1:8080/" + inHex("ab")},
		"https://chain.example/?b={block}#/tx/{tx_hash}": {"https://chain.example/?b=7#/tx/" + inHex("cd"), ""},
	} {
		var e Elsewhere
		if err := e.UnmarshalText([]byte("mainnet=" + template)); err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		if got := [2]string{e.Transaction(7, block, tx), e.Block(7, block)}; got != want || e.String() != "mainnet="+template {
			t.Errorf("%s: %q, %s", template, got, e)
		}
		if (Elsewheres{e}).Of(Mainnet) != e || (Elsewheres{e}).Of(Testnet) != (Elsewhere{}) {
			t.Errorf("%s belongs to another network", template)
		}
	}
	for _, wrong := range []string{
		"", "mainnet", "mainnet=", "devnet=https://chain.example/{block}", "mainnet=chain.example/{block}", "mainnet=ftp://chain.example/{block}", "mainnet=javascript:{block}",
		"mainnet=https://chain.example/", "mainnet=https://chain.example/{number}", "mainnet=https://chain.example/{block", "mainnet=https://chain.example/block}/{block}",
		"mainnet=https://{block}/x", "mainnet=https://{block}.example/{block}", "mainnet=https://u:opensesame@chain.example/{block}", "mainnet=https:///{block}", "mainnet=https://chain.example/ {block}", "mainnet=https://chain.example/\"{block}",
		"mainnet=https://chain.example/{block}" + strings.Repeat("x", maxElsewhere),
	} {
		var e Elsewhere
		if err := e.UnmarshalText([]byte(wrong)); err == nil || strings.Contains(err.Error(), "opensesame") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if (Elsewhere{}).Transaction(1, block, tx) != "" || (Elsewhere{}).Block(1, block) != "" {
		t.Error("the zero value has an address")
	}
}
