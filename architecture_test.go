// Package timbre holds the rules that no single room can hold: who may import
// whom. It has no code.
package timbre_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "timbre.example/"

// rooms lists, for every package, the packages of this module that it may
// import, and why no others. A package that is not listed fails the test: say
// where it stands first.
var rooms = map[string]struct {
	may []string
	why string
}{
	"commitment":                 {nil, "a verifier takes this package alone: standard library only"},
	"evidence":                   {[]string{"commitment", "internal/network/log/leaf"}, "a verifier takes this package: besides the protocol and the log's texts only the standard library, golang.org/x/mod, golang.org/x/crypto and a reader of signed messages (CMS)"},
	"fault":                      {[]string{"fault/internal/placeholder"}, "everybody's refusals: it may depend on nobody"},
	"fault/gen":                  {[]string{"fault/internal/placeholder"}, "runs before fault's own generated code exists"},
	"fault/internal/placeholder": {nil, "shared by fault and its generator"},

	"internal/store":           {[]string{"internal/legible", "internal/operation", "internal/store/query"}, "it knows transactions, not what they mean; a migration makes keys of titles anew"},
	"internal/store/query":     {[]string{"internal/state"}, "generated"},
	"internal/state":           {nil, "states and their changes, as data: everybody may read them"},
	"internal/store/storetest": {[]string{"internal/store"}, "gives tests databases"},

	"internal/space": {nil, "what file systems say; it knows no file"},

	"internal/blob":          {[]string{"fault", "internal/operation", "internal/space"}, "bytes under keys, nobody's in particular"},
	"internal/blob/blobtest": {[]string{"internal/blob"}, "the contract of every object store"},
	"internal/blob/s3test":   {nil, "somebody else's server, for tests"},
	"internal/media":         {[]string{"fault"}, "says what a file is; it must not know whose"},

	"internal/legible": {nil, "characters alone; whose text it is, and what is refused, is its callers'"},

	"internal/crash": {nil, "where a test may kill the process; nothing in a server"},

	"internal/operation": {[]string{"fault"}, "names what failed, in an error that leaves a package"},

	"internal/metrics": {nil, "every metric of the process, from numbers and functions that it is given; it knows no part of the server"},
	"internal/tracing": {nil, "spans for a collector, from request ids alone; it stores nothing"},
	"internal/events":  {[]string{"internal/metrics", "internal/tracing"}, "one log line and one metric for each event of a life"},

	"internal/network":                {[]string{"evidence"}, "a seam has no opinions; what a network proves has the form that verifiers read"},
	"internal/network/networktest":    {[]string{"evidence", "internal/network", "internal/network/log/leaf"}, "a network that fails on request"},
	"internal/network/log":            {[]string{"evidence", "fault", "internal/crash", "internal/events", "internal/network", "internal/network/log/checkpoint", "internal/network/log/leaf", "internal/store", "internal/store/query"}, "a network knows commitments, not works"},
	"internal/network/log/checkpoint": {nil, "keeps one text outside of a database; it never reads it"},
	"internal/network/log/leaf":       {nil, "the texts that are logged: verifiers read them"},

	"internal/credits": {[]string{"fault", "internal/operation", "internal/store", "internal/store/query"}, "money knows transactions by id only"},
	"internal/session": {[]string{"fault", "internal/credits", "internal/legible", "internal/network", "internal/operation", "internal/store", "internal/store/query", "internal/work"}, "who is calling; the balance is part of the mint's check"},

	"internal/limit": {[]string{"internal/operation", "internal/store", "internal/store/query", "internal/work"}, "counts calls by key; what a key is, and how a refusal reads, is its caller's"},

	"internal/share": {nil, "slots by turns; whose and for what is its caller's"},

	"internal/certificate":         {[]string{"internal/legible"}, "a page from what it is told: no row, no file, no clock"},
	"internal/certificate/pdftest": {nil, "PDFs for tests; it shares no code with the reader that it checks"},

	"internal/timestamp":         {[]string{"commitment", "evidence"}, "a token is what verifiers take for one; it knows no work"},
	"internal/timestamp/tsatest": {nil, "somebody else's authority, for tests"},

	"internal/work": {nil, "the loop of all background work; what a step does is its caller's"},

	"internal/record":     {[]string{"commitment", "fault", "internal/credits", "internal/operation", "internal/store", "internal/store/query"}, "values in rows that several rooms share; it decides nothing"},
	"internal/accesscode": {[]string{"fault"}, "a code from a secret; which work it opens is its callers'"},
	"internal/turns":      {nil, "an order; what waits is its callers'"},
	"internal/claims":     {[]string{"fault", "internal/operation", "internal/record", "internal/store", "internal/store/query"}, "what a job reserves and a failed transaction gives back: both sides are here"},
	"internal/files":      {[]string{"fault", "internal/blob", "internal/operation", "internal/record", "internal/store", "internal/store/query"}, "which files jobs and works have; it opens none"},

	"internal/intake": {[]string{"commitment", "fault", "internal/accesscode", "internal/blob", "internal/claims", "internal/credits", "internal/events", "internal/files", "internal/legible", "internal/media", "internal/network", "internal/operation", "internal/record", "internal/session", "internal/share", "internal/space", "internal/state", "internal/store", "internal/store/query"},
		"jobs up to the confirm; it sends nothing to a network"},
	"internal/anchoring": {[]string{"commitment", "fault", "internal/accesscode", "internal/claims", "internal/credits", "internal/events", "internal/network", "internal/operation", "internal/record", "internal/state", "internal/store", "internal/store/query", "internal/work"},
		"transactions up to their end; it knows no caller and no file"},
	"internal/works": {[]string{"commitment", "fault", "internal/accesscode", "internal/blob", "internal/credits", "internal/legible", "internal/media", "internal/network", "internal/operation", "internal/record", "internal/session", "internal/state", "internal/store", "internal/store/query", "internal/work"},
		"reads what is registered; it drives nothing"},
	"internal/issuing": {[]string{"commitment", "evidence", "fault", "internal/blob", "internal/events", "internal/files", "internal/network", "internal/operation", "internal/record", "internal/store", "internal/store/query", "internal/turns", "internal/work"},
		"proofs of final versions; it knows no caller and no layout"},
	"internal/erasing": {[]string{"commitment", "fault", "internal/blob", "internal/events", "internal/files", "internal/network", "internal/operation", "internal/record", "internal/space", "internal/state", "internal/store", "internal/store/query", "internal/turns", "internal/work"},
		"removes what must not stay; it knows no caller"},

	"internal/registry": {[]string{"internal/accesscode", "internal/anchoring", "internal/blob", "internal/crash", "internal/credits", "internal/erasing", "internal/events", "internal/files", "internal/intake", "internal/issuing", "internal/network", "internal/operation", "internal/space", "internal/store", "internal/store/query", "internal/work", "internal/works"},
		"builds the rooms and connects them; it decides nothing"},

	"internal/registry/registrytest": {[]string{"internal/blob", "internal/network/log/leaf"}, "checks the invariants; it shares no code with what it checks"},

	"internal/api":      {[]string{"commitment", "fault", "internal/intake", "internal/limit", "internal/metrics", "internal/network", "internal/record", "internal/registry", "internal/session", "internal/space", "internal/store", "internal/tracing", "internal/works"}, "translates; it touches no row and no file itself"},
	"internal/explorer": {[]string{"evidence", "fault", "internal/legible", "internal/network", "internal/network/log", "internal/network/log/leaf"}, "shows what the log holds and nothing of ours beyond it"},
	"internal/docsite":  {[]string{"docs", "fault"}, "shows documents and the catalogue; it knows nothing of a running server"},
	"internal/demo":     {[]string{"fault"}, "an integrator's page: it may use only what an integrator has"},

	"internal/compressed": {nil, "bodies in fewer bytes; what they say is not its business"},

	"docs":         {nil, "the documents, embedded"},
	"widget":       {nil, "the built bundle, embedded"},
	"widget/build": {[]string{"internal/compressed"}, "builds it, as it is and compressed"},
	"verify":       {nil, "the page that verifies in a browser, embedded: what it checks never comes here"},
	"verify/build": {[]string{"internal/compressed"}, "builds it, and weighs it as it is served"},

	"cmd/timbre": {[]string{"*"}, "wires everything"},
}

func TestArrowsPointDown(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	type pkg struct {
		ImportPath string
		Imports    []string
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "timbre.example" || testOnly(name) {
			continue
		}
		room, ok := rooms[name]
		if !ok {
			t.Errorf("%s is not in the plan: add it to rooms, with what it may import and why", name)
			continue
		}
		for _, i := range p.Imports {
			imported, ours := strings.CutPrefix(i, module)
			switch {
			case !ours && (name == "commitment" || name == "fault") && strings.Contains(strings.Split(i, "/")[0], "."):
				t.Errorf("%s imports %s: %s", name, i, room.why)
			case !ours && name == "evidence" && strings.Contains(strings.Split(i, "/")[0], ".") && !strings.HasPrefix(i, "golang.org/x/mod/") && !strings.HasPrefix(i, "golang.org/x/crypto/") && i != "github.com/digitorus/pkcs7":
				t.Errorf("%s imports %s: %s", name, i, room.why)
			case ours && !slices.Contains(room.may, "*") && !slices.Contains(room.may, imported):
				t.Errorf("%s imports %s: %s", name, imported, room.why)
			}
		}
	}
}

// testOnly packages run the finished program from outside, and may use anything.
func testOnly(name string) bool {
	return name == "internal/e2e" || strings.HasPrefix(name, "internal/e2e/") || name == "internal/bench"
}
