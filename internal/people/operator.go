package people

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// VisitLife is how long an operator who has opened an organization sees its pages.
const VisitLife = time.Hour

// Member reads a person's place in an organization: the membership, or for an operator who has
// opened the organization the role owner, with Visit set. Without either, or for an unknown
// organization, it is zero.
func (s *Service) Member(ctx context.Context, personID, organizationID string) (_ Membership, err error) {
	defer operation.Wrap(&err, "read the place of person %s in organization %s", personID, organizationID)
	if !personForm.MatchString(organizationID) {
		return Membership{}, nil
	}
	row, err := s.DB.Read().PlaceOf(ctx, query.PlaceOfParams{OrganizationID: organizationID, PersonID: personID, Now: store.Micros(s.DB.Now())})
	if errors.Is(err, sql.ErrNoRows) {
		return Membership{}, nil
	} else if err != nil {
		return Membership{}, err
	}
	m := Membership{OrganizationID: row.ID, OrganizationName: row.Name, Suspended: row.SuspendedAt.Valid, Role: permission.Role(row.Role)}
	if row.Visits > 0 && m.Role != permission.Owner {
		m.Role, m.Visit = permission.Owner, true
	}
	if m.Role == "" {
		return Membership{}, nil
	}
	return m, nil
}

// Visit opens an organization's pages to an operator for [VisitLife]. The organization's audit log
// records it, with the reason.
func (s *Service) Visit(ctx context.Context, by By, organizationID, why string) (err error) {
	defer operation.Wrap(&err, "open organization %s as operator", organizationID)
	if why, err = cleanName("reason", why, 1, 200); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		actor, err := s.operator(ctx, tx, by)
		if err != nil {
			return err
		}
		if _, err := tx.GetOrganization(ctx, organizationID); errors.Is(err, sql.ErrNoRows) {
			return fault.OrganizationNotFound()
		} else if err != nil {
			return err
		}
		if err := tx.PutOperatorVisit(ctx, query.PutOperatorVisitParams{PersonID: by.Session.Person.ID, OrganizationID: organizationID, ExpiresAt: store.Micros(tx.Now.Add(VisitLife))}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Organization: organizationID, Actor: actor, Action: "organization.visited", Subject: organizationID, Changes: []audit.Change{{Field: "reason", New: why}},
		})
	})
}

// FoundOrganization makes an organization and invites its first owner, in one step. The token is as
// for [Service.Invite].
func (s *Service) FoundOrganization(ctx context.Context, by By, name, ownerEmail string) (id, token string, err error) {
	defer operation.Wrap(&err, "make an organization with an invited owner")
	email, err := Email(ownerEmail)
	if err != nil {
		return "", "", err
	}
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		actor, err := s.operator(ctx, tx, by)
		if err != nil {
			return err
		}
		if id, err = account.AddOrganization(ctx, tx, actor, name); err != nil {
			return err
		}
		_, token, err = s.invite(ctx, tx, actor, id, email, permission.Owner)
		return err
	})
	return id, token, err
}

// Found is an organization of the operator's list.
type Found struct {
	ID, Name  string
	Suspended bool
	Created   time.Time
}

// Organizations reads organizations for operators, the newest first, before the one with that id.
// search is a part of the name, or an id; "" finds all.
func (s *Service) Organizations(ctx context.Context, search, before string, most int) (_ []Found, err error) {
	defer operation.Wrap(&err, "list organizations for operators")
	rows, err := s.DB.Read().FindOrganizations(ctx, query.FindOrganizationsParams{Before: before, Pattern: pattern(search), Lim: int32(most)})
	out := make([]Found, len(rows))
	for i, r := range rows {
		out[i] = Found{r.ID, r.Name, r.SuspendedAt.Valid, store.Time(r.CreatedAt)}
	}
	return out, err
}

// People reads all persons by e-mail address, after that address, for operators. search is a
// part of the address; "" finds all.
func (s *Service) People(ctx context.Context, search, after string, most int) (_ []Person, err error) {
	defer operation.Wrap(&err, "list people")
	rows, err := s.DB.Read().ListPeople(ctx, query.ListPeopleParams{After: after, Pattern: pattern(search), Lim: int32(most)})
	out := make([]Person, len(rows))
	for i, r := range rows {
		out[i] = person(r)
	}
	return out, err
}

// SetOperator makes a person an operator, or ends it, at once. It needs a fresh session. An unknown
// address is common.not_found. The last operator stays: that refusal is common.forbidden with the
// reason last_operator.
func (s *Service) SetOperator(ctx context.Context, by By, typed string, on bool) (err error) {
	defer operation.Wrap(&err, "make or unmake an operator")
	email, err := Email(typed)
	if err != nil {
		return err
	}
	if err := s.fresh(by); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		actor, err := s.operator(ctx, tx, by)
		if err != nil {
			return err
		}
		operators, err := tx.LockOperators(ctx)
		if err != nil {
			return err
		}
		row, err := tx.PersonByEmail(ctx, email)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.CommonNotFound()
		} else if err != nil || row.Operator == on {
			return err
		}
		if !on && len(operators) < 2 {
			return fault.CommonForbidden("last_operator")
		}
		if err := tx.SetPersonOperator(ctx, query.SetPersonOperatorParams{Operator: on, ID: row.ID}); err != nil {
			return err
		}
		if !on {
			if err := tx.DeleteOperatorVisits(ctx, row.ID); err != nil {
				return err
			}
		}
		action := "operator.added"
		if !on {
			action = "operator.removed"
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: action, Subject: row.ID})
	})
}
