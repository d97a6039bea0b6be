package evidence_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"timbre.example/proof/evidence"
)

// certify gives an authority another certificate for its key, and another root, for some days.
func (a authority) certify(days string) {
	a.t.Helper()
	a.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Clock Root", "-days", days, "-keyout", "cakey.pem", "-out", "ca.pem")
	a.openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "cakey.pem", "-days", days, "-set_serial", "3", "-extfile", "ext", "-out", "tsa.pem")
}

// When the certificates of an authority have ended, the report says it, unless its token was
// renewed before: by another authority, or by a block of Bitcoin.
func TestEndedCertificates(t *testing.T) {
	t.Parallel()
	a, b := newClock(t), newClock(t) // a ends after one day, its root after two
	b.certify("3000")
	all := x509.NewCertPool()
	for _, one := range []authority{a, b} {
		all.AppendCertsFromPEM(one.read("ca.pem"))
	}
	bare := must(song.logged().Extend(evidence.Attestation{Kind: evidence.KindRFC3161, Of: evidence.OfBlock, Token: a.stamp(song.logged().Block.Hash)}))
	first := evidence.OfAttestation(0)
	renew := func(e evidence.Evidence, by authority, of evidence.Subject) evidence.Evidence {
		return must(e.Extend(evidence.Attestation{Kind: evidence.KindRFC3161, Of: of, Token: by.stamp(must(e.Digest(of)))}))
	}
	renewed := renew(bare, b, first)
	chained, root := opentimestamps(must(bare.Digest(first)))
	bitcoin := must(bare.Extend(evidence.Attestation{Kind: evidence.KindOpenTimestamps, Of: first, Proof: chained}))
	now := time.Now()
	for name, c := range map[string]struct {
		e     evidence.Evidence
		after time.Duration
		block time.Time
		why   string
	}{
		"in its life":                    {bare, 0, now, ""},
		"after its end":                  {bare, 36 * time.Hour, now, "only a renewal made before proves more"},
		"renewed":                        {renewed, 36 * time.Hour, now, ""},
		"renewed by one that ended, too": {renew(bare, a, first), 36 * time.Hour, now, "only a renewal made before proves more"},
		"renewed twice":                  {renew(renew(bare, a, first), b, evidence.OfAttestation(1)), 36 * time.Hour, now, ""},
		"the end of the renewal":         {renewed, 4000 * 24 * time.Hour, now, "ended on"},
		"a token of something else":      {renew(bare, b, evidence.OfCommitment), 36 * time.Hour, now, ""}, // it counts by itself
		"a block of Bitcoin":             {bitcoin, 36 * time.Hour, now, ""},
		"a block of Bitcoin, too late":   {bitcoin, 36 * time.Hour, now.Add(30 * time.Hour), "only a renewal made before proves more"},
	} {
		r := must(evidence.Verify(c.e, evidence.Options{
			Keys: []string{song.key()}, Authorities: all, Now: now.Add(c.after),
			Blocks: func(height int64) ([32]byte, time.Time, bool) { return root, c.block, height == bitcoinHeight },
		}))
		why, dated := "", false
		for _, one := range r {
			if one.Name == evidence.CheckTokenAuthority && one.Part == "attestations[0]" {
				why = one.Why
			}
		}
		for _, d := range r.Dates(c.e) {
			dated = dated || d.Independent
		}
		if !dated || (why == "") != (c.why == "") && name != "a token of something else" || !strings.Contains(why, c.why) || evidence.Judge(c.e, r) != evidence.Registered {
			t.Errorf("%s: dated %v, %q, %s", name, dated, why, evidence.Judge(c.e, r))
		}
	}
}

// A proof grows with the answers of calendars, at each place of the file.
func TestCalendarProofs(t *testing.T) {
	t.Parallel()
	digest := song.logged().Block.Hash
	promise := func(calendar string) []byte {
		text := append([]byte{byte(len(calendar))}, calendar...)
		out := append([]byte{0xf0, 1}, calendar[len(calendar)-1], 0x08, 0x00, 0x83, 0xdf, 0xe3, 0x0d, 0x2e, 0xf9, 0x0c, 0x8e, byte(len(text)))
		return append(out, text...)
	}
	block := []byte{0xff, 0xf0, 1, 'x', 0x08, 0x00, 0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01, 1, 7, 0x08, 0x00, 0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01, 1, 8}
	file := must(evidence.NewProof(digest, promise("https://calendar.example/a"), promise("https://calendar.example/b")))
	for range 2 { // the first is followed by another one, the second is the last
		p := must(evidence.ReadProof(file))
		if p.Digest != digest || len(p.Promises) == 0 {
			t.Fatalf("%+v", p)
		}
		one := p.Promises[0]
		file = must(evidence.CompleteProof(file, one, block))
		if _, err := evidence.CompleteProof(file, one, block); err == nil {
			t.Error("a promise was kept twice")
		}
	}
	p := must(evidence.ReadProof(file))
	if len(p.Promises) != 0 || !p.Bitcoin {
		t.Errorf("%+v", p)
	}
	e := must(must(song.logged().AddProof(must(evidence.NewProof(digest, promise("https://calendar.example/a"))))).AddProof(file))
	if len(e.Attestations) != 1 || e.Attestations[0].Of != evidence.OfBlock {
		t.Errorf("%d attestations", len(e.Attestations))
	}
	for name, answers := range map[string][][]byte{"no answer": nil, "nothing": {{}}, "text": {[]byte("hello")}, "more than a proof": {append(promise("https://a"), 0)}, "half": {promise("https://a")[:9]}} {
		if got, err := evidence.NewProof(digest, answers...); err == nil {
			t.Errorf("%s: %x", name, got)
		}
	}
}
