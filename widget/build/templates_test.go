package main

import "testing"

func TestTighten(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"between tags", "html`<p>\n  <b>x</b>\n</p>`", "html`<p><b>x</b></p>`"},
		{"inside a tag", "html`<p\n  class=\"a\"\n  id=${x}\n>y</p>`", "html`<p class=\"a\" id=${x}>y</p>`"},
		{"attribute after a value", "html`<p id=${x}\n  lang=${y}></p>`", "html`<p id=${x} lang=${y}></p>`"},
		{"words keep a space", "html`<p>one\n  two</p>`", "html`<p>one two</p>`"},
		{"spaces on one line stay", "html`<b>x</b> ${y}`", "html`<b>x</b> ${y}`"},
		{"nested", "html`\n ${a ? html`<i>\n</i>` : {b: '}`'}}\n`", "html`${a ? html`<i></i>` : {b: '}`'}}`"},
		{"other literals", "`a\n  b`", "`a\n  b`"},
		{"comments", "// html`\nx\n/* ` */ y", "// html`\nx\n/* ` */ y"},
	} {
		if got := tighten(c.in); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
