package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"timbre.example/internal/fault"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
)

type peopleCmd struct {
	List     peopleList     `cmd:"" help:"List the people who can sign in to the console."`
	Invite   peopleInvite   `cmd:"" help:"Invite an e-mail address to an organization, and print the link."`
	Reset    peopleReset    `cmd:"" help:"Print a link with which a person sets a new password."`
	Email    peopleEmail    `cmd:"" help:"Print a link that gives a person another e-mail address."`
	Delete   peopleDelete   `cmd:"" help:"Delete the account of a person."`
	Operator peopleOperator `cmd:"" help:"Make a person an operator, who sees all organizations."`
}

// linkFlags complete a link with the server's URL.
type linkFlags struct {
	PublicURL string `env:"TIMBRE_PUBLIC_URL" example:"https://timbre.your-domain.example" placeholder:"URL" help:"Base URL at which browsers reach the server (default: http://127.0.0.1:8080)."`
}

func (f linkFlags) service(db *store.DB) (*people.Service, error) {
	url := strings.TrimSuffix(f.PublicURL, "/")
	if url == "" {
		url = "http://127.0.0.1:8080"
	} else if err := baseURL("public-url", f.PublicURL); err != nil {
		return nil, err
	}
	return people.NewAdministration(db, url), nil
}

// maxPeople is how many people one call lists.
const maxPeople = 1000

type peopleList struct {
	adminFlags
	Org    string `example:"0198c0de-0000-7000-8000-000000000000" placeholder:"ID" help:"Only the members of this organization, with their roles."`
	Search string `example:"anna" placeholder:"TEXT" help:"Only addresses that contain this text."`
	After  string `example:"anna@your-domain.example" placeholder:"EMAIL" help:"Continue after this address: a call lists at most 1,000 people."`
}

// listedPerson is a person as the command prints them.
type listedPerson struct {
	Email        string `json:"email"`
	Name         string `json:"name,omitempty"`
	Role         string `json:"role,omitempty"`
	Operator     bool   `json:"operator,omitempty"`
	SecondFactor bool   `json:"second_factor"`
}

func (c *peopleList) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		s := people.NewAdministration(db, "")
		all := []listedPerson{}
		if c.Org != "" {
			members, err := s.Members(ctx, c.Org, people.Part{Search: c.Search, After: c.After, Most: maxPeople})
			if err != nil {
				return err
			}
			for _, m := range members {
				all = append(all, listedPerson{Email: m.Email, Name: m.Name, Role: string(m.Role), SecondFactor: m.Guarded})
			}
		} else {
			persons, err := s.People(ctx, people.Part{Search: c.Search, After: c.After, Most: maxPeople})
			if err != nil {
				return err
			}
			for _, p := range persons {
				all = append(all, listedPerson{Email: p.Email, Name: p.Name, Operator: p.Operator, SecondFactor: p.Guarded()})
			}
		}
		return o.print(c.JSON, all, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			defer t.Flush()
			for _, p := range all {
				kind := p.Role
				if p.Operator {
					kind = "operator"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Email, kind, either(p.SecondFactor, "second factor", ""), oneLine(p.Name))
			}
		})
	})
}

// shownLink is a link that a command prints.
type shownLink struct {
	Email string `json:"email"`
	Link  string `json:"link"`
}

func (l shownLink) print(o *output, asJSON bool, about string) error {
	return o.print(asJSON, l, func(w io.Writer) { fmt.Fprintf(w, "%s\n%s\n", about, l.Link) })
}

type peopleInvite struct {
	adminFlags
	linkFlags
	Email string `arg:"" example:"anna@your-domain.example" help:"E-mail address."`
	Org   string `required:"" example:"0198c0de-0000-7000-8000-000000000000" placeholder:"ID" help:"Organization id."`
	Role  string `example:"admin" default:"viewer" enum:"owner,admin,developer,viewer" placeholder:"ROLE" help:"owner, admin, developer or viewer (default: ${default})."`
}

func (c *peopleInvite) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		s, err := c.service(db)
		if err != nil {
			return err
		}
		i, token, err := s.Invite(ctx, people.CommandLine(), c.Org, c.Email, permission.Role(c.Role))
		if err != nil {
			return err
		}
		return shownLink{i.Email, s.LinkURL("/console/invitation", token)}.print(o, c.JSON, "Give this link to "+i.Email+". It works once, for 7 days, and only for this address:")
	})
}

type peopleReset struct {
	adminFlags
	linkFlags
	Email         string `arg:"" example:"anna@your-domain.example" help:"E-mail address."`
	SecondFactors bool   `help:"Also remove the person's authenticator app, recovery codes, passkeys and connected accounts, now."`
}

func (c *peopleReset) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		s, err := c.service(db)
		if err != nil {
			return err
		}
		token, err := s.ResetLink(ctx, people.CommandLine(), c.Email, c.SecondFactors)
		if err != nil {
			return err
		}
		return shownLink{c.Email, s.LinkURL("/console/reset", token)}.print(o, c.JSON, "Give this link to the person. It sets a new password, works once, for 24 hours:")
	})
}

type peopleEmail struct {
	adminFlags
	linkFlags
	Email string `arg:"" example:"anna@your-domain.example" help:"E-mail address of the account."`
	New   string `arg:"" example:"anna.b@your-domain.example" help:"The new address."`
}

func (c *peopleEmail) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		s, err := c.service(db)
		if err != nil {
			return err
		}
		token, err := s.AskEmail(ctx, people.CommandLine(), c.Email, c.New, people.Client{})
		if err != nil {
			return err
		}
		return shownLink{c.New, s.LinkURL("/console/email", token)}.print(o, c.JSON, "Give this link to the person. It changes the address to "+c.New+", works once, for 24 hours:")
	})
}

type peopleDelete struct {
	adminFlags
	Email string `arg:"" example:"anna@your-domain.example" help:"E-mail address of the account."`
}

func (c *peopleDelete) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if err := people.NewAdministration(db, "").Delete(ctx, people.CommandLine(), c.Email, people.Client{}); err != nil {
			if names, ok := fault.From(err).Details["organizations"].([]string); ok {
				return fmt.Errorf("%s is the only owner of %s: make somebody else an owner first: %w", c.Email, oneLine(strings.Join(names, ", ")), err)
			}
			return err
		}
		done := struct {
			Email   string `json:"email"`
			Deleted bool   `json:"deleted"`
		}{c.Email, true}
		return o.print(c.JSON, done, func(w io.Writer) { fmt.Fprintln(w, "the account of "+c.Email+" is deleted") })
	})
}

type peopleOperator struct {
	adminFlags
	Email string `arg:"" example:"anna@your-domain.example" help:"E-mail address."`
	Off   bool   `help:"The person is an operator no longer."`
}

func (c *peopleOperator) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if err := people.NewAdministration(db, "").SetOperator(ctx, people.CommandLine(), c.Email, !c.Off); err != nil {
			return err
		}
		state := struct {
			Email    string `json:"email"`
			Operator bool   `json:"operator"`
		}{c.Email, !c.Off}
		return o.print(c.JSON, state, func(w io.Writer) {
			fmt.Fprintln(w, either(state.Operator, c.Email+" is an operator", c.Email+" is not an operator"))
		})
	})
}
