package people

import (
	"context"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// maxNamed is how many organizations a refusal names.
const maxNamed = 20

// OwnedAlone returns the organizations whose only owner is the person, at most 20. While there is one, the account
// cannot be deleted.
func (s *Service) OwnedAlone(ctx context.Context, personID string) (_ []Membership, err error) {
	defer operation.Wrap(&err, "list organizations that only person %s owns", personID)
	rows, err := s.DB.Read().ListOwnedAlone(ctx, query.ListOwnedAloneParams{PersonID: personID, Lim: maxNamed})
	out := make([]Membership, len(rows))
	for i, r := range rows {
		out[i] = Membership{OrganizationID: r.OrganizationID, OrganizationName: r.Name, Role: permission.Owner}
	}
	return out, err
}

// Delete removes a person's account, with its memberships, sessions, second factors and links. Entries of audit
// logs keep the name that they have stored. A session deletes its own person, and must be fresh; on the command line, email
// names the person.
//
// The last owner of an organization stays: that refusal is common.forbidden with the reason last_owner, and names the organizations.
// The last operator stays too, with the reason last_operator.
func (s *Service) Delete(ctx context.Context, by By, email string, from Client) (err error) {
	defer operation.Wrap(&err, "delete an account")
	if err := s.fresh(by); err != nil {
		return err
	}
	return s.change(ctx, "delete", func(tx *store.Tx) error {
		row, actor, err := s.own(ctx, tx, by, email, from)
		if err != nil {
			return err
		}
		operators, err := tx.LockOperators(ctx)
		if err != nil {
			return err
		}
		if row.Operator && len(operators) < 2 {
			return fault.CommonForbidden("last_operator")
		}
		// The locks keep the other owners until this transaction ends.
		if err := eachMembership(ctx, tx, row.ID, func(m query.ListMembershipsOfPersonRow) error { return tx.LockOrganization(ctx, m.OrganizationID) }); err != nil {
			return err
		}
		alone, err := tx.ListOwnedAlone(ctx, query.ListOwnedAloneParams{PersonID: row.ID, Lim: maxNamed})
		if err != nil {
			return err
		}
		if len(alone) > 0 {
			names := make([]string, len(alone))
			for i, o := range alone {
				names[i] = o.Name
			}
			return fault.CommonForbidden("last_owner").With("organizations", names)
		}
		if err := eachMembership(ctx, tx, row.ID, func(m query.ListMembershipsOfPersonRow) error {
			return audit.Record(ctx, tx, audit.Entry{Organization: m.OrganizationID, Actor: actor, Action: "member.removed", Subject: row.Email, Changes: []audit.Change{{Field: "role", Old: m.Role}}})
		}); err != nil {
			return err
		}
		if err := removeFactors(ctx, tx, row.ID); err != nil { // and all sessions
			return err
		}
		for _, kind := range []string{linkReset, linkSecond, linkEmail} {
			if err := tx.DeletePersonLinks(ctx, query.DeletePersonLinksParams{Kind: kind, Ref: row.ID}); err != nil {
				return err
			}
		}
		for _, remove := range []func(context.Context, string) error{tx.DeleteMembershipsOfPerson, tx.DeleteKnownDevices, tx.DeleteOperatorVisits, tx.DeletePerson} {
			if err := remove(ctx, row.ID); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "person.deleted", Subject: row.ID})
	})
}
