package integration

import (
	"strings"

	"timbre.example/docs"
	"timbre.example/internal/account"
	"timbre.example/internal/console/shell"
)

// sample is a program of the documents, with the values of the organization. Tests of the
// documents run each of them.
type sample struct{ Name, File, Code string }

// samples are the programs, by document, by the language of their block, and by their heading.
var samples = []struct{ name, file, document, heading, block string }{
	{"Node.js", "backend.mjs", "backends.md", "## Node.js", "mjs"},
	{"Python", "backend.py", "backends.md", "## Python", "py"},
	{"Go", "backend.go", "backends.md", "## Go", "go"},
	{"curl", "", "backends.md", "## PHP, Ruby, Java and others", "console"},
	{"React", "RegisterSong.tsx", "frameworks.md", "## React 19", "tsx"},
	{"Vue", "RegisterSong.vue", "frameworks.md", "## Vue", "vue"},
}

// php is the request in PHP. It needs no package.
const php = `<?php
// session.php: answers POST /my-backend/session
// Here you know your visitor: refuse those who may not register a song.
header('Content-Type: application/json');
$answer = @file_get_contents('https://ats.example/v1/sessions', false, stream_context_create(['http' => [
    'method' => 'POST',
    'header' => "Content-Type: application/json\r\nOrigin: " . getenv('SITE'),
    'content' => json_encode(['secret_key' => getenv('ATS_SECRET_KEY'), 'action_type' => 'register', 'allowed_network' => 'testnet']),
    'timeout' => 10,
    'ignore_errors' => true,
]]));
preg_match('/ (\d{3})/', $http_response_header[0] ?? ' 502', $status);
http_response_code((int) ($status[1] ?? 502));
echo $answer ?: '{"error":{"code":"common.service_unavailable","message":"The registry cannot be reached."}}';
`

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
	data.Run = "export ATS_URL=" + p.PublicURL + "\nexport SITE=" + data.Site + "\nread -rs ATS_SECRET_KEY && export ATS_SECRET_KEY\nnode backend.mjs"
	for _, s := range samples {
		code := block(s.document, s.heading, s.block)
		data.Samples = append(data.Samples, sample{s.name, s.file, fill.Replace(strings.TrimPrefix(code, "$ "))})
	}
	data.Samples = append(data.Samples, sample{"PHP", "session.php", fill.Replace(php)})
	return c.Render("snippet", data)
}
