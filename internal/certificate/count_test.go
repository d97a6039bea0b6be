package certificate

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"
)

// The number of scripts that docs/certificate.md promises is that of the scripts with most of
// their characters in a font. Hiragana counts with its old forms, which no font has.
func TestScriptsAreCounted(t *testing.T) {
	t.Parallel()
	shown := 0
	for name, table := range unicode.Scripts {
		if name == "Common" || name == "Inherited" {
			continue
		}
		all, have := 0, 0
		for _, r := range table.R16 {
			for c := uint32(r.Lo); c <= uint32(r.Hi); c += uint32(r.Stride) {
				all, have = all+1, have+drawable(rune(c))
			}
		}
		for _, r := range table.R32 {
			for c := r.Lo; c <= r.Hi; c += r.Stride {
				all, have = all+1, have+drawable(rune(c))
			}
		}
		if 2*have > all || name == "Han" || name == "Hiragana" {
			shown++
		}
	}
	docs, err := os.ReadFile("../../docs/certificate.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(docs), fmt.Sprintf("The page shows %d scripts", shown)) {
		t.Errorf("docs/certificate.md states another number of scripts than %d", shown)
	}
}

func drawable(r rune) int {
	for _, s := range sources {
		if s.has(r) {
			return 1
		}
	}
	return 0
}
