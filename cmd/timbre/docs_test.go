package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"timbre.example/internal/fault"
)

// pasted returns the blocks of a document that a reader would paste into a shell. The test
// fails if there are fewer than least.
func pasted(t *testing.T, document string, least int) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + document)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < least {
		t.Fatalf("%s has %d blocks of shell", document, len(blocks))
	}
	var script strings.Builder
	fmt.Fprintf(&script, "echo '== %s'\n", document)
	for _, b := range blocks {
		script.WriteString(b[1])
	}
	return script.String()
}

// The documents are followed line by line, with the real binary and a real shell. The
// code between the blocks creates the state that a reader has at that point, and checks
// what the document promises.
func TestDocumentsAreFollowed(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl", "jq", "xxd"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("TIMBRE_TEST_ALL") != "" {
				t.Fatal(err)
			}
			t.Skipf("skipped without %s (apt-get install %s)", tool, tool)
		}
	}
	var script strings.Builder
	script.WriteString("set -eu -o pipefail\n")
	script.WriteString(pasted(t, "api.md", 12))
	script.WriteString(`
[[ $TOKEN == eyJ* && $ACCESS_CODE == atc_* && ${#ACCESS_CODE} == 68 && $TX_HASH == 0x* && $BLOCK_HASH == 0x* ]]
PATH=$PWD:$PATH
ORG=$(field organization_id < timbre-demo/demo.json)
export TIMBRE_DATABASE_URL=$(field database_url < timbre-demo/demo.json)
UPDATE_TOKEN=$(curl --fail-with-body -sS "$URL/v1/sessions" -H 'Content-Type: application/json' -H "Origin: $ORIGIN" \
  -d "{\"secret_key\": \"$SECRET_KEY\", \"action_type\": \"update_version\", \"allowed_network\": \"testnet\"}" | field token)
OLD_CODE=$ACCESS_CODE
`)
	script.WriteString(pasted(t, "access-codes.md", 4))
	script.WriteString(`
grep -q '"title":"Porch Light"' work.json
[[ $(head -c 8 again.pdf) == %PDF-1.7 ]]
[[ $ACCESS_CODE == atc_* && ${#ACCESS_CODE} == 68 && $ACCESS_CODE != $OLD_CODE ]]
timbre org show "$ORG" | grep -q '^access code ttl *no end$'
timbre keys create "$ORG" --test --json > test-keys.json
TEST_SECRET_KEY=$(field secret_key < test-keys.json)
`)
	script.WriteString(pasted(t, "authentication.md", 5))
	script.WriteString(`
[[ $(field token < session.json) == eyJ* ]]
TOKEN=$(field token < rehearsal.json)
SITE_KEY=$(field site_key < test-keys.json)
REHEARSED=$(call /v1/works/init '{
  "title": "Nobody has this one", "filename": "song.wav", "network": "testnet",
  "creators": [{"full_name": "Ada Example", "email": "ada@songs.example", "roles": {"author": true}}]
}' || true)
[[ $(echo "$REHEARSED" | field code) == registration.duplicate_title ]]
grep -q '"kty":"OKP"' jwks.json
`)
	script.WriteString(pasted(t, "error-handling.md", 3))
	script.WriteString(`
grep -q '^HTTP/1.1 401 ' refused.txt
grep -q '"code":"common.auth.invalid_api_key"' refused.txt
grep -qi "^link: <$URL/docs/errors#common.auth.invalid_api_key>; rel=\"help\"" refused.txt
grep -q '"code":"idempotency.key_reused"' errors.json
`)
	script.WriteString(pasted(t, "certificate.md", 1))
	script.WriteString(`
[[ $(head -c 8 certificate.pdf) == %PDF-1.7 ]]
grep -aq '/URI (https://timbre.example/w/testnet/1)' certificate.pdf
timbre works certificate 1 --network testnet --work-version 9 --public-url https://timbre.example -o none.pdf 2> none.txt && exit 1
grep -q 'work.certificate_unavailable' none.txt
timbre works certificate 9 --network testnet --public-url https://timbre.example -o none.pdf 2> none.txt && exit 1
grep -q 'work.not_found' none.txt
timbre works certificate 1 --network testnet --public-url https://timbre.example -o none.pdf --cert-file song.wav 2> none.txt && exit 1
timbre works evidence 1 --network testnet -o evidence.json && grep -aqF "$(sed -n 2p evidence.json)" certificate.pdf
grep -q 'give both the signing certificate' none.txt && [[ ! -e none.pdf ]]
`)
	script.WriteString("export TIMBRE_SECRET_FILE=timbre-demo/secret\n{\n")
	script.WriteString(pasted(t, "evidence.md", 7))
	script.WriteString(`
} | tee evidence.txt
[[ $(grep -c ' is right$' evidence.txt) == 5 && $(stat -c %a evidence.json) == 600 ]]
grep -v '"filename"' evidence.json | cmp - redacted.json # it has one creator
cmp mine.json redacted.json
timbre works evidence 1 --network testnet --work-version 1 -o - | cmp - evidence.json
timbre works evidence 1 --network testnet --only-creator 2 -o none.json 2> none.txt && exit 1
grep -q 'the work has no creator at this position' none.txt && [[ ! -e none.json ]]
timbre works evidence 1 --network testnet --work-version 9 -o none.json 2> none.txt && exit 1
grep -q 'work.certificate_unavailable' none.txt
timbre works evidence 9 --network testnet -o none.json 2> none.txt && exit 1
grep -q 'work.not_found' none.txt
TIMBRE_SECRET_FILE=none timbre works evidence 1 --network testnet -o none.json 2> none.txt && exit 1
grep -q 'secret file' none.txt
`)
	script.WriteString(pasted(t, "organization-api.md", 6))
	script.WriteString(`
[[ $API_KEY == afo_sk_live_* && ${#API_KEY} == 60 ]]
grep -q '"title":"Night Train"' works.json && grep -q '"total_count":1' works.json && grep -q '"external_user_ref":"user-17"' works.json
grep -q '"latest_version":2' work.json && grep -q '"version":2' versions.json
[[ $(head -c 8 night-train.pdf) == %PDF-1.7 ]]
timbre works evidence "$ATS_ID" --network testnet --work-version 1 -o - | cmp - proof.json
`)
	script.WriteString(pasted(t, "quick-start.md", 1))
	script.WriteString(`
timbre origins list "$ORG" > origins.txt
grep -q '^https://www.your-domain.example$' origins.txt && grep -q '^localhost:\*$' origins.txt
echo followed
`)

	dir := t.TempDir()
	binary := filepath.Join(dir, "timbre")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	demo := exec.Command(binary, "demo", "--addr", "127.0.0.1:0", "--block-time", "10ms")
	demo.Dir = dir
	demo.Env = clean()
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	demo.Stderr = t.Output()
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := demo.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := demo.Wait(); err != nil {
			t.Errorf("demo ended with %v", err)
		}
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "Timbre demo: ") {
		t.Fatalf("%q, %v", line, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-x", "-c", script.String())
	bash.Dir = dir
	bash.Env = clean()
	said, err := bash.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(said), "followed\n") {
		t.Errorf("%v:\n%s", err, said)
	}
}

// clean returns the environment without variables that would configure a server.
func clean() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "TIMBRE_") && !strings.Contains(strings.ToLower(e[:strings.IndexByte(e+"=", '=')]), "proxy") {
			env = append(env, e)
		}
	}
	return env
}

// Every code that docs/api.md names is in the catalogue, with that status.
func TestAPIDocumentCodes(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, m := range regexp.MustCompile("(?m)^\\| ((?:`[a-z_.]+`(?:, )?)+) \\| ([0-9]{3}) \\|").FindAllStringSubmatch(string(text), -1) {
		for code := range strings.SplitSeq(m[1], ", ") {
			named++
			entry, ok := fault.Lookup(fault.Code(strings.Trim(code, "`")))
			if !ok || m[2] != string([]byte{byte('0' + entry.Status/100), byte('0' + entry.Status/10%10), byte('0' + entry.Status%10)}) {
				t.Errorf("%s with status %s is not in the catalogue", code, m[2])
			}
		}
	}
	if named < 35 {
		t.Errorf("only %d codes found", named)
	}
}
