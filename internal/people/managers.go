package people

import (
	"context"
	"maps"

	"timbre.example/internal/mail"
	"timbre.example/internal/operation"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// maxManagers is the largest number of people who receive one warning.
const maxManagers = 50

// MailManagers enqueues a mail to the owners and admins of an organization, each in the
// person's language. words are the values of the mail's text; the organization's name is added.
func MailManagers(ctx context.Context, tx *store.Tx, organizationID string, kind mail.Kind, words map[string]string) (err error) {
	defer operation.Wrap(&err, "mail the managers of organization %s", organizationID)
	rows, err := tx.ListManagers(ctx, query.ListManagersParams{OrganizationID: organizationID, Lim: maxManagers})
	if err != nil {
		return err
	}
	for _, r := range rows {
		all := maps.Clone(words)
		if all == nil {
			all = map[string]string{}
		}
		all["organization"] = r.Organization
		if err := mail.Enqueue(ctx, tx, mail.Message{Kind: kind, Ref: r.ID, Organization: organizationID, Recipient: r.Email, Language: r.Language, Words: all}); err != nil {
			return err
		}
	}
	return nil
}
