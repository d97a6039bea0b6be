package evidence

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"
)

// Ends returns when the certificate of the authority ends, or the first of those in the token
// that it leads to. The root is often not in the token: [Stamp.TrustedUntil] knows it.
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
