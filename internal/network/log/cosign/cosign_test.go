package cosign_test

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/network/log/cosign"
	"timbre.example/internal/witness"
	"timbre.example/proof/evidence"
)

// FuzzAnswer: of any answer, only a line that a policy counts comes back.
func FuzzAnswer(f *testing.F) {
	secret, key, err := note.GenerateKey(nil, "songs.example/log/testnet")
	if err != nil {
		f.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		f.Fatal(err)
	}
	text := "songs.example/log/testnet\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		f.Fatal(err)
	}
	theirs, err := witness.New(witness.Config{
		Name: "w.example/w", Seed: make([]byte, ed25519.SeedSize), Logs: []string{key}, Store: checkpoint.Dir(f.TempDir()), Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
	})
	if err != nil {
		f.Fatal(err)
	}
	answer, err := theirs.Add(f.Context(), append([]byte("old 0\n\n"), signed...))
	if err != nil {
		f.Fatal(err)
	}
	policy, err := evidence.ParsePolicy([]byte("witness w " + theirs.VerifierKey() + " https://w.example\nquorum w\n"))
	if err != nil {
		f.Fatal(err)
	}
	w, err := cosign.New(policy.Witnesses[0])
	if err != nil {
		f.Fatal(err)
	}
	if line, err := w.Opened(string(signed), answer); err != nil || line+"\n" != answer {
		f.Fatal(line, err)
	}
	f.Add(answer)
	f.Add("— other.example/w AAAAAAAAAAAAAAAA\n" + answer)
	f.Add(strings.Repeat(answer, 2))
	f.Add("")
	f.Fuzz(func(t *testing.T, answer string) {
		line, err := w.Opened(string(signed), answer)
		if err != nil {
			return
		}
		seen, err := policy.Witnessed(text, []string{line})
		if err != nil || !seen.Met || !strings.Contains(answer, line) {
			t.Errorf("%q: %v %+v", line, err, seen)
		}
	})
}
