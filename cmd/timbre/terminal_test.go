package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode"
)

// No output contains characters that control a terminal, from any source. JSON has
// escapes for them.
func TestNothingForTheTerminal(t *testing.T) {
	t.Parallel()
	hostile := "\x1b]0;owned\a\x1b[2J\u009b31m\rpaid\u202eecalp\u200b\u3164\u2028\x7f\U000e0041\ue000"
	for _, asJSON := range []bool{false, true} {
		var b bytes.Buffer
		o := &output{out: &b}
		if err := o.print(asJSON, map[string]string{"title": hostile}, func(w io.Writer) { _, _ = io.WriteString(w, "title  "+hostile+"\nnext\tline é 👩\u200d🚀\n") }); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		for _, r := range got {
			if r != '\n' && r != '\t' && r != '\u200d' && unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
				t.Errorf("JSON %t: %U is written: %q", asJSON, r, got)
			}
		}
		if asJSON {
			var back map[string]string
			if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["title"] != hostile {
				t.Errorf("JSON says %+q, %v", back["title"], err)
			}
		} else if !strings.Contains(got, "⟨U+001B⟩]0;owned⟨U+0007⟩") || !strings.HasSuffix(got, "\nnext\tline é 👩\u200d🚀\n") || strings.Count(got, "\n") != 2 {
			t.Errorf("in words: %q", got)
		}
	}
}
