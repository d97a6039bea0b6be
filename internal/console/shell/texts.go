package shell

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// languages are the languages of the console, the default one first. Each file of texts is one
// of them.
var languages = []string{"en", "fr", "de", "es", "pt", "ja", "ar"}

// Languages returns the tags of the console's languages, the default one first.
func Languages() []string { return slices.Clone(languages) }

// names are what the languages call themselves.
var names = map[string]string{"en": "English", "fr": "Français", "de": "Deutsch", "es": "Español", "pt": "Português", "ja": "日本語", "ar": "العربية"}

// LanguageName returns what a language calls itself, or "" for an unknown tag.
func LanguageName(tag string) string { return names[tag] }

// Direction returns "rtl" for a language that is written from right to left, and "ltr" for others.
func Direction(tag string) string {
	if tag == "ar" {
		return "rtl"
	}
	return "ltr"
}

// Texts are the texts of one area, by language and key.
type Texts map[string]map[string]string

// ReadTexts reads texts/*.json of an area. Every language must be there.
func ReadTexts(files fs.FS) (Texts, error) {
	all := Texts{}
	var wrong []error
	for _, tag := range languages {
		data, err := fs.ReadFile(files, "texts/"+tag+".json")
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		texts := map[string]string{}
		if err := json.Unmarshal(data, &texts); err != nil {
			wrong = append(wrong, fmt.Errorf("texts/%s.json: %w", tag, err))
		}
		all[tag] = texts
	}
	return all, errors.Join(wrong...)
}

// placeholders matches the placeholders of a text.
var placeholders = regexp.MustCompile(`\{[a-z_]+\}`)

// Differences compares each language with English: missing and unknown keys, empty texts and
// other placeholders. A key that ends in a plural category, such as "works.one", needs the
// categories of each language instead.
func (t Texts) Differences() []string {
	var wrong []string
	en := t["en"]
	for _, tag := range languages {
		for _, key := range slices.Sorted(maps.Keys(en)) {
			stem, counted := plural(key, en)
			switch {
			case !counted:
				wrong = append(wrong, compare(tag, key, en[key], t[tag])...)
			case strings.HasSuffix(key, ".other"):
				for _, category := range categories[tag] {
					wrong = append(wrong, compare(tag, stem+"."+category, en[key], t[tag])...)
				}
			}
		}
		for _, key := range slices.Sorted(maps.Keys(t[tag])) {
			stem, counted := plural(key, en)
			_, category, _ := cutLast(key)
			if _, known := en[key]; !known && !(counted && slices.Contains(categories[tag], category)) {
				wrong = append(wrong, fmt.Sprintf("%s: %s is not in English (%s)", tag, key, stem))
			}
		}
	}
	return wrong
}

// compare reports what is wrong with one text. Only the plural categories zero, one and two
// may leave the number out.
func compare(tag, key, english string, texts map[string]string) []string {
	text, ok := texts[key]
	if !ok || text == "" {
		return []string{tag + ": " + key + " is missing"}
	}
	want, have := placeholders.FindAllString(english, -1), placeholders.FindAllString(text, -1)
	if _, category, _ := cutLast(key); category == "zero" || category == "one" || category == "two" {
		number := func(p string) bool { return p == "{n}" }
		want, have = slices.DeleteFunc(want, number), slices.DeleteFunc(have, number)
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) {
		return []string{fmt.Sprintf("%s: %s has the placeholders %v, not %v", tag, key, have, want)}
	}
	return nil
}

// plural returns the stem of a key that is chosen by a number.
func plural(key string, english map[string]string) (stem string, counted bool) {
	stem, category, _ := cutLast(key)
	if !slices.Contains([]string{"zero", "one", "two", "few", "many", "other"}, category) {
		return key, false
	}
	_, other := english[stem+".other"]
	return stem, other
}

func cutLast(key string) (before, after string, found bool) {
	at := strings.LastIndexByte(key, '.')
	if at < 0 {
		return key, "", false
	}
	return key[:at], key[at+1:], true
}

// categories are the plural categories of whole numbers in each language, as in the CLDR. Millions
// in French, Spanish and Portuguese count as other.
var categories = map[string][]string{
	"en": {"one", "other"}, "de": {"one", "other"}, "es": {"one", "other"}, "fr": {"one", "other"}, "pt": {"one", "other"}, "ja": {"other"},
	"ar": {"zero", "one", "two", "few", "many", "other"},
}

// category returns the plural category of a number.
func category(tag string, n int64) string {
	switch {
	case tag == "ja":
		return "other"
	case tag == "ar":
		switch {
		case n == 0:
			return "zero"
		case n == 1:
			return "one"
		case n == 2:
			return "two"
		case n%100 >= 3 && n%100 <= 10:
			return "few"
		case n%100 >= 11:
			return "many"
		}
		return "other"
	case n == 1, n == 0 && (tag == "fr" || tag == "pt"):
		return "one"
	}
	return "other"
}

// lexicon is the texts of one language for one area: the area's own, then the shell's.
type lexicon struct {
	tag   string
	texts []map[string]string
}

// find returns a text.
func (l lexicon) find(key string) (string, bool) {
	for _, texts := range l.texts {
		if text, ok := texts[key]; ok {
			return text, true
		}
	}
	return "", false
}

// text returns a text with its placeholders filled from pairs of name and value. An unknown key
// is returned as it is: the tests of each area find it.
func (l lexicon) text(key string, pairs ...any) string {
	text, ok := l.find(key)
	if !ok {
		return key
	}
	return fill(text, pairs)
}

// count returns the text for a number, with {n}.
func (l lexicon) count(key string, n int64, pairs ...any) string {
	return l.text(key+"."+category(l.tag, n), append([]any{"n", l.number(n)}, pairs...)...)
}

func fill(text string, pairs []any) string {
	if len(pairs) < 2 {
		return text
	}
	var olds []string
	for i := 0; i+1 < len(pairs); i += 2 {
		olds = append(olds, fmt.Sprintf("{%v}", pairs[i]), fmt.Sprint(pairs[i+1]))
	}
	return strings.NewReplacer(olds...).Replace(text)
}

// number writes a whole number with the language's separator between groups of thousands.
func (l lexicon) number(n int64) string {
	s := strconv.FormatInt(n, 10)
	group, _ := l.find("number.group")
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + group + s[i:]
	}
	return s
}

// day writes a date, and moment a time to the minute. Both are in UTC.
func (l lexicon) day(t time.Time) string {
	t = t.UTC()
	return l.text("date.day", "day", t.Day(), "month", l.text("month."+strconv.Itoa(int(t.Month()))), "year", t.Year())
}

func (l lexicon) shortDay(t time.Time) string {
	t = t.UTC()
	return l.text("date.short", "day", t.Day(), "month", l.text("month."+strconv.Itoa(int(t.Month()))))
}

func (l lexicon) moment(t time.Time) string {
	return l.text("date.moment", "date", l.day(t), "time", t.UTC().Format("15:04"))
}

// negotiate returns the first language of an Accept-Language header that the console has. Weights
// count, and wildcards do not.
func negotiate(header string) string {
	best, most := languages[0], 0.0
	for i, part := range strings.Split(header, ",") {
		if i == 20 {
			break
		}
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			var err error
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if weight > most && slices.Contains(languages, primary) {
			best, most = primary, weight
		}
	}
	return best
}
