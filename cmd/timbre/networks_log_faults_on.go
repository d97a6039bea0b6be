//go:build crashpoints

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"timbre.example/internal/network"
	netlog "timbre.example/internal/network/log"
)

// faulty makes the built-in log fail as chains do, for tests of the real program.
//
// TIMBRE_NETWORK_REFUSES is the percentage of transactions that the network refuses for good, half
// of them at Stage and half of them after their broadcast. The hash of a transaction decides, so
// that every process and every retry gets the same answer.
//
// TIMBRE_NETWORK_FAULTS names a file with words such as broadcast=50, which is read at each call:
// this percentage of the calls of dryrun, stage, broadcast, find or prove has no effect and returns
// an error. Calls of lost=N are broadcasts that went through and return an error.
func faulty(k *netlog.Kind) network.Kind {
	refuses, _ := strconv.Atoi(os.Getenv("TIMBRE_NETWORK_REFUSES"))
	if file := os.Getenv("TIMBRE_NETWORK_FAULTS"); file != "" || refuses > 0 {
		return &faultyKind{Kind: k, file: file, refuses: refuses}
	}
	return k
}

type faultyKind struct {
	*netlog.Kind
	file    string
	refuses int
}

func (k *faultyKind) Open(ctx context.Context, at network.Address) (network.Network, error) {
	n, err := k.Kind.Open(ctx, at)
	if err != nil {
		return nil, err
	}
	return &faultyLog{Log: n.(*netlog.Log), kind: k}, nil
}

type faultyLog struct {
	*netlog.Log
	kind *faultyKind
}

var errDown = errors.New("the network does not answer")

// fails decides whether this call fails.
func (l *faultyLog) fails(op string) error {
	text, _ := os.ReadFile(l.kind.file)
	for _, word := range strings.Fields(string(text)) {
		name, percent, _ := strings.Cut(word, "=")
		if n, _ := strconv.Atoi(percent); name == op && rand.IntN(100) < n {
			return errDown
		}
	}
	return nil
}

// refuses decides by the hash of what a transaction is.
func (l *faultyLog) refuses(percent int, text []byte) bool {
	h := sha256.Sum256(text)
	return (int(h[0])<<8|int(h[1]))%200 < percent
}

func (l *faultyLog) DryRun(ctx context.Context, call network.Call) error {
	if err := l.fails("dryrun"); err != nil {
		return err
	}
	return l.Log.DryRun(ctx, call)
}

func (l *faultyLog) Stage(ctx context.Context, call network.Call) (network.Staged, error) {
	if err := l.fails("stage"); err != nil {
		return network.Staged{}, err
	}
	if l.refuses(l.kind.refuses, []byte(call.Nonce)) {
		return network.Staged{}, fmt.Errorf("%w: no more works today", network.ErrRefused)
	}
	return l.Log.Stage(ctx, call)
}

func (l *faultyLog) Broadcast(ctx context.Context, all []network.Staged) error {
	if err := l.fails("broadcast"); err != nil {
		return err
	}
	var taken []network.Staged
	for _, s := range all {
		if !l.refuses(l.kind.refuses, s.Hash[:]) {
			taken = append(taken, s)
		}
	}
	if len(taken) > 0 {
		if err := l.Log.Broadcast(ctx, taken); err != nil {
			return err
		}
	}
	return l.fails("lost")
}

func (l *faultyLog) Find(ctx context.Context, hashes [][32]byte) (map[[32]byte]network.Receipt, error) {
	if err := l.fails("find"); err != nil {
		return nil, err
	}
	found, err := l.Log.Find(ctx, hashes)
	if err != nil {
		return nil, err
	}
	for _, h := range hashes {
		if l.refuses(l.kind.refuses, h[:]) {
			found[h] = network.Receipt{Hash: h, Failure: "refused in a block", At: time.Now()}
		}
	}
	return found, nil
}

func (l *faultyLog) Prove(ctx context.Context, hash [32]byte) (network.Proof, error) {
	if err := l.fails("prove"); err != nil {
		return network.Proof{}, err
	}
	return l.Log.Prove(ctx, hash)
}
