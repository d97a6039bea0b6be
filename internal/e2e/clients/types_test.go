package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// consumer uses every part of the package in the strictest mode.
const consumer = `
import { Timbre, TimbreError, WebhookError, is, verifyWebhook } from '@timbre/client';
import type { Code, Progress, Recording, RegisterOptions, Registered, State, Webhook } from '@timbre/client';

const timbre = new Timbre({ server: 'https://ats.example', apiKey: 'k' });
export async function register(file: Blob, state: State | undefined, signal: AbortSignal): Promise<Registered> {
  const options: RegisterOptions = {
    title: 't', creators: [{ full_name: 'a', email: 'b', roles: { author: true } }], network: 'testnet', file, state, signal,
    onQuote: (quote) => quote.total_price_credits < 3, onProgress: (p: Progress) => void p.loaded, onState: async (s) => void s.key,
  };
  return timbre.register(options);
}
export const hook = async (r: Request): Promise<Webhook> => verifyWebhook(await r.arrayBuffer(), r.headers, 'whsec_');
export function code(error: unknown): Code | (string & {}) | undefined {
  if (is(error, 'transaction.expired')) return error.details.reason;
  if (is(error)) return error.forPage().code;
  return error instanceof WebhookError ? String(error.status) : undefined;
}
export const bytes: Recording = new Uint8Array(1);
export const error: typeof TimbreError = TimbreError;
export const update = () => timbre.update({ ats_id: 1, creators: [], network: 'testnet' });
// @ts-expect-error: an update needs a number or an access code.
export const none = () => timbre.update({ creators: [] });
// @ts-expect-error: the network is one of two.
export const mint = () => timbre.mint({ action_type: 'register', allowed_network: 1 });
`

// The types of the package hold in the strictest mode, with each resolution of modules, with and without the DOM. CommonJS reads
// the package as docs/typescript.md says.
func TestTypes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	scope := filepath.Join(dir, "node_modules", "@timbre")
	if err := os.MkdirAll(scope, 0o700); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{filepath.Join(scope, "client"): packaged(t), filepath.Join(dir, "node_modules", "@types"): absolute(t, "../../../node_modules/@types")} {
		if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
	}
	const required = "import client = require('@timbre/client');\nexport = client.Timbre;\n"
	for name, text := range map[string]string{
		"consumer.mts": consumer, "required.cts": required, "refused.cts": "// @ts-expect-error: require reads no ES module.\n" + required,
		"required.cjs": "const { Timbre } = require('@timbre/client');\nconsole.log(typeof Timbre);\n",
	} {
		keep(t, filepath.Join(dir, name), []byte(text))
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	strict := []string{
		absolute(t, "../../../node_modules/typescript/bin/tsc"), "--ignoreConfig", "--noEmit", "--strict", "--exactOptionalPropertyTypes", "--verbatimModuleSyntax",
		"--noUncheckedIndexedAccess", "--noPropertyAccessFromIndexSignature", "--isolatedModules", "--target", "es2022", "--types", "node",
	}
	for _, more := range [][]string{
		{"--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2023,dom,dom.iterable", "consumer.mts"},
		{"--module", "node16", "--lib", "es2023", "consumer.mts", "refused.cts"},
		{"--module", "nodenext", "--lib", "es2023,dom,dom.iterable", "consumer.mts", "required.cts"},
	} {
		run("node", append(strict, more...)...)
	}
	if can := strings.TrimSpace(run("node", "-p", "process.features.require_module ?? false")); can != "true" {
		t.Logf("this Node.js has no require of ES modules: %s", can)
	} else if out := run("node", "required.cjs"); !strings.HasSuffix(out, "function\n") {
		t.Errorf("require: %s", out)
	}
}
