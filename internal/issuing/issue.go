package issuing

import (
	"cmp"
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
	"timbre.example/proof/evidence"
)

// defaultLanguage is the language of certificates whose version has none: versions of the
// first releases.
const defaultLanguage = "en"

// Issue returns the content of a version's certificate; version 0 is the latest. It fails as
// [Service.Evidence] does. The first call sets the date of issue.
func (s *Service) Issue(ctx context.Context, work string, version int64) (_ Issue, err error) {
	defer operation.Wrap(&err, "content of the certificate of work %s, version %d", work, version)
	e, quorum, w, v, err := s.evidence(ctx, work, version)
	if err != nil {
		return Issue{}, err
	}
	return s.issue(ctx, e, quorum, w, v)
}

func (s *Service) issue(ctx context.Context, e evidence.Evidence, quorum network.Quorum, w query.Work, v query.Version) (Issue, error) {
	if v.IssuedAt == 0 {
		// Two instances may try to set it at once: the first wins, and both read its date.
		if err := s.DB.Tx(ctx, func(tx *store.Tx) error {
			if _, err := tx.SetIssued(ctx, query.SetIssuedParams{Now: store.Micros(tx.Now), WorkID: v.WorkID, Version: v.Version}); err != nil {
				return err
			}
			row, err := tx.GetVersion(ctx, query.GetVersionParams{WorkID: v.WorkID, Version: v.Version})
			v.IssuedAt = row.IssuedAt
			return err
		}); err != nil {
			return Issue{}, err
		}
		s.Reached("certificate.dated")
	}
	org, err := s.DB.Read().GetOrganization(ctx, w.OrganizationID)
	if err != nil {
		return Issue{}, err
	}
	of, err := s.issuer(ctx, org)
	return of.issue(e, quorum, v), err
}

// issuer is an organization as its certificates show it.
type issuer struct {
	name, imprint string
	logo          []byte
}

// issuer reads the logo of an organization that has one.
func (s *Service) issuer(ctx context.Context, org query.Organization) (issuer, error) {
	out := issuer{name: cmp.Or(org.IssuerName, org.Name), imprint: org.Imprint}
	if org.LogoHash != nil {
		row, err := s.DB.Read().GetLogo(ctx, org.ID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) { // removed meanwhile
			return issuer{}, err
		}
		out.logo = row.Image
	}
	return out, nil
}

func (o issuer) issue(e evidence.Evidence, quorum network.Quorum, v query.Version) Issue {
	return Issue{Evidence: e, Quorum: quorum, Language: cmp.Or(v.Language, defaultLanguage), Issuer: o.name, Logo: o.logo, Imprint: o.imprint, Issued: store.Time(v.IssuedAt)}
}
