package api

import (
	"context"

	"timbre.example/internal/access"
	"timbre.example/internal/intake"
	"timbre.example/internal/network"
	"timbre.example/internal/web"
)

type initInput struct {
	LanguageHeader
	Body struct {
		_               struct{}      `additionalProperties:"true"`
		Title           string        `json:"title" minLength:"1" doc:"1 to 200 characters"`
		Creators        []wireCreator `json:"creators" minItems:"1" maxItems:"32" doc:"1 to 32"`
		Filename        string        `json:"filename" minLength:"1" doc:"1 to 255 characters; a path is cut to its last part"`
		Network         string        `json:"network" enum:"testnet,mainnet" doc:"testnet or mainnet; with a session, its network"`
		ExternalUserRef *string       `json:"external_user_ref" required:"false" nullable:"true" doc:"With a session, its own, or left out. With an API key, the end-user whose work this is, 1 to 255 bytes; left out: the organization"`
		SizeBytes       *int64        `json:"size_bytes" required:"false" nullable:"true" minimum:"0" doc:"The file's size in bytes, if known"`
		Rehearse        *string       `json:"rehearse" required:"false" nullable:"true" doc:"With a test API key: the error code to rehearse"`
		AssetStorage    *string       `json:"asset_storage" required:"false" nullable:"true" doc:"With an API key: none stores only the hash"`
		MediaSHA256     *string       `json:"media_sha256" required:"false" nullable:"true" doc:"The file's SHA-256, 0x and 64 hex digits. An upload must match it; without an upload it is registered"`
	}
}

// workBody is the body of an init. A token for another network is refused even when the body
// has other errors. An invalid network is reported with those.
var workBody = web.Body[access.Registrant, initInput]{Most: MaxWorkBody, Once: onceOf[access.Registrant], Refuse: func(r access.Registrant, in *initInput) error {
	_, err := r.Begin(network.Name(in.Body.Network), "")
	return err
}}

func (a *API) initWork(ctx context.Context, by access.Registrant, in *initInput) (*slotOutput, error) {
	r := intake.InitRequest{
		Description: intake.Description{Title: in.Body.Title, Creators: creators(in.Body.Creators), Filename: in.Body.Filename},
		Network:     network.Name(in.Body.Network), Announced: announced(in.Body.SizeBytes, in.Body.MediaSHA256), Language: in.Language,
	}
	by, err := by.Asking(access.Wishes{Rehearse: in.Body.Rehearse, AssetStorage: in.Body.AssetStorage})
	if err != nil {
		return nil, err
	}
	if in.Body.ExternalUserRef != nil {
		r.ExternalUserRef = *in.Body.ExternalUserRef
		if err := checkRef(by.Caller(), r.ExternalUserRef); err != nil {
			return nil, err
		}
	}
	if err := a.beginsByKey(ctx, by.Caller()); err != nil {
		return nil, err
	}
	r.Opened = a.keepSlot(by.Caller())
	asked, err := a.mayAskForTitle(by.Caller())
	if err != nil {
		return nil, err
	}
	slot, err := a.Registry.Intake.Init(ctx, by, r)
	asked(err)
	web.Trace(ctx, slot.JobID)
	return a.slotOf(by.Caller(), slot, err)
}
