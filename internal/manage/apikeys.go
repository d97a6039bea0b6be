package manage

import (
	"context"

	"github.com/google/uuid"

	"timbre.example/internal/apikey"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
	"timbre.example/internal/store"
	"timbre.example/internal/web"
)

// apiKeys adds the routes of API keys.
func (f *Face) apiKeys() {
	submit(f, operation{method: "POST", path: "/api-keys", id: "create-api-key", summary: "Create an API key", needs: permission.KeysManage, status: 201, test: true}, f.createAPIKey)
	do(f, operation{method: "GET", path: "/api-keys", id: "list-api-keys", summary: "API keys, newest first", needs: permission.KeysRead}, f.listAPIKeys)
	do(f, operation{method: "GET", path: "/api-keys/{id}", id: "api-key", summary: "One API key", needs: permission.KeysRead}, f.apiKey)
	do(f, operation{method: "DELETE", path: "/api-keys/{id}", id: "revoke-api-key", summary: "Revoke an API key", needs: permission.KeysManage, test: true}, f.revokeAPIKey)
}

type createAPIKeyInput struct {
	Body struct {
		Name        string   `json:"name" required:"false" doc:"1 to 100 characters, one line"`
		Scopes      []string `json:"scopes" required:"false" doc:"At least one of works:register, works:update, works:read, keys:manage, webhooks:manage, organization:read and organization:manage"`
		WebhookURL  *string  `json:"webhook_url" required:"false" nullable:"true" doc:"Receives the ends of the transactions that this key begins"`
		ExpiresAt   *string  `json:"expires_at" required:"false" nullable:"true" format:"date-time" doc:"The key's end; never when left out"`
		MaxFileSize *int64   `json:"max_file_size_bytes" required:"false" nullable:"true" doc:"Lowers the size cap of the key's recordings"`
		Test        bool     `json:"test" required:"false" doc:"A test key reaches only test networks, and what test keys made"`
	}
}

type createdAPIKeyOutput struct {
	Body apikey.Created
}

func (f *Face) createAPIKey(c *Call, in *createAPIKeyInput) (*createdAPIKeyOutput, error) {
	if c.Test && !in.Body.Test {
		return nil, fault.CommonForbidden("test_key")
	}
	var bad fault.Refused
	r := apikey.Request{
		Name: in.Body.Name, Scopes: in.Body.Scopes, Test: in.Body.Test, WebhookURL: of(in.Body.WebhookURL),
		ExpiresAt: instant(&bad, "expires_at", in.Body.ExpiresAt), MaxFileSize: in.Body.MaxFileSize,
		Stored: func(ctx context.Context, tx *store.Tx, k apikey.Created) error { return web.Keep(ctx, tx, k) },
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	k, err := f.APIKeys.Create(c, c.Actor, c.Organization, r)
	if err != nil {
		return nil, err
	}
	return &createdAPIKeyOutput{Body: k}, nil
}

type listAPIKeysInput struct {
	Paging
}

type apiKeysOutput struct {
	Body struct {
		APIKeys  []apikey.Key `json:"api_keys"`
		PageInfo wirePage     `json:"page_info"`
	}
}

func (f *Face) listAPIKeys(c *Call, in *listAPIKeysInput) (*apiKeysOutput, error) {
	var bad fault.Refused
	p := apikey.Page{First: in.first(&bad), After: cursor(&bad, in.After)}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	keys, more, err := f.APIKeys.List(c, c.Organization, p)
	if err != nil {
		return nil, err
	}
	out := &apiKeysOutput{}
	out.Body.APIKeys, out.Body.PageInfo = keys, pageOf(more, "")
	if n := len(keys); n > 0 {
		out.Body.PageInfo = pageOf(more, keys[n-1].ID)
	}
	return out, nil
}

// cursor reads a cursor that is an id.
func cursor(bad *fault.Refused, text string) string {
	if text == "" {
		return ""
	}
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		bad.Refuse("after", "cursor", "Must be the end_cursor of a page.")
		return ""
	}
	return id.String()
}

type apiKeyInput struct {
	ID string `path:"id" doc:"The key's id, a UUID"`
}

type apiKeyOutput struct {
	Body apikey.Key
}

func (f *Face) apiKey(c *Call, in *apiKeyInput) (*apiKeyOutput, error) {
	id, err := identified(in.ID)
	if err != nil {
		return nil, err
	}
	k, err := f.APIKeys.Get(c, c.Organization, id)
	if err != nil {
		return nil, err
	}
	return &apiKeyOutput{Body: k}, nil
}

func (f *Face) revokeAPIKey(c *Call, in *apiKeyInput) (*apiKeyOutput, error) {
	id, err := identified(in.ID)
	if err != nil {
		return nil, err
	}
	if c.Test {
		if k, err := f.APIKeys.Get(c, c.Organization, id); err != nil {
			return nil, err
		} else if !k.Test {
			return nil, fault.CommonForbidden("test_key")
		}
	}
	k, err := f.APIKeys.Revoke(c, c.Actor, c.Organization, id)
	if err != nil {
		return nil, err
	}
	return &apiKeyOutput{Body: k}, nil
}

// identified returns an id of a path in its usual form. A malformed one is the id of nothing.
func identified(text string) (string, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return "", fault.CommonNotFound()
	}
	return id.String(), nil
}
