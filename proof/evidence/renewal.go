package evidence

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Ends returns when the certificate of the authority ends, or the first of those in the token
// that it leads to. The root is often not in the token. [Verify] needs a renewal from before
// the end of the whole chain.
func (s Stamp) Ends() time.Time {
	end, at := s.signer.NotAfter, s.signer
	for range s.others {
		i := slices.IndexFunc(s.others, func(c *x509.Certificate) bool {
			return c != at && bytes.Equal(c.RawSubject, at.RawIssuer) && acceptable(c) == nil && at.CheckSignatureFrom(c) == nil
		})
		if i < 0 {
			break
		}
		if at = s.others[i]; at.NotAfter.Before(end) {
			end = at.NotAfter
		}
	}
	return end.UTC()
}

// chainEnds returns when the last of the chains ends that lead to one of the roots. It is the
// zero time without a chain.
func (s Stamp) chainEnds(roots *x509.CertPool) (end time.Time) {
	between := x509.NewCertPool()
	for _, c := range s.others {
		between.AddCert(c)
	}
	chains, _ := s.signer.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: s.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	for _, chain := range chains {
		first := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
		if first.After(end) {
			end = first.UTC()
		}
	}
	return end
}

// verifyRenewals changes the checks of tokens whose authority's chain has ended. Since then
// anybody may have the key. Such a token proves a date only if another attestation saw the
// token before the end: a token of a trusted authority that counts itself, or Bitcoin.
func verifyRenewals(e Evidence, r Report, opts Options) {
	if opts.Authorities == nil {
		return
	}
	tokens := e.Attestations
	at := func(i int) string { return fmt.Sprintf("attestations[%d]", i) }
	if e.RFC3161 != nil {
		tokens, at = []Attestation{{Kind: KindRFC3161, Of: OfCommitment, Token: e.RFC3161.Token}}, func(int) string { return "" }
	}
	seen := map[Subject]time.Time{}         // when the earliest proved attestation saw a subject
	for i := len(tokens) - 1; i >= 0; i-- { // a renewal stands behind what it renews
		var proved *Check
		for j := range r {
			switch c := &r[j]; {
			case c.Part != at(i):
			case c.Name == CheckTokenAuthority && c.Status == OK:
				if sum, err := e.Digest(tokens[i].Of); err == nil {
					c.Status, c.Why = alive(tokens[i], sum, seen[OfAttestation(i)], opts)
				}
			case c.Time != nil && c.Status == OK:
				proved = c
			}
		}
		if proved == nil || proved.Name == CheckToken && !trusted(r, at(i)) {
			continue
		}
		if before, ok := seen[tokens[i].Of]; !ok || proved.Time.Before(before) {
			seen[tokens[i].Of] = *proved.Time
		}
	}
}

// alive returns the status of a token whose authority is trusted. renewed is when a proved
// attestation saw the token; zero: none did.
func alive(a Attestation, sum [32]byte, renewed time.Time, opts Options) (Status, string) {
	stamp, err := RFC3161{Token: a.Token}.Open(sum)
	if err != nil {
		return Failed, err.Error()
	}
	end := stamp.chainEnds(opts.Authorities)
	if !opts.Now.After(end) || !renewed.IsZero() && renewed.Before(end) {
		return OK, ""
	}
	return NotChecked, filled("why_token_ended", "{date}", end.Format(time.DateOnly))
}
