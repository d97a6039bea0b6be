package api

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"timbre.example/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/web"
	"timbre.example/internal/works"
)

type statsInput struct {
	Network string `query:"network" doc:"testnet or mainnet; testnet when left out"`
}

type statsOutput struct {
	Body struct {
		TotalWorks       int64    `json:"total_works"`
		MaxAudioSize     int64    `json:"max_audio_size_bytes"`
		SupportedFormats []string `json:"supported_formats"`
		Upload           string   `json:"upload" doc:"How files are uploaded: put or multipart"`
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
	s, err := a.countsOf(ctx, n)
	if err != nil {
		return nil, err
	}
	out := &statsOutput{}
	out.Body.TotalWorks, out.Body.MaxAudioSize = s.TotalWorks, a.Sessions.MaxFileSize
	out.Body.SupportedFormats, out.Body.Upload = a.SupportedFormats, "put"
	return out, nil
}

// counts caches the counts of the networks for a second, since the database counts rows. One
// caller queries it, and the others share the answer.
type counts struct {
	asking singleflight.Group

	mu    sync.Mutex
	of    map[network.Name]standing
	asked int
}

type standing struct {
	works.Stats
	at time.Time
}

func newCounts() counts { return counts{of: map[network.Name]standing{}} }

const (
	countsLive = time.Second
	countsWait = 5 * time.Second
)

func (a *API) countsOf(ctx context.Context, n network.Name) (works.Stats, error) {
	c := &a.counts
	c.mu.Lock()
	known := c.of[n]
	c.mu.Unlock()
	if time.Since(known.at) < countsLive {
		return known.Stats, nil
	}
	s, err, _ := c.asking.Do(string(n), func() (any, error) {
		// Another caller may wait for the answer when the first has disconnected.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countsWait)
		defer cancel()
		s, err := a.Registry.Works.Stats(ctx, n)
		if err == nil {
			c.mu.Lock()
			c.of[n] = standing{s, time.Now()}
			c.asked++
			c.mu.Unlock()
		}
		return s, err
	})
	return s.(works.Stats), err
}
