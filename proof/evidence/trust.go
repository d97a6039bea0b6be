package evidence

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// IssuedUnder returns nil when the authority's certificate leads to one of the roots.
// All certificates of this chain must have been valid at the time of the token, and
// reach the floor: see [Stamp.TrustedUntil].
func (s Stamp) IssuedUnder(roots *x509.CertPool) error {
	_, err := s.TrustedUntil(roots)
	return err
}

// TrustedUntil returns when the authority's chain of certificates to one of the roots
// ends. It returns the latest end of several chains. A token proves its time also after
// that, but the chain can no longer say that a key was stolen or broken since.
//
// TrustedUntil fails as IssuedUnder does. It refuses a chain below the floor. Each key, also
// that of the root, is RSA of 2,048 to 8,192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519.
// No certificate below the root is signed with SHA-1 or MD5. The root's own signature does not
// matter: the caller trusts the root by its key.
func (s Stamp) TrustedUntil(roots *x509.CertPool) (time.Time, error) {
	between := x509.NewCertPool()
	var weak error // why a certificate of the token cannot be in a chain
	for _, c := range s.others {
		err := acceptable(c)
		if err == nil {
			err = signedWell(c)
		}
		if err == nil {
			between.AddCert(c)
		} else if weak == nil {
			weak = fmt.Errorf("the authority's certificate %q has %w", c.Subject, err)
		}
	}
	if err := signedWell(s.signer); err != nil {
		return time.Time{}, fmt.Errorf("the authority's certificate %q has %w", s.signer.Subject, err)
	}
	chains, err := s.signer.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: s.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	if err != nil && weak != nil {
		return time.Time{}, fmt.Errorf("%w; %w", weak, err)
	} else if err != nil {
		return time.Time{}, err
	}
	var until time.Time
	for _, chain := range chains {
		end, err := reachesFloor(chain)
		if err != nil {
			weak = err
		} else if end.After(until) {
			until = end
		}
	}
	if until.IsZero() {
		return time.Time{}, weak
	}
	return until, nil
}

// reachesFloor returns when a chain from the signer to a root ends, or an error if one of its
// keys or signatures is not accepted.
func reachesFloor(chain []*x509.Certificate) (end time.Time, err error) {
	for i, c := range chain {
		if err := acceptable(c); err != nil {
			return end, fmt.Errorf("the authority's certificate %q has %w", c.Subject, err)
		}
		if i < len(chain)-1 {
			if err := signedWell(c); err != nil {
				return end, fmt.Errorf("the authority's certificate %q has %w", c.Subject, err)
			}
		}
		if i == 0 || c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end.UTC(), nil
}

// signedWell returns an error when the signature of a certificate uses a broken hash.
// Package x509 refuses those, too, but does not say so: it knows no authority then.
func signedWell(c *x509.Certificate) error {
	if !slices.Contains(broken, c.SignatureAlgorithm) || string(c.RawIssuer) == string(c.RawSubject) { // a root is trusted by its key
		return nil
	}
	return fmt.Errorf("a signature by %s, which is not accepted", c.SignatureAlgorithm)
}

// broken are the signatures that are not accepted.
var broken = []x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1, x509.UnknownSignatureAlgorithm}

// trustToken checks the authority of a valid token. An ended chain does not fail: the token
// was good at its time. But the report says it, unless renewed finds a later attestation of
// this one, from before the end.
func trustToken(stamp Stamp, opts Options, renewed func(before time.Time) bool) (Status, string) {
	if opts.Authorities == nil {
		return NotChecked, filled("why_token_authority", "{name}", stamp.Authority)
	}
	end, err := stamp.TrustedUntil(opts.Authorities)
	switch {
	case err != nil:
		return Failed, err.Error()
	case opts.Now.After(end) && !renewed(end):
		return OK, filled("why_token_authority_ended", "{date}", end.Format(time.RFC3339))
	}
	return OK, ""
}

// renewed reports whether a later attestation of the one at index i was made before this
// time, by a party that the caller trusts. A token counts while its own chain lives, or if it
// was renewed, too.
func renewed(e Evidence, i int, before time.Time, opts Options) bool {
	of := OfAttestation(i)
	sum, err := e.Digest(of)
	if err != nil {
		return false
	}
	for k := i + 1; k < len(e.Attestations); k++ {
		a := e.Attestations[k]
		if a.Of != of {
			continue
		}
		switch a.Kind {
		case KindCheckpoint, KindAnchor: // neither renews anything
		case KindOpenTimestamps:
			if c := verifyBitcoin(a.Proof, sum, opts, ""); c.Status == OK && c.Time.Before(before) {
				return true
			}
		case KindRFC3161:
			stamp, err := RFC3161{Token: a.Token}.Open(sum)
			if err != nil || !stamp.Time.Before(before) {
				continue
			}
			end, err := stamp.TrustedUntil(opts.Authorities)
			if err == nil && (!opts.Now.After(end) || renewed(e, k, end, opts)) {
				return true
			}
		}
	}
	return false
}

// Certificates returns the certificates of the token: the signer's first, then the others.
// Nothing is known about who issued them.
func (s Stamp) Certificates() []*x509.Certificate {
	all := []*x509.Certificate{s.signer}
	for _, c := range s.others {
		if !c.Equal(s.signer) {
			all = append(all, c)
		}
	}
	return all
}
