package people

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// authority is what a caller is in one organization, read in the transaction of the change: a
// role that was taken away does nothing any more.
type authority struct {
	role      permission.Role
	actor     audit.Actor
	operator  bool
	suspended bool // the organization: only operators change it
}

// authority reads what the caller may do in an organization. It locks the organization, so that changes
// of its people are in order: without the lock, two owners could remove each other. A caller who is neither a member nor
// an operator gets organization.not_found, as for an unknown organization.
func (s *Service) authority(ctx context.Context, tx *store.Tx, by By, organizationID string) (authority, error) {
	if !idForm.MatchString(organizationID) {
		return authority{}, fault.OrganizationNotFound()
	}
	if err := tx.LockOrganization(ctx, organizationID); err != nil {
		return authority{}, err
	}
	organization, err := tx.GetOrganization(ctx, organizationID)
	if errors.Is(err, sql.ErrNoRows) {
		return authority{}, fault.OrganizationNotFound()
	} else if err != nil {
		return authority{}, err
	}
	if by.commandLine {
		return authority{role: permission.Owner, actor: audit.CommandLine(), operator: true}, nil
	}
	row, err := tx.GetPerson(ctx, by.Session.Person.ID)
	if err != nil {
		return authority{}, err
	}
	role, err := tx.MembershipRole(ctx, query.MembershipRoleParams{OrganizationID: organizationID, PersonID: row.ID})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return authority{}, err
	}
	out := authority{role: permission.Role(role), actor: person(row).Actor(by.RequestID), suspended: organization.SuspendedAt.Valid}
	if row.Operator && (out.role != permission.Owner || out.suspended) {
		out.role, out.operator, out.actor.Kind = permission.Owner, true, audit.Operator
	}
	if out.role == "" {
		return authority{}, fault.OrganizationNotFound()
	}
	return out, nil
}

// needs refuses a caller without the permission with common.forbidden, and a change by a member of a suspended
// organization with organization.inactive.
func (a authority) needs(p permission.Permission) error {
	if a.suspended && !a.operator && !p.Reads() {
		return fault.OrganizationInactive()
	}
	if !a.role.May(p) {
		return fault.CommonForbidden("role")
	}
	return nil
}

// fresh refuses a session whose person must give a secret again with ErrProve.
func (s *Service) fresh(by By) error {
	if by.commandLine {
		return nil
	}
	return s.Fresh(by.Session)
}

// operator refuses a caller who is not an operator with common.not_found, so that the
// operator's view is not found by others.
func (s *Service) operator(ctx context.Context, tx *store.Tx, by By) (audit.Actor, error) {
	if by.commandLine {
		return audit.CommandLine(), nil
	}
	row, err := tx.GetPerson(ctx, by.Session.Person.ID)
	if err != nil {
		return audit.Actor{}, err
	}
	if !row.Operator {
		return audit.Actor{}, fault.CommonNotFound()
	}
	actor := person(row).Actor(by.RequestID)
	actor.Kind = audit.Operator
	return actor, nil
}
