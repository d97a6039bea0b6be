package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"timbre.example/internal/session"
	"timbre.example/internal/store"
)

type sessionsCmd struct {
	List   sessionsList   `cmd:"" help:"List an organization's sessions of the last day, newest first."`
	Revoke sessionsRevoke `cmd:"" help:"End sessions, from the next call on and in every process."`
}

// whichFlags name sessions of one organization.
type whichFlags struct {
	Org             string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Key             string `example:"cpk_…" placeholder:"SITE_KEY" help:"Only those of this key pair."`
	ExternalUserRef string `example:"user-17" placeholder:"REF" help:"Only those of this end-user."`
}

// which is empty-handed of an unknown organization, which is refused.
func (f whichFlags) which(ctx context.Context, db *store.DB) (session.Which, error) {
	_, err := session.GetOrganization(ctx, db, f.Org)
	return session.Which{Organization: f.Org, SiteKey: f.Key, ExternalUserRef: f.ExternalUserRef}, err
}

type sessionsList struct {
	adminFlags
	whichFlags
}

// Help says what is not listed.
func (sessionsList) Help() string {
	return fmt.Sprintf("At most %d are listed. End-users are stored as a hash only: filter by one with --external-user-ref.", session.MaxListed)
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
	ID    string `example:"0198c0de-0000-7000-8000-000000000000" placeholder:"ID" help:"Only the session with this id, the jti of its token."`
	Token string `example:"eyJ…" secret:"all" placeholder:"TOKEN" help:"Only the session of this token."`
	All   bool   `help:"All sessions of the organization."`
}

// Help says what stays.
func (sessionsRevoke) Help() string {
	return `Name the sessions by --id, --token, --external-user-ref or --key, or say --all.
What was confirmed stays confirmed. To refuse new sessions too, switch the key
pair off first: timbre keys disable.`
}

func (c *sessionsRevoke) Run(o *output) error {
	named := c.ID != "" || c.Token != "" || c.ExternalUserRef != "" || c.Key != ""
	switch {
	case c.All && named:
		return wrongf("all", "goes with no other choice of sessions")
	case !c.All && !named:
		return wrongf("id", "name the sessions: --id, --token, --external-user-ref, --key or --all")
	case c.Token != "" && session.TokenID(c.Token) == "":
		return wrongf("token", "this is no session token")
	case c.ID != "" && c.Token != "":
		return wrongf("token", "goes without --id")
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
