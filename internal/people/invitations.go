package people

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/mail"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Invitation invites an e-mail address to an organization.
type Invitation struct {
	ID, OrganizationID, OrganizationName string
	Email                                string
	Role                                 permission.Role
	InvitedBy                            string
	Created, Expires                     time.Time
	// HasAccount says that the address has an account: its person signs in, and then accepts. Only
	// [Service.Invitation] sets it, for the holder of the link.
	HasAccount bool
}

// maxInvitations is how many invitations of one organization are open at once.
const maxInvitations = 500

func invitation(r query.Invitation) Invitation {
	return Invitation{
		ID: r.ID, OrganizationID: r.OrganizationID, Email: r.Email, Role: permission.Role(r.Role), InvitedBy: r.InvitedBy,
		Created: store.Time(r.CreatedAt), Expires: store.Time(r.ExpiresAt),
	}
}

// Invite invites an e-mail address. An older invitation of the same address is replaced. Where
// mail is configured, the link goes to the address, and token is "". Elsewhere the caller passes
// on the link with the token, which is shown once. Only owners invite owners. The answer is the
// same whether the address has an account; a member is common.conflict, and too many mails to one address are
// common.rate_limited.
func (s *Service) Invite(ctx context.Context, by By, organizationID, typed string, role permission.Role) (_ Invitation, token string, err error) {
	defer operation.Wrap(&err, "invite to organization %s", organizationID)
	email, err := Email(typed)
	if err != nil {
		return Invitation{}, "", err
	}
	if !role.Known() {
		return Invitation{}, "", fault.CommonValidationFailed([]fault.Field{{Field: "role", Rule: "one_of", Message: "Must be owner, admin, developer or viewer."}})
	}
	if err := s.mailed(ctx, by, keyOf(email)); err != nil {
		return Invitation{}, "", err
	}
	var out Invitation
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		a, err := s.authority(ctx, tx, by, organizationID)
		if err != nil {
			return err
		}
		if err := s.mayInvite(a, by, role); err != nil {
			return err
		}
		out, token, err = s.invite(ctx, tx, a.actor, organizationID, email, role)
		return err
	})
	return out, token, err
}

// mailed refuses too many mails to one invited address with common.rate_limited and the reason account: an
// organization is not a way to fill a stranger's mailbox.
func (s *Service) mailed(ctx context.Context, by By, invited string) error {
	if by.commandLine || !s.Mail {
		return nil
	}
	return take(ctx, try{s.budgets.invited, invited, "account"})
}

func (s *Service) mayInvite(a authority, by By, role permission.Role) error {
	if err := a.needs(permission.PeopleManage); err != nil || role != permission.Owner {
		return err
	}
	if err := a.needs(permission.OrganizationManage); err != nil {
		return err
	}
	return s.fresh(by)
}

func (s *Service) invite(ctx context.Context, tx *store.Tx, actor audit.Actor, organizationID, email string, role permission.Role) (out Invitation, token string, err error) {
	row, err := tx.PersonByEmail(ctx, email)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return out, "", err
	}
	if err == nil {
		_, err := tx.MembershipRole(ctx, query.MembershipRoleParams{OrganizationID: organizationID, PersonID: row.ID})
		if err == nil {
			return out, "", fault.CommonConflict("member")
		} else if !errors.Is(err, sql.ErrNoRows) {
			return out, "", err
		}
	}
	old, err := tx.InvitationByEmail(ctx, query.InvitationByEmailParams{OrganizationID: organizationID, Email: email})
	if err == nil {
		if err := dropInvitation(ctx, tx, old); err != nil {
			return out, "", err
		}
	} else if !errors.Is(err, sql.ErrNoRows) {
		return out, "", err
	}
	n, err := tx.CountInvitations(ctx, organizationID)
	if err != nil {
		return out, "", err
	}
	if n >= maxInvitations {
		return out, "", fault.CommonConflict("too_many")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return out, "", err
	}
	made := query.Invitation{
		ID: id.String(), OrganizationID: organizationID, Email: email, Role: string(role), InvitedBy: actor.Name,
		CreatedAt: store.Micros(tx.Now), ExpiresAt: store.Micros(tx.Now.Add(InvitationLife)),
	}
	if err := tx.InsertInvitation(ctx, query.InsertInvitationParams(made)); err != nil {
		return out, "", err
	}
	if token, err = s.sendInvitation(ctx, tx, made); err != nil {
		return out, "", err
	}
	return invitation(made), token, audit.Record(ctx, tx, audit.Entry{
		Organization: organizationID, Actor: actor, Action: "invitation.created", Subject: email, Changes: []audit.Change{{Field: "role", New: string(role)}},
	})
}

// sendInvitation enqueues the mail with the link, or returns the link's token.
func (s *Service) sendInvitation(ctx context.Context, tx *store.Tx, i query.Invitation) (token string, err error) {
	if err := tx.DeletePersonLinks(ctx, query.DeletePersonLinksParams{Kind: linkInvitation, Ref: i.ID}); err != nil {
		return "", err
	}
	if !s.Mail {
		return link(ctx, tx, linkInvitation, i.ID, InvitationLife, false)
	}
	o, err := tx.GetOrganization(ctx, i.OrganizationID)
	if err != nil {
		return "", err
	}
	return "", mail.Enqueue(ctx, tx, mail.Message{
		Kind: mail.Invitation, Ref: i.ID, Organization: i.OrganizationID, Recipient: i.Email,
		Words: map[string]string{"organization": o.Name, "inviter": i.InvitedBy, "role": i.Role},
	})
}

func dropInvitation(ctx context.Context, tx *store.Tx, i query.Invitation) error {
	if err := tx.DeletePersonLinks(ctx, query.DeletePersonLinksParams{Kind: linkInvitation, Ref: i.ID}); err != nil {
		return err
	}
	_, err := tx.DeleteInvitation(ctx, query.DeleteInvitationParams{OrganizationID: i.OrganizationID, ID: i.ID})
	return err
}

// Invitations reads an organization's open and expired invitations by e-mail address. The cursors are
// addresses.
func (s *Service) Invitations(ctx context.Context, organizationID string, p Part) (out []Invitation, err error) {
	defer operation.Wrap(&err, "list invitations of organization %s", organizationID)
	var rows []query.Invitation
	if p.Before != "" {
		rows, err = s.DB.Read().ListInvitationsBack(ctx, query.ListInvitationsBackParams{OrganizationID: organizationID, Before: p.Before, Pattern: pattern(p.Search), Lim: int32(p.Most)})
	} else {
		rows, err = s.DB.Read().ListInvitations(ctx, query.ListInvitationsParams{OrganizationID: organizationID, After: p.After, Pattern: pattern(p.Search), Lim: int32(p.Most)})
	}
	for _, r := range rows {
		out = append(out, invitation(r))
	}
	return out, err
}

// ResendInvitation renews an invitation and its link. Older links stop working. The token is
// as for [Service.Invite].
func (s *Service) ResendInvitation(ctx context.Context, by By, organizationID, id string) (email, token string, err error) {
	defer operation.Wrap(&err, "resend invitation %s", id)
	if err := s.mailed(ctx, by, id); err != nil {
		return "", "", err
	}
	err = s.onInvitation(ctx, by, organizationID, id, "invitation.resent", func(tx *store.Tx, i query.Invitation) error {
		if err := tx.RenewInvitation(ctx, query.RenewInvitationParams{ExpiresAt: store.Micros(tx.Now.Add(InvitationLife)), ID: i.ID}); err != nil {
			return err
		}
		email = i.Email
		token, err = s.sendInvitation(ctx, tx, i)
		return err
	})
	return email, token, err
}

// RevokeInvitation removes an invitation. Its link stops working.
func (s *Service) RevokeInvitation(ctx context.Context, by By, organizationID, id string) (err error) {
	defer operation.Wrap(&err, "revoke invitation %s", id)
	return s.onInvitation(ctx, by, organizationID, id, "invitation.revoked", func(tx *store.Tx, i query.Invitation) error {
		return dropInvitation(ctx, tx, i)
	})
}

func (s *Service) onInvitation(ctx context.Context, by By, organizationID, id, action string, do func(*store.Tx, query.Invitation) error) error {
	if !idForm.MatchString(id) {
		return fault.CommonNotFound()
	}
	return s.DB.Tx(ctx, func(tx *store.Tx) error {
		a, err := s.authority(ctx, tx, by, organizationID)
		if err != nil {
			return err
		}
		i, err := tx.InvitationOfOrganization(ctx, query.InvitationOfOrganizationParams{OrganizationID: organizationID, ID: id})
		if errors.Is(err, sql.ErrNoRows) {
			return fault.CommonNotFound()
		} else if err != nil {
			return err
		}
		if err := s.mayInvite(a, by, permission.Role(i.Role)); err != nil {
			return err
		}
		if err := do(tx, i); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Organization: organizationID, Actor: a.actor, Action: action, Subject: i.Email})
	})
}

// Invitation reads the invitation of a link. A link that does not work is ErrLink.
func (s *Service) Invitation(ctx context.Context, token string, from Client) (_ Invitation, err error) {
	defer operation.Wrap(&err, "read the invitation of a link")
	if err := take(ctx, try{s.budgets.links, from.Address, "address"}); err != nil {
		return Invitation{}, err
	}
	l, err := s.seeLink(ctx, linkInvitation, token)
	if err != nil {
		return Invitation{}, err
	}
	r, err := s.DB.Read().GetInvitation(ctx, query.GetInvitationParams{ID: l.Ref, Now: store.Micros(s.DB.Now())})
	if errors.Is(err, sql.ErrNoRows) {
		return Invitation{}, ErrLink
	} else if err != nil {
		return Invitation{}, err
	}
	out := Invitation{
		ID: r.ID, OrganizationID: r.OrganizationID, OrganizationName: r.OrganizationName, Email: r.Email, Role: permission.Role(r.Role), InvitedBy: r.InvitedBy,
		Created: store.Time(r.CreatedAt), Expires: store.Time(r.ExpiresAt),
	}
	_, err = s.DB.Read().PersonByEmail(ctx, r.Email)
	if out.HasAccount = err == nil; errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return out, err
}

// ErrOther refuses an invitation for another address than that of the signed-in person.
var ErrOther = errors.New("people: the invitation is for another e-mail address")

// Accept makes a signed-in person a member. An invitation for another address is ErrOther.
func (s *Service) Accept(ctx context.Context, session Session, token string, from Client) (organizationID string, err error) {
	defer operation.Wrap(&err, "accept an invitation")
	err = s.DB.Tx(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPerson(ctx, session.Person.ID)
		if err != nil {
			return err
		}
		organizationID, err = s.accept(ctx, tx, row, token, from)
		return err
	})
	return organizationID, err
}

// accept uses up an invitation's link for a person.
func (s *Service) accept(ctx context.Context, tx *store.Tx, row query.Person, token string, from Client) (organizationID string, err error) {
	l, err := takeLink(ctx, tx, linkInvitation, token)
	if err != nil {
		return "", err
	}
	i, err := tx.GetInvitation(ctx, query.GetInvitationParams{ID: l.Ref, Now: store.Micros(tx.Now)})
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrLink
	} else if err != nil {
		return "", err
	}
	if i.Email != row.Email {
		return "", ErrOther // and the link stays, because the transaction ends here
	}
	if l.Mailed {
		if err := tx.SetPersonVerified(ctx, row.ID); err != nil {
			return "", err
		}
	}
	if err := dropInvitation(ctx, tx, query.Invitation{ID: i.ID, OrganizationID: i.OrganizationID}); err != nil {
		return "", err
	}
	_, err = tx.MembershipRole(ctx, query.MembershipRoleParams{OrganizationID: i.OrganizationID, PersonID: row.ID})
	if err == nil {
		return i.OrganizationID, nil
	} else if !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	return i.OrganizationID, join(ctx, tx, i.OrganizationID, row, permission.Role(i.Role), person(row).Actor(from.RequestID))
}

// AcceptNew makes the account of an invited address, and signs in. An address that has an account is
// common.conflict: its person signs in first.
func (s *Service) AcceptNew(ctx context.Context, token, name, password, language string, from Client) (_ Entry, organizationID string, err error) {
	defer operation.Wrap(&err, "accept an invitation with a new account")
	i, err := s.Invitation(ctx, token, from)
	if err != nil {
		return Entry{}, "", err
	}
	if i.HasAccount {
		return Entry{}, "", fault.CommonConflict("account")
	}
	made, err := s.draft(ctx, i.Email, name, password, language, from)
	if err != nil {
		return Entry{}, "", err
	}
	var out Entry
	err = s.change(ctx, "invitation", func(tx *store.Tx) error {
		row, err := s.create(ctx, tx, made, from)
		if err != nil {
			return err
		}
		if organizationID, err = s.accept(ctx, tx, row, token, from); err != nil {
			return err
		}
		out, err = s.enter(ctx, tx, row, "", from, "invitation")
		return err
	})
	return out, organizationID, err
}
