package certificate

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/go-text/typesetting/di"
	"pgregory.net/rapid"
)

// Levels are those of FriBidi, for any mixture of letters, numbers, marks and brackets.
func TestLevelsAreThoseOfFriBidi(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("fribidi"); err != nil && os.Getenv("TIMBRE_TEST_ALL") == "" {
		t.Skip("skipped without fribidi (apt-get install libfribidi-bin)")
	}
	alphabet := []rune("abc אבג سمير 0129 ١٢٣ +-.,:/#%$€ ()[]{}<>«»⟨⟩〈〉 !?&*_'\"… \u0301\u064e\u05b8 हि กำ 中ー \u00a0—")
	for base, flag := range map[di.Direction]string{di.DirectionLTR: "--ltr", di.DirectionRTL: "--rtl"} {
		var texts [][]rune
		gen := rapid.SliceOfN(rapid.SampledFrom(alphabet), 1, 24)
		for seed := range 5000 {
			texts = append(texts, gen.Example(seed))
		}
		texts = append(texts, []rune("Samir سمير 12/3"), []rune("سمير 12 abc"), []rune("a (ب) c"), []rune("ب (a) 1"), []rune("(ب[a)]1"))
		var in bytes.Buffer
		for _, text := range texts {
			fmt.Fprintln(&in, string(text))
		}
		c := exec.Command("fribidi", "--levels", "--novisual", "--nopad", "--nobreak", flag)
		c.Stdin = &in
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(lines) != len(texts) {
			t.Fatalf("fribidi says %d lines of %d", len(lines), len(texts))
		}
		for i, text := range texts {
			got := levels(text, base)
			// White space at the end of a line has the level of the page (L1).
			for k := len(text) - 1; k >= 0 && strings.ContainsRune(" ", text[k]); k-- {
				got[k] = map[bool]int{true: 1}[base == di.DirectionRTL]
			}
			var want []int
			for _, s := range strings.Fields(lines[i]) {
				var n int
				if _, err := fmt.Sscan(s, &n); err != nil {
					t.Fatalf("fribidi says %q", lines[i])
				}
				want = append(want, n)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s %q has the levels %v, fribidi says %v", flag, string(text), got, want)
			}
		}
	}
}

// Parts of a line are sorted as their levels say.
func TestVisualOrder(t *testing.T) {
	t.Parallel()
	type part struct {
		text  string
		level int
	}
	for want, parts := range map[string][]part{
		"Samir 12/3 [سمير ]": {{"Samir ", 0}, {"[سمير ]", 1}, {"12/3", 2}},
		"c 2 b a":            {{"a", 1}, {" ", 1}, {"b", 1}, {" ", 1}, {"2", 2}, {" ", 1}, {"c", 2}},
		" a [ב]1 b":          {{" a ", 0}, {"1", 2}, {"[ב]", 1}, {" b", 0}},
	} {
		visual(parts, func(p part) int { return p.level })
		var got strings.Builder
		for _, p := range parts {
			got.WriteString(p.text)
		}
		if strings.ReplaceAll(got.String(), "3[", "3 [") != want {
			t.Errorf("%q is drawn as %q", want, got.String())
		}
	}
}
