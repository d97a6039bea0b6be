package account_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/store/storetest"
)

const site = "https://songs.example"

func TestOrganizations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		for _, name := range []string{"", "  ", strings.Repeat("é", 201)} {
			if _, err := account.CreateOrganization(ctx, db, audit.CommandLine(), name); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("name %q: %v", name, err)
			}
		}
		o, err := account.CreateOrganization(ctx, db, audit.CommandLine(), " "+strings.Repeat("é", 200)+" ")
		if err != nil || o.Name != strings.Repeat("é", 200) || !o.WidgetEnabled || o.Suspended {
			t.Fatalf("%+v, %v", o, err)
		}
		set := o
		set.MaxFileSize, set.AccessCodeTTL, set.Quota, set.Suspended, set.WidgetEnabled, set.DuplicateTitles = 5, time.Hour, 7, true, false, true
		set.Imprint = strings.Repeat("ß", 200)
		if _, err := account.ChangeOrganization(ctx, db, audit.CommandLine(), o.ID, 0, func(x *account.Organization) { *x = set }); err != nil {
			t.Fatal(err)
		}
		set.Revision = 2
		if got, err := account.GetOrganization(ctx, db, o.ID); err != nil || got != set {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := account.ChangeOrganization(ctx, db, audit.CommandLine(), o.ID, 0, func(x *account.Organization) { x.Quota = -1 }); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Errorf("negative quota: %v", err)
		}
		for _, bad := range []string{strings.Repeat("x", 201), "two\nlines", "turned \u202e", "\xff"} {
			if _, err := account.ChangeOrganization(ctx, db, audit.CommandLine(), o.ID, 0, func(x *account.Organization) { x.Imprint = bad }); !errors.Is(err, fault.CodeCommonValidationFailed) {
				t.Errorf("imprint %q: %v", bad, err)
			}
		}
		if all, err := account.ListOrganizations(ctx, db, "", 10); err != nil || len(all) != 1 || all[0] != set {
			t.Errorf("%+v, %v", all, err)
		}
		unknown := "0190a0e6-0000-7000-8000-00000000dead"
		_, create := account.CreateKeys(ctx, db, audit.CommandLine(), unknown, "", false)
		_, add := account.AddOrigin(ctx, db, audit.CommandLine(), unknown, site)
		_, list := account.ListOrigins(ctx, db, unknown)
		_, change := account.ChangeOrganization(ctx, db, audit.CommandLine(), unknown, 0, func(*account.Organization) {})
		for _, err := range []error{create, add, list, change} {
			if !errors.Is(err, fault.CodeOrganizationNotFound) {
				t.Errorf("unknown organization: %v", err)
			}
		}
		if _, err := account.AddOrigin(ctx, db, audit.CommandLine(), o.ID, "*"); !errors.Is(err, fault.CodeCommonValidationFailed) {
			t.Errorf("origin *: %v", err)
		}
		for range 2 {
			if got, err := account.AddOrigin(ctx, db, audit.CommandLine(), o.ID, "HTTPS://Songs.Example:443/"); err != nil || got != site {
				t.Errorf("%q, %v", got, err)
			}
		}
		if got, err := account.ListOrigins(ctx, db, o.ID); err != nil || len(got) != 1 {
			t.Errorf("%v, %v", got, err)
		}
		if err := account.RemoveOrigin(ctx, db, audit.CommandLine(), o.ID, "https://songs.example:443"); err != nil {
			t.Error(err)
		}
		if err := account.RemoveOrigin(ctx, db, audit.CommandLine(), o.ID, site); !errors.Is(err, fault.CodeCommonNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		live, err := account.CreateKeys(ctx, db, audit.CommandLine(), o.ID, "", false)
		if err != nil {
			t.Fatal(err)
		}
		test, err := account.CreateKeys(ctx, db, audit.CommandLine(), o.ID, "", true)
		if err != nil || len(live.SiteKey) != 68 || len(live.SecretKey) != 68 || !strings.HasPrefix(test.SiteKey, "cpk_test_") || !strings.HasPrefix(test.SecretKey, "csk_test_") {
			t.Errorf("%+v %+v %v", live, test, err)
		}
		if err := account.EnableKey(ctx, db, audit.CommandLine(), o.ID, test.SiteKey, false); err != nil {
			t.Error(err)
		}
		if err := account.DeleteKey(ctx, db, audit.CommandLine(), o.ID, live.SiteKey); err != nil {
			t.Error(err)
		}
		keys, err := account.ListKeys(ctx, db, o.ID)
		states := map[string]string{}
		for _, k := range keys {
			states[k.SiteKey] = k.Status + k.SecretKey
		}
		if err != nil || states[live.SiteKey] != "deleted" || states[test.SiteKey] != "disabled" {
			t.Errorf("%v, %v", states, err)
		}
	})
}
