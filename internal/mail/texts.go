package mail

import (
	"embed"
	"encoding/json"
	"path"
	"strings"
	"unicode"
)

//go:embed texts
var files embed.FS

// texts has the texts by language and key.
var texts = func() map[string]map[string]string {
	all := map[string]map[string]string{}
	entries, err := files.ReadDir("texts")
	if err != nil {
		panic(err) // the folder is embedded
	}
	for _, e := range entries {
		b, err := files.ReadFile(path.Join("texts", e.Name()))
		if err != nil {
			panic(err)
		}
		one := map[string]string{}
		if err := json.Unmarshal(b, &one); err != nil {
			panic("mail: " + e.Name() + ": " + err.Error())
		}
		all[strings.TrimSuffix(e.Name(), ".json")] = one
	}
	return all
}()

// compose returns the subject and the body of a mail. The values of placeholders are one line
// each: a value cannot add a header, or a line that looks like a part of our text.
func compose(m Message, host, link string) (subject, body string) {
	words, ok := texts[m.Language]
	if !ok {
		words = texts["en"]
	}
	pairs := []string{"{host}", oneLine(host), "{link}", oneLine(link)}
	for name, value := range m.Words {
		if name == "role" {
			value = words["role."+value]
		}
		pairs = append(pairs, "{"+name+"}", oneLine(value))
	}
	fill := strings.NewReplacer(pairs...)
	key := string(m.Kind)
	return fill.Replace(words[key+".subject"]), fill.Replace(words[key+".body"]) + "\n\n-- \n" + fill.Replace(words["footer"]) + "\n"
}

// oneLine removes what is not visible in one line: line breaks, controls and marks that change the
// direction of a text.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}
