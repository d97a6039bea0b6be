package docsite

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"timbre.example/docs"
)

// page is a document, rendered.
type page struct {
	URL   string
	Title string
	// Source is the path of what the page was made from, and SourceName says what that is.
	Source, SourceName string
	Contents           []entry
	HTML               template.HTML
	// Option is true for a page of a choice, below its index in the menu.
	Option bool

	name     string
	anchors  map[string]bool
	links    []string // to other documents, as URLs
	sections []section
}

// entry is a line of a page's own table of contents.
type entry struct {
	Anchor, Text string
	Code         bool // shown as code
	Under        []entry
}

// Parts returns the parts between which a long name may be broken.
func (e entry) Parts() []string { return breaks.FindAllString(e.Text, -1) }

var breaks = regexp.MustCompile(`[^._/]+[._/]*|[._/]+`)

// referenceURL is the path of the reference. The document api.md explains the same API as a
// story, so its page has another name.
const (
	referenceURL = "/docs/api"
	storyURL     = "/docs/calls"
)

// urlOf returns the path of a document's page.
func urlOf(name string) string {
	if name == "api" {
		return storyURL
	}
	return "/docs/" + strings.TrimSuffix(name, "README")
}

// render makes a page of the document docs/NAME.md.
func render(name string) (*page, error) {
	source, err := fs.ReadFile(docs.Files, name+".md")
	if err != nil {
		return nil, err
	}
	p := &page{URL: urlOf(name), Source: "/docs/" + name + ".md", SourceName: "This page as Markdown", name: name, anchors: map[string]bool{}}
	md := goldmark.New(
		goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignNone))),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(boxes{}, 100))),
	)
	doc := md.Parser().Parse(text.NewReader(source))
	if err := p.arrange(doc, source); err != nil {
		return nil, err
	}
	if p.Title == "" {
		return nil, errors.New("no heading of the first level")
	}
	var b bytes.Buffer
	if err := md.Renderer().Render(&b, source, doc); err != nil {
		return nil, err
	}
	// Goldmark without raw HTML escapes everything that is not Markdown.
	p.HTML = template.HTML(b.String())
	return p, nil
}

var (
	anchorTag = regexp.MustCompile(`^<a id="([^"<>]+)"></a>\s*$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// slug returns the anchor that Git hosts give a heading, so that a link works on both.
func slug(heading string) string {
	return strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// arrange walks the top level of the document. It sets the anchors of headings, makes
// links lead to pages, and collects the sections for search and contents.
func (p *page) arrange(doc ast.Node, source []byte) error {
	anchor := "" // for the next heading, from an <a id>
	at := -1     // the current section
	var gone []ast.Node
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.HTMLBlock:
			if raw := n.Lines().Value(source); !bytes.HasPrefix(raw, []byte("<!--")) {
				return fmt.Errorf("HTML that is not a comment: %.60s", raw)
			}
			gone = append(gone, n)
			continue
		case *ast.Paragraph:
			if m := anchorTag.FindSubmatch(n.Lines().Value(source)); m != nil {
				anchor = string(m[1])
				gone = append(gone, n)
				continue
			}
		case *ast.Heading:
			words := strings.TrimSpace(plain(n, source))
			id := anchor
			if id == "" {
				id = slug(words)
			}
			anchor = ""
			if n.Level == 1 {
				p.Title, id = words, "main"
			} else if p.anchors[id] {
				return fmt.Errorf("two headings with the anchor %q", id)
			}
			p.anchors[id] = true
			n.SetAttributeString("id", []byte(id))
			_, code := n.FirstChild().(*ast.CodeSpan)
			e := entry{Anchor: id, Text: words, Code: code && n.ChildCount() == 1}
			if n.Level == 2 {
				p.Contents = append(p.Contents, e)
			} else if n.Level == 3 && len(p.Contents) > 0 {
				last := &p.Contents[len(p.Contents)-1]
				last.Under = append(last.Under, e)
			}
			url := p.URL + "#" + id
			if n.Level == 1 {
				url = p.URL
			}
			p.sections = append(p.sections, section{Page: p.Title, Heading: words, URL: url})
			at++
			continue
		}
		if at >= 0 {
			p.sections[at].text += plain(n, source) + " "
		}
	}
	for i := range p.sections {
		p.sections[i].index()
	}
	for _, n := range gone {
		doc.RemoveChild(doc, n)
	}
	return ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.RawHTML:
			return ast.WalkStop, fmt.Errorf("HTML inside of text: %s", n.Segments.Value(source))
		case *ast.Link:
			n.Destination = []byte(p.resolve(string(n.Destination)))
		case *ast.Image:
			n.Destination = []byte(p.resolve(string(n.Destination)))
		}
		return ast.WalkContinue, nil
	})
}

// resolve turns the path of a file in Git into the path of a page.
func (p *page) resolve(to string) string {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
		return to
	}
	file, anchor, hasAnchor := strings.Cut(to, "#")
	url := p.URL
	if file != "" {
		url = urlOf(strings.TrimSuffix(path.Join(path.Dir(p.name), file), ".md"))
	}
	if hasAnchor {
		url += "#" + anchor
	}
	p.links = append(p.links, url)
	return url
}

// plain returns the visible text of a node.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(n.Segment.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					b.WriteByte(' ')
				}
			}
		case *ast.String:
			if entering {
				b.Write(n.Value)
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			if entering {
				b.Write(n.Lines().Value(source))
			}
		default:
			if !entering && n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// boxes renders wide content into boxes that scroll and that the keyboard can reach. It
// also makes headings link to themselves.
type boxes struct{}

func (boxes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, heading)
	r.Register(ast.KindFencedCodeBlock, code)
	r.Register(ast.KindCodeBlock, code)
	r.Register(extast.KindTable, table)
	r.Register(extast.KindTableCell, cell)
}

func heading(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n := node.(*ast.Heading)
	id, _ := n.AttributeString("id")
	switch {
	case n.Level == 1 && entering:
		w.WriteString("<h1>")
	case n.Level == 1:
		w.WriteString("</h1>\n")
	case entering:
		anchor := string(util.EscapeHTML(id.([]byte)))
		fmt.Fprintf(w, "<h%d id=\"%s\"><a href=\"#%s\">", n.Level, anchor, anchor)
	default:
		fmt.Fprintf(w, "</a></h%d>\n", n.Level)
	}
	return ast.WalkContinue, nil
}

// languages are the names of listings' languages, also for screen readers.
var languages = map[string]string{"sh": "Shell", "console": "Terminal", "js": "JavaScript", "mjs": "JavaScript (Node.js)", "ts": "TypeScript", "tsx": "React (TSX)", "vue": "Vue", "svelte": "Svelte", "php": "PHP", "py": "Python", "rb": "Ruby", "html": "HTML", "xml": "XML", "css": "CSS", "json": "JSON", "go": "Go", "ini": "systemd", "yaml": "YAML", "nginx": "nginx", "caddyfile": "Caddyfile", "dockerfile": "Dockerfile", "text": "Text", "": "Text"}

func code(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if n, ok := node.(*ast.FencedCodeBlock); ok {
		language = string(n.Language(source))
	}
	name, ok := languages[language]
	if !ok {
		return ast.WalkStop, fmt.Errorf("a listing in the unknown language %q", language)
	}
	fmt.Fprintf(w, "<figure class=\"code\"><figcaption>%s</figcaption><pre tabindex=\"0\" role=\"group\" aria-label=\"%s\"><code>", name, name)
	text := node.Lines().Value(source)
	if language == "console" {
		console(w, string(text))
	} else {
		w.Write(util.EscapeHTML(text))
	}
	w.WriteString("</code></pre></figure>\n")
	return ast.WalkSkipChildren, nil
}

// console writes a terminal listing. People can copy the commands without the prompts
// and the output.
func console(w util.BufWriter, text string) {
	typed := false // the line before continues on this line
	for line := range strings.Lines(text) {
		prompt, rest := "", line
		for _, p := range []string{"$ ", "> "} {
			if after, ok := strings.CutPrefix(line, p); ok && (p == "$ " || typed) {
				prompt, rest = p, after
				break
			}
		}
		if prompt == "" && !typed {
			fmt.Fprintf(w, "<span class=\"out\">%s</span>", util.EscapeHTML([]byte(line)))
			continue
		}
		if prompt != "" {
			fmt.Fprintf(w, "<span class=\"prompt\">%s</span>", util.EscapeHTML([]byte(prompt)))
		}
		w.Write(util.EscapeHTML([]byte(rest)))
		typed = strings.HasSuffix(strings.TrimRight(line, "\n"), "\\")
	}
}

func table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		w.WriteString("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table\"><table>\n")
	} else {
		w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}

// cell writes an empty header as an ordinary cell: a screen reader has nothing to announce.
func cell(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	tag := "td"
	if node.Parent().Kind() == extast.KindTableHeader && node.HasChildren() {
		tag = "th"
	}
	if entering {
		w.WriteString("<" + tag + ">")
	} else {
		w.WriteString("</" + tag + ">\n")
	}
	return ast.WalkContinue, nil
}
