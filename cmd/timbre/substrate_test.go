package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/network/substrate/substratetest"
	"timbre.example/proof/evidence"
)

// A server anchors on a Substrate chain: the work that it shows is the one that the chain has.
func TestSubstrate(t *testing.T) {
	t.Parallel()
	seed := [32]byte{7}
	c := substratetest.Start(t, seed, 2, node.Options{Auto: true})
	dir := t.TempDir()
	f := smallServer(dir)
	f.Network = []network.Address{{Name: network.Mainnet, URL: "substrate:" + c.URL}}
	f.SubstrateSeedFile, f.SubstrateAccounts = filepath.Join(dir, "seed"), 2
	if err := os.WriteFile(f.SubstrateSeedFile, []byte(hex.EncodeToString(seed[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.NetworkExplorer = make(network.Elsewheres, 1)
	if err := f.NetworkExplorer[0].UnmarshalText([]byte("mainnet=https://chain.example/block/{block}")); err != nil {
		t.Fatal(err)
	}
	s, keys, _ := serving(t, f)
	for ready := time.NewTicker(20 * time.Millisecond); ; <-ready.C { // the worker reaches the chain
		if status, _ := visit(t, s.url+"/readyz", ""); status == http.StatusOK {
			break
		}
	}
	_, _, id := registerOn(t, "mainnet", s.url, keys.SiteKey, keys.SecretKey, site, "Song on a chain")
	var tx struct {
		Result struct {
			TxHash      string `json:"tx_hash"`
			BlockHash   string `json:"block_hash"`
			AtsID       int64  `json:"ats_id"`
			BlockNumber int64  `json:"block_number"`
			ExplorerURL string `json:"explorer_url"`
		}
	}
	if status, body := visit(t, s.url+"/v1/transactions/"+id, "application/json"); status != http.StatusOK || json.Unmarshal([]byte(body), &tx) != nil {
		t.Fatalf("%d %s", status, body)
	}
	works := c.Works()
	if len(works) != 2 || tx.Result.AtsID != 1 || uint32(tx.Result.BlockNumber) != works[1].Versions[0].Block {
		t.Fatalf("%+v, %+v", tx.Result, works)
	}
	file := filepath.Join(dir, "evidence.json")
	wrote := timbre(t, "works", "evidence", "1", "--network", "mainnet", "--network-url", "mainnet=substrate:"+c.URL, "--database-url", f.DatabaseURL, "--secret-file", f.SecretFile, "-o", file)
	if wrote.code != exitDone {
		t.Fatal(wrote.err)
	}
	e, _, err := readEvidence(file)
	if err != nil || e.Substrate == nil || e.Network.Kind != "substrate" || e.AtsID != 1 || [32]byte(e.Commitment) != works[1].Versions[0].Commitment || e.Substrate.Genesis != [32]byte(c.Genesis()) {
		t.Errorf("%v: %+v", err, e.Network)
	}
	// It proves itself without a node, to those who know the authorities.
	pinned := timbre(t, "chain", "checkpoint", "--network", "mainnet", "--database-url", f.DatabaseURL)
	if pinned.code != exitDone || !strings.Contains(pinned.out, fmt.Sprintf("genesis %x\nset 0\nauthority ", [32]byte(c.Genesis()))) {
		t.Fatalf("%d %s%s", pinned.code, pinned.out, pinned.err)
	}
	checkpoint := filepath.Join(dir, "checkpoint")
	if err := os.WriteFile(checkpoint, []byte(pinned.out), 0o600); err != nil {
		t.Fatal(err)
	}
	verdict := timbre(t, "verify", file, "--chain-checkpoint", checkpoint)
	if verdict.code != exitDone || !strings.Contains(verdict.out, "The registration is proved") {
		t.Errorf("%d\n%s\n%s", verdict.code, verdict.out, verdict.err)
	}
	askNode(t, c, seed, file, checkpoint)
	// Without the checkpoint, the evidence names the authorities itself: the level says so.
	if named := timbre(t, "verify", file); !strings.Contains(named.out, "On a chain. Only the authorities that this evidence itself names say so.") || strings.Contains(named.out, "Only the registry") {
		t.Errorf("%d\n%s", named.code, named.out)
	}
	if !strings.Contains(verdict.out, "On a chain. A block of a public chain") || strings.Contains(verdict.out, "Only the") {
		t.Error(verdict.out)
	}
	doctor := timbre(t, "doctor", "--database-url", f.DatabaseURL, "--secret-file", f.SecretFile, "--blob-url", f.BlobURL, "--public-url", "http://127.0.0.1:1",
		"--network", "mainnet=substrate:"+c.URL, "--substrate-seed-file", f.SubstrateSeedFile, "--substrate-accounts", "2")
	for _, want := range []string{"chain of mainnet: allfeat-melodie-3, version 100", "network mainnet: block ", "account of mainnet: 5", "owns 1 of 1000 works", "owns 0 of 1000 works, and has 10,000 MEL free", "failures: 0, fees: 0."} {
		if !strings.Contains(doctor.out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, doctor.out)
		}
	}
	if status, body := visit(t, tx.Result.ExplorerURL, "text/html"); status != http.StatusOK || !strings.Contains(body, "This work is on the chain") || !strings.Contains(body, "</span> Verified</span>") || !strings.Contains(body, fmt.Sprintf(`<a href="https://chain.example/block/%d" rel="noopener">`, tx.Result.BlockNumber)) {
		t.Errorf("%d %s", status, body)
	}
}

// askNode asks the chain about a registered work: as it is, after another version, and after it was
// revoked.
func askNode(t *testing.T, c *node.Node, seed [32]byte, file, checkpoint string) {
	t.Helper()
	asks := func(file, url string, code int, result, says string, more ...string) {
		t.Helper()
		args := append([]string{"verify", file, "--rpc", url}, more...)
		text := timbre(t, args...)
		var a struct {
			Result string
			Node   nodeAnswer
		}
		s := timbre(t, append(args, "--json")...)
		if err := json.Unmarshal([]byte(s.out), &a); err != nil || s.code != code || text.code != code || a.Node.Result != result || !strings.Contains(text.out, says) {
			t.Errorf("exit %d and %d, want %d: %+v, %v\n%s%s", s.code, text.code, code, a, err, text.out, text.err)
		}
	}
	pinned := []string{"--chain-checkpoint", checkpoint}
	asks(file, c.URL, exitDone, noneLater, "The node has the block as final", pinned...)
	asks(file, c.URL, exitNotProved, noneLater, "The node has the block as final") // the node proves nothing
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.json")
	if err := os.WriteFile(wrong, []byte(strings.Replace(string(whole), `"ats_id": 1`, `"ats_id": 2`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	asks(wrong, c.URL, exitRefused, notAsked, "The node was not asked", pinned...)
	asks("../../proof/evidence/testdata/v2/full.json", c.URL, exitNotProved, notAsked, "the network is a log")
	other := substratetest.Start(t, [32]byte{8}, 1, node.Options{Auto: true, Genesis: time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)})
	asks(file, other.URL, exitLaterUnknown, nodeOtherChain, "another chain", pinned...)
	asks(file, "ws://127.0.0.1:1", exitLaterUnknown, logUnread, "The node does not say", pinned...)
	// Of several nodes, the first that answers counts.
	asks(file, "ws://127.0.0.1:1|"+c.URL, exitDone, noneLater, strings.TrimPrefix(c.URL, "ws://"), pinned...)
	asks(file, c.URL+"|"+other.URL, exitDone, noneLater, strings.TrimPrefix(c.URL, "ws://"), pinned...)
	asks(file, "ws://127.0.0.1:1|ws://localhost:1", exitLaterUnknown, logUnread, "localhost:1", pinned...)
	other.Inject(node.Fault{Method: "state_getStorage", Code: -32603, Message: "the disk is full"}) // it answers only the first calls
	asks(file, other.URL+"|"+c.URL, exitDone, noneLater, strings.TrimPrefix(c.URL, "ws://"), pinned...)

	owner := c.Works()[1].Owner
	for i := range 2 {
		if substratetest.Account(t, seed, i) != owner {
			continue
		}
		by, err := sr25519.Numbered(seed, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		work := binary.LittleEndian.AppendUint64(nil, 1)
		nonce := uint64(c.Balance(owner).Nonce)
		substratetest.Call(t, c, by, nonce, "update", append(append(bytes.Clone(work), bytes.Repeat([]byte{0xab}, 32)...), 1))
		asks(file, c.URL, exitLater, someLater, "later        version 2, block ", pinned...)
		substratetest.Call(t, c, by, nonce+1, "revoke", work)
		asks(file, c.URL, exitLater, nodeRevoked, "revoked it", pinned...)
	}
}

// The answer of a node is compared with each part of the evidence that it can contradict.
func TestNodeAnswers(t *testing.T) {
	t.Parallel()
	e := evidence.Evidence{AtsID: 5, Version: 2, Commitment: [32]byte{2}, Block: evidence.Block{Number: 7, Hash: [32]byte{7}}, Substrate: &evidence.Substrate{Genesis: [32]byte{9}}}
	for want, change := range map[string]func(a *substrate.Answer){
		noneLater:                          func(*substrate.Answer) {},
		someLater:                          func(a *substrate.Answer) { a.Versions = append(a.Versions, substrate.AnswerVersion{Block: 8}) },
		nodeRevoked:                        func(a *substrate.Answer) { a.Versions = nil },
		nodeOtherChain:                     func(a *substrate.Answer) { a.Genesis[0]++ },
		nodeBehind:                         func(a *substrate.Answer) { a.Final, a.Block = 6, [32]byte{} },
		nodeContradicts + " another block": func(a *substrate.Answer) { a.Block[0]++ },
		nodeContradicts + " a commitment":  func(a *substrate.Answer) { a.Versions[1].Commitment[0]++ },
		nodeContradicts + " a place":       func(a *substrate.Answer) { a.Versions[1].Block-- },
		nodeContradicts + " no version":    func(a *substrate.Answer) { a.Versions = a.Versions[:1] },
		nodeContradicts + " no work":       func(a *substrate.Answer) { a.Versions, a.Given = nil, false },
	} {
		a := substrate.Answer{Genesis: [32]byte{9}, Final: 7, Block: [32]byte{7}, Given: true, Versions: []substrate.AnswerVersion{{Block: 3, Commitment: [32]byte{1}}, {Block: 7, Commitment: [32]byte{2}}}}
		change(&a)
		var n nodeAnswer
		n.read(e, a)
		word, _, _ := strings.Cut(want, " ")
		if n.Result != word || (n.Why != "") != (word == nodeContradicts || word == nodeOtherChain || word == nodeBehind) {
			t.Errorf("%s: %+v", want, n)
		}
		for _, was := range []outcome{proved, notProved, refused, pageChanged} {
			d := document{outcome: was}
			d.afterNode(&n)
			if good := d.outcome == proved; good != (was == proved && word == noneLater) || was != proved && d.outcome != was {
				t.Errorf("%s: %s becomes %s", want, was.result, d.outcome.result)
			}
			if word == nodeContradicts && was == proved && d.outcome != forked {
				t.Errorf("%s: %s", want, d.outcome.result)
			}
		}
	}
}

// Several nodes of one network are separated by |, or by commas with a backslash.
func TestSubstrateNodes(t *testing.T) {
	t.Parallel()
	for written, read := range map[string]string{`\,`: ",", "|": "|"} {
		var c cli
		k := kong.Must(&c, mappers()...)
		if _, err := k.Parse([]string{"serve", "--network", `mainnet=substrate:ws://one.example` + written + `wss://two.example:9944/x,testnet=log:`, "--public-url", "https://songs.example", "--substrate-seed-file", seedFile(t)}); err != nil {
			t.Fatal(err)
		}
		got := c.Serve.addresses()
		if len(got) != 2 || got[1].URL != "substrate:ws://one.example"+read+"wss://two.example:9944/x" {
			t.Errorf("%+v", got)
		}
	}
	wrong := timbre(t, "serve", "--network", "mainnet=substrate:ws://one.example", "--public-url", "https://songs.example", "--database-url", "sqlite:"+filepath.Join(t.TempDir(), "timbre.db"))
	if wrong.code != exitUsage || !strings.Contains(wrong.err, "--substrate-seed-file") {
		t.Errorf("a worker without a seed: %d %s", wrong.code, wrong.err)
	}
}

// The token of a signer is refused where no signer is named.
func TestTokenWithoutSigner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("tell-nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"serve", "--listen", "127.0.0.1:0", "--network", "mainnet=substrate:ws://127.0.0.1:1", "--public-url", "http://127.0.0.1:1", "--database-url", "sqlite:" + filepath.Join(dir, "timbre.db"), "--substrate-signer-token-file", token}
	for _, with := range [][]string{nil, {"--substrate-seed-file", seedFile(t)}} {
		r := timbre(t, append(slices.Clone(flags), with...)...)
		if r.code != exitUsage || !strings.Contains(r.err, "token: needs --substrate-signer: the token is for the signer") || strings.Contains(r.out+r.err, "tell-nobody") {
			t.Errorf("%v: %d %s%s", with, r.code, r.out, r.err)
		}
	}
}

// seedFile writes the seed of the tests.
func seedFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(path, []byte(strings.Repeat("07", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A signer that does not answer stops the start of a worker, and the doctor says so beside its other checks.
func TestSignerIsAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	flags := []string{"--network", "mainnet=substrate:ws://127.0.0.1:1", "--network", "testnet=log:", "--substrate-signer", "unix:" + filepath.Join(dir, "none"), "--public-url", "http://127.0.0.1:1",
		"--database-url", "sqlite:" + filepath.Join(dir, "timbre.db"), "--secret-file", filepath.Join(dir, "secret"), "--blob-url", "file:" + filepath.Join(dir, "blobs")}
	serve := timbre(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, flags...)...)
	if serve.code == exitDone || !strings.Contains(serve.err, "--substrate-signer: signer: list the accounts: no answer") {
		t.Errorf("%d %s", serve.code, serve.err)
	}
	doctor := timbre(t, append([]string{"doctor"}, flags...)...)
	for _, want := range []string{"signer for mainnet", "list the accounts: no answer", "Start the signer", "continuity of testnet: the database continues"} {
		if !strings.Contains(doctor.out+doctor.err, want) {
			t.Errorf("doctor does not say %q:\n%s%s", want, doctor.out, doctor.err)
		}
	}
}

// A log is anchored on a chain: one transaction proves the works of the log, each by its own
// evidence, with the log's key and the chain's checkpoint.
func TestLogAnchors(t *testing.T) {
	t.Parallel()
	seed := [32]byte{7}
	c := substratetest.Start(t, seed, 1, node.Options{Auto: true, Clock: time.Now})
	dir := t.TempDir()
	f := smallServer(dir)
	f.Network = []network.Address{{Name: network.Testnet, URL: builtIn}}
	f.LogAnchors, f.LogAnchorEvery = []network.Address{{Name: network.Testnet, URL: "substrate:" + c.URL}}, time.Minute
	f.SubstrateSeedFile, f.SubstrateAccounts = filepath.Join(dir, "seed"), 1
	f.MetricsListen = "127.0.0.1:0"
	if err := os.WriteFile(f.SubstrateSeedFile, []byte(hex.EncodeToString(seed[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, keys, _ := serving(t, f)
	registerOn(t, "testnet", s.url, keys.SiteKey, keys.SecretKey, site, "Song in a log")
	for tick := time.NewTicker(20 * time.Millisecond); len(c.Works()) < 2; <-tick.C {
	}
	file, key := filepath.Join(dir, "evidence.json"), filepath.Join(dir, "key.txt")
	write := func() evidence.Evidence {
		wrote := timbre(t, "works", "evidence", "1", "--network", "testnet", "--network-url", "testnet=log:", "--log-anchors", "testnet=substrate:"+c.URL, "--database-url", f.DatabaseURL, "--secret-file", f.SecretFile, "-o", file)
		if wrote.code != exitDone {
			t.Fatal(wrote.err)
		}
		e, _, err := readEvidence(file)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := write()
	for tick := time.NewTicker(50 * time.Millisecond); len(e.Attestations) == 0 || e.Attestations[len(e.Attestations)-1].Kind != evidence.KindAnchor; <-tick.C {
		e = write()
	}
	_, text := visit(t, s.url+"/log/testnet/key", "")
	if err := os.WriteFile(key, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pinned := timbre(t, "chain", "checkpoint", "--network", "testnet", "--database-url", f.DatabaseURL)
	checkpoint := filepath.Join(dir, "checkpoint")
	if err := os.WriteFile(checkpoint, []byte(pinned.out), 0o600); err != nil || !strings.HasPrefix(pinned.out, "network testnet\n") {
		t.Fatalf("%v %s%s", err, pinned.out, pinned.err)
	}
	// A holder whose evidence was made before adds it.
	before := filepath.Join(dir, "before.json")
	if wrote := timbre(t, "works", "evidence", "1", "--network", "testnet", "--network-url", "testnet=log:", "--database-url", f.DatabaseURL, "--secret-file", f.SecretFile, "-o", before); wrote.code != exitDone {
		t.Fatal(wrote.err)
	}
	upgraded := timbre(t, "evidence", "upgrade", before, "--checkpoint-from", s.url+"/log/testnet", "--log-key", key)
	if e, _, err := readEvidence(before); err != nil || upgraded.code != exitDone || !slices.ContainsFunc(e.Attestations, func(a evidence.Attestation) bool { return a.Kind == evidence.KindAnchor }) {
		t.Errorf("%v %d %s%s", err, upgraded.code, upgraded.out, upgraded.err)
	}
	if got := timbre(t, "verify", before, "--log-key", key, "--chain-checkpoint", checkpoint); got.code != exitDone || !strings.Contains(got.out, "A chain has this block of the log.") {
		t.Errorf("%d\n%s%s", got.code, got.out, got.err)
	}
	got := timbre(t, "verify", file, "--log-key", key, "--chain-checkpoint", checkpoint)
	for _, want := range []string{"The registration is proved", "A chain has this block of the log.", "On a chain. A block of a public chain holds it", "at the latest, by the authorities of the chain"} {
		if got.code != exitDone || !strings.Contains(got.out, want) {
			t.Errorf("%d, not %q:\n%s%s", got.code, want, got.out, got.err)
		}
	}
	got = timbre(t, "verify", file, "--log-key", key)
	if got.code != exitDone || strings.Contains(got.out, "On a chain.") || !strings.Contains(got.out, "This holds if set 0 of the chain’s authorities is as the evidence names it.") {
		t.Errorf("%d\n%s", got.code, got.out)
	}
	doctor := timbre(t, "doctor", "--database-url", f.DatabaseURL, "--secret-file", f.SecretFile, "--blob-url", f.BlobURL, "--public-url", "http://127.0.0.1:1",
		"--network", "testnet=log:", "--log-anchors", "testnet=substrate:"+c.URL, "--substrate-seed-file", f.SubstrateSeedFile)
	for _, want := range []string{"chain of testnet-chain: allfeat-melodie-3, version 100", "anchors of testnet: the chain has block ", "account of testnet-chain: 5"} {
		if !strings.Contains(doctor.out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, doctor.out)
		}
	}
}
