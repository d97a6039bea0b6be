package web

import (
	"slices"
	"strings"
	"testing"

	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// A refusal says when the call may have been carried out: the answer of a commit is lost, and the
// database does not come back.
func TestAnUnknownOutcomeIsSaid(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	storetest.Open(t, url)
	lost := func(with string) string {
		t.Helper()
		trips, err := storetest.CountTrips(url)
		if err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(t.Context(), trips.URL+"&pool_max_conns=1")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		trips.LoseAnswer(func(trip storetest.Trip) bool {
			if !slices.Contains(trip, with) {
				return false
			}
			if err := trips.Close(); err != nil { // refuses new connections
				t.Error(err)
			}
			return true
		})
		err = db.Repeat(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.GetJob(t.Context(), "none"); store.Unavailable(err) {
				return err
			}
			return tx.InsertSession(t.Context(), query.InsertSessionParams{Jti: with})
		})
		if err == nil {
			t.Fatal("nothing was lost")
		}
		return string(catalogued(err).MarshalEnvelope("req_1"))
	}
	if text := lost("COMMIT"); !strings.Contains(text, `"common.service_unavailable"`) || !strings.Contains(text, `"details":{"outcome":"unknown"}`) {
		t.Errorf("lost with the commit: %s", text)
	}
	if text := lost("GetJob"); !strings.Contains(text, `"common.service_unavailable"`) || strings.Contains(text, "outcome") {
		t.Errorf("lost before the commit: %s", text)
	}
}
