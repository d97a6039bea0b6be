package api

import (
	"context"
	"net/http"
	"time"

	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/web"
)

type mintInput struct {
	Origin string `header:"Origin" doc:"The origin of the site that embeds the widget"`
	Body   struct {
		SecretKey       string  `json:"secret_key" doc:"csk_ (csk_test_ for a test key) and 64 hex digits"`
		ActionType      string  `json:"action_type" enum:"register,update_version,access" doc:"The allowed calls of the session"`
		AllowedNetwork  string  `json:"allowed_network" enum:"testnet,mainnet" doc:"The only network of the session; with a test key, testnet"`
		AllowedAtsID    *int64  `json:"allowed_ats_id" required:"false" nullable:"true" minimum:"1" doc:"The only work that the session may update"`
		ExternalUserRef *string `json:"external_user_ref" required:"false" nullable:"true" minLength:"1" maxLength:"255" doc:"The host's own id of the end-user, 1 to 255 bytes"`
		Rehearse        *string `json:"rehearse" required:"false" nullable:"true" doc:"With a test key: the code that the session rehearses"`
		MaxFileSize     *int64  `json:"max_file_size_bytes" required:"false" nullable:"true" minimum:"1" doc:"Lowers the size cap, in bytes"`
		AssetStorage    *string `json:"asset_storage" required:"false" nullable:"true" doc:"none: files of this session are not uploaded or stored; only hashes are registered"`
	}
}

var (
	mintBody   = web.Body[web.Anyone, mintInput]{Most: MaxSmallBody, Strict: true}
	revokeBody = web.Body[web.Anyone, revokeInput]{Most: MaxSmallBody, Strict: true}
)

type mintOutput struct {
	Body struct {
		Token     string `json:"token"`
		ExpiresIn int    `json:"expires_in" doc:"Seconds"`
	}
}

func (a *API) mint(ctx context.Context, _ web.Anyone, in *mintInput) (*mintOutput, error) {
	m, err := a.Sessions.Minter(ctx, in.Body.SecretKey, in.Origin)
	if err == nil {
		err = a.takeMint(ctx, m.SiteKey(), m.Organization())
	}
	if err != nil {
		return nil, err
	}
	r := session.MintRequest{
		Action: session.Action(in.Body.ActionType), Network: network.Name(in.Body.AllowedNetwork),
		AtsID: in.Body.AllowedAtsID, ExternalUserRef: in.Body.ExternalUserRef, MaxFileSize: in.Body.MaxFileSize, Rehearse: in.Body.Rehearse, AssetStorage: in.Body.AssetStorage,
	}
	token, err := a.Sessions.Mint(ctx, m, r)
	if err != nil {
		return nil, err
	}
	out := &mintOutput{}
	out.Body.Token, out.Body.ExpiresIn = token, int(a.Sessions.Lifetime/time.Second)
	return out, nil
}

type revokeInput struct {
	Body struct {
		SecretKey       string  `json:"secret_key" doc:"csk_ and 64 hex digits: the secret key of the pair that minted the sessions"`
		SessionID       *string `json:"session_id" required:"false" nullable:"true" doc:"The session with this id, the jti of its token"`
		Token           *string `json:"token" required:"false" nullable:"true" doc:"The session of this token"`
		ExternalUserRef *string `json:"external_user_ref" required:"false" nullable:"true" doc:"All sessions of this end-user"`
	}
}

type revokeOutput struct {
	Body struct {
		Revoked int64 `json:"revoked" doc:"How many sessions ended now"`
	}
}

func (a *API) revoke(ctx context.Context, _ web.Anyone, in *revokeInput) (*revokeOutput, error) {
	by, err := a.Sessions.Revoker(ctx, in.Body.SecretKey)
	if err == nil {
		err = a.takeMint(ctx, by.SiteKey(), by.Organization())
	}
	if err != nil {
		return nil, err
	}
	n, err := a.Sessions.RevokeOwn(ctx, by, session.RevokeRequest{
		ID: in.Body.SessionID, Token: in.Body.Token, ExternalUserRef: in.Body.ExternalUserRef,
	})
	if err != nil {
		return nil, err
	}
	out := &revokeOutput{}
	out.Body.Revoked = n
	return out, nil
}

func (a *API) jwks(w http.ResponseWriter, r *http.Request) {
	set, err := a.Sessions.Tokens.JWKS()
	if err != nil {
		web.RenderError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(set)
}
