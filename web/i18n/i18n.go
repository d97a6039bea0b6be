// Package i18n holds the texts of the widget and of the page /verify. Each file of locales is one
// language with all its texts; English is the reference. A new file is a new language: the builds of
// the widget and of the page read the folder. It never has the words of certificates, and no server
// imports it.
package i18n

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Sections of a language. The section of a text says which file has the text in English, and
// whether the page shows it too.
const (
	First       = "first"       // the first file of the widget
	FirstVerify = "firstVerify" // that file, and the page
	Rest        = "rest"        // ats-widget-rest.js
	RestVerify  = "restVerify"  // that file, and the page
	Works       = "works"       // ats-widget-works.js
	Hash        = "hash"        // ats-widget-hash.js
	Verify      = "verify"      // the page alone
	Words       = "words"       // verdicts and checks; the English texts are in proof/evidence/words.json
	TooOld      = "tooOld"      // the page in a browser that is too old for it
)

// WordsFile has the English words of verdicts and checks, below the root of the repository.
// verify/src/texts.ts imports it too.
const WordsFile = "proof/evidence/words.json"

// Language is one file of locales.
type Language struct {
	Tag, Name, Dir string
	sections       map[string]map[string]string
}

// Texts returns the texts of some sections. No key is in two sections.
func (l Language) Texts(sections ...string) map[string]string {
	texts := map[string]string{}
	for _, s := range sections {
		maps.Copy(texts, l.sections[s])
	}
	return texts
}

// Widget returns all texts of the widget.
func (l Language) Widget() map[string]string {
	return l.Texts(First, FirstVerify, Rest, RestVerify, Works, Hash)
}

// Read returns the languages by tag. root is the folder of the repository. Every error of a file is
// in the returned error, with the file's name and the text's key.
func Read(root string) ([]Language, error) {
	return read(os.DirFS(filepath.Join(root, "web", "i18n", "locales")), filepath.Join(root, filepath.FromSlash(WordsFile)))
}

func read(locales fs.FS, wordsFile string) ([]Language, error) {
	names, err := fs.Glob(locales, "*")
	if err != nil {
		return nil, err
	}
	var all []Language
	var wrong []error
	for _, name := range names {
		l, err := parse(locales, name)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("locales/%s: %w", name, err))
			continue
		}
		all = append(all, l)
	}
	at := slices.IndexFunc(all, func(l Language) bool { return l.Tag == "en" })
	if at < 0 {
		return nil, errors.Join(append(wrong, errors.New("locales/en.json: missing or unreadable"))...)
	}
	en := all[at]
	text, err := os.ReadFile(wordsFile)
	if err != nil {
		return nil, err
	}
	words := map[string]string{}
	if err := json.Unmarshal(text, &words); err != nil {
		return nil, fmt.Errorf("%s: %w", wordsFile, err)
	}
	en.sections[Words] = words
	if err := unique(en, First, FirstVerify, Rest, RestVerify, Works, Hash); err != nil {
		wrong = append(wrong, fmt.Errorf("locales/en.json: %w", err))
	}
	if err := unique(en, FirstVerify, RestVerify, Verify, Words); err != nil {
		wrong = append(wrong, fmt.Errorf("locales/en.json: %w", err))
	}
	for _, l := range all {
		for _, err := range l.differences(en) {
			wrong = append(wrong, fmt.Errorf("locales/%s.json: %w", l.Tag, err))
		}
	}
	return all, errors.Join(wrong...)
}

var fileName = regexp.MustCompile(`^([a-z]{2,3})\.json$`)

func parse(locales fs.FS, name string) (l Language, err error) {
	m := fileName.FindStringSubmatch(name)
	if m == nil {
		return l, errors.New("not the name of a language: use its code, such as fr.json")
	}
	text, err := fs.ReadFile(locales, name)
	if err != nil {
		return l, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return l, err
	}
	l = Language{Tag: m[1], sections: map[string]map[string]string{}}
	for section, value := range raw {
		switch section {
		case "$name":
			err = json.Unmarshal(value, &l.Name)
		case "$dir":
			err = json.Unmarshal(value, &l.Dir)
		default:
			texts := map[string]string{}
			err = json.Unmarshal(value, &texts)
			l.sections[section] = texts
		}
		if err != nil {
			return l, fmt.Errorf("%s: %w", section, err)
		}
	}
	if strings.TrimSpace(l.Name) == "" {
		return l, errors.New("$name is missing: the language's name for itself")
	}
	if l.Dir != "ltr" && l.Dir != "rtl" {
		return l, errors.New("$dir is neither ltr nor rtl")
	}
	return l, nil
}

func unique(l Language, sections ...string) error {
	seen := map[string]string{}
	for _, s := range sections {
		for key := range l.sections[s] {
			if other := seen[key]; other != "" {
				return fmt.Errorf("%s is in %s and in %s", key, other, s)
			}
			seen[key] = s
		}
	}
	return nil
}

var place = regexp.MustCompile(`\{\w+\}`)

// sentence is a text that no other language has by chance.
var sentence = regexp.MustCompile(`(\p{L}+[^\p{L}]+){3}\p{L}`)

// differences are the reasons why a language cannot replace English.
func (l Language) differences(en Language) (wrong []error) {
	say := func(format string, a ...any) { wrong = append(wrong, fmt.Errorf(format, a...)) }
	for _, section := range slices.Sorted(maps.Keys(en.sections)) {
		texts, ok := l.sections[section]
		if !ok {
			say("the section %s is missing", section)
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(en.sections[section])) {
			text, english := texts[key], en.sections[section][key]
			switch {
			case strings.TrimSpace(text) == "":
				say("%s.%s is missing", section, key)
			case !slices.Equal(places(text), places(english)):
				say("%s.%s has the places %v, English %v", section, key, places(text), places(english))
			case l.Tag != "en" && text == english && sentence.MatchString(text):
				say("%s.%s is not translated", section, key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(texts)) {
			if _, ok := en.sections[section][key]; !ok {
				say("%s.%s is unknown: English lacks it", section, key)
			}
		}
	}
	for section := range l.sections {
		if en.sections[section] == nil {
			say("the section %s is unknown", section)
		}
	}
	return wrong
}

func places(text string) []string {
	found := place.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// Plugin makes the modules of locales.d.ts importable.
func Plugin(root string) api.Plugin {
	return api.Plugin{Name: "locales", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^locales:`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: strings.TrimPrefix(a.Path, "locales:"), Namespace: "locales"}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "locales"}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			all, err := Read(root)
			if err != nil {
				return api.OnLoadResult{}, err
			}
			value := map[string]any{}
			for _, l := range all {
				switch a.Path {
				case "languages":
					value[l.Tag] = l.Dir
				case "verify":
					value[l.Tag] = map[string]any{"name": l.Name, "dir": l.Dir, "texts": l.Texts(FirstVerify, RestVerify, Verify, Words)}
				default:
					return api.OnLoadResult{}, fmt.Errorf("unknown module locales:%s", a.Path)
				}
			}
			text, err := json.Marshal(value)
			if err != nil {
				return api.OnLoadResult{}, err
			}
			contents := string(text)
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJSON}, nil
		})
	}}
}
