package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/network/substrate/metadata"
	"timbre.example/internal/network/substrate/rpc"
	"timbre.example/internal/network/substrate/sr25519"
	"timbre.example/internal/network/substrate/storagekey"
)

// tinySpec writes a chain spec with the smallest runtime of the tests, and the metadata of a real
// network.
func tinySpec(t testing.TB) string {
	t.Helper()
	const of = "../../internal/network/substrate/"
	code, err := os.ReadFile(of + "wasm/testdata/runtime.wasm")
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(of + "node/testdata/spec100-v14.scale.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	top := map[string]string{"0x3a636f6465": fmt.Sprintf("0x%x", code), "0x6d657461": fmt.Sprintf("0x%x", meta)}
	b, err := json.Marshal(map[string]any{"name": "Tiny", "properties": map[string]any{"tokenDecimals": 6}, "genesis": map[string]any{"raw": map[string]any{"top": top}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "spec.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDevnet runs the command until its blocks come, and reads the funds that it gave.
func TestDevnet(t *testing.T) {
	t.Parallel()
	seed := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(seed, []byte(strings.Repeat("07", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := devnetCmd{Spec: tinySpec(t), Listen: "127.0.0.1:0", BlockTime: leastBlockTime, Fund: []string{strings.Repeat("ab", 32) + "=1.5"}, SubstrateSeedFile: seed, SubstrateAccounts: 2}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	said, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- c.run(ctx, &output{out, io.Discard, nil}) }()
	lines := make([]byte, 1000)
	n, err := said.Read(lines)
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`ws://127\.0\.0\.1:\d+`).FindString(string(lines[:n]))
	client := rpc.New(rpc.Config{Endpoints: []string{url}})
	defer client.Close()
	heads, err := client.Subscribe(ctx, "chain_subscribeNewHeads", "chain_unsubscribeNewHeads")
	if err != nil {
		t.Fatalf("%v: %s", err, lines[:n])
	}
	defer heads.Close()
	for range 3 { // blocks come
		select {
		case <-heads.News:
		case <-time.After(time.Minute):
			t.Fatal("no blocks come")
		}
	}
	blob, err := client.Bytes(ctx, "state_getMetadata")
	if err != nil {
		t.Fatal(err)
	}
	m, err := metadata.Parse(blob)
	if err != nil {
		t.Fatal(err)
	}
	second, err := sr25519.Numbered([32]byte(bytes.Repeat([]byte{7}, 32)), 1)
	if err != nil {
		t.Fatal(err)
	}
	public := second.Public()
	for account, want := range map[string]string{strings.Repeat("\xab", 32): "60e316", string(public[:]): "00e8764817"} {
		k, err := storagekey.Key(m, "System", "Account", []byte(account))
		if err != nil {
			t.Fatal(err)
		}
		v, err := client.Bytes(ctx, "state_getStorage", rpc.Hex(k))
		if err != nil || len(v) != 80 || fmt.Sprintf("%x", v[16:16+len(want)/2]) != want {
			t.Errorf("%x has %x, %v", account, v, err)
		}
	}
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the command does not end")
	}
}
