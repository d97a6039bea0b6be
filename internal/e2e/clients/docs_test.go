package clients_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"timbre.example/docs"
	"timbre.example/internal/e2e/harness"
)

var listing = regexp.MustCompile("(?ms)^```(ts|mjs)\n(.*?)^```$")

// frameworks has the parts of Express and Fastify that docs/typescript.md uses, as their own types say.
const frameworks = `
declare module 'express' {
  interface Req { body: Buffer; headers: Record<string, string | string[] | undefined> }
  interface Res { send(text: string): void; status(code: number): Res }
  interface App { post(path: string, raw: unknown, handler: (req: Req, res: Res) => Promise<void>): void; use(handler: unknown): void }
  const express: { (): App; raw(options: { type: string }): unknown; json(): unknown };
  export default express;
}
declare module 'fastify' {
  interface Reply { status(code: number): Reply; send(text: string): Reply }
  interface Plugin {
    addContentTypeParser(type: string, options: { parseAs: 'buffer' }, parse: (r: unknown, body: Buffer, done: (e: null, body: Buffer) => void) => void): void;
    post(path: string, handler: (request: { body: unknown; headers: Record<string, string | string[] | undefined> }, reply: Reply) => Promise<unknown>): void;
  }
  export default function fastify(): { register(plugin: (inner: Plugin) => Promise<void>): Promise<void> };
}
`

// The programs of docs/typescript.md register, update and resume a song, its functions mint and
// receive a webhook, and its listings compile in strict mode.
func testDocuments(t *testing.T, s *harness.Server) {
	t.Helper()
	page, err := fs.ReadFile(docs.Files, "typescript.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	scope := filepath.Join(dir, "node_modules", "@timbre")
	if err := os.MkdirAll(scope, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(packaged(t), filepath.Join(scope, "client")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(absolute(t, "../../../node_modules/@types"), filepath.Join(dir, "node_modules", "@types")); err != nil {
		t.Fatal(err)
	}
	keep(t, filepath.Join(dir, "package.json"), []byte(`{"type": "module"}`))
	keep(t, filepath.Join(dir, "frameworks.d.ts"), []byte(frameworks))
	keep(t, filepath.Join(dir, "tsconfig.json"), []byte(`{"compilerOptions": {"strict": true, "target": "es2022", "module": "nodenext", "lib": ["es2023", "dom", "dom.iterable"], "types": ["node"], "allowJs": true, "checkJs": false, "outDir": "out"}}`))
	functions := 0
	for _, m := range listing.FindAllStringSubmatch(string(page), -1) {
		name, text := "", m[2]
		if m[1] == "mjs" {
			name = strings.Fields(text)[1] // "// register.mjs — …"
		} else {
			functions++
			name = []string{"", "session.ts", "errors.ts", "webhook.ts", "express.ts", "fastify.ts"}[functions]
		}
		keep(t, filepath.Join(dir, name), []byte(text))
	}
	run := func(env []string, name string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		var complaint strings.Builder
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, complaint.String())
		}
		return string(out)
	}
	run(nil, "node", absolute(t, "../../../node_modules/typescript/bin/tsc"), "-p", dir)

	env := []string{"ATS_URL=" + s.URL, "ATS_API_KEY=" + s.APIKey, "ATS_SECRET_KEY=" + s.SecretKey}
	keep(t, filepath.Join(dir, "song.wav"), harness.WAV(1))
	keep(t, filepath.Join(dir, "other.wav"), harness.WAV(2))
	ats := strings.Fields(run(env, "node", "register.mjs", "song.wav", "Night Train"))
	if len(ats) != 2 || !strings.HasPrefix(ats[1], s.URL) {
		t.Fatal(ats)
	}
	if out := run(env, "node", "update.mjs", ats[0]); !strings.Contains(out, "Night Train 2") {
		t.Errorf("update: %q", out)
	}
	for name, begins := range map[string]string{"evidence.json": "{", "certificate.pdf": "%PDF-"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.HasPrefix(string(b), begins) {
			t.Errorf("%s: %.20q %v", name, b, err)
		}
	}
	if out := run(env, "node", "resume.mjs", "other.wav", "Other Train"); strings.TrimSpace(out) == "" || exists(filepath.Join(dir, "other.wav.timbre-state.json")) {
		t.Errorf("resume: %q, and a finished registration leaves no state", out)
	}

	// The demo allows the pages of this machine, and not the domain of the listing.
	if out := run(env, "node", "--input-type=module", "-e", `const { session } = await import('./out/session.js'); const r = await session('user-17'); console.log(r.status, await r.text());`); !strings.HasPrefix(out, "403 ") || !strings.Contains(out, "session.origin_not_allowed") {
		t.Errorf("session: %q", out)
	}
	compiled := filepath.Join(dir, "out", "session.js")
	b, err := os.ReadFile(compiled)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, compiled, []byte(strings.ReplaceAll(string(b), "https://www.your-domain.example", "http://localhost:3000")))
	if out := run(env, "node", "--input-type=module", "-e", `const { session } = await import('./out/session.js'); const r = await session('user-17'); console.log(r.status, await r.text());`); !strings.HasPrefix(out, `200 {"token":"`) {
		t.Errorf("session: %q", out)
	}
	keep(t, filepath.Join(dir, "delivery.json"), delivered(t, s))
	out := run(env, "node", "--input-type=module", "-e", `
import { readFileSync } from 'node:fs';
const { body, headers, secret } = JSON.parse(readFileSync('delivery.json', 'utf8'));
process.env.WEBHOOK_SECRET = secret;
const { POST } = await import('./out/webhook.js');
for (const text of [body, body + ' ']) {
  const r = await POST(new Request('http://localhost/', { method: 'POST', body: text, headers }));
  console.log(r.status, await r.text());
}`)
	if !strings.HasPrefix(out, "200 ok\n400 No signature matches.") {
		t.Errorf("webhook: %q", out)
	}
}
