// Package timbre holds the rules that no single room can hold: who may import
// whom. It has no code.
package timbre_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	"proof/commitment":                    {nil, "a verifier takes this package alone: standard library only"},
	"proof/evidence":                      {[]string{"proof/commitment", "proof/evidence/internal/cms", "proof/evidence/internal/ots", "proof/evidence/leaf"}, "a verifier takes this package: besides the module's packages only the standard library, golang.org/x/mod and golang.org/x/crypto"},
	"proof/evidence/internal/cms":         {nil, "signed messages alone: what they prove is evidence's; standard library only"},
	"proof/evidence/internal/cms/cmstest": {nil, "writes messages for tests; it shares no code with the reader"},
	"proof/evidence/internal/ots":         {nil, "the steps of OpenTimestamps files alone: which block counts is evidence's; standard library only"},
	"proof/evidence/leaf":                 {nil, "the texts that are logged: verifiers read them"},
	"proof/pdf":                           {nil, "an attachment's bytes: what they prove is evidence's; standard library only"},
	"proof/pdf/pdftest":                   {nil, "PDFs for tests; it shares no code with the reader that it checks"},

	"client": {nil, "an integrator's program takes this package: standard library only"},

	"internal/fault":                      {[]string{"internal/fault/internal/placeholder"}, "everybody's refusals: it may depend on nobody"},
	"internal/fault/gen":                  {[]string{"internal/fault/internal/placeholder"}, "runs before fault's own generated code exists"},
	"internal/fault/internal/placeholder": {nil, "shared by fault and its generator"},

	"internal/store":           {[]string{"internal/legible", "internal/operation", "internal/store/query"}, "it knows transactions, not what they mean; a migration makes keys of titles anew"},
	"internal/store/query":     {[]string{"internal/state"}, "generated"},
	"internal/state":           {nil, "states and their changes, as data: everybody may read them"},
	"internal/store/lock":      {nil, "keeps the hashes of migrations; it opens no database"},
	"internal/store/storetest": {[]string{"internal/store"}, "gives tests databases"},

	"internal/space": {nil, "what file systems say; it knows no file"},

	"internal/blob":          {[]string{"internal/fault", "internal/operation", "internal/space"}, "bytes under keys, nobody's in particular"},
	"internal/blob/blobtest": {[]string{"internal/blob"}, "the contract of every object store"},
	"internal/blob/s3test":   {nil, "somebody else's server, for tests"},
	"internal/media":         {[]string{"internal/fault"}, "says what a file is; it must not know whose"},

	"internal/legible": {nil, "characters alone; whose text it is, and what is refused, is its callers'"},

	"internal/crash": {nil, "where a test may kill the process; nothing in a server"},

	"internal/operation": {[]string{"internal/fault"}, "names what failed, in an error that leaves a package"},

	"internal/metrics": {nil, "every metric of the process, from numbers and functions that it is given; it knows no part of the server"},
	"internal/tracing": {nil, "spans for a collector, from request ids alone; it stores nothing"},
	"internal/events":  {[]string{"internal/metrics", "internal/tracing"}, "one log line and one metric for each event of a life"},

	"internal/network":                         {[]string{"proof/evidence"}, "a seam has no opinions; what a network proves has the form that verifiers read"},
	"internal/network/networktest":             {[]string{"proof/evidence", "internal/network", "proof/evidence/leaf"}, "a network that fails on request"},
	"internal/network/log":                     {[]string{"proof/evidence", "proof/evidence/leaf", "internal/crash", "internal/events", "internal/fault", "internal/network", "internal/network/log/checkpoint", "internal/network/log/cosign", "internal/network/log/receipt", "internal/operation", "internal/store", "internal/store/query"}, "a network knows commitments, not works"},
	"internal/network/log/receipt":             {nil, "writes a form, and reads no database"},
	"internal/network/log/cosign":              {[]string{"internal/operation", "proof/evidence"}, "asks one witness; what is kept, and when it is asked again, is the log's"},
	"internal/network/substrate":               {[]string{"proof/evidence", "internal/crash", "internal/network", "internal/network/substrate/extrinsic", "internal/network/substrate/metadata", "internal/network/substrate/rpc", "internal/network/substrate/scale", "internal/network/substrate/sr25519", "internal/network/substrate/ss58", "internal/network/substrate/storagekey", "internal/store", "internal/store/query"}, "a network knows commitments, not works"},
	"internal/network/substrate/scale":         {nil, "a coding; what it codes is its callers'"},
	"internal/network/substrate/metadata":      {[]string{"internal/network/substrate/scale"}, "reads what a runtime says of itself; it knows no pallet"},
	"internal/network/substrate/extrinsic":     {[]string{"internal/network/substrate/metadata", "internal/network/substrate/scale", "internal/network/substrate/sr25519"}, "builds and signs bytes; it sends nothing"},
	"internal/network/substrate/storagekey":    {[]string{"internal/network/substrate/metadata"}, "names values; it reads none"},
	"internal/network/substrate/sr25519":       {[]string{"internal/network/substrate/scale"}, "keys and signatures; whose seed it is, is its callers'"},
	"internal/network/substrate/signer":        {[]string{"internal/network/substrate/sr25519"}, "asks for signatures; what is signed is its callers'"},
	"internal/network/substrate/ss58":          {nil, "writes addresses"},
	"internal/network/substrate/rpc":           {nil, "asks nodes; it does not know what"},
	"internal/network/substrate/substratetest": {[]string{"internal/network/substrate/extrinsic", "internal/network/substrate/metadata", "internal/network/substrate/node", "internal/network/substrate/rpc", "internal/network/substrate/sr25519", "internal/network/substrate/storagekey"}, "gives tests a chain with funds"},
	"internal/network/substrate/node":          {[]string{"internal/network/substrate/scale", "internal/network/substrate/wasm"}, "somebody else's chain, for tests and development; it shares only the coding with what it checks"},
	"internal/network/substrate/wasm":          {[]string{"internal/network/substrate/scale"}, "runs code on a state; it knows no pallet and no block"},
	"internal/network/log/checkpoint":          {nil, "keeps one text outside of a database; it never reads it"},

	"internal/witness": {[]string{"internal/network/log/checkpoint", "internal/operation", "proof/evidence"}, "cosigns checkpoints of any log; it knows no entry, no database and no work"},
	"internal/monitor": {[]string{"internal/network/log/checkpoint", "internal/operation", "proof/evidence", "proof/evidence/leaf"}, "reads a log as a stranger does: over HTTP, without a database or a secret"},

	"internal/paths":      {[]string{"internal/network"}, "addresses that paper carries; it knows no page"},
	"internal/sheet":      {nil, "cells that no program runs; what they mean is its callers'"},
	"internal/credits":    {[]string{"internal/audit", "internal/fault", "internal/legible", "internal/operation", "internal/outbox", "internal/sheet", "internal/store", "internal/store/query", "internal/work"}, "money knows transactions by id only"},
	"internal/permission": {nil, "what roles and scopes open, as data"},
	"internal/audit":      {[]string{"internal/fault", "internal/operation", "internal/sheet", "internal/store", "internal/store/query"}, "who changed what; what a change means is its callers'"},
	"internal/account":    {[]string{"internal/audit", "internal/fault", "internal/legible", "internal/operation", "internal/quota", "internal/store", "internal/store/query"}, "organizations, keys and origins; who is calling is its callers'"},
	"internal/session":    {[]string{"internal/account", "internal/credits", "internal/fault", "internal/legible", "internal/network", "internal/operation", "internal/recent", "internal/store", "internal/store/query", "internal/work"}, "who is calling; the balance is part of the mint's check"},

	"internal/apikey": {[]string{"internal/account", "internal/audit", "internal/fault", "internal/legible", "internal/network", "internal/operation", "internal/permission", "internal/store", "internal/store/query", "internal/work"}, "backends by their keys; what a call does is its callers'"},
	"internal/people": {[]string{"internal/account", "internal/audit", "internal/crash", "internal/fault", "internal/legible", "internal/limit", "internal/mail", "internal/openid", "internal/operation", "internal/permission", "internal/share", "internal/store", "internal/store/query", "internal/work"}, "persons, their sessions and roles; it knows no page and no cookie"},
	"internal/openid": {[]string{"internal/operation"}, "what a provider states about a person; who the person is, is its callers'"},
	"internal/mail":   {[]string{"internal/operation", "internal/outbox", "internal/store", "internal/store/query", "internal/work"}, "texts and their delivery; who receives a mail, and its link, are its callers'"},

	"internal/limit": {[]string{"internal/operation", "internal/store", "internal/store/query", "internal/work"}, "counts calls by key; what a key is, and how a refusal reads, is its caller's"},

	"internal/share": {nil, "slots by turns; whose and for what is its caller's"},

	"internal/certificate": {[]string{"internal/legible", "proof/pdf"}, "a page from what it is told: no row, no file, no clock; the reader names the attachment"},

	"internal/timestamp":         {[]string{"proof/commitment", "proof/evidence"}, "a token is what verifiers take for one; it knows no work"},
	"internal/timestamp/tsatest": {nil, "somebody else's authority, for tests"},

	"internal/lasting":             {[]string{"internal/certificate", "internal/operation", "proof/commitment", "proof/evidence"}, "asks authorities about signatures; it stores nothing, and trusts nobody for the reader"},
	"internal/lasting/lastingtest": {nil, "somebody else's authorities, for tests"},
	"internal/outbound":            {nil, "requests to addresses that others name; what is sent is its callers'"},
	"internal/witness/witnesstest": {nil, "somebody else's witness, for tests"},

	"internal/work": {nil, "the loop of all background work; what a step does is its caller's"},

	"internal/record":     {[]string{"proof/commitment", "internal/credits", "internal/fault", "internal/operation", "internal/store", "internal/store/query"}, "values in rows that several rooms share; it decides nothing"},
	"internal/search":     {[]string{"internal/operation", "internal/record", "internal/store", "internal/store/query", "internal/work", "proof/commitment"}, "finds works by words; who may search is its callers'"},
	"internal/tally":      {[]string{"internal/fault", "internal/operation", "internal/record", "internal/state", "internal/store", "internal/store/query", "internal/work"}, "numbers of days; it reads no work"},
	"internal/accesscode": {[]string{"internal/fault"}, "a code from a secret; which work it opens is its callers'"},
	"internal/recent":     {nil, "a memory; what is remembered is its callers'"},
	"internal/turns":      {nil, "an order; what waits is its callers'"},
	"internal/quota":      {[]string{"internal/fault", "internal/operation", "internal/store", "internal/store/query"}, "the registrations of a month: a confirm counts one, a failure gives it back, a new setting begins again"},
	"internal/claims":     {[]string{"internal/fault", "internal/operation", "internal/record", "internal/store", "internal/store/query"}, "what a job reserves and a failed transaction gives back: both sides are here"},
	"internal/files":      {[]string{"internal/blob", "internal/fault", "internal/operation", "internal/record", "internal/store", "internal/store/query"}, "which files jobs and works have; it opens none"},
	"internal/outbox":     {[]string{"internal/operation", "internal/store", "internal/store/query", "internal/turns"}, "a queue in one table; what is delivered is its callers'"},

	"internal/webhook": {[]string{"internal/accesscode", "internal/audit", "internal/events", "internal/fault", "internal/legible", "internal/operation", "internal/outbound", "internal/outbox", "internal/share", "internal/store", "internal/store/query", "internal/work"},
		"endpoints and what is sent to them; who asks, and what a transaction is, is its callers'"},

	"internal/access": {[]string{"internal/accesscode", "internal/apikey", "internal/fault", "internal/network", "internal/operation", "internal/permission", "internal/record", "internal/session", "internal/state", "internal/store", "internal/store/query"},
		"who may do what with works: only its checks make the proofs that other packages take"},
	"internal/intake": {[]string{"proof/commitment", "internal/access", "internal/accesscode", "internal/blob", "internal/claims", "internal/credits", "internal/events", "internal/fault", "internal/files", "internal/legible", "internal/media", "internal/network", "internal/operation", "internal/quota", "internal/record", "internal/session", "internal/share", "internal/space", "internal/state", "internal/store", "internal/store/query"},
		"jobs up to the confirm; it sends nothing to a network"},
	"internal/anchoring": {[]string{"internal/accesscode", "internal/claims", "internal/credits", "internal/events", "internal/fault", "internal/network", "internal/operation", "internal/outbox", "internal/quota", "internal/record", "internal/search", "internal/state", "internal/store", "internal/store/query", "internal/tally", "internal/webhook", "internal/work", "proof/commitment"},
		"transactions up to their end; it knows no caller and no file"},
	"internal/works": {[]string{"proof/commitment", "internal/access", "internal/accesscode", "internal/audit", "internal/blob", "internal/credits", "internal/fault", "internal/legible", "internal/media", "internal/network", "internal/operation", "internal/record", "internal/session", "internal/state", "internal/store", "internal/store/query", "internal/work"},
		"reads what is registered; it drives nothing"},
	"internal/issuing": {[]string{"internal/blob", "internal/certificate", "internal/events", "internal/fault", "internal/files", "internal/lasting", "internal/network", "internal/operation", "internal/outbox", "internal/paths", "internal/record", "internal/stamping", "internal/store", "internal/store/query", "internal/turns", "internal/work", "proof/commitment", "proof/evidence"},
		"proofs of final versions; it knows no caller and no layout"},
	"internal/stamping": {[]string{"internal/events", "internal/fault", "internal/network", "internal/operation", "internal/store", "internal/store/query", "internal/turns", "internal/work", "proof/commitment", "proof/evidence"},
		"dates of others for hashes: it knows no work, no log and no authority by name"},
	"internal/stamping/calendartest": {nil, "somebody else's calendar, for tests"},
	"internal/erasing": {[]string{"proof/commitment", "internal/audit", "internal/blob", "internal/claims", "internal/events", "internal/fault", "internal/files", "internal/network", "internal/operation", "internal/record", "internal/search", "internal/space", "internal/state", "internal/store", "internal/store/query", "internal/turns", "internal/work"},
		"removes what must not stay; it knows no caller"},

	"internal/registry": {[]string{"internal/access", "internal/accesscode", "internal/anchoring", "internal/blob", "internal/certificate", "internal/crash", "internal/credits", "internal/erasing", "internal/events", "internal/files", "internal/intake", "internal/issuing", "internal/network", "internal/operation", "internal/search", "internal/space", "internal/stamping", "internal/store", "internal/store/query", "internal/tally", "internal/webhook", "internal/work", "internal/works"},
		"builds the rooms and connects them; it decides nothing"},

	"internal/registry/registrytest": {[]string{"internal/blob", "proof/evidence/leaf"}, "checks the invariants; it shares no code with what it checks"},

	"internal/openapi":             {[]string{"internal/fault"}, "describes operations and refusals; it knows no route"},
	"internal/openapi/typescript":  {nil, "writes types from a document; it knows no route and no server"},
	"internal/openapi/openapitest": {nil, "compares exchanges with a description; it shares no code with what it checks"},

	"internal/console":     {[]string{"internal/apikey", "internal/console/apikeys", "internal/console/auditlog", "internal/console/integration", "internal/console/ledger", "internal/console/members", "internal/console/operator", "internal/console/overview", "internal/console/person", "internal/console/settings", "internal/console/shell", "internal/console/signin", "internal/console/transactions", "internal/console/webhooks", "internal/console/works", "internal/network", "internal/operation", "internal/people", "internal/permission", "internal/registry", "internal/store", "internal/store/query", "internal/webhook"}, "composes the groups of pages; it has no page"},
	"internal/idempotency": {[]string{"internal/fault", "internal/operation", "internal/store", "internal/store/query", "internal/work"}, "answers of requests that may be repeated; what a request does is its callers'"},

	"internal/web":        {[]string{"internal/fault", "internal/idempotency", "internal/limit", "internal/metrics", "internal/openapi", "internal/operation", "internal/paths", "internal/requestlog", "internal/store", "internal/tracing"}, "what all HTTP faces share; it knows no face, no caller and no work"},
	"internal/api":        {[]string{"internal/access", "internal/apikey", "internal/fault", "internal/intake", "internal/limit", "internal/network", "internal/openapi", "internal/permission", "internal/record", "internal/registry", "internal/requestlog", "internal/session", "internal/space", "internal/store", "internal/web", "internal/works", "proof/commitment", "proof/evidence"}, "translates; it touches no row and no file itself"},
	"internal/manage":     {[]string{"internal/account", "internal/apikey", "internal/audit", "internal/credits", "internal/fault", "internal/limit", "internal/openapi", "internal/people", "internal/permission", "internal/requestlog", "internal/store", "internal/web", "internal/webhook"}, "translates; it decides nothing, and knows no work"},
	"internal/requestlog": {[]string{"internal/fault", "internal/operation", "internal/store", "internal/store/query", "internal/work"}, "calls as it is given them; it knows no route"},
	"internal/story":      {[]string{"internal/credits", "internal/fault", "internal/network", "internal/operation", "internal/record", "internal/requestlog", "internal/state", "internal/store", "internal/store/query"}, "reads what happened; who may read it is its callers'"},
	"internal/explorer":   {[]string{"internal/fault", "internal/legible", "internal/network", "internal/network/log", "internal/paths", "proof/commitment", "proof/evidence", "proof/evidence/leaf"}, "shows what a network holds, through the seam alone, and nothing of ours beyond it"},
	"internal/docsite":    {[]string{"docs", "internal/fault"}, "shows documents and the catalogue; it knows nothing of a running server"},
	"internal/demo":       {[]string{"internal/fault"}, "an integrator's page: it may use only what an integrator has"},

	"internal/console/apikeys":         {[]string{"internal/apikey", "internal/console/shell", "internal/permission"}, "API keys, as pages"},
	"internal/console/build":           {[]string{"internal/compressed"}, "builds the style and the script, and weighs them as they are served"},
	"internal/console/dist":            {nil, "the style and the script, embedded"},
	"internal/console/overview":        {[]string{"internal/account", "internal/console/shell", "internal/credits", "internal/network", "internal/permission", "internal/record", "internal/requestlog", "internal/search", "internal/store", "internal/store/query", "internal/tally"}, "the first page of an organization; it changes nothing"},
	"internal/console/auditlog":        {[]string{"internal/audit", "internal/console/shell", "internal/permission", "internal/store"}, "the audit log, as pages; it only reads"},
	"internal/console/ledger":          {[]string{"internal/account", "internal/console/shell", "internal/credits", "internal/permission", "internal/store"}, "credits, as pages; it grants none"},
	"internal/console/settings":        {[]string{"internal/account", "internal/console/shell", "internal/permission", "internal/store"}, "settings, as a page"},
	"internal/console/signin":          {[]string{"internal/console/shell", "internal/fault", "internal/openid", "internal/people"}, "the way in, as pages"},
	"internal/console/members":         {[]string{"internal/console/person", "internal/console/shell", "internal/fault", "internal/people", "internal/permission"}, "members and invitations of an organization, as pages"},
	"internal/console/operator":        {[]string{"internal/account", "internal/console/person", "internal/console/shell", "internal/credits", "internal/network", "internal/people", "internal/store"}, "the operator's view over all organizations, as pages"},
	"internal/console/person":          {[]string{"internal/console/shell", "internal/console/signin", "internal/fault", "internal/people"}, "a person's own account, as pages"},
	"internal/console/shell":           {[]string{"internal/audit", "internal/console/dist", "internal/fault", "internal/limit", "internal/people", "internal/permission", "internal/requestlog", "internal/web"}, "what all pages share; it knows no organization's data"},
	"internal/console/integration":     {[]string{"docs", "internal/account", "internal/console/shell", "internal/fault", "internal/limit", "internal/network", "internal/permission", "internal/session", "internal/store", "internal/web"}, "puts the widget on a site; account and session decide"},
	"internal/console/transactions":    {[]string{"internal/console/shell", "internal/fault", "internal/network", "internal/permission", "internal/requestlog", "internal/story", "internal/web", "internal/webhook"}, "what an organization tried to register; it changes nothing"},
	"internal/console/webhooks":        {[]string{"internal/console/shell", "internal/fault", "internal/permission", "internal/webhook"}, "pages of endpoints and deliveries; it decides nothing"},
	"internal/console/works":           {[]string{"internal/access", "internal/console/shell", "internal/erasing", "internal/fault", "internal/network", "internal/paths", "internal/permission", "internal/registry", "internal/search", "internal/store", "internal/works", "proof/evidence"}, "works and their versions, as pages; access decides"},
	"internal/console/shell/shelltest": {[]string{"internal/console/shell", "internal/fault", "internal/limit", "internal/metrics", "internal/people", "internal/permission", "internal/store", "internal/store/query", "internal/web"}, "checks the texts and forms of pages, with a visitor of each role"},

	"internal/bulk": {[]string{"client", "internal/fault", "internal/media", "internal/sheet"}, "registers as an integrator does, by the client alone: it knows no server and no database"},

	"internal/compressed": {nil, "bodies in fewer bytes; what they say is not its business"},

	"docs":                    {nil, "the documents, embedded"},
	"widget":                  {nil, "the built bundle, embedded"},
	"widget/build":            {[]string{"internal/compressed", "web/i18n"}, "builds it, as it is and compressed"},
	"packages":                {nil, "the npm packages, embedded"},
	"packages/build":          {[]string{"packages"}, "makes them"},
	"widget/lock":             {[]string{"widget"}, "keeps the hash of each released version"},
	"verify":                  {nil, "the page that verifies in a browser, embedded: what it checks never comes here"},
	"verify/build":            {[]string{"internal/compressed", "web/i18n"}, "builds it, and weighs it as it is served"},
	"internal/bench/anchor":   {[]string{"internal/anchoring", "internal/network", "internal/network/substrate", "internal/network/substrate/sr25519", "internal/store"}, "our client of the measurement on a chain; it judges no number"},
	"internal/bench/capacity": {nil, "computes a page from a measured file; it measures and starts nothing"},
	"web/ui":                  {nil, "writes the tokens of design into the sheets; nothing in a server"},
	"web/i18n":                {nil, "the texts of the widget and of /verify, for their builds; nothing in a server"},

	"cmd/timbre": {[]string{"*"}, "wires everything"},
}

// packages returns the imports of every package of the tree that has code.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,GoFiles,Imports", "./...", module+"client/...", module+"proof/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath       string
			GoFiles, Imports []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			all[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
		}
	}
}

func TestArrowsPointDown(t *testing.T) {
	t.Parallel()
	for name, imports := range packages(t) {
		if testOnly(name) {
			continue
		}
		room, ok := rooms[name]
		if !ok {
			t.Errorf("%s is not in the plan: add it to rooms, with what it may import and why", name)
			continue
		}
		for _, i := range imports {
			imported, ours := strings.CutPrefix(i, module)
			switch {
			case !ours && (name == "client" || name == "proof/commitment" || name == "proof/evidence/leaf" || name == "proof/evidence/internal/cms" || name == "proof/pdf" || name == "internal/fault") && strings.Contains(strings.Split(i, "/")[0], "."):
				t.Errorf("%s imports %s: %s", name, i, room.why)
			case !ours && name == "proof/evidence" && strings.Contains(strings.Split(i, "/")[0], ".") && !strings.HasPrefix(i, "golang.org/x/mod/") && !strings.HasPrefix(i, "golang.org/x/crypto/"):
				t.Errorf("%s imports %s: %s", name, i, room.why)
			case ours && !slices.Contains(room.may, "*") && !slices.Contains(room.may, imported):
				t.Errorf("%s imports %s: %s", name, imported, room.why)
			}
		}
	}
}

// TestPictureIsTrue compares ARCHITECTURE.md with the tree: its picture has every package of
// a server above all packages that it imports, and its table has every package once. Tests, generated code and the internal part of a package need
// no row.
func TestPictureIsTrue(t *testing.T) {
	t.Parallel()
	all := packages(t)
	height := map[string]int{} // the longest way down
	var measure func(name string) int
	measure = func(name string) int {
		h, ok := height[name]
		for _, i := range all[name] {
			if imported, ours := strings.CutPrefix(i, module); !ok && ours {
				h = max(h, 1+measure(imported))
			}
		}
		height[name] = h
		return h
	}
	linked := map[string]bool{} // in the server's binary
	var link func(name string)
	link = func(name string) {
		linked[name] = true
		for _, i := range all[name] {
			if imported, ours := strings.CutPrefix(i, module); ours && !linked[imported] {
				link(imported)
			}
		}
	}
	link("cmd/timbre")
	var lines []string
	for name := range linked {
		for h := measure(name); len(lines) <= h; {
			lines = append(lines, "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(linked)) {
		lines[height[name]] += " · " + strings.TrimPrefix(name, "internal/")
	}
	slices.Reverse(lines)
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, " · ")
	}
	picture := strings.Join(lines, "\n") + "\n"
	text := read(t, "ARCHITECTURE.md")
	before, rest, found := strings.Cut(text, "## Levels\n")
	intro, rest, open := strings.Cut(rest, "```text\n")
	drawn, rest, closed := strings.Cut(rest, "```")
	if !found || !open || !closed {
		t.Fatal("ARCHITECTURE.md has no picture below \"Levels\"")
	}
	if *accept && drawn != picture {
		text = before + "## Levels\n" + intro + "```text\n" + picture + "```" + rest
		if err := os.WriteFile("ARCHITECTURE.md", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		drawn = picture
	}
	if drawn != picture {
		t.Errorf("the picture of ARCHITECTURE.md should be (go test . -run PictureIsTrue -accept)\n%s", picture)
	}
	table := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z0-9/]+`(?:, `[a-z0-9/]+`)*) \\|").FindAllStringSubmatch(text, -1) {
		for _, name := range strings.Split(row[1], ", ") {
			name = strings.Trim(name, "`")
			if table[name] {
				t.Errorf("the table of ARCHITECTURE.md has %s twice: keep one row", name)
			}
			table[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		part := strings.HasSuffix(name, "test") || strings.HasPrefix(name, "internal/e2e/") || strings.Contains(name, "/internal/") || rooms[name].why == "generated"
		if !table[name] && !part {
			t.Errorf("the table of ARCHITECTURE.md lacks %s: say what it holds and what it never does", name)
		}
	}
}

// limit matches the part of a package comment that says what the package never does.
var limit = regexp.MustCompile(`\b(never|not|no|nothing|none|only|cannot|without|alone)\b`)

// TestPackageComments demands that each package says what it holds and what it never does.
// A package is named after its subject.
func TestPackageComments(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}\t{{.Name}}\t{{join .GoFiles \" \"}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) < 3 { // only tests
			continue
		}
		name, err := filepath.Rel(root, fields[0])
		if err != nil {
			t.Fatal(err)
		}
		switch fields[1] {
		case "util", "utils", "helper", "helpers", "common", "misc", "shared", "manager", "base", "types":
			t.Errorf("%s: a package is named after its subject, not %q", name, fields[1])
		}
		var doc string
		for _, file := range strings.Fields(fields[2]) {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(fields[0], file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			doc += f.Doc.Text()
		}
		switch {
		case doc == "":
			t.Errorf("%s: the package has no comment that says what it holds", name)
		case !limit.MatchString(doc):
			t.Errorf("%s: the package comment does not say what the package never does: %q", name, doc)
		}
	}
}

// testOnly packages run the finished program from outside, and may use anything.
func testOnly(name string) bool {
	return name == "internal/e2e" || strings.HasPrefix(name, "internal/e2e/") || name == "internal/bench"
}
