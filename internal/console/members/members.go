// Package members is the pages about the people of an organization: members, roles and invitations. It
// decides nothing about roles: package people does.
package members

import (
	"embed"
	"errors"

	"timbre.example/internal/console/person"
	"timbre.example/internal/console/shell"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
)

//go:embed templates texts
var files embed.FS

const list = "/o/{org}/people"

// Area returns the pages.
func Area(s *people.Service) shell.Area {
	p := pages{s}
	read, manage := shell.To(permission.PeopleRead), shell.To(permission.PeopleManage)
	role := shell.Choice("role", "viewer", "developer", "admin", "owner")
	return shell.Area{Name: "members", Files: files, Pages: []shell.Page{
		{Method: "GET", Path: list, Needs: read, Handle: p.list, Fields: []shell.Field{shell.Text("q", 100).Type("search")}, Nav: shell.Nav{Order: 90, Icon: "people"}},
		{Method: "POST", Path: list, Name: "invite", Needs: manage, Handle: p.invite, Again: p.list, Fields: []shell.Field{shell.Text("email", 254).Must().Type("email"), role}},
		{Method: "POST", Path: list + "/leave", Name: "leave", Needs: read, Handle: p.leave, Again: p.list},
		{Method: "GET", Path: list + "/{person}", Needs: read, Handle: p.show},
		{Method: "POST", Path: list + "/{person}", Name: "role", Needs: manage, Handle: p.role, Again: p.show, Fields: []shell.Field{role, shell.Hidden("was", 20)}},
		{Method: "POST", Path: list + "/{person}/remove", Name: "remove", Needs: manage, Handle: p.remove, Again: p.show},
		{Method: "GET", Path: list + "/invitations", Needs: manage, Handle: p.invitations, Fields: []shell.Field{shell.Text("q", 100).Type("search")}},
		{Method: "POST", Path: list + "/invitations/{invitation}/resend", Name: "resend", Needs: manage, Handle: p.resend, Again: p.invitations},
		{Method: "POST", Path: list + "/invitations/{invitation}/revoke", Name: "revoke", Needs: manage, Handle: p.revoke, Again: p.invitations},
	}}
}

type pages struct{ people *people.Service }

const most = 50

func (p pages) list(c *shell.Call) error {
	all, err := p.people.Members(c.Context(), c.Organization(), people.Part{Search: c.Form.Text("q"), After: c.After(), Before: c.Before(), Most: most + 1})
	if err != nil {
		return err
	}
	rows, window := shell.Window(c, all, most, func(m people.Member) string { return m.Email })
	return c.Render("list", struct {
		Members []people.Member
		shell.List
	}{rows, window})
}

// proved sends a person whose last proof is too old to the page that asks again.
func proved(c *shell.Call, err error, next string) error {
	if errors.Is(err, people.ErrProve) {
		return c.To(person.ProveAt(c.Address(next)), shell.Say("prove"))
	}
	return err
}

// passed says what was done, and shows the link of an invitation where no mail is sent.
func (p pages) passed(c *shell.Call, to, said, email, token string) error {
	answers := []shell.Answer{shell.Say(said, "email", email)}
	if token != "" {
		answers = append(answers, shell.Reveal("link", p.people.LinkURL("/console/invitation", token)))
	}
	return c.Redirect(to, answers...)
}

func (p pages) invite(c *shell.Call) error {
	i, token, err := p.people.Invite(c.Context(), c.By(), c.Organization(), c.Form.Text("email"), permission.Role(c.Form.Text("role")))
	if reason(err) == "member" {
		c.Form.Fail("email", "member")
		return nil
	}
	if err != nil {
		return proved(c, err, list)
	}
	return p.passed(c, list, "invited", i.Email, token)
}

func (p pages) leave(c *shell.Call) error {
	if err := p.people.RemoveMember(c.Context(), c.By(), c.Organization(), c.Visitor.Person.ID); err != nil {
		return err
	}
	return c.Redirect("/")
}

func (p pages) show(c *shell.Call) error {
	m, err := p.people.MemberOf(c.Context(), c.Organization(), c.Path("person"))
	if err != nil {
		return err
	}
	c.Store("role", "role", string(m.Role))
	c.Store("role", "was", string(m.Role))
	return c.Render("member", m)
}

func (p pages) role(c *shell.Call) error {
	err := p.people.SetRole(c.Context(), c.By(), c.Organization(), c.Path("person"), permission.Role(c.Form.Text("was")), permission.Role(c.Form.Text("role")))
	if err != nil {
		return proved(c, err, list+"/{person}")
	}
	return c.Redirect(list+"/{person}", shell.Say("role_changed"))
}

func (p pages) remove(c *shell.Call) error {
	if err := p.people.RemoveMember(c.Context(), c.By(), c.Organization(), c.Path("person")); err != nil {
		return err
	}
	return c.Redirect(list, shell.Say("removed"))
}

func (p pages) invitations(c *shell.Call) error {
	all, err := p.people.Invitations(c.Context(), c.Organization(), people.Part{Search: c.Form.Text("q"), After: c.After(), Before: c.Before(), Most: most + 1})
	if err != nil {
		return err
	}
	rows, window := shell.Window(c, all, most, func(i people.Invitation) string { return i.Email })
	return c.Render("invitations", struct {
		Invitations []people.Invitation
		shell.List
	}{rows, window})
}

func (p pages) resend(c *shell.Call) error {
	email, token, err := p.people.ResendInvitation(c.Context(), c.By(), c.Organization(), c.Path("invitation"))
	if err != nil {
		return proved(c, err, list+"/invitations")
	}
	return p.passed(c, list+"/invitations", "resent", email, token)
}

func (p pages) revoke(c *shell.Call) error {
	if err := p.people.RevokeInvitation(c.Context(), c.By(), c.Organization(), c.Path("invitation")); err != nil {
		return proved(c, err, list+"/invitations")
	}
	return c.Redirect(list+"/invitations", shell.Say("revoked"))
}
