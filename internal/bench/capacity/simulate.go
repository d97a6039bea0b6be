package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Costs are what one registration uses, as `make bench` measures it (bench "cost").
type Costs struct {
	ServerMS, DatabaseMS           float64 // processor until final
	CertificateMS, CertificateDBMS float64 // processor of its certificate
	MiBMS                          float64 // processor of each further MiB of a recording
	CertificatesPerWorker          float64 // a second, of a worker that pauses between them
	PageMS, PageDBMS               float64 // processor of a public page
	Commits, WAL, Stored           float64 // until final: commits; bytes of the write-ahead log; growth of the database
	CertificateWAL                 float64 // bytes
	CertificateBytes               float64 // its file
	Requests                       float64 // HTTP, to Timbre
}

// A Load is one day of registrations.
type Load struct {
	PerDay     float64
	Peak       float64 // the busiest hour ÷ the mean
	Burst      float64 // a burst ÷ the mean: one platform registers its stock
	BurstHours float64
	MiB        float64 // mean size of a recording
	Pages      float64 // public pages read for each registration
	Skew       float64 // the largest partition ÷ the mean
}

// A Plant is what serves a load. A partition is a registry of its own: a database, a log
// and its processes. Organizations are shared out over the partitions.
type Plant struct {
	Name         string
	Partitions   int
	ATS          int     // processors of all ats and organizations of a partition
	Workers      int     // worker processes of a partition
	Database     float64 // processors of a partition's Postgres
	Commits      float64 // commits a second that its disk can do, when they share syncs
	BlockSeconds float64
	BlockEntries int     // largest number of entries of a block; 0: no limit but the log's own
	Replica      bool    // pages are read from a replica of the database
	CDN          float64 // part of the page reads that a content delivery network answers
	// Anchoring is how many processors the worker that anchors has for it. However many workers
	// there are, they look at the same transactions, and one of them makes each change.
	Anchoring float64
}

// full is the part of a processor that a plant may use before calls wait noticeably.
const full = 0.7

// A Part is one limit of a plant.
type Part struct {
	Name string
	// Capacity is the registrations a second that this part alone could serve, of all
	// partitions; Mean and Peak are the parts of it that the load uses.
	Capacity, Mean, Peak float64
}

// A Day is the outcome of a simulated day.
type Day struct {
	Parts []Part // the scarcest first
	// Seconds from confirm to final, of all registrations.
	P50, P99, Longest float64
	// Backlog is the largest number of registrations that waited for a block, and
	// Certificates that of certificates.
	Backlog, Certificates float64
	// CertificateHours is the longest wait for a certificate; +Inf: longer every day.
	CertificateHours float64
	Arrived, Final   float64
	// A day's bytes.
	WAL, Database, Recordings, Certified float64
	// Object calls a second at the mean.
	Objects float64
}

// objectCalls are the calls to a bucket for one registration: PUT by the client; twice HEAD,
// copy, GET and DELETE by prepare; PUT of the certificate. They are counted in the code, and
// not measured. Each block adds two for its checkpoint.
const objectCalls = 7

// anchoring is the part of the server's work until final that a worker does, and not ats:
// that of "block, final, rest of worker" among the steps.
const anchoring = 0.2

// Parts returns the limits of a plant for a load, the scarcest first.
func parts(c Costs, l Load, p Plant) []Part {
	mean, n := l.PerDay/86400, float64(p.Partitions)
	scale, highest := l.shape()
	highest *= scale
	perPage := l.Pages * (1 - p.CDN)
	ats := c.ServerMS*(1-anchoring) + l.MiB*c.MiBMS + perPage*c.PageMS
	database := c.DatabaseMS + c.CertificateDBMS
	if !p.Replica {
		database += perPage * c.PageDBMS
	}
	all := []Part{
		{Name: "ats and organizations", Capacity: n * float64(p.ATS) * full * 1000 / ats},
		{Name: "worker: anchoring", Capacity: n * p.Anchoring * full * 1000 / (c.ServerMS * anchoring)},
		{Name: "workers: certificates", Capacity: n * float64(p.Workers) * c.CertificatesPerWorker},
		{Name: "Postgres: processors", Capacity: n * p.Database * full * 1000 / database},
		{Name: "Postgres: commits", Capacity: n * p.Commits / c.Commits},
	}
	if p.BlockEntries > 0 {
		all = append(all, Part{Name: "blocks of the chain", Capacity: n * float64(p.BlockEntries) / p.BlockSeconds})
	}
	for i := range all {
		// The largest partition is full before the others.
		skew := 1.0
		if p.Partitions > 1 {
			skew = l.Skew
		}
		all[i].Capacity /= skew
		all[i].Mean, all[i].Peak = mean/all[i].Capacity, highest/all[i].Capacity
	}
	slices.SortStableFunc(all, func(a, b Part) int {
		switch {
		case a.Capacity < b.Capacity:
			return -1
		case a.Capacity > b.Capacity:
			return 1
		}
		return 0
	})
	return all
}

// rate is the mean rate of registrations at a second of the day: a wave with its height in
// the evening, and one burst from noon.
func (l Load) rate(second int) float64 {
	mean := l.PerDay / 86400
	wave := 1 + (l.Peak-1)*math.Sin(2*math.Pi*(float64(second)/86400-0.54))
	v := mean * max(0.05, wave)
	if at := float64(second) / 3600; at >= 12 && at < 12+l.BurstHours {
		v += mean * l.Burst
	}
	return v
}

// shape returns the factor by which rate gives exactly the registrations of the day, and the
// highest rate before it.
func (l Load) shape() (scale, highest float64) {
	total := 0.0
	for s := range 86400 {
		total, highest = total+l.rate(s), max(highest, l.rate(s))
	}
	return l.PerDay / total, highest
}

// simulate runs a day, second by second, with the same arrivals for the same seed. Each
// partition has a queue of confirmed registrations and a queue of certificates.
//
// A registration passes ats and the database when both have room in that second. Then it waits
// for the next block, and is final when a block has taken it. Certificates use the rest of the
// database.
func simulate(c Costs, l Load, p Plant, seed uint64) Day {
	d := Day{Parts: parts(c, l, p)}
	random := rand.New(rand.NewPCG(seed, 1))
	scale, _ := l.shape()
	perPage := l.Pages * (1 - p.CDN)
	atsMS := c.ServerMS*(1-anchoring) + l.MiB*c.MiBMS + perPage*c.PageMS
	databaseMS := c.DatabaseMS
	if !p.Replica {
		databaseMS += perPage * c.PageDBMS
	}
	type state struct {
		share                     float64
		waiting, block, certs     []cohort // at ats, for a block, for a certificate
		waits, inBlock, uncertain float64
		sinceBlock                float64
	}
	all := make([]state, p.Partitions)
	for i := range all {
		all[i].share = 1 / float64(p.Partitions)
	}
	if p.Partitions > 1 {
		all[0].share *= l.Skew
		for i := range all[1:] {
			all[i+1].share = (1 - all[0].share) / float64(p.Partitions-1)
		}
	}
	waits := map[int]float64{} // seconds from confirm to final → registrations
	longest := 0.0
	// The day continues until its registrations have ended, but not for more than a second
	// day: what grows for so long never ends.
	for second := 0; second < 2*86400; second++ {
		open := false
		backlog, certificates := 0.0, 0.0
		for i := range all {
			q := &all[i]
			if second < 86400 {
				if n := arrivals(random, l.rate(second)*scale*q.share); n > 0 {
					q.waiting, q.waits = append(q.waiting, cohort{second, n}), q.waits+n
					d.Arrived += n
				}
			}
			room := min(float64(p.ATS)*1000/atsMS, p.Database*1000/databaseMS, p.Commits/c.Commits, p.Anchoring*1000/(c.ServerMS*anchoring))
			taken := take(&q.waiting, room, func(from cohort, n float64) { q.block = append(q.block, cohort{from.second, n}) })
			q.waits, q.inBlock = q.waits-taken, q.inBlock+taken
			q.sinceBlock++
			if q.sinceBlock >= p.BlockSeconds {
				q.sinceBlock -= p.BlockSeconds
				most := math.Inf(1)
				if p.BlockEntries > 0 {
					most = float64(p.BlockEntries)
				}
				final := take(&q.block, most, func(from cohort, n float64) {
					waits[second-from.second+1] += n
					longest = max(longest, float64(second-from.second+1))
					q.certs = append(q.certs, cohort{second, n})
				})
				q.inBlock, q.uncertain, d.Final = q.inBlock-final, q.uncertain+final, d.Final+final
			}
			spare := max(0, p.Database*1000-taken*databaseMS)
			limit := min(float64(p.Workers)*c.CertificatesPerWorker, spare/c.CertificateDBMS)
			q.uncertain -= take(&q.certs, limit, func(from cohort, _ float64) {
				d.CertificateHours = max(d.CertificateHours, float64(second-from.second)/3600)
			})
			backlog, certificates = backlog+q.waits+q.inBlock, certificates+q.uncertain
			open = open || len(q.waiting)+len(q.block)+len(q.certs) > 0
		}
		d.Backlog, d.Certificates = max(d.Backlog, backlog), max(d.Certificates, certificates)
		if second >= 86400 && !open {
			break
		}
	}
	for i := range all {
		if len(all[i].certs) > 0 {
			d.CertificateHours = math.Inf(1)
		}
		if len(all[i].waiting)+len(all[i].block) > 0 {
			longest = math.Inf(1)
		}
	}
	d.P50, d.P99, d.Longest = quantile(waits, d.Final, 0.5), quantile(waits, d.Final, 0.99), longest
	if d.Final < d.Arrived*0.99 && math.IsInf(longest, 1) {
		d.P99 = math.Inf(1)
	}
	d.WAL, d.Database = l.PerDay*(c.WAL+c.CertificateWAL), l.PerDay*c.Stored
	d.Recordings, d.Certified = l.PerDay*l.MiB*(1<<20), l.PerDay*c.CertificateBytes
	d.Objects = l.PerDay / 86400 * objectCalls
	return d
}

// A cohort is the registrations of one second.
type cohort struct {
	second int
	n      float64
}

// take removes at most this many from the front of a queue.
func take(queue *[]cohort, most float64, with func(from cohort, n float64)) (taken float64) {
	q := *queue
	for len(q) > 0 && most-taken > 1e-9 {
		n := min(q[0].n, most-taken)
		with(q[0], n)
		taken += n
		if q[0].n -= n; q[0].n > 1e-9 {
			break
		}
		q = q[1:]
	}
	*queue = q
	return taken
}

// arrivals draws from a Poisson distribution: by its normal approximation, which is close
// enough above a few.
func arrivals(random *rand.Rand, mean float64) float64 {
	if mean < 20 {
		limit, n, product := math.Exp(-mean), 0.0, random.Float64()
		for product > limit {
			n++
			product *= random.Float64()
		}
		return n
	}
	return max(0, math.Round(mean+math.Sqrt(mean)*random.NormFloat64()))
}

// quantile reads a histogram of seconds.
func quantile(h map[int]float64, total, q float64) float64 {
	seconds := make([]int, 0, len(h))
	for s := range h {
		seconds = append(seconds, s)
	}
	slices.Sort(seconds)
	sum := 0.0
	for _, s := range seconds {
		if sum += h[s]; sum >= q*total {
			return float64(s)
		}
	}
	return math.Inf(1)
}
