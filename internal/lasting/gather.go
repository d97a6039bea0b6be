package lasting

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"timbre.example/internal/certificate"
)

// ErrHighest marks an error that another attempt cannot change: the file has the highest
// level that its certificates allow.
var ErrHighest = errors.New("this is the highest level for this certificate")

// maxChain is the number of certificates from a signer to its root that are followed.
const maxChain = 6

// The limits of one answer.
const (
	maxAddresses = 2        // of one kind in one certificate
	maxIssuer    = 16 << 10 // bytes
	maxOCSP      = 16 << 10
	maxCRL       = 256 << 10 // unpacked; what is kept has its own limit
)

// gathering collects the validation data of some chains.
type gathering struct {
	from    *publications
	data    certificate.Validation
	issuers []*x509.Certificate // above the signers, each once
	done    []*x509.Certificate // whose revocation data are there
}

// chain gathers the data of a chain. known has the signer first, and perhaps those above it.
func (g *gathering) chain(ctx context.Context, known []*x509.Certificate) error {
	c := known[0]
	for range maxChain {
		if selfSigned(c) {
			return nil
		}
		issuer, err := g.issuer(ctx, c, known[1:])
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(g.issuers, issuer.Equal) {
			g.issuers = append(g.issuers, issuer)
		}
		if !slices.ContainsFunc(g.done, c.Equal) {
			if err := g.revocation(ctx, c, issuer); err != nil {
				return err
			}
			g.done = append(g.done, c)
		}
		c = issuer
	}
	return fmt.Errorf("the chain of %q has more than %d certificates; %w", known[0].Subject, maxChain, ErrHighest)
}

// selfSigned reports whether a certificate is a root. Its signature proves nothing, so it may
// use any algorithm.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && (len(c.AuthorityKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, c.SubjectKeyId))
}

// issuer returns the issuer of a certificate: a known one, or one from an address in it.
func (g *gathering) issuer(ctx context.Context, c *x509.Certificate, known []*x509.Certificate) (*x509.Certificate, error) {
	for _, one := range slices.Concat(known, g.issuers) {
		if bytes.Equal(one.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(one) == nil {
			return one, nil
		}
	}
	var all []error
	for _, address := range first(c.IssuingCertificateURL) {
		answer, err := g.from.get(ctx, address, string(c.RawIssuer), nil, "", maxIssuer, func(answer []byte) (until time.Time, err error) {
			one, err := x509.ParseCertificate(answer)
			if err != nil {
				return until, err
			}
			return until, c.CheckSignatureFrom(one)
		})
		if err != nil {
			all = append(all, err)
			continue
		}
		return x509.ParseCertificate(answer)
	}
	if all == nil {
		all = []error{ErrHighest}
	}
	return nil, fmt.Errorf("the issuer of %q is unknown: %w", c.Subject, errors.Join(all...))
}

// revocation gathers what says that a certificate is not revoked: an answer of OCSP, or else a
// list. Both are signed by the issuer, or by a certificate that it issued for that.
func (g *gathering) revocation(ctx context.Context, c, issuer *x509.Certificate) error {
	var all []error
	query, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		return fmt.Errorf("a request of OCSP for %q: %w", c.Subject, err)
	}
	for _, address := range first(c.OCSPServer) {
		answer, err := g.from.get(ctx, address, string(c.Raw), query, "application/ocsp-request", maxOCSP, func(answer []byte) (until time.Time, err error) {
			said, err := ocsp.ParseResponseForCert(answer, c, issuer)
			switch {
			case err != nil:
				return until, err
			case said.Status == ocsp.Revoked:
				return until, errRevoked
			case said.Status != ocsp.Good:
				return until, errors.New("the responder does not know the certificate")
			}
			if by := said.Certificate; by != nil && !by.Equal(issuer) && !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
				return until, errors.New("the certificate of the answer is not for OCSP")
			}
			return said.NextUpdate, g.fresh(said.ThisUpdate, said.NextUpdate)
		})
		if err == nil {
			g.data.OCSPs = append(g.data.OCSPs, answer)
			return nil
		}
		all = append(all, err)
	}
	for _, address := range first(c.CRLDistributionPoints) {
		answer, err := g.from.get(ctx, address, string(issuer.Raw)+string(c.Raw), nil, "", maxCRL, func(answer []byte) (until time.Time, err error) {
			list, err := x509.ParseRevocationList(answer)
			if err != nil {
				return until, err
			}
			if err := list.CheckSignatureFrom(issuer); err != nil {
				return until, err
			}
			for _, e := range list.Extensions {
				if e.Critical && !(e.Id.Equal(oidIssuingPoint) && forAll(e.Value, c.IsCA)) { // such as a list of changes
					return until, fmt.Errorf("a list with the critical extension %v", e.Id)
				}
			}
			for _, one := range list.RevokedCertificateEntries {
				if one.SerialNumber.Cmp(c.SerialNumber) == 0 {
					return until, errRevoked
				}
			}
			return list.NextUpdate, g.fresh(list.ThisUpdate, list.NextUpdate)
		})
		if err == nil {
			if !slices.ContainsFunc(g.data.CRLs, func(one []byte) bool { return bytes.Equal(one, answer) }) {
				g.data.CRLs = append(g.data.CRLs, answer)
			}
			return nil
		}
		all = append(all, err)
	}
	if all == nil {
		return fmt.Errorf("the certificate %q names no address for its revocation; %w", c.Subject, ErrHighest)
	}
	return fmt.Errorf("whether %q is revoked: %w", c.Subject, errors.Join(all...))
}

var oidIssuingPoint = asn1.ObjectIdentifier{2, 5, 29, 28}

// forAll reports whether a list has all revoked certificates of a kind, by its issuing
// distribution point (RFC 5280, section 5.2.5).
func forAll(extension []byte, ca bool) bool {
	var point struct {
		Name      asn1.RawValue  `asn1:"optional,tag:0"`
		OnlyUser  bool           `asn1:"optional,tag:1"`
		OnlyCA    bool           `asn1:"optional,tag:2"`
		Reasons   asn1.BitString `asn1:"optional,tag:3"`
		Indirect  bool           `asn1:"optional,tag:4"`
		Attribute bool           `asn1:"optional,tag:5"`
	}
	rest, err := asn1.Unmarshal(extension, &point)
	return err == nil && len(rest) == 0 && len(point.Reasons.Bytes) == 0 && !point.Indirect && !point.Attribute && !(point.OnlyUser && ca) && !(point.OnlyCA && !ca)
}

var errRevoked = fmt.Errorf("it is revoked; %w", ErrHighest)

// clockTolerance is how far the clock of an authority may be ahead.
const clockTolerance = 5 * time.Minute

// fresh returns an error for an answer of another time.
func (g *gathering) fresh(this, next time.Time) error {
	now := g.from.now()
	if this.After(now.Add(clockTolerance)) || !next.IsZero() && next.Before(now) {
		return fmt.Errorf("the answer is for %s to %s", this.Format(time.RFC3339), next.Format(time.RFC3339))
	}
	return nil
}

// first returns the addresses that are asked.
func first(addresses []string) []string { return addresses[:min(len(addresses), maxAddresses)] }

// without returns the gathered certificates that none of these lists has.
func (g *gathering) without(lists ...[]*x509.Certificate) (rest [][]byte) {
	for _, c := range g.issuers {
		known := false
		for _, list := range lists {
			for _, one := range list {
				known = known || bytes.Equal(one.Raw, c.Raw)
			}
		}
		if !known {
			rest = append(rest, c.Raw)
		}
	}
	return rest
}
