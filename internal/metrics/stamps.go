package metrics

import "github.com/prometheus/client_golang/prometheus"

// stamps collects the dates of others. Its metrics are missing while the database does not
// answer.
type stamps struct{ cache cache[Stamps] }

var (
	stampsWaiting  = prometheus.NewDesc("timbre_block_stamps_waiting", "Blocks of a log that wait for their date: a token of the authority (token), or the promise of a calendar (ots).", []string{"network", "kind"}, nil)
	stampsPending  = prometheus.NewDesc("timbre_block_stamps_pending", "Blocks of a log whose OpenTimestamps proof waits for a block of Bitcoin.", []string{"network"}, nil)
	renewalsDue    = prometheus.NewDesc("timbre_renewals_due", "Tokens whose certificates end soon, and which have no renewal yet.", nil, nil)
	renewalsMissed = prometheus.NewDesc("timbre_renewals_missed", "Tokens whose certificates ended without a renewal.", nil, nil)
	renewalsNext   = prometheus.NewDesc("timbre_renewals_next_end_seconds", "Time until the next certificates of a token without a renewal end; 0 without one.", nil, nil)
)

func (s *stamps) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{stampsWaiting, stampsPending, renewalsDue, renewalsMissed, renewalsNext} {
		to <- d
	}
}

func (s *stamps) Collect(to chan<- prometheus.Metric) {
	v, err := s.cache.get()
	if err != nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, b := range v.Blocks {
		gauge(stampsWaiting, float64(b.Waiting), b.Network, b.Kind)
		if b.Kind == "ots" {
			gauge(stampsPending, float64(b.Pending), b.Network)
		}
	}
	gauge(renewalsDue, float64(v.RenewalsDue))
	gauge(renewalsMissed, float64(v.RenewalsMissed))
	left := 0.0
	if !v.NextEnd.IsZero() {
		left = max(0, v.NextEnd.Sub(s.cache.now()).Seconds())
	}
	gauge(renewalsNext, left)
}
