package stamping_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/network/log"
	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/outbound"
	"timbre.example/internal/stamping"
	"timbre.example/internal/stamping/calendartest"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
	"timbre.example/internal/timestamp"
	"timbre.example/internal/timestamp/tsatest"
	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence"
)

var local = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// world is a real log with a real authority and a calendar.
type world struct {
	t   *testing.T
	db  *store.DB
	log *log.Log
	tsa *tsatest.Authority
	cal *calendartest.Calendar
	s   *stamping.Service

	mu    sync.Mutex
	ahead time.Duration
	works int
	told  int
	die   func(point string)     // may be nil
	chain func() network.Network // opens the chain on which the log is anchored; nil: it is not
}

func onBoth(t *testing.T, f func(w *world)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := &world{t: t, db: db, tsa: tsatest.New(t), cal: calendartest.New(t)}
		db.Now = func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return time.Now().Add(w.ahead)
		}
		l, err := log.Open(t.Context(), db, log.Config{
			Network: network.Testnet, Origin: "songs.example/log/testnet", Key: make([]byte, 32), BlockTime: time.Millisecond,
			Checkpoints: checkpoint.Dir(t.TempDir()), ClockTolerance: 100 * 365 * 24 * time.Hour, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.log = l
		w.block() // from before the first start
		w.start()
		f(w)
	})
}

// start is a process that has all dates on.
func (w *world) start() {
	w.t.Helper()
	client, err := timestamp.New(w.tsa.URL, time.Minute)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	chains := map[network.Name]network.Network{}
	if w.chain != nil {
		chains[network.Testnet] = w.chain()
	}
	w.s = stamping.New(stamping.Config{
		Chains: chains,
		DB:     w.db, Stamp: client.Stamp, Tokens: []network.Name{network.Testnet}, Timeout: time.Minute, Proofs: []network.Name{network.Testnet},
		Calendars:   &stamping.Calendars{Addresses: []string{w.cal.URL}, Client: outbound.NewPolicy(local).Client(1, 1)},
		RenewBefore: stamping.DefaultRenewBefore, Stamped: func() { w.told++ }, Log: slog.New(slog.DiscardHandler),
		Reached: func(point string) {
			if w.die != nil {
				w.die(point)
			}
		},
	})
	if err := w.s.Begin(w.t.Context(), []network.Name{network.Testnet}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

// block makes the next block of the log.
func (w *world) block() network.Block {
	w.t.Helper()
	w.works++
	call := network.Call{ProtocolVersion: 1, Nonce: fmt.Sprint(w.works), Commitment: sha256.Sum256(fmt.Append(nil, w.works))}
	staged, err := w.log.Stage(w.t.Context(), call)
	if err == nil {
		err = w.log.Broadcast(w.t.Context(), []network.Staged{staged})
	}
	if err == nil {
		_, err = w.log.Sequence(w.t.Context())
	}
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := w.log.Blocks(w.t.Context(), 1<<40, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	return all[0]
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// dates returns what evidence of a block has.
func (w *world) dates(block int64, token []byte) []evidence.Attestation {
	w.t.Helper()
	all, err := stamping.Dates(w.t.Context(), w.db, []stamping.Of{{Network: network.Testnet, Block: block, Token: token}})
	w.must(err)
	return all[0]
}

// brief names attestations without their bytes.
func brief(all []evidence.Attestation) string {
	out := "dates:"
	for _, a := range all {
		out += fmt.Sprintf(" %s of %s;", a.Kind, a.Of)
	}
	return out
}

// get reads a served file.
func (w *world) get(digest [32]byte, kind string) (int, []byte, http.Header) {
	h := stamping.Handler(w.db, network.Testnet, "/log/testnet/stamps", w.anchored, func(rw http.ResponseWriter, _ *http.Request, err error) {
		http.Error(rw, err.Error(), http.StatusNotFound)
	})
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/log/testnet/stamps/"+hex.EncodeToString(digest[:])+"."+kind, nil)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Code, rec.Body.Bytes(), rec.Header()
}

// holds verifies a token of a digest by the authority's roots.
func holds(t *testing.T, token []byte, digest [32]byte, roots *x509.CertPool) {
	t.Helper()
	stamp, err := evidence.RFC3161{Token: token}.Open(commitment.Hash(digest))
	if err == nil {
		err = stamp.IssuedUnder(roots)
	}
	if err != nil {
		t.Error(err)
	}
}

// Each block gets one token and one proof, for all its registrations. Blocks from before get
// none. OpenSSL and python-opentimestamps read what is served.
func TestDatesOfABlock(t *testing.T) {
	onBoth(t, func(w *world) {
		t := w.t
		b := w.block()
		w.must(w.s.StampDue(t.Context()))
		w.must(w.s.CalendarsDue(t.Context()))
		if got := w.dates(1, nil); len(got) != 0 || w.told != 1 {
			t.Fatalf("a block from before: %v, told %d times", got, w.told)
		}
		got := w.dates(b.Number, nil)
		if len(got) != 2 || got[0].Kind != evidence.KindRFC3161 || got[0].Of != evidence.OfBlock || got[1].Kind != evidence.KindOpenTimestamps || got[1].Of != evidence.OfBlock {
			t.Fatal(brief(got))
		}
		holds(t, got[0].Token, b.Hash, w.tsa.Roots())
		code, token, header := w.get(b.Hash, "tst")
		if code != http.StatusOK || !bytes.Equal(token, got[0].Token) || header.Get("Content-Type") != "application/timestamp-token" || !strings.Contains(header.Get("Cache-Control"), "immutable") {
			t.Errorf("%d %v", code, header)
		}
		// As docs/evidence.md says, of the checkpoint itself.
		dir := t.TempDir()
		w.must(os.WriteFile(filepath.Join(dir, "checkpoint.txt"), []byte(b.Checkpoint), 0o600))
		w.must(os.WriteFile(filepath.Join(dir, "block.tst"), token, 0o600))
		openssl := exec.Command("openssl", "ts", "-verify", "-data", "checkpoint.txt", "-in", "block.tst", "-token_in", "-CAfile", w.tsa.CAFile)
		openssl.Dir = dir
		if out, err := openssl.CombinedOutput(); err != nil || !strings.Contains(string(out), "Verification: OK") {
			t.Errorf("%v: %s", err, out)
		}

		// Pending at first, and completed later.
		asked := w.cal.Asked()
		w.must(w.s.CalendarsDue(t.Context()))
		if w.cal.Asked() != asked {
			t.Error("a calendar is asked without a pause")
		}
		w.pass(time.Hour + time.Second)
		w.must(w.s.CalendarsDue(t.Context()))
		if code, file, _ := w.get(b.Hash, "ots"); code != http.StatusOK || !bytes.Equal(file, got[1].Proof) || w.cal.Asked() != asked+1 {
			t.Errorf("%d, asked %d times", code, w.cal.Asked()-asked)
		}
		state, err := stamping.Status(t.Context(), w.db, time.Hour)
		w.must(err)
		if len(state.Blocks) != 2 || state.Blocks[0].Kind != "ots" || state.Blocks[0].Pending != 1 || state.Blocks[1].Waiting != 0 || state.Blocks[1].Seen != b.Number {
			t.Errorf("%+v", state)
		}
		w.cal.Mine()
		w.pass(2*time.Hour + time.Second)
		w.must(w.s.CalendarsDue(t.Context()))
		code, file, header := w.get(b.Hash, "ots")
		proof, err := evidence.ReadProof(file)
		if code != http.StatusOK || err != nil || !proof.Bitcoin || len(proof.Promises) != 0 || proof.Digest != b.Hash || header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%d %+v %v", code, proof, err)
		}
		w.foreign(file, b.Hash)
		asked = w.cal.Asked()
		w.pass(stamping.CalendarTimeout)
		w.must(w.s.CalendarsDue(t.Context()))
		if w.cal.Asked() != asked {
			t.Error("a complete proof is asked for")
		}
	})
}

// foreign reads a proof with python-opentimestamps.
func (w *world) foreign(file []byte, digest [32]byte) {
	t := w.t
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import opentimestamps").Run(); err != nil {
		if os.Getenv("TIMBRE_TEST_ALL") != "" {
			t.Fatal(err)
		}
		t.Log("not compared with python-opentimestamps: python3-opentimestamps is not installed")
		return
	}
	cmd := exec.Command(python, "-c", `
import sys
from opentimestamps.core.serialize import BytesDeserializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile
from opentimestamps.core.notary import BitcoinBlockHeaderAttestation
f = DetachedTimestampFile.deserialize(BytesDeserializationContext(sys.stdin.buffer.read()))
print(f.file_digest.hex())
for message, a in f.timestamp.all_attestations():
    if isinstance(a, BitcoinBlockHeaderAttestation):
        print(a.height, message.hex())
`)
	cmd.Stdin = bytes.NewReader(file)
	out, err := cmd.CombinedOutput()
	root, _, _ := w.cal.Blocks(900_000)
	if want := fmt.Sprintf("%x\n900000 %x\n", digest, root); err != nil || string(out) != want {
		t.Errorf("python-opentimestamps: %v: %s, want %s", err, out, want)
	}
}

// The worker dies at each point, the authority fails, or its answer is lost: the block still
// gets one token.
func TestStampKilled(t *testing.T) {
	for _, at := range []string{"stamp.begun", "stamp.answered", "stamp.committed", "calendar.begun", "calendar.answered", "calendar.committed"} {
		t.Run(at, func(t *testing.T) {
			onBoth(t, func(w *world) {
				b := w.block()
				ctx, cancel := context.WithCancel(w.t.Context())
				defer cancel()
				w.die = func(point string) {
					if point == at {
						cancel()
					}
				}
				err := w.s.StampDue(ctx)
				if strings.HasPrefix(at, "calendar.") {
					w.must(err)
					err = w.s.CalendarsDue(ctx)
				}
				if ctx.Err() == nil {
					w.t.Fatalf("it was not killed: %v", err)
				}
				w.die = nil
				w.start() // and while the row is leased, nothing happens
				w.pass(time.Minute)
				w.must(w.s.StampDue(w.t.Context()))
				w.must(w.s.CalendarsDue(w.t.Context()))
				got := w.dates(b.Number, nil)
				if len(got) != 2 {
					w.t.Fatal(brief(got))
				}
				holds(w.t, got[0].Token, b.Hash, w.tsa.Roots())
				asked := w.tsa.Asked()
				w.pass(time.Hour)
				w.must(w.s.StampDue(w.t.Context()))
				if w.tsa.Asked() != asked {
					w.t.Error("a stamped block was requested again")
				}
			})
		})
	}
}

func TestAuthorityFails(t *testing.T) {
	onBoth(t, func(w *world) {
		b := w.block()
		lost := 0
		w.tsa.Answer(func(rw http.ResponseWriter, r *http.Request) { // it answers, and the answer is lost
			lost++
			panic(http.ErrAbortHandler)
		})
		w.must(w.s.StampDue(w.t.Context()))
		w.must(w.s.StampDue(w.t.Context())) // too early
		if lost == 0 || len(w.dates(b.Number, nil)) != 0 {
			w.t.Fatal(lost)
		}
		before := lost
		w.pass(time.Second)
		w.must(w.s.StampDue(w.t.Context()))
		w.tsa.Answer(nil)
		newer := w.block()
		w.pass(stamping.LastPause)
		w.must(w.s.StampDue(w.t.Context()))
		if lost == before || len(w.dates(b.Number, nil)) != 1 || len(w.dates(newer.Number, nil)) != 1 {
			w.t.Errorf("%d requests", lost)
		}
		// After its timeout a block stays without.
		w.tsa.Answer(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "no", http.StatusServiceUnavailable) })
		late := w.block()
		w.must(w.s.StampDue(w.t.Context()))
		w.tsa.Answer(nil)
		w.pass(stamping.TokenTimeout)
		w.must(w.s.StampDue(w.t.Context()))
		if got := w.dates(late.Number, nil); len(got) != 0 {
			w.t.Error(brief(got))
		}
	})
}

// A calendar that fails, lies or answers without end does no harm, and another one helps.
func TestCalendarFails(t *testing.T) {
	onBoth(t, func(w *world) {
		for name, answer := range map[string]http.HandlerFunc{
			"an error":       func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "no", http.StatusTeapot) },
			"no proof":       func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("hello")) },
			"without an end": func(rw http.ResponseWriter, _ *http.Request) { rw.Write(make([]byte, 1<<20)) },
			"a redirect": func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, w.cal.URL+"/digest", http.StatusTemporaryRedirect)
			},
		} {
			bad := calendartest.New(w.t)
			bad.Answer(answer)
			w.s.Calendars.Addresses = []string{bad.URL}
			b := w.block()
			w.must(w.s.CalendarsDue(w.t.Context()))
			if got := w.dates(b.Number, nil); len(got) != 0 || bad.Asked() != 1 {
				w.t.Fatalf("%s: %s, asked %d times", name, brief(got), bad.Asked())
			}
			w.s.Calendars.Addresses = []string{bad.URL, w.cal.URL}
			w.pass(time.Minute)
			w.must(w.s.CalendarsDue(w.t.Context()))
			if got := w.dates(b.Number, nil); len(got) != 1 {
				w.t.Fatalf("%s: with another one: %s", name, brief(got))
			}
		}
		// Without leave, no private address is asked.
		asked := w.cal.Asked()
		w.s.Calendars = &stamping.Calendars{Addresses: []string{w.cal.URL}, Client: outbound.NewPolicy(nil).Client(1, 1)}
		if _, err := w.s.Calendars.Submit(w.t.Context(), [32]byte{}); !errors.Is(err, outbound.ErrPlain) || w.cal.Asked() != asked {
			w.t.Error(err)
		}
	})
}

// Before the certificates of a kept token end, it is renewed once: evidence then proves its date
// after that end, and without the renewal it says what is missing.
func TestRenewal(t *testing.T) {
	onBoth(t, func(w *world) {
		t := w.t
		now := time.Now()
		w.tsa.Certify(now.Add(200 * 24 * time.Hour))
		b := w.block()
		w.must(w.s.StampDue(t.Context()))
		first := w.dates(b.Number, nil)
		asked := w.tsa.Asked()
		w.must(w.s.RenewDue(t.Context()))
		if w.tsa.Asked() != asked {
			t.Fatal("a token with long-lived certificates is renewed")
		}
		// 90 days before the end; the authority has no other certificate yet.
		w.pass(111 * 24 * time.Hour)
		w.must(w.s.RenewDue(t.Context()))
		w.must(w.s.RenewDue(t.Context()))
		if len(w.dates(b.Number, nil)) != 1 || w.tsa.Asked() != asked+1 {
			t.Fatalf("asked %d times", w.tsa.Asked()-asked)
		}
		state, err := stamping.Status(t.Context(), w.db, stamping.DefaultRenewBefore)
		w.must(err)
		if state.RenewalsDue != 1 || state.RenewalsMissed != 0 || state.NextEnd.IsZero() {
			t.Errorf("%+v", state)
		}
		w.tsa.Certify(now.Add(5000 * 24 * time.Hour))
		for _, at := range []string{"renewal.begun", "renewal.answered", ""} { // killed twice on the way
			ctx, cancel := context.WithCancel(t.Context())
			w.die = func(point string) {
				if point == at {
					cancel()
				}
			}
			w.pass(7 * time.Hour)
			if err := w.s.RenewDue(ctx); err != nil && ctx.Err() == nil {
				t.Fatal(err)
			}
			cancel()
		}
		renewed := w.dates(b.Number, nil)
		if len(renewed) != 2 || renewed[1].Of != evidence.OfAttestation(0) || !bytes.Equal(renewed[0].Token, first[0].Token) {
			t.Fatal(brief(renewed))
		}
		sum := sha256.Sum256(first[0].Token)
		holds(t, renewed[1].Token, sum, w.tsa.Roots())
		if code, file, _ := w.get(sum, "tst"); code != http.StatusOK || !bytes.Equal(file, renewed[1].Token) {
			t.Error(code)
		}
		asked = w.tsa.Asked()
		w.pass(7 * time.Hour)
		w.must(w.s.RenewDue(t.Context()))
		if w.tsa.Asked() != asked {
			t.Error("a renewal was requested again")
		}
		if state, err = stamping.Status(t.Context(), w.db, stamping.DefaultRenewBefore); err != nil || state.RenewalsDue != 0 {
			t.Errorf("%+v %v", state, err)
		}
	})
}
