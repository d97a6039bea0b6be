package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/apikey"
	"timbre.example/internal/audit"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/webhook"
)

type apikeysCmd struct {
	Create apikeysCreate `cmd:"" help:"Create an API key for an organization's backend. The key is shown only once."`
	List   apikeysList   `cmd:"" help:"List an organization's API keys, also revoked and expired ones."`
	Revoke apikeysRevoke `cmd:"" help:"Revoke an API key, from the next request on. This cannot be undone."`
}

type apikeysCreate struct {
	adminFlags
	Org         string   `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Name        string   `required:"" example:"'Nightly import'" placeholder:"TEXT" help:"Name of the key, 1 to 100 characters."`
	Scope       []string `required:"" example:"works:register" placeholder:"SCOPE" help:"A permission of the key; repeat the flag for each scope: works:register, works:update, works:read, keys:manage, webhooks:manage, organization:read, organization:manage."`
	Expires     string   `example:"8760h" placeholder:"TIME" help:"End of the key: a time such as 2031-05-01T12:00:00Z, or from now on, such as 8760h (a year). Without it the key does not end."`
	MaxFileSize *int64   `example:"100000000" placeholder:"BYTES" help:"Largest file that the key registers, in bytes."`
	Test        bool     `help:"Create a test key (afo_sk_test_…), which reaches only test networks."`
	WebhookURL  string   `name:"webhook-url" example:"https://your-domain.example/hooks" placeholder:"URL" help:"Endpoint that receives the ends of the transactions that this key begins. Its secret is shown only once."`
	SecretFile  string   `env:"TIMBRE_SECRET_FILE" example:"data/secret" default:"data/secret" type:"path" placeholder:"FILE" help:"File with the server's secret, which encrypts the secret of the endpoint. It is read only with --webhook-url (default: ${default})."`

	WebhooksAllow proxies `env:"TIMBRE_WEBHOOKS_ALLOW" example:"10.1.0.0/16" placeholder:"CIDRS" help:"The server's --webhooks-allow: networks to which webhooks are delivered beside public addresses."`
}

// service makes the keys. Only an endpoint needs the server's secret.
func (c *apikeysCreate) service(db *store.DB) (*apikey.Service, error) {
	s := &apikey.Service{DB: db}
	if c.WebhookURL == "" {
		return s, nil
	}
	root, err := readSecret(c.SecretFile, false)
	if err != nil {
		return nil, err
	}
	key := root.key(purposeWebhooks)
	if key == nil {
		return nil, wrongf("secret-file", "has no key for webhooks: use the file of the server's role organizations, or the whole secret")
	}
	hooks := webhook.New(webhook.Config{DB: db, Key: key, Allow: c.WebhooksAllow})
	s.CheckURL, s.Endpoint = checkURL(hooks), endpointOf(hooks)
	return s, nil
}

// expires returns the end of the key; nil: it has no end.
func (c *apikeysCreate) expires(now time.Time) (*time.Time, error) {
	if c.Expires == "" {
		return nil, nil
	}
	if d, err := time.ParseDuration(c.Expires); err == nil {
		at := now.Add(d)
		return &at, nil
	}
	at, err := time.Parse(time.RFC3339, c.Expires)
	if err != nil {
		return nil, wrongf("expires", `must be a time such as 2031-05-01T12:00:00Z, or from now on, such as "8760h"`)
	}
	return &at, nil
}

func (c *apikeysCreate) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		until, err := c.expires(db.Now())
		if err != nil {
			return err
		}
		s, err := c.service(db)
		if err != nil {
			return err
		}
		k, err := s.Create(ctx, audit.CommandLine(), c.Org, apikey.Request{Name: c.Name, Scopes: c.Scope, Test: c.Test, WebhookURL: c.WebhookURL, ExpiresAt: until, MaxFileSize: c.MaxFileSize})
		if err != nil {
			return err
		}
		return o.print(c.JSON, k, func(w io.Writer) {
			fmt.Fprintf(w, "id      %s\nkey     %s\nscopes  %s\n", k.ID, k.Token, scopeWords(k.Scopes))
			if k.WebhookSecret != "" {
				fmt.Fprintf(w, "webhook_secret_base64  %s\n", k.WebhookSecret)
			}
			fmt.Fprintf(w, "\nThe key is shown only now. Store it where your backend reads its secrets: Timbre stores only its hash.\n")
		})
	})
}

func scopeWords(scopes []permission.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}

type apikeysList struct {
	adminFlags
	Org string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
}

func (c *apikeysList) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		if _, err := account.GetOrganization(ctx, db, c.Org); err != nil {
			return err
		}
		s, all := &apikey.Service{DB: db}, []apikey.Key{}
		for more, after := true, ""; more; after = all[len(all)-1].ID {
			page, next, err := s.List(ctx, c.Org, apikey.Page{First: apikey.MaxPage, After: after})
			if err != nil {
				return err
			}
			if all, more = append(all, page...), next; len(all) == 0 {
				break
			}
		}
		return o.print(c.JSON, all, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			defer t.Flush()
			for _, k := range all {
				fmt.Fprintf(t, "%s\t%s…%s\t%s\t%s\t%s\t%s\n", k.ID, k.Prefix, k.LastFour, keyState(k, db.Now()), lastUse(k), scopeWords(k.Scopes), oneLine(k.Name))
			}
		})
	})
}

// keyState returns whether a key is accepted, in one word.
func keyState(k apikey.Key, now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		return "expired"
	}
	return "active"
}

func lastUse(k apikey.Key) string {
	if k.LastUsedAt == nil {
		return "never used"
	}
	return "used " + k.LastUsedAt.Format("2006-01-02 15:04")
}

type apikeysRevoke struct {
	adminFlags
	ID string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Id of the key, as timbre apikeys list shows it."`
}

func (c *apikeysRevoke) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		org, err := apikey.OrganizationOf(ctx, db, c.ID)
		if err != nil {
			return err
		}
		k, err := (&apikey.Service{DB: db}).Revoke(ctx, audit.CommandLine(), org, strings.ToLower(c.ID))
		if err != nil {
			return err
		}
		return o.print(c.JSON, k, func(w io.Writer) { fmt.Fprintln(w, k.ID, "revoked") })
	})
}
