// Command words checks the project's English against rules.tsv: comments, help texts,
// messages, documents and screens.
//
// It prints one line for each match, as path:line: text: what to write instead. It exits
// with status 1 when it finds one. It reads the files that git tracks, and changes none.
package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

//go:embed rules.tsv
var rulesFile string

// longest is the number of words that one sentence may have.
const longest = 25

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	found, err := check(root, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(2)
	}
	if found > 0 {
		fmt.Fprintf(os.Stderr, "words: %d places; CONTRIBUTING.md (\"Words\") says how Timbre writes\n", found)
		os.Exit(1)
	}
}

type rule struct {
	pattern *regexp.Regexp
	instead string
	except  string // a match that may stay; "" for none
}

func readRules(text string) ([]rule, error) {
	var rules []rule
	for n, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(line, "\t")
		if len(columns) < 2 {
			return nil, fmt.Errorf("rules.tsv:%d: a rule is a pattern, a tab and the words to use instead", n+1)
		}
		pattern := columns[0]
		if strings.HasPrefix(pattern, "(?-i)") {
			pattern = strings.TrimPrefix(pattern, "(?-i)")
		} else {
			pattern = "(?i)" + pattern
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("rules.tsv:%d: %w", n+1, err)
		}
		r := rule{pattern: re, instead: columns[1]}
		if len(columns) > 2 {
			r.except = columns[2]
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// A passage is running text without its markup, and the line on which it begins.
type passage struct {
	line int
	text string
}

func check(root string, out io.Writer) (int, error) {
	rules, err := readRules(rulesFile)
	if err != nil {
		return 0, err
	}
	list, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err != nil {
		return 0, fmt.Errorf("list the tracked files: %w", err)
	}
	w := bufio.NewWriter(out)
	defer w.Flush()
	found := 0
	for _, name := range strings.Split(strings.TrimRight(string(list), "\x00"), "\x00") {
		read := reader(name)
		if read == nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, and not committed yet
		}
		if err != nil {
			return found, err
		}
		passages, err := read(text)
		if err != nil {
			return found, fmt.Errorf("%s: %w", name, err)
		}
		for _, p := range passages {
			for _, f := range judge(rules, p.text) {
				found++
				fmt.Fprintf(w, "%s:%d: %s\n", name, p.line, f)
			}
		}
	}
	return found, nil
}

// judge returns the problems of one passage.
func judge(rules []rule, text string) []string {
	var found []string
	for _, sentence := range sentences(text) {
		for _, r := range rules {
			if m := r.pattern.FindString(sentence); m != "" && !strings.EqualFold(m, r.except) {
				found = append(found, fmt.Sprintf("%q: %s", short(strings.TrimSpace(m)), r.instead))
			}
		}
		if n := len(strings.Fields(sentence)); n > longest {
			found = append(found, fmt.Sprintf("%q: %d words; a sentence has at most %d", short(sentence), n, longest))
		}
	}
	return found
}

func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

var sentenceEnd = regexp.MustCompile(`[.!?:;]["')\]]*\s+`)

func sentences(text string) []string {
	var all []string
	from := 0
	for _, at := range sentenceEnd.FindAllStringIndex(text, -1) {
		// The stop stays with its sentence: a rule may ask whether it is a question.
		all = append(all, strings.TrimSpace(text[from:at[1]]))
		from = at[1]
	}
	if rest := strings.TrimSpace(text[from:]); rest != "" {
		all = append(all, rest)
	}
	return all
}

// reader returns the function that finds the file's running text, nil for a file that is not checked.
func reader(name string) func([]byte) ([]passage, error) {
	base := filepath.Base(name)
	switch {
	case strings.Contains(name, "/dist/"), strings.Contains(name, "/packed/"), strings.Contains(name, "testdata/"),
		strings.Contains(name, "_gen."), strings.Contains(name, ".gen."), strings.Contains(name, "internal/store/db/"),
		strings.HasPrefix(name, "tools/words/"), base == "package-lock.json", base == "CHANGELOG.md":
		return nil
	case strings.HasSuffix(name, ".go"):
		return func(b []byte) ([]passage, error) { return goText(b, !strings.HasSuffix(name, "_test.go")) }
	case strings.HasSuffix(name, ".md"):
		return markdown
	case strings.HasSuffix(name, ".ts"), strings.HasSuffix(name, ".css"), strings.HasSuffix(name, ".mjs"):
		return slashes
	case strings.HasSuffix(name, ".sql"):
		return func(b []byte) ([]passage, error) { return lines(b, "--"), nil }
	case base == "Makefile", base == "run", base == "deps", base == "fuzz", strings.HasSuffix(name, ".sh"):
		return func(b []byte) ([]passage, error) { return lines(b, "#"), nil }
	case base == "catalogue.json", strings.Contains(name, "locales/en"), strings.HasSuffix(name, "words.json"):
		return jsonText
	case strings.HasSuffix(name, ".html"):
		return htmlText
	}
	return nil
}

// goText returns the comments of a Go file and, when messages is set, its string literals
// that are sentences, and its help texts.
func goText(text []byte, messages bool) ([]passage, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	var all []passage
	for _, group := range file.Comments {
		line := set.Position(group.Pos()).Line
		all = append(all, paragraphs(line, strings.Split(strings.TrimSuffix(commentText(group), "\n"), "\n"))...)
	}
	if !messages {
		return all, nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		line := set.Position(literal.Pos()).Line
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			return true
		}
		if help := reflectHelp(value); help != "" {
			all = append(all, passage{line, help})
		} else if strings.Count(value, " ") > 1 && !strings.ContainsAny(value, "<{") {
			all = append(all, passage{line, value})
		}
		return true
	})
	return all, nil
}

func commentText(group *ast.CommentGroup) string {
	var b strings.Builder
	for _, c := range group.List {
		t := c.Text
		t = strings.TrimPrefix(t, "//")
		t = strings.TrimSuffix(strings.TrimPrefix(t, "/*"), "*/")
		if strings.HasPrefix(t, "go:") || strings.HasPrefix(t, "nolint") {
			t = ""
		}
		b.WriteString(t + "\n")
	}
	return b.String()
}

var helpTag = regexp.MustCompile(`(?:^| )help:"([^"]*)"`)

func reflectHelp(tag string) string {
	if m := helpTag.FindStringSubmatch(tag); m != nil {
		return m[1]
	}
	return ""
}

// paragraphs joins the lines of each paragraph; an indented block is code, and left out.
func paragraphs(first int, text []string) []passage {
	var all []passage
	var now []string
	begin := first
	end := func() {
		if len(now) > 0 {
			all = append(all, passage{begin, strings.Join(now, " ")})
		}
		now = nil
	}
	for i, line := range text {
		trimmed := strings.TrimSpace(line)
		code := strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "    ")
		if trimmed == "" || code {
			end()
			continue
		}
		if item.MatchString(trimmed) {
			end()
			trimmed = item.ReplaceAllString(trimmed, "")
		}
		if len(now) == 0 {
			begin = first + i
		}
		now = append(now, trimmed)
	}
	end()
	return all
}

var (
	item       = regexp.MustCompile(`^([-*+]|\d+\.)\s+`)
	inlineCode = regexp.MustCompile("`[^`]*`")
	link       = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// markdown returns paragraphs, items and table cells, without code.
func markdown(text []byte) ([]passage, error) {
	var all []passage
	var block []string
	begin, fence := 1, ""
	flush := func() {
		all = append(all, paragraphs(begin, block)...)
		block = nil
	}
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		if fence != "" {
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
			continue
		}
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			flush()
			fence = trimmed[:3]
			continue
		}
		plain := link.ReplaceAllString(inlineCode.ReplaceAllString(line, "x"), "$1")
		if strings.HasPrefix(trimmed, "|") {
			flush()
			for _, cell := range strings.Split(plain, "|") {
				if cell = strings.TrimSpace(cell); cell != "" {
					all = append(all, passage{i + 1, cell})
				}
			}
			continue
		}
		if len(block) == 0 {
			begin = i + 1
		}
		// The second line of a list item is indented. It is text, not code.
		block = append(block, strings.TrimLeft(strings.TrimLeft(plain, " "), "#> "))
	}
	flush()
	return all, nil
}

// slashes returns the comments of a file with // and /* */: TypeScript and CSS.
func slashes(text []byte) ([]passage, error) {
	var all []passage
	var block []string
	begin, inside := 0, false
	flush := func() {
		all = append(all, paragraphs(begin, block)...)
		block = nil
	}
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		var comment string
		switch {
		case inside:
			comment, _, _ = strings.Cut(trimmed, "*/")
			inside = !strings.Contains(trimmed, "*/")
			comment = strings.TrimPrefix(strings.TrimPrefix(comment, "*"), " ")
		case strings.HasPrefix(trimmed, "//"):
			comment = strings.TrimPrefix(strings.TrimPrefix(trimmed, "//"), " ")
		case strings.HasPrefix(trimmed, "/*"):
			comment, _, _ = strings.Cut(trimmed[2:], "*/")
			inside = !strings.Contains(trimmed, "*/")
			comment = strings.TrimPrefix(strings.TrimPrefix(comment, "*"), " ")
		default:
			flush()
			if _, behind, ok := strings.Cut(trimmed, " // "); ok {
				all = append(all, passage{i + 1, behind})
			}
			continue
		}
		if len(block) == 0 {
			begin = i + 1
		}
		block = append(block, inlineCode.ReplaceAllString(comment, "x"))
	}
	flush()
	return all, nil
}

// lines returns the comments that begin with mark and end with their line.
func lines(text []byte, mark string) []passage {
	var all []passage
	var block []string
	begin := 0
	flush := func() {
		all = append(all, paragraphs(begin, block)...)
		block = nil
	}
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		comment, ok := strings.CutPrefix(trimmed, mark)
		if !ok || strings.HasPrefix(comment, "!") || strings.HasPrefix(comment, " name:") || strings.HasPrefix(comment, " +goose") {
			flush()
			if _, behind, ok := strings.Cut(trimmed, " "+mark+" "); ok && mark == "--" {
				all = append(all, passage{i + 1, behind})
			}
			continue
		}
		if len(block) == 0 {
			begin = i + 1
		}
		block = append(block, strings.TrimPrefix(comment, " "))
	}
	flush()
	return all
}

// jsonText returns every string value, at the line on which it stands.
func jsonText(text []byte) ([]passage, error) {
	var all []passage
	d := json.NewDecoder(strings.NewReader(string(text)))
	for {
		t, err := d.Token()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if s, ok := t.(string); ok && strings.Contains(s, " ") {
			line := 1 + strings.Count(string(text[:d.InputOffset()]), "\n")
			all = append(all, passage{line, s})
		}
	}
}

var tag = regexp.MustCompile(`<[^>]*>|\{\{[^}]*\}\}`)

// htmlText returns the text between the tags of a page, line by line.
func htmlText(text []byte) ([]passage, error) {
	var all []passage
	for i, line := range strings.Split(string(text), "\n") {
		if plain := strings.TrimSpace(tag.ReplaceAllString(line, "x")); strings.Count(plain, " ") > 1 {
			all = append(all, passage{i + 1, plain})
		}
	}
	return all, nil
}
