package certificate

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-text/typesetting/font"
)

var update = flag.Bool("update", false, "write fonts/coverage.txt again")

// fontOrder is the order in which fonts are tried: first the fonts that most pages need.
// Pictures and signs are after the scripts, and the large font is the last.
const fontOrder = "serif sans arabic hebrew devanagari thai armenian georgian bengali tamil telugu ethiopic " +
	"gujarati gurmukhi kannada khmer lao malayalam myanmar oriya sinhala tibetan " +
	"adlam balinese bamum bassavah batak buginese buhid canadianaboriginal chakma cham cherokee coptic deseret gunjalagondi " +
	"hanifirohingya hanunoo javanese kaithi kayahli lepcha limbu lisu mandaic masaramgondi medefaidrin meeteimayek mendekikakui " +
	"miao modi mongolian mro nko newtailue newa nushu nyiakengpuachuehmong olchiki osage osmanya pahawhhmong paucinhau rejang samaritan " +
	"saurashtra sharada shavian sorasompeng sundanese sylotinagri syriac tagalog tagbanwa taile taitham taiviet takri tamilsupplement " +
	"thaana tifinagh tirhuta vai wancho warangciti yezidi yi music emoji symbols math symbols2 cjk"

// The file of coverage says which characters each font has, so that a font is read only for
// a text that needs it.
func TestCoverage(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	for name := range strings.FieldsSeq(fontOrder) {
		file := name + ".ttf"
		if name == "cjk" {
			file = "cjk.otf"
		}
		f, err := readFont(file)
		if err != nil {
			t.Fatal(err)
		}
		face := font.NewFace(f)
		var ranges []string
		for r := rune(' '); r <= 0x10ffff; r++ {
			from := r
			for has(face, r) {
				r++
			}
			switch r - from {
			case 0:
			case 1:
				ranges = append(ranges, fmt.Sprintf("%x", from))
			default:
				ranges = append(ranges, fmt.Sprintf("%x-%x", from, r-1))
			}
		}
		fmt.Fprintln(&want, file, strings.Join(ranges, ","))
	}
	if *update {
		if err := os.WriteFile("fonts/coverage.txt", []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("fonts/coverage.txt")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Error("fonts/coverage.txt does not say what the fonts have: go test -run TestCoverage ./internal/certificate -update")
	}
}

func has(face *font.Face, r rune) bool {
	_, ok := face.NominalGlyph(r)
	return ok
}
