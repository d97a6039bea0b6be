package claims_test

import (
	"errors"
	"fmt"
	"testing"

	"timbre.example/internal/claims"
	"timbre.example/internal/fault"
	"timbre.example/internal/record"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/internal/store/storetest"
)

// A title and a recording have one work, until a failed transaction gives them back. Test
// keys, other end-users and other organizations are not in the way.
func TestOneWork(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		first := query.Job{Kind: record.KindRegister, OrganizationID: "o", Network: "testnet", ExternalUserRef: "u", TitleKey: "first snow", MediaHash: []byte("recording"), WorkID: "w1"}
		with := func(change func(*query.Job)) query.Job {
			j := first
			j.WorkID = "w2"
			change(&j)
			return j
		}
		jobs := 0
		reserve := func(tx *store.Tx, j query.Job, duplicates bool) error {
			jobs++
			id := fmt.Sprint("job ", jobs)
			if err := tx.InsertJob(ctx, query.InsertJobParams{
				ID: id, Kind: j.Kind, OrganizationID: j.OrganizationID, Network: j.Network, ExternalUserRef: j.ExternalUserRef, TitleKey: j.TitleKey, MediaHash: j.MediaHash, WorkID: j.WorkID, Test: j.Test, Creators: "[]", Media: "{}",
			}); err != nil {
				return err
			}
			return claims.Make(ctx, tx, id, &j, duplicates)
		}
		try := func(j query.Job, duplicates bool) error {
			undo := errors.New("undo")
			err := db.Tx(ctx, func(tx *store.Tx) error {
				if err := reserve(tx, j, duplicates); err != nil {
					return err
				}
				return undo
			})
			if errors.Is(err, undo) {
				return nil
			}
			return err
		}
		tx := func(f func(*store.Tx) error) {
			t.Helper()
			if err := db.Tx(ctx, f); err != nil {
				t.Fatal(err)
			}
		}
		tx(func(tx *store.Tx) error { return reserve(tx, first, false) })

		sameTitle := with(func(j *query.Job) { j.MediaHash = []byte("another") })
		sameRecording := with(func(j *query.Job) { j.TitleKey = "another" })
		for what, c := range map[string]struct {
			job        query.Job
			duplicates bool
			want       fault.Code
		}{
			"the title":                         {sameTitle, false, fault.CodeRegistrationDuplicateTitle},
			"the title, where it may":           {sameTitle, true, ""},
			"the recording":                     {sameRecording, true, fault.CodeWorkAlreadyRegistered},
			"both, with a test key":             {with(func(j *query.Job) { j.Test = true }), false, ""},
			"both, on another network":          {with(func(j *query.Job) { j.Network = "mainnet" }), false, ""},
			"both, of another organization":     {with(func(j *query.Job) { j.OrganizationID = "p" }), false, ""},
			"the title of another end-user":     {with(func(j *query.Job) { j.ExternalUserRef, j.MediaHash = "v", []byte("another") }), false, ""},
			"the recording of another end-user": {with(func(j *query.Job) { j.ExternalUserRef = "v" }), false, fault.CodeWorkAlreadyRegistered},
		} {
			if err := try(c.job, c.duplicates); c.want == "" && err != nil || c.want != "" && !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %s", what, err, c.want)
			}
		}
		// The checks before the confirm say the same.
		if err := claims.Title(ctx, db.Read(), sameTitle); !errors.Is(err, fault.CodeRegistrationDuplicateTitle) {
			t.Errorf("the title: %v", err)
		}
		if _, err := claims.Recording(ctx, db.Read(), sameRecording, sameRecording.MediaHash); !errors.Is(err, fault.CodeWorkAlreadyRegistered) {
			t.Errorf("the recording: %v", err)
		}
		if owner, err := claims.Recording(ctx, db.Read(), first, first.MediaHash); err != nil || owner != "w1" {
			t.Errorf("its own recording: %q, %v", owner, err)
		}
		// A release by another work gives nothing back.
		other := with(func(*query.Job) {})
		tx(func(tx *store.Tx) error { return claims.Release(ctx, tx, other) })
		if err := try(other, false); err == nil {
			t.Error("the claims of the first work are gone")
		}
		tx(func(tx *store.Tx) error { return claims.Release(ctx, tx, first) })
		if err := try(other, false); err != nil {
			t.Errorf("after the release: %v", err)
		}
	})
}
