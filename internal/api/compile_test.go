package api_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A route whose guard proves less than its handler needs does not compile, and neither does a
// proof that no check made.
func TestRoutesNeedTheirGuards(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	const route = `op("GET", "/v1/x", "x", "x")`
	// compiled adds each text to the package as a function of one line. It returns the
	// compiler's messages by the index of the text.
	compiled := func(texts ...string) map[int]string {
		head := "package api\n\nimport (\n\t\"timbre.example/internal/access\"\n\t\"timbre.example/internal/store/query\"\n\t\"timbre.example/internal/web\"\n)\n\n" +
			"type other struct{}\n\nfunc (other) Caller() access.Caller { return access.Caller{} }\nfunc (other) Makes(query.Job) bool { return true }\nfunc (other) proof() {}\n\nvar _ access.Reader\n"
		code := head
		for i, text := range texts {
			code += fmt.Sprintf("func (a *API) added%d(o *web.Operations) { %s }\n", i, text)
		}
		dir := t.TempDir()
		file, list := filepath.Join(dir, "added.go"), filepath.Join(dir, "overlay.json")
		overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "added.go"): file}})
		if err != nil {
			t.Fatal(err)
		}
		for at, what := range map[string]string{file: code, list: string(overlay)} {
			if err := os.WriteFile(at, []byte(what), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-e", "-overlay", list, ".").CombinedOutput()
		messages := map[int]string{}
		for _, m := range regexp.MustCompile(`added\.go:(\d+):\d+: (.*(?:\n\t.*)*)`).FindAllStringSubmatch(string(out), -1) {
			var line int
			fmt.Sscan(m[1], &line)
			messages[line-strings.Count(head, "\n")-1] += m[2]
		}
		if err != nil && len(messages) == 0 {
			t.Fatalf("%v\n%s", err, out)
		}
		return messages
	}
	if m := compiled(`web.RegisterBody(o, ` + route + `, a.updatingByCode(atInit), versionBody, a.initVersion)`); len(m) > 0 {
		t.Errorf("a route with its guard is refused: %v", m)
	}
	cases := []struct{ name, code, refused string }{
		{"an update that everybody may call", `web.RegisterBody(o, ` + route + `, web.Open, versionBody, a.initVersion)`, "initVersion"},
		{"an update with the guard of reads", `web.RegisterBody(o, ` + route + `, a.readingOwn(), versionBody, a.initVersion)`, "initVersion"},
		{"a work without its code", `web.Register(o, ` + route + `, a.caller(anySession, atCode), a.workByCode)`, "workByCode"},
		{"a list for every session", `web.Register(o, ` + route + `, a.registering(atInit), a.ownWorks)`, "ownWorks"},
		{"no guard", `web.Register(o, ` + route + `, a.ownWork)`, "not enough arguments"},
		{"a proof from fields", `_, _ = a.Registry.Works.Versions(nil, access.Reader{work: "x"})`, "unexported field"},
		{"another kind of maker", `var _ access.Maker = other{}`, "proof"},
	}
	var texts []string
	for _, c := range cases {
		texts = append(texts, c.code)
	}
	for i, m := range compiled(texts...) {
		if i < 0 || i >= len(cases) {
			t.Errorf("the test's own code: %s", m)
		} else if !strings.Contains(m, cases[i].refused) {
			t.Errorf("%s: refused for another reason: %s", cases[i].name, m)
		} else {
			cases[i].refused = ""
		}
	}
	for _, c := range cases {
		if c.refused != "" {
			t.Errorf("%s compiles", c.name)
		}
	}
}
