package integration

import (
	"strings"

	"timbre.example/docs"
	"timbre.example/internal/account"
	"timbre.example/internal/console/shell"
)

// sample is a program of the documents, with the values of the organization. Tests of the
// documents run each of them.
type sample struct {
	Name  string
	Files []file
}

type file struct{ Name, Code string }

// from is the place of a file in the documents: by the language of its block, and by its heading.
type from struct{ name, document, heading, block string }

const (
	mint    = "## Mint a session"
	receive = "## Receive webhooks"
)

// samples are the programs.
var samples = []struct {
	name  string
	files []from
}{
	{"Node.js", []from{{"backend.mjs", "node.md", mint, "mjs"}, {"webhook.mjs", "node.md", receive, "mjs"}}},
	{"Python", []from{{"backend.py", "python.md", mint, "py"}, {"webhook.py", "python.md", receive, "py"}}},
	{"Go", []from{{"backend.go", "go-backend.md", mint, "go"}, {"webhook.go", "go-backend.md", receive, "go"}}},
	{"PHP", []from{{"backend.php", "php.md", mint, "php"}, {"webhook.php", "php.md", receive, "php"}}},
	{"Ruby", []from{{"config.ru", "ruby.md", mint, "rb"}, {"webhook.rb", "ruby.md", receive, "rb"}}},
	{"curl", []from{{"", "backends.md", "## Any other language", "console"}}},
}

// block returns the first block of code in a language after a heading of a document, or "".
func block(document, heading, language string) string {
	data, err := docs.Files.ReadFile(document)
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(data), "\n"+heading+"\n")
	_, code, _ := strings.Cut(rest, "\n```"+language+"\n")
	code, _, _ = strings.Cut(code, "\n```")
	return code
}

type snippetData struct {
	Keys []account.KeyPair
	Key  account.KeyPair
	// Site is an origin of the allowlist, or an example.
	Site, Page string
	Run        string
	Samples    []sample
	Origins    bool
}

func (p pages) snippet(c *shell.Call) error {
	p.status(c)
	keys, err := p.keys(c)
	if err != nil {
		return err
	}
	data := snippetData{Keys: keys, Site: "http://localhost:3000"}
	for _, k := range keys { // the chosen one, or else the first active one
		if k.SiteKey == c.Form.Text("key") || data.Key.SiteKey == "" && k.Status == account.KeyActive {
			data.Key = k
		}
	}
	origins, err := account.ListOrigins(c.Context(), p.DB, c.Organization())
	if err != nil {
		return err
	}
	for _, o := range origins {
		if pattern, err := account.ParsePattern(o.Origin); err == nil {
			data.Site, data.Origins = pattern.Example(), true
			break
		}
	}
	fill := strings.NewReplacer("https://ats.example", p.PublicURL, "cpk_…", data.Key.SiteKey, "https://www.your-domain.example", data.Site, `"csk_…"`, `"'"$ATS_SECRET_KEY"'"`)
	data.Page = fill.Replace(block("quick-start.md", "## 3. Put the element on your page", "html"))
	data.Run = "export ATS_URL=" + p.PublicURL + "\nexport SITE=" + data.Site + "\nread -rs ATS_SECRET_KEY && export ATS_SECRET_KEY\nnpm install " + p.PublicURL + "/packages/client.tgz\nnode backend.mjs"
	for _, s := range samples {
		one := sample{Name: s.name}
		for _, f := range s.files {
			code := block(f.document, f.heading, f.block)
			one.Files = append(one.Files, file{f.name, fill.Replace(strings.TrimPrefix(code, "$ "))})
		}
		data.Samples = append(data.Samples, one)
	}
	return c.Render("snippet", data)
}
