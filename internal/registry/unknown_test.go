package registry

import (
	"slices"
	"testing"

	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/store/storetest"
)

// Each step of a client is committed, and the answer of its commit is lost. The step finds out
// that it was committed, and returns what it made.
func TestTheAnswerOfACommitIsLost(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	storetest.Open(t, url)
	trips, err := storetest.CountTrips(url)
	if err != nil {
		t.Fatal(err)
	}
	defer trips.Close()
	w := newWorld(t, url, storetest.Open(t, trips.URL), t.TempDir(), plenty)
	ctx := t.Context()
	lost := 0
	// loses cuts the connection at the commit of the transaction with this statement.
	alone := []string{"InsertSession", "LandFirstUpload", "StageTransaction", "BroadcastTransaction"} // need no COMMIT
	loses := func(name string) {
		begun := false
		trips.LoseAnswer(func(trip storetest.Trip) bool {
			begun = begun || slices.Contains(trip, name)
			if begun && (slices.Contains(trip, "COMMIT") || slices.Contains(alone, name)) {
				lost++
				return true
			}
			return false
		})
	}
	done := func(step string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}

	loses("InsertSession")
	minter, err := w.sessions.Minter(ctx, w.keys.SecretKey, origin)
	done("check the key", err)
	token, err := w.sessions.Mint(ctx, minter, session.MintRequest{Action: session.Register, Network: network.Testnet})
	done("mint", err)
	caller, err := w.sessions.Authorize(ctx, "Bearer "+token, w.keys.SiteKey, origin)
	done("authorize", err)

	loses("InsertJob")
	slot, err := w.initAs(caller, describing("Lost"))
	done("init", err)
	if _, err := w.initAs(caller, describing("Lost too")); err == nil {
		t.Error("the session was spent twice")
	}
	loses("LandFirstUpload")
	if status, text := w.tryPut(slot.UploadURL, wav(1)); status/100 != 2 {
		w.put(slot.UploadURL, wav(1)) // refused with a retry: nothing was stored, and the client sends it again
		t.Logf("the upload was sent twice: %d %s", status, text)
	}
	s := &song{w: w, caller: caller, slot: slot}
	loses("PrepareJob")
	_, err = s.prepare()
	done("prepare", err)
	loses("InsertTransaction")
	confirmed, err := s.confirm()
	done("confirm", err)
	if confirmed.AccessCode == "" || confirmed.TransactionID != slot.JobID {
		t.Errorf("confirmed %+v", confirmed)
	}
	if lost != 5 {
		t.Errorf("%d commits lost their answers", lost)
	}
	trips.LoseAnswer(nil)
	w.settle()
	s.wantFinal()

	// The worker finds its own change when it looks again.
	for _, statement := range []string{"StageTransaction", "BroadcastTransaction", "FinishTransaction"} {
		s := w.confirmed("Lost at "+statement, len(statement))
		loses(statement)
		_ = w.reg.Anchoring.Advance(ctx, w.net)
		trips.LoseAnswer(nil)
		w.settle()
		s.wantFinal()
	}
	if lost != 8 {
		t.Errorf("%d commits lost their answers", lost)
	}
}
