package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"timbre.example/internal/e2e/browser"
	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/e2e/harness"
	"timbre.example/internal/network/substrate/node"
	"timbre.example/internal/network/substrate/substratetest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// TestSubstrateExactlyOnce registers works on a chain by 16 clients, while the worker is killed
// five times and the way to the node is cut twice. Then the chain's own storage has each version
// once, where the server says.
//
// The chain is that of the test node. TIMBRE_TEST_SUBSTRATE names the node of another program
// with the same calls, as ws://HOST:PORT: then there are 300 works and not 40. docs/chain.md says
// how to start one.
func TestSubstrateExactlyOnce(t *testing.T) {
	t.Parallel()
	for name, batch := range map[string]string{"alone": "1", "batches": "8"} {
		t.Run(name, func(t *testing.T) { exactlyOnce(t, batch) })
	}
}

func exactlyOnce(t *testing.T, batch string) {
	const accounts, clients, kills, cuts = 2, 16, 5, 2
	var seed [32]byte
	rand.Read(seed[:])
	works, chain := 40, os.Getenv("TIMBRE_TEST_SUBSTRATE")
	if chain == "" {
		chain = substratetest.Start(t, seed, accounts, node.Options{Auto: true}).URL
	} else {
		works = 300
		substratetest.Prepare(t, chain, seed, accounts)
	}
	before := len(substratetest.Works(t, chain))
	link := faultproxy.New(t, "tcp", strings.TrimPrefix(chain, "ws://"))

	x := newInstancesOn(t, harness.Options{
		Args:     []string{"--network", "testnet=substrate:ws://" + link.Addr},
		Settings: generous(),
	}, seed, accounts, "--substrate-batch", batch)
	var next, final atomic.Int64
	var songs sync.WaitGroup
	all := make([]*harness.Song, works)
	versions := make([]*harness.Song, works)
	for range clients {
		songs.Go(func() {
			for i := next.Add(1) - 1; i < int64(works) && !t.Failed(); i = next.Add(1) - 1 {
				all[i] = &harness.Song{Server: x.front, Title: fmt.Sprint("Song ", i), Audio: harness.WAV(int(i))}
				if err := anchored(t.Context(), all[i]); err != nil {
					t.Errorf("song %d: %v", i, err)
					return
				}
				if i%5 == 0 {
					versions[i] = &harness.Song{Server: x.front, Title: fmt.Sprint("Song ", i, ", again"), Code: all[i].Result.AccessCode}
					if err := anchored(t.Context(), versions[i]); err != nil {
						t.Errorf("song %d, version 2: %v", i, err)
						return
					}
				}
				final.Add(1)
			}
		})
	}
	for n := range kills {
		for tick := time.NewTicker(20 * time.Millisecond); final.Load() < int64((n+1)*works/(kills+2)) && !t.Failed(); {
			<-tick.C // the chain decides how long it takes
		}
		if n < cuts {
			link.Cut()
		}
		x.worker.Kill()
		x.worker.Restart()
	}
	songs.Wait()
	if t.Failed() {
		return
	}

	now := substratetest.Works(t, chain)
	if len(now)-before != works {
		t.Errorf("the chain has %d works more, not %d", len(now)-before, works)
	}
	seen := map[string]bool{}
	check := func(s *harness.Song, version int) {
		r := s.Result
		if r.AtsID < int64(before) || r.AtsID >= int64(len(now)) || seen[fmt.Sprint(r.AtsID, " ", version)] {
			t.Errorf("%q is work %d, version %d", s.Title, r.AtsID, version)
			return
		}
		seen[fmt.Sprint(r.AtsID, " ", version)] = true
		kept := now[r.AtsID].Versions
		if len(kept) < version {
			t.Errorf("%q: the chain has %d versions", s.Title, len(kept))
			return
		}
		v := kept[version-1]
		hash, extrinsics := substratetest.Block(t, chain, r.BlockNumber)
		if got := fmt.Sprintf("0x%x", v.Commitment); got != s.Commitment || int64(v.Block) != r.BlockNumber || hash != r.BlockHash || !extrinsics[r.TxHash] {
			t.Errorf("%q: the chain has %s in block %d (%s), the server says %s and %+v", s.Title, got, v.Block, hash, s.Commitment, r)
		}
	}
	total := 0
	for i, s := range all {
		check(s, 1)
		if versions[i] != nil {
			check(versions[i], 2)
		}
	}
	for _, w := range now[before:] {
		total += len(w.Versions)
	}
	if total != len(seen) {
		t.Errorf("the chain has %d new versions, not %d", total, len(seen))
	}
	checkFees(t, x.front.DatabaseURL, chain, append(versions, all...))
	t.Logf("%d works and %d versions on the chain, each once, in at most %s of a transaction", works, total, batch)
}

// TestWidgetOnAChain registers a song on a chain and updates it, in a browser. The worker has no
// key: the program of docs/chain.md signs. The certificate that the browser saves is verified
// without a node. The chain is chosen as for TestSubstrateExactlyOnce;
// a chain without read proofs gives a certificate that says how far it reaches.
func TestWidgetOnAChain(t *testing.T) {
	t.Parallel()
	var seed [32]byte
	rand.Read(seed[:])
	chain := os.Getenv("TIMBRE_TEST_SUBSTRATE")
	var own *node.Node
	if chain == "" {
		own = substratetest.Start(t, seed, 2, node.Options{Auto: true})
		chain = own.URL
	} else {
		substratetest.Prepare(t, chain, seed, 2)
	}
	dir := t.TempDir()
	socket, token := filepath.Join(dir, "socket"), filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("a-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	documentedSigner(t, seed, "a-token", socket)
	x := newSite(t, newInstancesWith(t, harness.Options{Args: []string{"--network", "testnet=substrate:" + chain}},
		"--substrate-signer", "unix:"+socket, "--substrate-signer-token-file", token).front)
	p := browser.Open(t)
	saved := p.Downloads()
	code := songMade(t, x, p, "On a Chain")
	made := stateOf(p, 0)
	lookAt(t, p, "chain-complete")

	p.Goto(x.updater())
	tokenCame(p)
	open(p, code)
	p.Wait(browser.Hook("work"))
	p.SetFile(browser.Hook("file"), noise(t, "Second take.wav", 30_000))
	p.Click(browser.Hook("next"))
	p.Click(browser.Hook("submit"))
	p.Wait(browser.Hook("confirm"))
	confirm(p, 0)
	works := substratetest.Works(t, chain)
	if made.AtsID < 1 || made.AtsID >= int64(len(works)) || len(works[made.AtsID].Versions) != 2 {
		t.Fatalf("work %d of %d works of the chain: %+v", made.AtsID, len(works), works[min(int(made.AtsID), len(works)-1)])
	}
	p.Click(browser.Hook("certificate"))
	name, content := saved.Await()
	file := filepath.Join(t.TempDir(), "certificate.pdf")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	quiet(t, p)
	page := browser.Eval[string](p, "e2e.hook('explorer').href")
	p.Goto(page)
	p.Wait("document.querySelector('h1')")
	if said := browser.Eval[string](p, "document.body.innerText"); !strings.Contains(said, fmt.Sprintf("0x%x", works[made.AtsID].Versions[1].Commitment)) {
		t.Errorf("the public page does not have the chain's commitment:\n%s", said)
	}
	lookAt(t, p, "chain-public")
	args, want := []string{"verify", file}, "not proved"
	if substratetest.Proves(t, chain) {
		pinned, err := exec.CommandContext(t.Context(), harness.Binary(t, ""), "chain", "checkpoint", "--network", "testnet", "--database-url", x.server.DatabaseURL).Output()
		if err != nil {
			t.Fatal(err)
		}
		if own != nil {
			made, err := own.Evidence(uint64(made.AtsID), 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range made.Set.Authorities {
				if !strings.Contains(string(pinned), fmt.Sprintf("authority %x", a.Key[:])) {
					t.Errorf("the authority %x of the chain is not in the checkpoint:\n%s", a.Key, pinned)
				}
			}
		}
		checkpoint := filepath.Join(t.TempDir(), "checkpoint")
		if err := os.WriteFile(checkpoint, pinned, 0o600); err != nil {
			t.Fatal(err)
		}
		args, want = append(args, "--chain-checkpoint", checkpoint), "The registration is proved"
	}
	verdict, _ := exec.CommandContext(t.Context(), harness.Binary(t, ""), args...).CombinedOutput() // the text says it
	if !strings.Contains(string(verdict), want) {
		t.Errorf("%s: %s", name, verdict)
	}
}

// checkFees compares the fees of the database with the chain's own events: that of each song,
// and their sum.
func checkFees(t *testing.T, databaseURL, chain string, songs []*harness.Song) {
	t.Helper()
	db, err := store.Open(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sum, by, seen := new(big.Int), map[int64]map[[32]byte]*big.Int{}, map[[32]byte]bool{}
	for _, s := range songs {
		if s == nil {
			continue
		}
		hash, err := hex.DecodeString(strings.TrimPrefix(s.Result.TxHash, "0x"))
		if err != nil {
			t.Fatal(err)
		}
		row, err := db.Read().GetSubstrateTransactionBySignedHash(t.Context(), query.GetSubstrateTransactionBySignedHashParams{Network: "testnet", Hash: hash})
		if err != nil {
			t.Fatal(err)
		}
		if by[row.Block] == nil {
			by[row.Block] = substratetest.Fees(t, chain, row.Block, row.Block)
		}
		fee := by[row.Block][[32]byte(hash)]
		part, known := new(big.Int).SetString(row.Fee, 10)
		if fee == nil || !known || fee.Sign() <= 0 || row.Tip != "0" || row.Item < 0 && part.Cmp(fee) != 0 {
			t.Errorf("%q: fee %q, tip %q, the chain took %v", s.Title, row.Fee, row.Tip, fee)
			continue
		}
		if !seen[[32]byte(hash)] { // several songs share one
			seen[[32]byte(hash)] = true
			sum.Add(sum, fee)
		}
	}
	if at, err := db.Read().GetSubstrateChain(t.Context(), "testnet"); err != nil || at.Fees != sum.String() {
		t.Errorf("the fees are %s, want %s: %v", at.Fees, sum, err)
	}
}

// anchored registers a song, and returns when its transaction is final.
func anchored(ctx context.Context, s *harness.Song) error {
	for i, step := range []func(context.Context) error{s.Mint, s.Init, s.Put, s.Prepare, s.Confirm} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	for s.Result == nil { // as an EventSource: after a timeout it connects again
		var refused *harness.Refusal
		if err := s.Follow(ctx); errors.As(err, &refused) || ctx.Err() != nil {
			return fmt.Errorf("follow: %w", err)
		}
	}
	if !s.Result.Success {
		return fmt.Errorf("%+v", s.Result)
	}
	return nil
}

// onChain are a server and a worker on one Postgres, which anchor on a chain.
type onChain struct{ front, worker *harness.Server }

// newInstancesOn lets the worker sign with the first accounts of a seed.
func newInstancesOn(t *testing.T, o harness.Options, seed [32]byte, accounts int, args ...string) onChain {
	t.Helper()
	return newInstancesWith(t, o, append(args, "--substrate-seed-file", seedFile(t, seed), "--substrate-accounts", fmt.Sprint(accounts))...)
}

func seedFile(t *testing.T, seed [32]byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(file, []byte(hex.EncodeToString(seed[:])), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// documentedSigner runs the program of docs/chain.md, which has the first two accounts of a seed.
func documentedSigner(t *testing.T, seed [32]byte, token, socket string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "chain.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(page), "```js\n")
	program, _, found := strings.Cut(program, "```\n")
	if !found {
		t.Fatal("docs/chain.md has no program")
	}
	cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "--eval", program)
	cmd.Env = append(os.Environ(), "SEED_FILE="+seedFile(t, seed), "TOKEN="+token, "SOCKET="+socket)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Wait() }) // the end of the test's context has killed it
	if !harness.Eventually(func() bool { _, err := os.Stat(socket); return err == nil }) {
		t.Fatal("the signer does not listen")
	}
}

// newInstancesWith adds arguments to those of the worker.
func newInstancesWith(t *testing.T, o harness.Options, args ...string) onChain {
	t.Helper()
	o.DatabaseURL, o.Data, o.Addr = storetest.PostgresURL(t), t.TempDir(), harness.FreeAddress(t)
	o.Args = append(o.Args, "--public-url", "http://"+o.Addr)
	o.Roles = "organizations,ats"
	front := harness.Start(t, o)
	o.Roles, o.Addr = "worker", ""
	o.Args = append(o.Args[:len(o.Args):len(o.Args)], args...)
	worker := harness.Start(t, o)
	front.NewOrganization()
	if !harness.Eventually(func() bool { // the worker reaches the chain
		res, err := http.Get(worker.URL + "/readyz")
		if err == nil {
			res.Body.Close()
		}
		return err == nil && res.StatusCode == http.StatusOK
	}) {
		t.Fatal("the worker does not reach the chain")
	}
	return onChain{front, worker}
}
