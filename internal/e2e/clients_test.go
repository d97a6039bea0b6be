package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/harness"
)

const clientsDir = "../../testdata/clients"

// goClient generates and builds the client of oapi-codegen from a description.
func goClient(t *testing.T, description string) []string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "main.go", "config.yaml"} {
		copyFile(t, filepath.Join(clientsDir, "go", name), filepath.Join(dir, name))
	}
	built(t, dir, "go", "tool", "oapi-codegen", "-config", "config.yaml", description)
	program := filepath.Join(dir, "client")
	built(t, dir, "go", "build", "-o", program, ".")
	return []string{program}
}

// tsClient generates the types of openapi-typescript from a description, checks the client
// against them, and compiles it.
func tsClient(t *testing.T, description string) []string {
	t.Helper()
	tools, err := filepath.Abs(filepath.Join(clientsDir, "typescript", "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../../node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(tools, "openapi-typescript")); err != nil {
		browser.Missing(t, "no openapi-typescript: npm ci at the root installs it")
	}
	dir := t.TempDir()
	for _, name := range []string{"main.ts", "tsconfig.json", "package.json"} {
		copyFile(t, filepath.Join(clientsDir, "typescript", name), filepath.Join(dir, name))
	}
	if err := os.Symlink(root, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	built(t, dir, "node", filepath.Join(tools, "openapi-typescript/bin/cli.js"), description, "-o", "api.d.ts")
	built(t, dir, "node", filepath.Join(tools, "typescript/bin/tsc"), "-p", ".")
	return []string{"node", filepath.Join(dir, "main.js")}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func built(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// Clients that two generators of others make from the served description register songs, by a
// session token and by an API key. The evidence of each song is valid.
func TestGeneratedClients(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, harness.Options{})
	description := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(description, []byte(get(t, s.URL+"/openapi.json")), 0o600); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.APIKey, "afo_sk_live_") {
		t.Fatalf("the API key is %q", s.APIKey)
	}
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(get(t, s.URL+"/log/testnet/key")), 0o600); err != nil {
		t.Fatal(err)
	}
	seed := 0
	for name, make := range map[string]func(*testing.T, string) []string{"oapi-codegen": goClient, "openapi-typescript": tsClient} {
		t.Run(name, func(t *testing.T) {
			program := make(t, description)
			for by, environment := range map[string][]string{"session": {"SECRET_KEY=" + s.SecretKey, "SITE_KEY=" + s.SiteKey}, "key": {"API_KEY=" + s.APIKey}} {
				seed++
				recording := filepath.Join(t.TempDir(), "song.wav")
				if err := os.WriteFile(recording, harness.WAV(seed), 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.CommandContext(t.Context(), program[0], program[1:]...)
				cmd.Env = append(append(os.Environ(), environment...), "SERVER="+s.URL, "ORIGIN=http://localhost:3000", "TITLE="+name+" by "+by, "RECORDING="+recording)
				cmd.Stderr = t.Output()
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("by %s: %v", by, err)
				}
				var made struct {
					AtsID      int64  `json:"ats_id"`
					Commitment string `json:"commitment"`
				}
				if err := json.Unmarshal(out, &made); err != nil || made.AtsID == 0 {
					t.Fatalf("by %s: %v in %s", by, err, out)
				}
				proof := filepath.Join(t.TempDir(), "evidence.json")
				if text, ok := tool(t, s, "works", "evidence", strconv.FormatInt(made.AtsID, 10), "--network", "testnet", "-o", proof); !ok {
					t.Fatalf("by %s: %s", by, text)
				}
				text, ok := tool(t, s, "verify", proof, "--media", recording, "--log-key", keyFile)
				if !ok {
					t.Errorf("by %s: %s", by, text)
				}
				if b, err := os.ReadFile(proof); err != nil || !strings.Contains(string(b), strings.TrimPrefix(made.Commitment, "0x")) {
					t.Errorf("by %s: the evidence has another commitment than %s: %v", by, made.Commitment, err)
				}
				fmt.Fprintln(t.Output(), name, "by", by, "registered", made.AtsID)
			}
		})
	}
}
