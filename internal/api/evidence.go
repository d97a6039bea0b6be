package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/access"
	"timbre.example/proof/evidence"
)

type evidenceInput struct {
	Version string `query:"version" doc:"From 1; the latest when left out"`
}

type evidenceOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// evidence returns the bytes that the command "works evidence" writes.
func (a *API) evidence(ctx context.Context, r access.Reader, in *evidenceInput) (*evidenceOutput, error) {
	var n int64 // the latest
	if in.Version != "" {
		n = version(in.Version)
	}
	e, err := a.Registry.Issuing.Evidence(ctx, r.WorkID(), n)
	if err != nil {
		return nil, err
	}
	text, err := evidence.Encode(e)
	if err != nil {
		return nil, err
	}
	return &evidenceOutput{ContentType: "application/json", Body: text}, nil
}

// proofOf describes the answer of evidence, which is JSON in bytes.
func proofOf(o huma.Operation) huma.Operation {
	o.Responses = map[string]*huma.Response{"200": {Description: "The evidence, version 1 of its format", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}}}}
	return o
}
