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
// organization, it is zero. An owner who is an operator also visits a suspended organization, which its owners
// cannot change.
func (s *Service) Member(ctx context.Context, personID, organizationID string) (_ Membership, err error) {
	defer operation.Wrap(&err, "read the place of person %s in organization %s", personID, organizationID)
	if !idForm.MatchString(organizationID) {
		return Membership{}, nil
	}
	row, err := s.DB.Read().PlaceOf(ctx, query.PlaceOfParams{OrganizationID: organizationID, PersonID: personID, Now: store.Micros(s.DB.Now())})
	if errors.Is(err, sql.ErrNoRows) {
		return Membership{}, nil
	} else if err != nil {
		return Membership{}, err
	}
	m := Membership{OrganizationID: row.ID, OrganizationName: row.Name, Suspended: row.SuspendedAt.Valid, Role: permission.Role(row.Role)}
	if row.Visits > 0 && (m.Role != permission.Owner || m.Suspended) {
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
		if !idForm.MatchString(organizationID) {
			return fault.OrganizationNotFound()
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

// Organizations reads organizations for operators, the newest first. The cursors are ids, and After means
// older ones. The search also finds ids.
func (s *Service) Organizations(ctx context.Context, p Part) (out []Found, err error) {
	defer operation.Wrap(&err, "list organizations for operators")
	if p.Before != "" {
		rows, err := s.DB.Read().FindOrganizationsBack(ctx, query.FindOrganizationsBackParams{After: p.Before, Pattern: pattern(p.Search), Lim: int32(p.Most)})
		for _, r := range rows {
			out = append(out, Found{r.ID, r.Name, r.SuspendedAt.Valid, store.Time(r.CreatedAt)})
		}
		return out, err
	}
	rows, err := s.DB.Read().FindOrganizations(ctx, query.FindOrganizationsParams{Before: p.After, Pattern: pattern(p.Search), Lim: int32(p.Most)})
	for _, r := range rows {
		out = append(out, Found{r.ID, r.Name, r.SuspendedAt.Valid, store.Time(r.CreatedAt)})
	}
	return out, err
}

// People reads all persons by e-mail address, for operators. The cursors are addresses.
func (s *Service) People(ctx context.Context, p Part) (out []Person, err error) {
	defer operation.Wrap(&err, "list people")
	var rows []query.Person
	if p.Before != "" {
		rows, err = s.DB.Read().ListPeopleBack(ctx, query.ListPeopleBackParams{Before: p.Before, Pattern: pattern(p.Search), Lim: int32(p.Most)})
	} else {
		rows, err = s.DB.Read().ListPeople(ctx, query.ListPeopleParams{After: p.After, Pattern: pattern(p.Search), Lim: int32(p.Most)})
	}
	for _, r := range rows {
		out = append(out, person(r))
	}
	return out, err
}

// Suspend refuses the calls of an organization from now on, or accepts them again. The reason is in the
// audit log. A state that is there already is common.conflict.
func (s *Service) Suspend(ctx context.Context, by By, organizationID string, on bool, reason string) (err error) {
	defer operation.Wrap(&err, "suspend or resume organization %s", organizationID)
	if reason, err = cleanName("reason", reason, 1, 200); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		actor, err := s.operator(ctx, tx, by)
		if err != nil {
			return err
		}
		if !idForm.MatchString(organizationID) {
			return fault.OrganizationNotFound()
		}
		if _, err := tx.GetOrganization(ctx, organizationID); errors.Is(err, sql.ErrNoRows) {
			return fault.OrganizationNotFound()
		} else if err != nil {
			return err
		}
		n, err := tx.SetSuspended(ctx, query.SetSuspendedParams{SuspendedAt: sql.NullInt64{Int64: store.Micros(tx.Now), Valid: on}, ID: organizationID})
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.CommonConflict("suspended")
		}
		action := "organization.suspended"
		if !on {
			action = "organization.resumed"
		}
		return audit.Record(ctx, tx, audit.Entry{Organization: organizationID, Actor: actor, Action: action, Subject: organizationID, Changes: []audit.Change{{Field: "reason", New: reason}}})
	})
}

// OperatorActor is the operator as the audit log names people. A caller who is not an operator any
// more is common.not_found.
func (s *Service) OperatorActor(ctx context.Context, tx *store.Tx, by By) (_ audit.Actor, err error) {
	defer operation.Wrap(&err, "read the operator")
	return s.operator(ctx, tx, by)
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
