package evidence_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"reflect"
	"sync"
	"testing"

	"timbre.example/proof/evidence"
)

// The package has no state. The test shows it under the race detector, with evidence
// that needs every part of the package, and gets one report from all goroutines.
func TestAtTheSameTime(t *testing.T) {
	t.Parallel()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(must(os.ReadFile("testdata/v1/authority.pem"))) {
		t.Fatal("authority.pem")
	}
	for _, name := range []string{"stamped.json", "redacted.json", "substrate.json", "chain.json"} {
		text := golden()[name]
		shared := decode(t, text)
		opts := func() evidence.Options {
			return evidence.Options{Media: bytes.NewReader(song.media), Keys: []string{song.key()}, Authorities: roots}
		}
		want := must(evidence.Verify(shared, opts()))
		var all sync.WaitGroup
		for range 8 {
			all.Add(1)
			go func() {
				defer all.Done()
				for range 5 {
					own, err := evidence.Decode(bytes.NewReader(text))
					if err != nil {
						t.Error(err)
						return
					}
					for _, e := range []evidence.Evidence{own, shared} {
						r, err := evidence.Verify(e, opts())
						if err != nil || !reflect.DeepEqual(r, want) {
							t.Errorf("%s: %+v, %v, want %+v", name, r, err, want)
						}
						v := evidence.Judge(e, r)
						if said := v.Sentence(e); said == "" {
							t.Errorf("%s: no sentence", name)
						}
						if _, err := e.Redact(1); err != nil {
							t.Error(err)
						}
						if again, err := evidence.Encode(e); err != nil || !bytes.Equal(again, text) {
							t.Errorf("%s: encoded as other bytes (%v)", name, err)
						}
					}
				}
			}()
		}
		all.Wait()
	}
}

// A verifier may trust several logs. Only a key among them makes evidence anchored,
// in any place of the list.
func TestSeveralKeys(t *testing.T) {
	t.Parallel()
	other, more := work{seed: [32]byte{1, 1}}.key(), work{seed: [32]byte{1, 2}}.key()
	whole := song.logged()
	forged := whole // it claims a trusted log, and another log signed it
	forged.Log = ptr(*whole.Log)
	forged.Log.Key = other
	for name, c := range map[string]struct {
		e               evidence.Evidence
		keys            []string
		key, checkpoint evidence.Status
	}{
		"none":           {whole, nil, evidence.NotChecked, evidence.OK},
		"the only":       {whole, []string{song.key()}, evidence.OK, evidence.OK},
		"the first":      {whole, []string{song.key(), other}, evidence.OK, evidence.OK},
		"the last":       {whole, []string{other, more, song.key()}, evidence.OK, evidence.OK},
		"others":         {whole, []string{other, more}, evidence.Failed, evidence.Failed},
		"an empty key":   {whole, []string{""}, evidence.Failed, evidence.Failed},
		"a forged claim": {forged, []string{other, song.key()}, evidence.OK, evidence.Failed},
		"an unnamed log": {forged, []string{song.key(), more}, evidence.Failed, evidence.OK},
	} {
		r := must(evidence.Verify(c.e, evidence.Options{Keys: c.keys}))
		if key, checkpoint := check(r, evidence.CheckLogKey), check(r, evidence.CheckCheckpoint); key.Status != c.key || checkpoint.Status != c.checkpoint {
			t.Errorf("%s: %+v %+v", name, key, checkpoint)
		}
		if want := c.key == evidence.OK && c.checkpoint == evidence.OK; r.Anchored() != want {
			t.Errorf("%s: anchored: %t, want %t", name, r.Anchored(), want)
		}
	}
}

// The constants are the names that reports have.
func TestCheckNames(t *testing.T) {
	t.Parallel()
	names := map[evidence.CheckName]bool{
		evidence.CheckForm: false, evidence.CheckPage: false, evidence.CheckMedia: false, evidence.CheckCreators: false, evidence.CheckAllCreators: false,
		evidence.CheckCommitment: false, evidence.CheckTransaction: false, evidence.CheckEntry: false, evidence.CheckTime: false, evidence.CheckLogKey: false,
		evidence.CheckCheckpoint: false, evidence.CheckInclusion: false, evidence.CheckBlock: false, evidence.CheckChain: false, evidence.CheckToken: false,
		evidence.CheckTokenAuthority: false, evidence.CheckCosignatures: false, evidence.CheckWitnesses: false, evidence.CheckLater: false,
		evidence.CheckBitcoin: false, evidence.CheckAttestation: false, evidence.CheckDates: false,
	}
	reports := evidence.Report{evidence.Page(evidence.OK, "")}
	for _, name := range []string{"stamped.json", "substrate.json", "attested.json"} {
		reports = append(reports, must(evidence.Verify(decode(t, golden()[name]), evidence.Options{Policy: policy(t, song.policy())}))...)
	}
	reports = append(reports, must(evidence.Verify(evidence.Evidence{}, evidence.Options{}))...)
	for _, c := range reports {
		if _, known := names[c.Name]; !known {
			t.Errorf("%q is not among the constants", c.Name)
		}
		names[c.Name] = true
	}
	for name, seen := range names {
		if !seen {
			t.Errorf("no report has %q", name)
		}
	}
}
