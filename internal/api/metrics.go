package api

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"timbre.example/internal/registry"
	"timbre.example/internal/space"
)

// Measured are the parts of a process that have metrics. Each may be nil.
type Measured struct {
	// Registry serves works; Worker makes the certificates of this process.
	Registry, Worker *registry.Registry
	// Space measures the free space of the server's file systems.
	Space *space.Guard
	// Uploads returns how many uploads this process is receiving, and how many bytes they
	// may have.
	Uploads func() (puts int, bytes int64)
}

// Register adds the metrics to r, with those of Go and of the process.
func (c Measured) Register(r *prometheus.Registry) {
	worker := c.Worker
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "timbre_followers", Help: "Open progress streams."}, func() float64 {
			if c.Registry == nil {
				return 0
			}
			return float64(c.Registry.Works.Progress.Followers())
		}))
	if worker != nil {
		r.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "timbre_certificates_waiting", Help: "Final versions that have no certificate yet; NaN if the database is unavailable."}, func() float64 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				n, err := worker.Issuing.CertificatesWaiting(ctx)
				if err != nil {
					return math.NaN()
				}
				return float64(n)
			}),
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "timbre_certificates_failed_total", Help: "Failed attempts to make a certificate; each is retried."}, func() float64 { return float64(worker.Issuing.CertificatesFailed()) }))
	}
	if c.Uploads != nil {
		gauge := func(name, help string, value func() float64) {
			r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
		}
		gauge("timbre_uploads_running", "Uploads that this process is receiving.", func() float64 { n, _ := c.Uploads(); return float64(n) })
		gauge("timbre_uploads_running_bytes", "The most bytes that the running uploads may have.", func() float64 { _, n := c.Uploads(); return float64(n) })
	}
	if stored := cmp.Or(c.Registry, worker); stored != nil {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "timbre_uploads_staged_bytes", Help: "Stored bytes of uploads that are not registered yet; NaN if the database is unavailable."}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			n, err := stored.Intake.StagedBytes(ctx)
			if err != nil {
				return math.NaN()
			}
			return float64(n)
		}))
	}
	r.MustRegister(places{c.Space})
}

// places collects the free space of the server's file systems.
type places struct{ *space.Guard }

var (
	freeBytes     = prometheus.NewDesc("timbre_storage_free_bytes", "Free bytes of the file system that holds the uploads or the database.", []string{"place"}, nil)
	reservedBytes = prometheus.NewDesc("timbre_storage_reserve_bytes", "New registrations and uploads are refused below this number of free bytes.", []string{"place"}, nil)
)

func (p places) Describe(to chan<- *prometheus.Desc) { to <- freeBytes; to <- reservedBytes }

func (p places) Collect(to chan<- prometheus.Metric) {
	for _, s := range p.States() {
		to <- prometheus.MustNewConstMetric(freeBytes, prometheus.GaugeValue, float64(s.Free), s.Name)
		to <- prometheus.MustNewConstMetric(reservedBytes, prometheus.GaugeValue, float64(s.Reserved), s.Name)
	}
}
