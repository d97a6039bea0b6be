package registry

import (
	"bytes"
	"context"
	"testing"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/network/networktest"
	"timbre.example/internal/store/storetest"
	"timbre.example/proof/evidence"
)

// proved returns the evidence of a version as a document, verified with the recording and
// the trusted key.
func (w *world) proved(work string, version int64, seed int, key string) (evidence.Evidence, []byte) {
	w.t.Helper()
	e, err := w.reg.Issuing.Evidence(w.t.Context(), work, version)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := evidence.Encode(e)
	if err != nil {
		w.t.Fatal(err)
	}
	if e, err = evidence.Decode(bytes.NewReader(text)); err != nil {
		w.t.Fatal(err)
	}
	r, err := evidence.Verify(e, evidence.Options{Media: bytes.NewReader(wav(seed)), Keys: []string{key}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range r {
		if c.Status != evidence.OK {
			w.t.Errorf("version %d: %+v", version, c)
		}
	}
	return e, text
}

// mistaken proves another transaction.
type mistaken struct {
	network.Network
	other [32]byte
}

func (m mistaken) Prove(ctx context.Context, _ [32]byte) (network.Proof, error) {
	return m.Network.Prove(ctx, m.other)
}

func TestEvidence(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		none := func(work string, version int64, code fault.Code) {
			t.Helper()
			_, err := w.reg.Issuing.Evidence(t.Context(), work, version)
			wantCode(t, err, code)
		}
		s := w.quoted("Porch Light", 1)
		p, err := s.prepare()
		if err != nil {
			t.Fatal(err)
		}
		none(p.WorkID, 0, fault.CodeWorkNotFound) // not confirmed
		w.net.Hold()
		confirmed, err := s.confirm()
		if err != nil {
			t.Fatal(err)
		}
		w.advance()
		none(p.WorkID, 1, fault.CodeWorkCertificateUnavailable) // not final
		w.net.Release()
		w.advance()

		first, text := w.proved(p.WorkID, 1, 1, w.net.Key())
		if first.Title != "Porch Light" || first.AtsID != 1 || first.Version != 1 || len(first.Creators) != 1 || first.Creators[0].Email != "ada@songs.example" ||
			first.Media.Filename != "take.wav" || first.Media.Format != "WAV" || first.Media.Duration != 0.1 || first.Network != (evidence.Network{Name: "testnet", Kind: "log"}) {
			t.Errorf("%+v", first)
		}
		if shown := s.view().Done.At; !shown.Equal(first.Block.Time) {
			t.Errorf("registered at %v in the block, and %v for followers", first.Block.Time, shown)
		}
		none(p.WorkID, 2, fault.CodeWorkCertificateUnavailable)
		none("another", 1, fault.CodeWorkNotFound)

		w.net.Hold()
		u := w.updating(confirmed.AccessCode, 2, "Ada Example", "Ben Example")
		if _, err := u.prepare(); err != nil {
			t.Fatal(err)
		}
		if _, err := u.confirm(); err != nil {
			t.Fatal(err)
		}
		w.advance()
		none(p.WorkID, 2, fault.CodeWorkCertificateUnavailable) // not final
		w.net.Release()
		w.advance()
		second, _ := w.proved(p.WorkID, 2, 2, w.net.Key())
		if second.Version != 2 || second.AtsID != 1 || len(second.Creators) != 2 || second.TxHash == first.TxHash {
			t.Errorf("%+v", second)
		}
		if latest, err := w.reg.Issuing.Evidence(t.Context(), p.WorkID, 0); err != nil || latest.Version != 2 {
			t.Errorf("the latest is version %d, %v", latest.Version, err)
		}
		if _, again := w.proved(p.WorkID, 1, 1, w.net.Key()); !bytes.Equal(text, again) {
			t.Errorf("version 1 was proved by\n%s\nand now by\n%s", text, again)
		}

		w.net.Fail(networktest.Prove)
		if _, err := w.reg.Issuing.Evidence(t.Context(), p.WorkID, 1); err == nil {
			t.Error("evidence without a network that proves it")
		}
		// Evidence that does not verify is not returned.
		c := w.config(w.db)
		c.Networks = network.Set{network.Testnet: mistaken{w.net, second.TxHash}}
		if e, err := New(c).Issuing.Evidence(t.Context(), p.WorkID, 1); err == nil {
			t.Errorf("evidence with the proof of another: %+v", e)
		}
	})
}

// With the servers' log: its proof does not change as the log grows.
func TestEvidenceOfTheLog(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return storetest.SQLiteURL(t, t.TempDir()) },
		"postgres": func(t *testing.T) string { return storetest.PostgresURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := url(t)
			w := newWorld(t, u, storetest.Open(t, u), t.TempDir(), plenty)
			l, err := log.Open(t.Context(), w.db, log.Config{Network: network.Testnet, Origin: "timbre.example/log/testnet", Key: make([]byte, 32)})
			if err != nil {
				t.Fatal(err)
			}
			c := w.config(w.db)
			c.Networks = network.Set{network.Testnet: l}
			w.reg = New(c)
			finish := func(songs ...*song) (codes []string) {
				t.Helper()
				for _, s := range songs {
					if _, err := s.prepare(); err != nil {
						t.Fatal(err)
					}
					c, err := s.confirm()
					if err != nil {
						t.Fatal(err)
					}
					codes = append(codes, c.AccessCode)
				}
				if err := w.reg.Anchoring.Advance(t.Context(), l); err != nil {
					t.Fatal(err)
				}
				if _, err := l.Sequence(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := w.reg.Anchoring.Advance(t.Context(), l); err != nil {
					t.Fatal(err)
				}
				for _, s := range songs {
					s.wantFinal()
				}
				return codes
			}
			songs := []*song{w.begin("Porch Light", 0), w.begin("Last Ferry", 1), w.begin("First Snow", 2)}
			codes := finish(songs...)
			var before [][]byte
			for i, s := range songs {
				_, text := w.proved(s.view().Done.WorkID, 1, i, l.VerifierKey())
				before = append(before, text)
			}
			finish(w.updating(codes[1], 7, "Ada Example", "Ben Example"), w.begin("Orchard in Six", 8))
			w.proved(songs[1].view().Done.WorkID, 2, 7, l.VerifierKey())
			for i, s := range songs {
				if _, text := w.proved(s.view().Done.WorkID, 1, i, l.VerifierKey()); !bytes.Equal(text, before[i]) {
					t.Errorf("song %d was proved by\n%s\nand now by\n%s", i, before[i], text)
				}
			}
		})
	}
}
