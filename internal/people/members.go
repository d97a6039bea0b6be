package people

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Member is a person in one organization.
type Member struct {
	PersonID, Email, Name string
	Role                  permission.Role
	Guarded               bool // has a second factor
	Since                 time.Time
}

// pattern is the LIKE pattern for a text anywhere in a value.
func pattern(search string) string {
	return "%" + strings.NewReplacer("\x00", "", "!", "!!", "%", "!%", "_", "!_").Replace(strings.ToLower(strings.TrimSpace(search))) + "%"
}

// Part is a part of a list: most rows after a cursor, or, in the opposite order, before one. Search is a
// part of an address or a name; "" finds all.
type Part struct {
	Search, After, Before string
	Most                  int
}

// Members reads an organization's members by e-mail address. The cursors are addresses.
func (s *Service) Members(ctx context.Context, organizationID string, p Part) (out []Member, err error) {
	defer operation.Wrap(&err, "list members of organization %s", organizationID)
	if p.Before != "" {
		rows, err := s.DB.Read().ListMembersBack(ctx, query.ListMembersBackParams{OrganizationID: organizationID, Before: p.Before, Pattern: pattern(p.Search), Lim: int32(p.Most)})
		for _, m := range rows {
			out = append(out, member(query.GetMemberRow(m)))
		}
		return out, err
	}
	rows, err := s.DB.Read().ListMembers(ctx, query.ListMembersParams{OrganizationID: organizationID, After: p.After, Pattern: pattern(p.Search), Lim: int32(p.Most)})
	for _, m := range rows {
		out = append(out, member(query.GetMemberRow(m)))
	}
	return out, err
}

func member(m query.GetMemberRow) Member {
	return Member{
		PersonID: m.PersonID, Email: m.Email, Name: m.Name, Role: permission.Role(m.Role), Guarded: m.TotpConfirmedAt > 0 || m.Passkeys > 0, Since: store.Time(m.CreatedAt),
	}
}

// MemberOf reads one member of an organization. A person who is not a member is common.not_found.
func (s *Service) MemberOf(ctx context.Context, organizationID, personID string) (_ Member, err error) {
	defer operation.Wrap(&err, "read member %s of organization %s", personID, organizationID)
	if !idForm.MatchString(personID) {
		return Member{}, fault.CommonNotFound()
	}
	m, err := s.DB.Read().GetMember(ctx, query.GetMemberParams{OrganizationID: organizationID, PersonID: personID})
	if errors.Is(err, sql.ErrNoRows) {
		return Member{}, fault.CommonNotFound()
	}
	return member(m), err
}

// SetRole gives a member another role, at once and for running sessions too. was is the role
// that the caller has seen: if it changed, the refusal is common.conflict. Only owners make,
// change and remove owners; a new owner needs a fresh session. The last owner stays: that
// refusal is common.forbidden with the reason last_owner.
func (s *Service) SetRole(ctx context.Context, by By, organizationID, personID string, was, role permission.Role) (err error) {
	defer operation.Wrap(&err, "change the role of person %s in organization %s", personID, organizationID)
	if !role.Known() {
		return fault.CommonValidationFailed([]fault.Field{{Field: "role", Rule: "one_of", Message: "Must be owner, admin, developer or viewer."}})
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		a, m, err := s.changing(ctx, tx, by, organizationID, personID)
		if err != nil {
			return err
		}
		old := permission.Role(m.Role)
		if old != was && was != "" {
			return fault.CommonConflict("role_changed")
		}
		if old == role {
			return nil
		}
		if err := a.needs(permission.PeopleManage); err != nil {
			return err
		}
		if role == permission.Owner || old == permission.Owner {
			if err := a.needs(permission.OrganizationManage); err != nil {
				return err
			}
		}
		if role == permission.Owner {
			if err := s.fresh(by); err != nil {
				return err
			}
		}
		if err := lastOwner(ctx, tx, m); err != nil {
			return err
		}
		if _, err := tx.SetMembershipRole(ctx, query.SetMembershipRoleParams{Role: string(role), OrganizationID: organizationID, PersonID: personID}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Organization: organizationID, Actor: a.actor, Action: "member.role_changed", Subject: m.Email,
			Changes: []audit.Change{{Field: "role", Old: m.Role, New: string(role)}},
		})
	})
}

// RemoveMember removes a member; members also remove themselves. The rules are those of
// [Service.SetRole]. The person keeps their account and other organizations.
func (s *Service) RemoveMember(ctx context.Context, by By, organizationID, personID string) (err error) {
	defer operation.Wrap(&err, "remove person %s from organization %s", personID, organizationID)
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		a, m, err := s.changing(ctx, tx, by, organizationID, personID)
		if err != nil {
			return err
		}
		if by.Session.Person.ID != personID || by.commandLine {
			if err := a.needs(permission.PeopleManage); err != nil {
				return err
			}
			if m.Role == string(permission.Owner) {
				if err := a.needs(permission.OrganizationManage); err != nil {
					return err
				}
			}
		}
		if err := lastOwner(ctx, tx, m); err != nil {
			return err
		}
		if _, err := tx.DeleteMembership(ctx, query.DeleteMembershipParams{OrganizationID: organizationID, PersonID: personID}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Organization: organizationID, Actor: a.actor, Action: "member.removed", Subject: m.Email, Changes: []audit.Change{{Field: "role", Old: m.Role}},
		})
	})
}

// changing reads the caller and the member.
func (s *Service) changing(ctx context.Context, tx *store.Tx, by By, organizationID, personID string) (authority, query.Membership, error) {
	a, err := s.authority(ctx, tx, by, organizationID)
	if err != nil {
		return a, query.Membership{}, err
	}
	if !idForm.MatchString(personID) {
		return a, query.Membership{}, fault.CommonNotFound()
	}
	m, err := tx.GetMembership(ctx, query.GetMembershipParams{OrganizationID: organizationID, PersonID: personID})
	if errors.Is(err, sql.ErrNoRows) {
		err = fault.CommonNotFound()
	}
	return a, m, err
}

// lastOwner refuses a change that would leave an organization without an owner.
func lastOwner(ctx context.Context, tx *store.Tx, m query.Membership) error {
	if m.Role != string(permission.Owner) {
		return nil
	}
	n, err := tx.CountOwners(ctx, m.OrganizationID)
	if err == nil && n < 2 {
		return fault.CommonForbidden("last_owner")
	}
	return err
}

// join adds a member, in the transaction of an invitation or of a new organization.
func join(ctx context.Context, tx *store.Tx, organizationID string, row query.Person, role permission.Role, actor audit.Actor) error {
	if err := tx.InsertMembership(ctx, query.InsertMembershipParams{OrganizationID: organizationID, PersonID: row.ID, Email: row.Email, Role: string(role), CreatedAt: store.Micros(tx.Now)}); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{
		Organization: organizationID, Actor: actor, Action: "member.added", Subject: row.Email, Changes: []audit.Change{{Field: "role", New: string(role)}},
	})
}
