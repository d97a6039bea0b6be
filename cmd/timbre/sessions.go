package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
)

type sessionsCmd struct {
	List   sessionsList   `cmd:"" help:"List an organization's sessions of the last day, newest first."`
	Revoke sessionsRevoke `cmd:"" help:"Revoke sessions: every process refuses their next call."`
}

// whichFlags select sessions of one organization.
type whichFlags struct {
	Org             string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Key             string `example:"cpk_…" placeholder:"SITE_KEY" help:"Only sessions of this key pair."`
	ExternalUserRef string `example:"user-17" placeholder:"REF" help:"Only sessions of this end-user."`
}

// which returns the selection. It returns organization.not_found if the organization is
// unknown.
func (f whichFlags) which(ctx context.Context, db *store.DB) (session.Which, error) {
	_, err := account.GetOrganization(ctx, db, f.Org)
	return session.Which{Organization: f.Org, SiteKey: f.Key, ExternalUserRef: f.ExternalUserRef}, err
}

type sessionsList struct {
	adminFlags
	whichFlags
}

// Help says which sessions are not listed.
func (sessionsList) Help() string {
	return fmt.Sprintf("The list has at most %d sessions. It shows no end-users, because only their hashes are stored. To list one end-user's sessions, use --external-user-ref.", session.MaxListed)
}

func (c *sessionsList) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		w, err := c.which(ctx, db)
		if err != nil {
			return err
		}
		list, err := session.List(ctx, db, w)
		if err != nil {
			return err
		}
		return o.print(c.JSON, list, func(out io.Writer) {
			t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			defer t.Flush()
			for _, s := range list {
				state := "until " + s.ExpiresAt.Format(time.RFC3339)
				switch {
				case s.RevokedAt != nil:
					state = "revoked " + s.RevokedAt.Format(time.RFC3339)
				case !db.Now().Before(s.ExpiresAt):
					state = "expired " + s.ExpiresAt.Format(time.RFC3339)
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.Action, s.Network, state, s.SiteKey)
			}
		})
	})
}

type sessionsRevoke struct {
	adminFlags
	whichFlags
	ID    string `example:"0198c0de-0000-7000-8000-000000000000" placeholder:"ID" help:"Only the session with this id (the jti of its token)."`
	Token string `example:"eyJ…" secret:"all" placeholder:"TOKEN" help:"Only the session of this token."`
	All   bool   `help:"All sessions of the organization."`
}

// Help says how to select sessions, and what revoking does not undo.
func (sessionsRevoke) Help() string {
	return `Select the sessions with --id, --token, --external-user-ref or --key, or give --all.
Confirmed registrations stay confirmed. To refuse new sessions too, first disable
the key pair: timbre keys disable.`
}

func (c *sessionsRevoke) Run(o *output) error {
	named := c.ID != "" || c.Token != "" || c.ExternalUserRef != "" || c.Key != ""
	switch {
	case c.All && named:
		return wrongf("all", "cannot be used together with --id, --token, --external-user-ref or --key")
	case !c.All && !named:
		return wrongf("id", "no sessions are selected: give --id, --token, --external-user-ref, --key or --all")
	case c.Token != "" && session.TokenID(c.Token) == "":
		return wrongf("token", "is not a session token")
	case c.ID != "" && c.Token != "":
		return wrongf("token", "cannot be used together with --id")
	}
	return c.with(func(ctx context.Context, db *store.DB) error {
		w, err := c.which(ctx, db)
		if err != nil {
			return err
		}
		w.ID = cmp.Or(c.ID, session.TokenID(c.Token))
		n, err := session.Revoke(ctx, db, w)
		if err != nil {
			return err
		}
		return o.print(c.JSON, map[string]int64{"revoked": n}, func(out io.Writer) { fmt.Fprintf(out, "%s revoked\n", plural(int(n), "session")) })
	})
}
