package api

import (
	"context"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/web"
)

type statsInput struct {
	Network string `query:"network" doc:"testnet or mainnet; testnet when left out"`
}

type statsOutput struct {
	Body struct {
		TotalWorks       int64    `json:"total_works"`
		MaxAudioSize     int64    `json:"max_audio_size_bytes"`
		SupportedFormats []string `json:"supported_formats"`
		Upload           string   `json:"upload" enum:"put,multipart" doc:"put: with one PUT. multipart: in parts too, as the calls below parts describe"`
		PartsFrom        int64    `json:"parts_from_bytes,omitempty" doc:"The size from which the widget uploads in parts; left out with put"`
	}
}

func (a *API) stats(ctx context.Context, _ web.Anyone, in *statsInput) (*statsOutput, error) {
	n := network.Name(in.Network)
	served := a.Sessions.Served()
	if n == "" {
		n = served.First()
	}
	if !served.Has(n) {
		return nil, fault.CommonValidationFailed([]fault.Field{{Field: "network", Rule: "one_of", Message: served.MustBe()}})
	}
	s, err := a.counts.read(ctx, n, a.Registry.Works.Stats)
	if err != nil {
		return nil, err
	}
	out := &statsOutput{}
	out.Body.TotalWorks, out.Body.MaxAudioSize = s.TotalWorks, a.Sessions.MaxFileSize
	out.Body.SupportedFormats, out.Body.Upload = a.SupportedFormats, "put"
	if a.PartsFrom > 0 {
		out.Body.Upload, out.Body.PartsFrom = "multipart", a.PartsFrom
	}
	return out, nil
}
