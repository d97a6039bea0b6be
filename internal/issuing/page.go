package issuing

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"slices"
	"strings"
	"time"

	"timbre.example/internal/certificate"
	"timbre.example/internal/lasting"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/paths"
	"timbre.example/internal/record"
	"timbre.example/proof/evidence"
)

// Pages makes certificates from their content. Its Certify is a Config's Certify.
type Pages struct {
	// PublicURL is the base URL of the server, without a slash at its end: certificates link
	// to its pages.
	PublicURL string
	// Registry is the name of the registry, as certificates show it.
	Registry string
	// Signer signs the certificates; nil leaves them unsigned.
	Signer *certificate.Signer
	// Raised: the signatures get a time-stamp, so they keep a place for it.
	Raised bool
}

// Certify returns the PDF of a certificate.
func (p Pages) Certify(ctx context.Context, e Issue) (_ []byte, err error) {
	defer operation.Wrap(&err, "certificate %d, version %d, on %s", e.AtsID, e.Version, e.Network.Name)
	in := certificate.Input{
		Language: e.Language, Issuer: e.Issuer, Imprint: e.Imprint, Issued: e.Issued, Registry: p.Registry, VerifyURL: p.PublicURL + "/verify",
		Title: e.Title, Registration: e.AtsID, Version: e.Version, Network: e.Network.Name, Test: e.OnTestNetwork(), At: e.Block.Time, Block: e.Block.Number,
		File:     certificate.File{Name: e.Media.Filename, Format: e.Media.Format, Size: e.Media.SizeBytes, Duration: time.Duration(e.Media.Duration * float64(time.Second))},
		FileHash: record.Hex(e.Media.SHA256[:]), Unseen: e.Media.Format == "", Authority: authority(e.Evidence), BlockAuthority: blockAuthority(e.Evidence), Commitment: record.Hex(e.Commitment[:]), Transaction: record.Hex(e.TxHash[:]),
		PublicURL: p.PublicURL + paths.Work(network.Name(e.Network.Name), e.AtsID),
	}
	in.Witnesses, in.Unwitnessed = cosigners(e.Evidence), e.Quorum == network.TooFew
	if e.Log != nil {
		in.Origin, in.KeyFingerprint = e.Log.Origin, evidence.Fingerprint(e.Log.Key)
	}
	for _, one := range e.Creators {
		c := certificate.Creator{Name: one.FullName}
		for _, role := range one.Roles {
			c.Roles = append(c.Roles, role.String())
		}
		if one.IPI != nil {
			c.IPI = *one.IPI
		}
		if one.ISNI != nil {
			c.ISNI = *one.ISNI
		}
		in.Creators = append(in.Creators, c)
	}
	if in.Logo, err = logo(e.Logo); err != nil {
		return nil, err
	}
	if in.Evidence, err = evidence.Encode(e.Evidence); err != nil {
		return nil, err
	}
	if p.Signer != nil && p.Raised {
		var last []byte // a token of the same authority, as long as the next one
		for _, token := range e.Tokens() {
			last = token.Token
		}
		in.Room = lasting.Room(last)
	}
	return certificate.RenderWithin(ctx, in, p.Signer)
}

// cosigners returns the names of the keys whose cosignatures evidence has.
func cosigners(e evidence.Evidence) (names []string) {
	var lines []string
	if e.Log != nil {
		lines = e.Log.Cosignatures
	}
	for _, a := range e.Attestations {
		lines = append(lines[:len(lines):len(lines)], a.Cosignatures...)
	}
	for _, line := range lines {
		if words := strings.Fields(line); len(words) == 3 && !slices.Contains(names, words[1]) {
			names = append(names, words[1])
		}
	}
	return names
}

// authority returns the name of the authority that stamped the commitment, or "".
func authority(e evidence.Evidence) string {
	for _, token := range e.Tokens() {
		if stamp, err := token.Open(e.Commitment); err == nil {
			return stamp.Authority
		}
	}
	return ""
}

// blockAuthority returns the name of the authority that stamped the block, or "".
func blockAuthority(e evidence.Evidence) string {
	for _, a := range e.Attestations {
		if a.Kind != evidence.KindRFC3161 || a.Of != evidence.OfBlock {
			continue
		}
		if stamp, err := (evidence.RFC3161{Token: a.Token}).Open(e.Block.Hash); err == nil {
			return stamp.Authority
		}
	}
	return ""
}

// logo reads a stored picture, which has no transparency.
func logo(stored []byte) (*certificate.Logo, error) {
	if stored == nil {
		return nil, nil
	}
	config, err := png.DecodeConfig(bytes.NewReader(stored))
	if err != nil {
		return nil, fmt.Errorf("the organization's logo: %w", err)
	}
	if config.Width > certificate.MaxLogo || config.Height > certificate.MaxLogo {
		return nil, fmt.Errorf("the organization's logo has %d × %d pixels", config.Width, config.Height)
	}
	picture, err := png.Decode(bytes.NewReader(stored))
	if err != nil {
		return nil, fmt.Errorf("the organization's logo: %w", err)
	}
	at := picture.Bounds()
	l := &certificate.Logo{Width: at.Dx(), Height: at.Dy(), Pixels: make([]byte, 0, 3*at.Dx()*at.Dy())}
	for y := at.Min.Y; y < at.Max.Y; y++ {
		for x := at.Min.X; x < at.Max.X; x++ {
			r, g, b, _ := picture.At(x, y).RGBA()
			l.Pixels = append(l.Pixels, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return l, nil
}
