package metrics

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Sources are what a scrape reads. A source that is nil has no metrics: another process has
// them, or none.
type Sources struct {
	// Chains are the names of chains on which logs are anchored. Log, Funds and Proofs read them
	// too.
	Chains []string
	// Followers is the number of open progress streams.
	Followers func() int
	// Uploads is how many uploads the process is receiving, and how many bytes they may have.
	Uploads func() (running int, bytes int64)
	// Parts counts the uploads in parts that are not complete, and their bytes, as of the last
	// sweep; and what the process removed: uploads that were left, and temporary files.
	Parts func() (unfinished, bytes, aborted, temporary int64)
	// Places are the file systems that the process writes to.
	Places func() []Place
	// Database counts what the process's connections met.
	Database func() Database
	// Limits reports whether the process counts its rate limits alone, and how often it
	// began to.
	Limits func() (alone bool, times int64)
	// Requests counts the calls that the process wrote to the request log, those that it
	// dropped, and those that wait.
	Requests func() (written, dropped int64, waiting int)
	// Workers are what works in the background.
	Workers func() []Worker
	// Staged is how many bytes the store holds for uploads that are not registered.
	Staged func(context.Context) (int64, error)
	// Rows counts rows of the database.
	Rows func(context.Context) (Rows, error)
	// Log reads the state of the log of a network.
	Log func(ctx context.Context, network string) (Log, error)
	// Proofs counts the proofs of a network that are not collected; nil: it collects none.
	Proofs func(ctx context.Context, network string) (*Proofs, error)
	// Funds reads the accounts that pay for the transactions of a network, and its fees.
	Funds func(ctx context.Context, network string) (Funds, error)
	// Witnesses reads the state of the witnesses of a network's log.
	Witnesses func(ctx context.Context, network string) ([]Witness, error)
	// Stamps reads which blocks wait for dates of others, and which tokens must be renewed.
	Stamps func(context.Context) (Stamps, error)
	// ClockSkew is how far the database's clock is ahead of this machine's.
	ClockSkew func() time.Duration
	// Now is the clock; nil: the system's.
	Now func() time.Time
}

// Place is the free space of a file system, in bytes.
type Place struct {
	Name           string
	Free, Reserved int64
}

// Worker counts the steps of a background worker. Name is one of few.
type Worker struct {
	Name          string
	Steps, Failed int64
	// InARow counts the failures since the last step without one.
	InARow int64
}

// Database counts events of the process's connections since its start.
type Database struct {
	// Timeouts are statements that did not end in time, Retries the transactions that ran
	// again because the database asked for it.
	Timeouts, Retries int64
	// Transactions committed, Commits made for them: on SQLite several transactions share
	// one.
	Transactions, Commits int64
}

// Rows are counts over the whole database. They do not belong to one process.
type Rows struct {
	// InFlight has the transactions that are not at their end, by network and state.
	InFlight []InFlight
	// CertificatesWaiting and TimestampsWaiting are versions without them.
	CertificatesWaiting, TimestampsWaiting int64
	// ErasuresWaiting are files of erased works that still exist. ErasuresStuck are those of
	// them whose deletion has failed.
	ErasuresWaiting, ErasuresStuck int64
	// JobsExpired are jobs past their deadline, JobsLeftover jobs at their end with files:
	// the sweeper will close and clean them.
	JobsExpired, JobsLeftover int64
	// Outbox has the deliveries that wait, by kind.
	Outbox []Outbox
	// Credits are the balances of all organizations, by account.
	Credits map[string]int64
}

// Outbox counts the deliveries of one kind. Due may be taken now, Failing have a failed attempt.
type Outbox struct {
	Kind                  string
	Waiting, Due, Failing int64
	// Oldest is when the oldest was enqueued; zero without any.
	Oldest time.Time
}

// InFlight counts the transactions of a network in one state.
type InFlight struct {
	Network, State string
	Count          int64
	// Oldest is when the first of them was confirmed.
	Oldest time.Time
}

// Log is the state of one log.
type Log struct {
	Stopped bool
	// Blocks, Entries and Refused count since the log began.
	Blocks, Entries, Refused int64
	// SequencerAt is the last heartbeat of a process that makes blocks, BlockAt the time
	// of the newest block.
	SequencerAt, BlockAt time.Time
	// ClockJumps counts the jumps of the clock that this process saw.
	ClockJumps int64
}

// Stamps are counts of the dates of others.
type Stamps struct {
	Blocks []BlockStamps
	// RenewalsDue and RenewalsMissed are tokens whose certificates end soon, or have ended,
	// without a renewal. NextEnd is when the next certificates end; zero: no such certificate exists.
	RenewalsDue, RenewalsMissed int64
	NextEnd                     time.Time
}

// BlockStamps are the blocks of a log without a date of one kind, token, ots or anchor, and those whose
// OpenTimestamps proof is pending.
type BlockStamps struct {
	Network, Kind    string
	Waiting, Pending int64
}

// Funds are the accounts that pay for the transactions of a network; it may have none. Total is
// the sum of the fees that the network took, and Last the newest of them, in its smallest unit.
type Funds struct {
	Accounts    []Account
	Total, Last float64
}

// Account is an account that pays for transactions. Address is one of few.
type Account struct {
	Address string
	// Free and Reserved are in the network's smallest unit.
	Free, Reserved float64
	// Works of at most Capacity, and Open transactions.
	Works, Capacity, Open int64
	// Low: it cannot pay for another work.
	Low bool
}

// Proofs counts final transactions without a proof. Waiting can still be proven, since Oldest, which
// is zero without any. Missed cannot.
type Proofs struct {
	Waiting, Missed int64
	Oldest          time.Time
}

// Witness is the state of a witness of a log. Name is one of few.
type Witness struct {
	Name string
	// Behind is how many entries of the log it has not cosigned.
	Behind int64
	// CosignedAt is when it cosigned last, FailingSince when it began to fail; zero: never.
	CosignedAt, FailingSince time.Time
	// Alarm: it saw another history of the log.
	Alarm bool
}

const (
	// fresh is how old the counts of rows may be. Within this time any number of scrapes
	// makes one read, also while reads fail.
	fresh = 5 * time.Second
	// readTime is the timeout of one read.
	readTime = 2 * time.Second
)

// Read adds the sources. It is called once, before the first scrape.
func (m *Metrics) Read(s Sources) {
	if s.Now == nil {
		s.Now = time.Now
	}
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	counter := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	if s.Followers != nil {
		gauge("timbre_followers", "Open progress streams.", func() float64 { return float64(s.Followers()) })
	}
	if s.ClockSkew != nil {
		gauge("timbre_clock_skew_seconds", "How far the database's clock is ahead of the clock of this machine.", func() float64 { return s.ClockSkew().Seconds() })
	}
	if s.Uploads != nil {
		gauge("timbre_uploads_running", "Uploads that this process is receiving.", func() float64 { n, _ := s.Uploads(); return float64(n) })
		gauge("timbre_uploads_running_bytes", "The most bytes that the running uploads may have.", func() float64 { _, n := s.Uploads(); return float64(n) })
	}
	if s.Parts != nil {
		gauge("timbre_uploads_unfinished", "Uploads in parts that are not complete, as of the last sweep.", func() float64 { n, _, _, _ := s.Parts(); return float64(n) })
		gauge("timbre_uploads_unfinished_bytes", "The bytes in the parts of these uploads.", func() float64 { _, n, _, _ := s.Parts(); return float64(n) })
		counter("timbre_uploads_abandoned_total", "Uploads in parts that this process removed, because their job had ended or had none.", func() float64 { _, _, n, _ := s.Parts(); return float64(n) })
		counter("timbre_temporary_files_removed_total", "Temporary files of ended processes that this process removed.", func() float64 { _, _, _, n := s.Parts(); return float64(n) })
	}
	if s.Database != nil {
		counter("timbre_database_timeouts_total", "Statements that the database did not answer in time.", func() float64 { return float64(s.Database().Timeouts) })
		counter("timbre_database_retries_total", "Transactions that ran again: the database asked for it, or the connection was lost before the commit.", func() float64 { return float64(s.Database().Retries) })
		counter("timbre_database_transactions_total", "Transactions that ended with a commit.", func() float64 { return float64(s.Database().Transactions) })
		counter("timbre_database_commits_total", "Commits. On SQLite transactions that wait at the same time share one.", func() float64 { return float64(s.Database().Commits) })
	}
	if s.Limits != nil {
		gauge("timbre_limits_alone", "1 while this process counts its rate limits alone, because the shared counts do not answer.", func() float64 { alone, _ := s.Limits(); return truth(alone) })
		counter("timbre_limits_alone_total", "How often this process began to count its rate limits alone.", func() float64 { _, n := s.Limits(); return float64(n) })
	}
	if s.Requests != nil {
		counter("timbre_request_log_written_total", "Calls that this process wrote to the request log.", func() float64 { n, _, _ := s.Requests(); return float64(n) })
		counter("timbre_request_log_dropped_total", "Calls that are missing in the request log, because the buffer of this process was full.", func() float64 { _, n, _ := s.Requests(); return float64(n) })
		gauge("timbre_request_log_waiting", "Calls that wait to be written to the request log.", func() float64 { _, _, n := s.Requests(); return float64(n) })
	}
	if s.Staged != nil {
		staged := cache[int64]{read: s.Staged, now: s.Now}
		gauge("timbre_uploads_staged_bytes", "Stored bytes of uploads that are not registered yet; NaN if the database is unavailable.", func() float64 {
			n, err := staged.get()
			return orNaN(float64(n), err)
		})
	}
	if s.Workers != nil {
		m.registry.MustRegister(workers{s.Workers})
	}
	if s.Places != nil {
		m.registry.MustRegister(places{s.Places})
	}
	if s.Rows != nil {
		m.registry.MustRegister(&rows{cache: cache[Rows]{read: s.Rows, now: s.Now}, networks: m.networks})
	}
	if s.Log != nil {
		for _, n := range slices.Concat(m.networks, s.Chains) {
			m.registry.MustRegister(newLog(n, s))
		}
	}
	if s.Stamps != nil {
		m.registry.MustRegister(&stamps{cache[Stamps]{read: s.Stamps, now: s.Now}})
	}
	if s.Funds != nil {
		for _, n := range slices.Concat(m.networks, s.Chains) {
			m.registry.MustRegister(newFunds(n, s))
		}
	}
	if s.Proofs != nil {
		for _, n := range slices.Concat(m.networks, s.Chains) {
			m.registry.MustRegister(newProofs(n, s))
		}
	}
	if s.Witnesses != nil {
		for _, n := range m.networks {
			m.registry.MustRegister(newWitnesses(n, s))
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func orNaN(v float64, err error) float64 {
	if err != nil {
		return math.NaN()
	}
	return v
}

// cache keeps the result of a read, also an error, for the time fresh. Concurrent callers
// wait for one read.
type cache[T any] struct {
	read func(context.Context) (T, error)
	now  func() time.Time

	mu    sync.Mutex
	at    time.Time
	value T
	err   error
}

func (c *cache[T]) get() (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.at.IsZero() || now.Sub(c.at).Abs() >= fresh { // Abs: the clock may be set back
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		defer cancel()
		c.value, c.err = c.read(ctx)
		c.at = now
	}
	return c.value, c.err
}

// places collects the free space of the server's file systems.
type places struct{ read func() []Place }

var (
	freeBytes     = prometheus.NewDesc("timbre_storage_free_bytes", "Free bytes of the file system that holds the uploads or the database.", []string{"place"}, nil)
	reservedBytes = prometheus.NewDesc("timbre_storage_reserve_bytes", "New registrations and uploads are refused below this number of free bytes.", []string{"place"}, nil)
)

func (p places) Describe(to chan<- *prometheus.Desc) { to <- freeBytes; to <- reservedBytes }

func (p places) Collect(to chan<- prometheus.Metric) {
	for _, s := range p.read() {
		to <- prometheus.MustNewConstMetric(freeBytes, prometheus.GaugeValue, float64(s.Free), s.Name)
		to <- prometheus.MustNewConstMetric(reservedBytes, prometheus.GaugeValue, float64(s.Reserved), s.Name)
	}
}

// workers collects what the background workers did.
type workers struct{ read func() []Worker }

var (
	workerSteps    = prometheus.NewDesc("timbre_worker_steps_total", "Steps of a background worker of this process.", []string{"worker"}, nil)
	workerFailures = prometheus.NewDesc("timbre_worker_failures_total", "Failed steps of a background worker; each is retried.", []string{"worker"}, nil)
	workerFailing  = prometheus.NewDesc("timbre_worker_failing", "Failed steps of a background worker in a row; 0 after a step without an error.", []string{"worker"}, nil)
)

func (w workers) Describe(to chan<- *prometheus.Desc) {
	to <- workerSteps
	to <- workerFailures
	to <- workerFailing
}

func (w workers) Collect(to chan<- prometheus.Metric) {
	for _, one := range w.read() {
		to <- prometheus.MustNewConstMetric(workerSteps, prometheus.CounterValue, float64(one.Steps), one.Name)
		to <- prometheus.MustNewConstMetric(workerFailures, prometheus.CounterValue, float64(one.Failed), one.Name)
		to <- prometheus.MustNewConstMetric(workerFailing, prometheus.GaugeValue, float64(one.InARow), one.Name)
	}
}

// States are the states of a transaction that is not at its end.
var States = []string{"confirmed", "staged", "broadcast"}

// Kinds are the kinds of deliveries in the outbox.
var Kinds = []string{"certificate", "webhook"}

// Accounts are the accounts of the ledger.
var Accounts = []string{"issued", "available", "held", "spent"}

// rows collects the counts of rows. All of them are NaN while the database does not answer.
type rows struct {
	cache    cache[Rows]
	networks []string
}

var (
	databaseAnswers     = prometheus.NewDesc("timbre_database_answers", "1 if the last read of the counts of rows succeeded.", nil, nil)
	inFlight            = prometheus.NewDesc("timbre_transactions", "Transactions in flight by state; NaN if the database is unavailable.", []string{"network", "state"}, nil)
	oldest              = prometheus.NewDesc("timbre_transactions_oldest_seconds", "Time since the confirm of the oldest transaction in flight; 0 without one; NaN if the database is unavailable.", []string{"network"}, nil)
	certificatesWaiting = prometheus.NewDesc("timbre_certificates_waiting", "Final versions that have no certificate yet; NaN if the database is unavailable.", nil, nil)
	timestampsWaiting   = prometheus.NewDesc("timbre_timestamps_waiting", "Final versions that wait for their time stamp; NaN if the database is unavailable.", nil, nil)
	erasuresWaiting     = prometheus.NewDesc("timbre_erasures_waiting", "Files of erased works that are not deleted yet; NaN if the database is unavailable.", nil, nil)
	erasuresStuck       = prometheus.NewDesc("timbre_erasures_stuck", "Files of erased works whose deletion failed and is retried; NaN if the database is unavailable.", nil, nil)
	sweeperWaiting      = prometheus.NewDesc("timbre_sweeper_waiting", "Jobs that the sweeper must close (expired) or whose files it must delete (leftover); NaN if the database is unavailable.", []string{"work"}, nil)
	outboxWaiting       = prometheus.NewDesc("timbre_outbox", "Deliveries of the outbox by kind: all that wait, those that are due now, and those with a failed attempt; NaN if the database is unavailable.", []string{"kind", "state"}, nil)
	outboxOldest        = prometheus.NewDesc("timbre_outbox_oldest_seconds", "Time since the oldest delivery of a kind was enqueued; 0 without one; NaN if the database is unavailable.", []string{"kind"}, nil)
	creditBalance       = prometheus.NewDesc("timbre_credits", "Credits of all organizations by account; NaN if the database is unavailable.", []string{"account"}, nil)
)

func (r *rows) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{databaseAnswers, inFlight, oldest, certificatesWaiting, timestampsWaiting, erasuresWaiting, erasuresStuck, sweeperWaiting, outboxWaiting, outboxOldest, creditBalance} {
		to <- d
	}
}

func (r *rows) Collect(to chan<- prometheus.Metric) {
	v, err := r.cache.get()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, orNaN(value, err), labels...)
	}
	to <- prometheus.MustNewConstMetric(databaseAnswers, prometheus.GaugeValue, truth(err == nil))
	type place struct{ network, state string }
	count, first := map[place]int64{}, map[string]time.Time{}
	for _, f := range v.InFlight {
		count[place{f.Network, f.State}] += f.Count
		if at, ok := first[f.Network]; !ok || f.Oldest.Before(at) {
			first[f.Network] = f.Oldest
		}
	}
	for _, n := range r.networks {
		for _, state := range States {
			gauge(inFlight, float64(count[place{n, state}]), n, state)
		}
		var age time.Duration
		if at, ok := first[n]; ok {
			age = max(0, r.cache.now().Sub(at))
		}
		gauge(oldest, age.Seconds(), n)
	}
	gauge(certificatesWaiting, float64(v.CertificatesWaiting))
	gauge(timestampsWaiting, float64(v.TimestampsWaiting))
	gauge(erasuresWaiting, float64(v.ErasuresWaiting))
	gauge(erasuresStuck, float64(v.ErasuresStuck))
	gauge(sweeperWaiting, float64(v.JobsExpired), "expired")
	gauge(sweeperWaiting, float64(v.JobsLeftover), "leftover")
	queues := map[string]Outbox{}
	for _, o := range v.Outbox {
		queues[o.Kind] = o
	}
	for _, kind := range Kinds {
		o, age := queues[kind], time.Duration(0)
		if !o.Oldest.IsZero() {
			age = max(0, r.cache.now().Sub(o.Oldest))
		}
		gauge(outboxWaiting, float64(o.Waiting), kind, "waiting")
		gauge(outboxWaiting, float64(o.Due), kind, "due")
		gauge(outboxWaiting, float64(o.Failing), kind, "failing")
		gauge(outboxOldest, age.Seconds(), kind)
	}
	for _, account := range Accounts {
		gauge(creditBalance, float64(v.Credits[account]), account)
	}
}

// log collects the state of the log of one network. Its values are NaN while the database
// does not answer.
type log struct {
	cache                                                            cache[Log]
	stopped, jumps, blocks, entries, refused, sequencerAge, blockAge *prometheus.Desc
}

func newLog(network string, s Sources) *log {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, nil, prometheus.Labels{"network": network})
	}
	return &log{
		cache:        cache[Log]{read: func(ctx context.Context) (Log, error) { return s.Log(ctx, network) }, now: s.Now},
		stopped:      desc("timbre_log_stopped", "1 while no block is made, because the database or the clock went back or the clock jumped ahead. The server's log and timbre doctor show why."),
		jumps:        desc("timbre_clock_jumps_total", "How often the sequencer saw the clock of its machine jump by more than 5 seconds."),
		blocks:       desc("timbre_log_blocks_total", "Blocks of the log."),
		entries:      desc("timbre_log_entries_total", "Entries of the log."),
		refused:      desc("timbre_log_refused_total", "Transactions that the log refused."),
		sequencerAge: desc("timbre_log_sequencer_age_seconds", "Time since the last heartbeat of a process that makes blocks."),
		blockAge:     desc("timbre_log_block_age_seconds", "Time since the newest block. A log without new entries makes no block."),
	}
}

func (l *log) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{l.stopped, l.jumps, l.blocks, l.entries, l.refused, l.sequencerAge, l.blockAge} {
		to <- d
	}
}

func (l *log) Collect(to chan<- prometheus.Metric) {
	v, err := l.cache.get()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64) {
		to <- prometheus.MustNewConstMetric(d, kind, orNaN(value, err))
	}
	now := l.cache.now()
	send(l.stopped, prometheus.GaugeValue, truth(v.Stopped))
	send(l.blocks, prometheus.CounterValue, float64(v.Blocks))
	send(l.entries, prometheus.CounterValue, float64(v.Entries))
	send(l.refused, prometheus.CounterValue, float64(v.Refused))
	send(l.sequencerAge, prometheus.GaugeValue, max(0, now.Sub(v.SequencerAt)).Seconds())
	send(l.blockAge, prometheus.GaugeValue, max(0, now.Sub(v.BlockAt)).Seconds())
	to <- prometheus.MustNewConstMetric(l.jumps, prometheus.CounterValue, float64(v.ClockJumps))
}

// witnesses collects the state of the witnesses of one log. A log without witnesses has none of
// these metrics, and neither has any log while the database does not answer.
type witnesses struct {
	cache                             cache[[]Witness]
	behind, cosigned, failing, alarms *prometheus.Desc
}

func newWitnesses(network string, s Sources) *witnesses {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"witness"}, prometheus.Labels{"network": network})
	}
	return &witnesses{
		cache:    cache[[]Witness]{read: func(ctx context.Context) ([]Witness, error) { return s.Witnesses(ctx, network) }, now: s.Now},
		behind:   desc("timbre_log_witness_behind_entries", "Entries of the log that the witness has not cosigned."),
		cosigned: desc("timbre_log_witness_cosigned_age_seconds", "Time since the last cosignature of the witness, by its clock; NaN before the first."),
		failing:  desc("timbre_log_witness_failing_seconds", "Time since the first of the failed attempts in a row; 0 while the witness cosigns."),
		alarms:   desc("timbre_log_witness_alarm", "1 while the witness says that it saw another history of the log."),
	}
}

func (w *witnesses) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{w.behind, w.cosigned, w.failing, w.alarms} {
		to <- d
	}
}

func (w *witnesses) Collect(to chan<- prometheus.Metric) {
	all, err := w.cache.get()
	if err != nil {
		return
	}
	now := w.cache.now()
	since := func(at time.Time) float64 { return max(0, now.Sub(at)).Seconds() }
	for _, one := range all {
		send := func(d *prometheus.Desc, value float64) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, one.Name)
		}
		send(w.behind, float64(one.Behind))
		send(w.alarms, truth(one.Alarm))
		cosigned, failing := math.NaN(), 0.0
		if !one.CosignedAt.IsZero() {
			cosigned = since(one.CosignedAt)
		}
		if !one.FailingSince.IsZero() {
			failing = since(one.FailingSince)
		}
		send(w.cosigned, cosigned)
		send(w.failing, failing)
	}
}

// funds collects the accounts and fees of one network. A network without accounts has none of
// these metrics, and neither has any network while the database does not answer.
type funds struct {
	cache                                      cache[Funds]
	free, reserved, works, capacity, open, low *prometheus.Desc
	fees, lastFee                              *prometheus.Desc
}

func newFunds(network string, s Sources) *funds {
	labels := prometheus.Labels{"network": network}
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"account"}, labels)
	}
	return &funds{
		cache:    cache[Funds]{read: func(ctx context.Context) (Funds, error) { return s.Funds(ctx, network) }, now: s.Now},
		free:     desc("timbre_account_free", "Funds that the account can pay with, in the chain's smallest unit."),
		reserved: desc("timbre_account_reserved", "Deposits of the account that the chain keeps, in its smallest unit."),
		works:    desc("timbre_account_works", "Works that the account owns."),
		capacity: desc("timbre_account_capacity", "Works that the account can own."),
		open:     desc("timbre_account_open", "Transactions of the account that are not final."),
		low:      desc("timbre_account_low", "1 while the account cannot pay for another work."),
		fees:     prometheus.NewDesc("timbre_chain_fees_total", "Fees that the chain took for final transactions, also for those that it refused, in its smallest unit.", nil, labels),
		lastFee:  prometheus.NewDesc("timbre_chain_fee_last", "Fee of the newest final transaction, in the chain's smallest unit; 0 before the first.", nil, labels),
	}
}

func (f *funds) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.free, f.reserved, f.works, f.capacity, f.open, f.low, f.fees, f.lastFee} {
		to <- d
	}
}

func (f *funds) Collect(to chan<- prometheus.Metric) {
	v, err := f.cache.get()
	if err != nil || len(v.Accounts) == 0 {
		return
	}
	for _, one := range v.Accounts {
		for d, value := range map[*prometheus.Desc]float64{
			f.free: one.Free, f.reserved: one.Reserved, f.works: float64(one.Works), f.capacity: float64(one.Capacity), f.open: float64(one.Open), f.low: truth(one.Low),
		} {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, one.Address)
		}
	}
	to <- prometheus.MustNewConstMetric(f.fees, prometheus.CounterValue, v.Total)
	to <- prometheus.MustNewConstMetric(f.lastFee, prometheus.GaugeValue, v.Last)
}

// proofs counts the proofs of one network that are not collected. Its metrics are missing on a network
// that collects none, and while the database does not answer.
type proofs struct {
	cache                   cache[*Proofs]
	now                     func() time.Time
	waiting, oldest, missed *prometheus.Desc
}

func newProofs(network string, s Sources) *proofs {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, nil, prometheus.Labels{"network": network})
	}
	return &proofs{
		cache:   cache[*Proofs]{read: func(ctx context.Context) (*Proofs, error) { return s.Proofs(ctx, network) }, now: s.Now},
		now:     s.Now,
		waiting: desc("timbre_proofs_waiting", "Final transactions on a chain whose proof is not collected yet."),
		oldest:  desc("timbre_proofs_oldest_seconds", "Age of the oldest block whose proof is not collected yet; 0 without one."),
		missed:  desc("timbre_proofs_missed", "Final transactions on a chain whose proof can no longer be collected."),
	}
}

func (p *proofs) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.waiting, p.oldest, p.missed} {
		to <- d
	}
}

func (p *proofs) Collect(to chan<- prometheus.Metric) {
	v, err := p.cache.get()
	if err != nil || v == nil {
		return
	}
	age := 0.0
	if !v.Oldest.IsZero() {
		age = max(0, p.now().Sub(v.Oldest).Seconds())
	}
	for d, value := range map[*prometheus.Desc]float64{p.waiting: float64(v.Waiting), p.oldest: age, p.missed: float64(v.Missed)} {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
}

// stamps collects the dates of others. Its metrics are missing while the database does not
// answer.
type stamps struct{ cache cache[Stamps] }

var (
	stampsWaiting  = prometheus.NewDesc("timbre_block_stamps_waiting", "Blocks of a log that wait for their date: a token of the authority (token), the promise of a calendar (ots), or a final transaction on a chain (anchor).", []string{"network", "kind"}, nil)
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
