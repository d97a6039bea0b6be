package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/store"
)

// adminFlags are the flags of all commands that administer a database. A server can use
// the database at the same time.
type adminFlags struct {
	databaseFlag
	JSON bool `help:"Print JSON."`
}

// with opens the database, calls do, and closes the database.
func (f adminFlags) with(do func(ctx context.Context, db *store.DB) error) error {
	ctx := context.Background()
	db, err := f.open(ctx, true)
	if err != nil {
		return err
	}
	defer db.Close()
	if n, err := db.Pending(ctx); err != nil {
		return err
	} else if n > 0 {
		return fmt.Errorf("the database is %s behind this release: make a backup, then run `timbre migrate` or start the server of this release", plural(int(n), "migration"))
	} else if n < 0 {
		return errAhead(-n)
	}
	return do(ctx, db)
}

// errAhead refuses a database that a newer release has migrated.
func errAhead(n int64) error {
	return fmt.Errorf("the database is %s ahead of this release (%s): a newer release has used it. Run the newer release, or restore a backup from before the update", plural(int(n), "migration"), version)
}

type orgCmd struct {
	Create  orgCreate  `cmd:"" help:"Create an organization."`
	List    orgList    `cmd:"" help:"List organizations."`
	Show    orgShow    `cmd:"" help:"Show an organization and its settings."`
	Suspend orgSuspend `cmd:"" help:"Suspend an organization: its calls are refused from now on."`
	Resume  orgResume  `cmd:"" help:"Accept the calls of a suspended organization again."`
	Set     orgSet     `cmd:"" help:"Change an organization's settings."`
}

type orgCreate struct {
	adminFlags
	Name string `arg:"" example:"'Your Records'" help:"Name of the organization, 1 to 200 characters."`
}

func (c *orgCreate) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		org, err := account.CreateOrganization(ctx, db, audit.CommandLine(), c.Name)
		if err != nil {
			return err
		}
		return o.print(c.JSON, org, func(w io.Writer) { fmt.Fprintln(w, org.ID) })
	})
}

type orgList struct{ adminFlags }

func (c *orgList) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		orgs, err := allOrganizations(ctx, db)
		if err != nil {
			return err
		}
		return o.print(c.JSON, orgs, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			defer t.Flush()
			for _, org := range orgs {
				state := "active"
				if org.Suspended {
					state = "suspended"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\n", org.ID, state, oneLine(org.Name))
			}
		})
	})
}

// allOrganizations reads all organizations, in pages.
func allOrganizations(ctx context.Context, db *store.DB) (all []account.Organization, err error) {
	all = []account.Organization{} // as JSON, none are an empty list
	for after := ""; ; after = all[len(all)-1].ID {
		page, err := account.ListOrganizations(ctx, db, after, account.MaxListed)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(page) < account.MaxListed {
			return all, nil
		}
	}
}

type orgShow struct {
	adminFlags
	ID string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
}

func (c *orgShow) Run(o *output) error {
	return c.with(func(ctx context.Context, db *store.DB) error {
		org, err := account.GetOrganization(ctx, db, c.ID)
		if err != nil {
			return err
		}
		return printOrg(o, c.JSON, org)
	})
}

func printOrg(o *output, asJSON bool, org account.Organization) error {
	return o.print(asJSON, org, func(w io.Writer) {
		fmt.Fprintf(w, "id                %s\nname              %s\nsuspended         %t\nwidget            %s\nmax file size     %s\naccess code ttl   %s\nduplicate titles  %s\nasset storage     %s\nquota a month     %s\nlow credits       %s\nissuer name       %s\nimprint           %s\nlogo              %s\nrevision          %d\ncreated           %s\n",
			org.ID, oneLine(org.Name), org.Suspended, either(org.WidgetEnabled, "on", "off"), orNone(org.MaxFileSize, "the server's limit"), orNone(org.AccessCodeTTL, "no end"),
			either(org.DuplicateTitles, "allow", "refuse"), org.AssetStorage, orNone(org.Quota, "none"), orNone(org.LowCredits, "no warning"),
			cmp.Or(oneLine(org.IssuerName), "the name"), cmp.Or(oneLine(org.Imprint), "none"), cmp.Or(org.LogoSHA256, "none"), org.Revision, org.CreatedAt.Format(time.RFC3339))
	})
}

// either returns a setting in the word that org set uses for it.
func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func orNone[T int64 | time.Duration](v T, none string) string {
	if v == 0 {
		return none
	}
	return fmt.Sprint(v)
}

type orgSuspend struct {
	adminFlags
	ID string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
}

func (c *orgSuspend) Run(o *output) error {
	return changeOrg(o, c.adminFlags, c.ID, func(org *account.Organization) { org.Suspended = true })
}

type orgResume struct {
	adminFlags
	ID string `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
}

func (c *orgResume) Run(o *output) error {
	return changeOrg(o, c.adminFlags, c.ID, func(org *account.Organization) { org.Suspended = false })
}

func changeOrg(o *output, f adminFlags, id string, change func(*account.Organization)) error {
	return f.with(func(ctx context.Context, db *store.DB) error {
		org, err := account.ChangeOrganization(ctx, db, audit.CommandLine(), id, 0, change)
		if err != nil {
			return err
		}
		return printOrg(o, f.JSON, org)
	})
}

type orgSet struct {
	adminFlags
	ID              string         `arg:"" example:"0198c0de-0000-7000-8000-000000000000" help:"Organization id."`
	Name            *string        `example:"'Your Records'" placeholder:"TEXT" help:"Name of the organization, 1 to 200 characters."`
	Widget          string         `example:"off" enum:"on,off," default:"" placeholder:"on|off" help:"Allow (on) or refuse (off) the organization's widget."`
	MaxFileSize     *int64         `example:"100000000" placeholder:"BYTES" help:"Largest file of this organization in bytes; 0 for the server's limit."`
	AccessCodeTTL   *time.Duration `example:"8760h" name:"access-code-ttl" placeholder:"TIME" help:"How long an access code is valid after it was issued or replaced, such as 8760h; 0 for no end."`
	DuplicateTitles string         `example:"allow" enum:"refuse,allow," default:"" placeholder:"refuse|allow" help:"Refuse or allow two works of one end-user with the same title."`
	AssetStorage    string         `example:"none" enum:"keep,none," default:"" placeholder:"keep|none" help:"keep stores recordings. none stores only the hashes of new recordings; recordings that are already stored stay."`
	IssuerName      *string        `example:"'Your Records GmbH'" placeholder:"TEXT" help:"Issuer on certificates: one line of at most 200 characters; '' for the organization's name."`
	Imprint         *string        `example:"Example Street 1, Hamburg, Germany" placeholder:"TEXT" help:"Text on certificates after the issuer, such as an address: one line of at most 200 characters; '' for no text."`
	Logo            *string        `example:"logo.png" placeholder:"FILE" help:"Picture on certificates beside the issuer: PNG or JPEG of at most 1 MB; '' for no picture."`
	Quota           *int64         `example:"1000" placeholder:"N" help:"Largest number of registrations and updates in a calendar month (UTC); 0 for no quota."`
	LowCredits      *int64         `example:"500" placeholder:"N" help:"Warn when a registration takes the balance below this number of credits; 0 for no warning."`
	Revision        int64          `example:"3" placeholder:"N" help:"Change nothing if the settings have another revision than this one: somebody changed them meanwhile."`
}

func (c *orgSet) Run(o *output) error {
	for name, text := range map[string]*string{"imprint": c.Imprint, "issuer-name": c.IssuerName} {
		if text == nil {
			continue
		}
		if err := fitsCertificate(name, *text); err != nil {
			return err
		}
	}
	var logo []byte
	if c.Logo != nil && *c.Logo != "" {
		var err error
		if logo, err = readSmall(*c.Logo, account.MaxLogoBytes); err != nil {
			return wrongf("logo", "%s cannot be read: %s", *c.Logo, plainly(err))
		}
		if _, err := account.ReadLogo(logo); err != nil { // before any other setting changes
			return err
		}
	}
	return c.with(func(ctx context.Context, db *store.DB) error {
		org, err := account.ChangeOrganization(ctx, db, audit.CommandLine(), c.ID, c.Revision, c.change)
		if err == nil && c.Logo != nil {
			org, err = account.SetLogo(ctx, db, audit.CommandLine(), c.ID, org.Revision, logo)
		}
		if err != nil {
			return err
		}
		return printOrg(o, c.JSON, org)
	})
}

// readSmall reads a file of at most most bytes, and one byte more of a larger one.
func readSmall(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}

func (c *orgSet) change(org *account.Organization) {
	if c.Name != nil {
		org.Name = *c.Name
	}
	if c.Widget != "" {
		org.WidgetEnabled = c.Widget == "on"
	}
	if c.DuplicateTitles != "" {
		org.DuplicateTitles = c.DuplicateTitles == "allow"
	}
	if c.AssetStorage != "" {
		org.AssetStorage = c.AssetStorage
	}
	if c.MaxFileSize != nil {
		org.MaxFileSize = *c.MaxFileSize
	}
	if c.AccessCodeTTL != nil {
		org.AccessCodeTTL = *c.AccessCodeTTL
	}
	if c.IssuerName != nil {
		org.IssuerName = *c.IssuerName
	}
	if c.Imprint != nil {
		org.Imprint = *c.Imprint
	}
	if c.Quota != nil {
		org.Quota = *c.Quota
	}
	if c.LowCredits != nil {
		org.LowCredits = *c.LowCredits
	}
}
