package certificate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"timbre.example/internal/certificate"
)

// worst are the longest texts that a registration takes, by script.
func worst() map[string]certificate.Input {
	all := map[string]certificate.Input{}
	for name, text := range map[string]string{
		"Tamil": "க்ஷௌ", "Tamil words": "தமிழ் ", "Latin": "W", "Latin words": "Maximilian ", "Arabic": "محمد ", "Devanagari": "क्ष्म्य ", "Bengali": "ক্ষ ",
		"Telugu": "క్ష్మ ", "Thai": "กำแพง", "Han": "國", "emoji": "👩‍👩‍👧‍👦", "marks": "a\u0301\u0302\u0303", "unknown": "\U00010920", "mixed": "aאbب",
		"Ethiopic": "ሰላም ", "Hebrew": "שלום ", "spaces": "a ", "hyphens": "a-",
	} {
		long := []rune(strings.Repeat(text, 255/len([]rune(text))+1))[:254]
		in := cases()["two"]
		in.Title, in.Creators, in.File.Name = string(long[:200]), nil, string(long)
		for i := range 32 {
			in.Creators = append(in.Creators, certificate.Creator{
				Name: fmt.Sprint(i%10) + string(long[1:]), Roles: []string{"author", "composer", "arranger", "adapter"}, IPI: "00012345678", ISNI: "0000000121032683",
			})
		}
		all[name] = in
	}
	return all
}

// asked counts how often it is asked whether to go on: once for each text that is set
// or broken into lines. It says no after so many.
type asked struct {
	context.Context
	n, most int
}

func (a *asked) Err() error {
	if a.n++; a.n > a.most {
		return context.DeadlineExceeded
	}
	return nil
}

// Anybody chooses names and titles. The longest of any script cost no more than so
// many texts set or broken into lines.
func TestWorstIsBounded(t *testing.T) {
	t.Parallel()
	for name, in := range worst() {
		a := &asked{Context: t.Context(), most: 1 << 30}
		if _, err := certificate.RenderWithin(a, in, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if a.n > 1000 {
			t.Errorf("%s: %d texts", name, a.n)
		}
	}
}

// A certificate whose context has ended stops at the next text. The next certificate is
// not affected.
func TestOvertime(t *testing.T) {
	t.Parallel()
	in := worst()["Tamil"]
	want, err := certificate.Render(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []int{0, 1, 10, 40} {
		a := &asked{Context: t.Context(), most: most}
		if _, err := certificate.RenderWithin(a, in, nil); !errors.Is(err, context.DeadlineExceeded) || a.n != most+1 {
			t.Errorf("after %d texts of %d: %v", a.n, most, err)
		}
		if again, err := certificate.Render(in, nil); err != nil || string(again) != string(want) {
			t.Errorf("the next one is another, %v", err)
		}
	}
}

func BenchmarkWorst(b *testing.B) {
	for name, in := range worst() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := certificate.Render(in, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
