package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"timbre.example/internal/network"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/substratetest"
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
	made, err := c.Evidence(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	pinned := fmt.Sprintf("network mainnet\ngenesis %x\nset %d\n", [32]byte(c.Genesis()), made.Set.ID)
	for _, a := range made.Set.Authorities {
		pinned += fmt.Sprintf("authority %x %d\n", a.Key[:], a.Weight)
	}
	checkpoint := filepath.Join(dir, "checkpoint")
	if err := os.WriteFile(checkpoint, []byte(pinned), 0o600); err != nil {
		t.Fatal(err)
	}
	verdict := timbre(t, "verify", file, "--chain-checkpoint", checkpoint)
	if verdict.code != exitDone || !strings.Contains(verdict.out, "The registration is proved") {
		t.Errorf("%d\n%s\n%s", verdict.code, verdict.out, verdict.err)
	}
	// Without the checkpoint, the evidence names the authorities itself: the level says so.
	if named := timbre(t, "verify", file); !strings.Contains(named.out, "On a chain. Only the authorities that this evidence itself names say so.") || strings.Contains(named.out, "Only the registry") {
		t.Errorf("%d\n%s", named.code, named.out)
	}
	if !strings.Contains(verdict.out, "On a chain. A block of a public chain") || strings.Contains(verdict.out, "Only the") {
		t.Error(verdict.out)
	}
	doctor := timbre(t, "doctor", "--database-url", f.DatabaseURL, "--secret-file", f.SecretFile, "--blob-url", f.BlobURL, "--public-url", "http://127.0.0.1:1",
		"--network", "mainnet=substrate:"+c.URL, "--substrate-seed-file", f.SubstrateSeedFile, "--substrate-accounts", "2")
	for _, want := range []string{"chain of mainnet: allfeat-melodie-3, version 100", "network mainnet: block ", "account of mainnet: 5", "owns 1 of 1000 works"} {
		if !strings.Contains(doctor.out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, doctor.out)
		}
	}
	if status, body := visit(t, tx.Result.ExplorerURL, "text/html"); status != http.StatusOK || !strings.Contains(body, "This work is on the chain") || !strings.Contains(body, "</span> Proved</span>") || !strings.Contains(body, fmt.Sprintf(`<a href="https://chain.example/block/%d" rel="noopener">`, tx.Result.BlockNumber)) {
		t.Errorf("%d %s", status, body)
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

// seedFile writes the seed of the tests.
func seedFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(path, []byte(strings.Repeat("07", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
