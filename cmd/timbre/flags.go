package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"timbre.example/internal/blob"
	"timbre.example/internal/intake"
	"timbre.example/internal/legible"
	"timbre.example/internal/limit"
	"timbre.example/internal/network"
	"timbre.example/internal/registry"
	"timbre.example/internal/space"
	"timbre.example/internal/store"
	"timbre.example/internal/timestamp"
)

// hostAndPort refuses an address that no one can listen on.
func hostAndPort(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || strconv.FormatUint(n, 10) != port {
		return wrongf(flag, "must be HOST:PORT or :PORT, with a port from 0 (a free one) to 65535")
	}
	return nil
}

// databaseFlag names the database, for every command that needs only that.
type databaseFlag struct {
	DatabaseURL     string `env:"TIMBRE_DATABASE_URL" default:"sqlite:data/timbre.db" placeholder:"URL" secret:"after-scheme" example:"sqlite:data/timbre.db" help:"sqlite:PATH or postgres://USER@HOST/NAME (default: ${default})."`
	DatabaseURLFile string `env:"TIMBRE_DATABASE_URL_FILE" type:"path" placeholder:"FILE" example:"/run/secrets/database-url" help:"Read the database URL from this file instead."`
}

// url returns the database's URL, and the name of the flag that gave it.
func (f databaseFlag) url() (url, name string, err error) {
	if f.DatabaseURLFile == "" {
		return f.DatabaseURL, "database-url", nil
	}
	b, err := os.ReadFile(f.DatabaseURLFile)
	if err != nil {
		return "", "", wrongf("database-url-file", "%s", plainly(err))
	}
	if _, err := guarded("database-url-file", "file with the database's URL", f.DatabaseURLFile); err != nil { // which may hold a password
		return "", "", err
	}
	return strings.TrimSpace(string(b)), "database-url-file", nil
}

// sqlite returns the path of a SQLite database; ok is false for any other database.
func (f databaseFlag) sqlite() (path string, ok bool) {
	url, _, err := f.url()
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(url, "sqlite:")
}

// open opens the database. A missing SQLite database is created, unless mustExist is
// true: then it is an error.
func (f databaseFlag) open(ctx context.Context, mustExist bool) (*store.DB, error) {
	url, name, err := f.url()
	if err != nil {
		return nil, err
	}
	scheme, path, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		if path == "" {
			return nil, wrongf(name, "the path is missing after sqlite:")
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && mustExist:
			return nil, wrongf(name, "the database %s does not exist. Run this command in the server's directory, or give the URL of the database that the server uses. To create a new database, run `timbre serve`", path)
		case err == nil && info.IsDir():
			return nil, wrongf(name, "%s is a directory; it must be a file", path)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, wrongf(name, "%s cannot be opened: %s", path, plainly(err))
		case err != nil:
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return nil, wrongf(name, "cannot create the directory of %s: %s", path, plainly(err))
			}
		}
	case "postgres", "postgresql":
	default:
		return nil, wrongf(name, "must begin with sqlite: or postgres://")
	}
	db, err := store.Open(ctx, url)
	if err == nil && scheme == "sqlite" {
		if err = db.Ping(ctx); err != nil {
			db.Close()
		}
	}
	switch {
	case err == nil:
		return db, nil
	case scheme == "sqlite" && store.Busy(err):
		return nil, fmt.Errorf("the database %s is locked by another process", path)
	case scheme == "sqlite" && store.Unavailable(err):
		return nil, fmt.Errorf("the database %s cannot be used: %s. Check that its disk is not full, and that this user can write to the file and to its directory", path, plainly(err))
	case scheme == "sqlite":
		return nil, wrongf(name, "%s is not a SQLite database, or this user cannot read and write it and its directory", path)
	case errors.As(err, new(*pgconn.ParseConfigError)):
		return nil, wrongf(name, "is not a valid URL of a Postgres database, or has a parameter that Postgres does not know")
	}
	return nil, fmt.Errorf("cannot use the database of --%s (or its variable): %s. Check that the database runs, and that the URL is right", name, plainly(err))
}

// limitFlags set rate limits, lifetimes and the limits of what runs at the same time.
type limitFlags struct {
	LimitsMint         limit.Rate `env:"TIMBRE_LIMITS_MINT" example:"300/1m,burst=100" default:"300/1m,burst=100" placeholder:"RATE" help:"Rate limit of new sessions for one key pair: COUNT/TIME,burst=COUNT, or off for no limit (default: ${default})."`
	LimitsSession      limit.Rate `env:"TIMBRE_LIMITS_SESSION" example:"120/1m,burst=60" default:"120/1m,burst=60" placeholder:"RATE" help:"Rate limit of calls with one session token (default: ${default})."`
	LimitsKey          limit.Rate `env:"TIMBRE_LIMITS_KEY" example:"1200/1m,burst=200" default:"1200/1m,burst=200" placeholder:"RATE" help:"Rate limit of calls with one API key. They also count as calls of its organization (default: ${default})."`
	LimitsAddress      limit.Rate `env:"TIMBRE_LIMITS_ADDRESS" example:"1200/1m,burst=300" default:"1200/1m,burst=300" placeholder:"RATE" help:"Rate limit of calls from one client address (default: ${default})."`
	LimitsOrganization limit.Rate `env:"TIMBRE_LIMITS_ORGANIZATION" example:"6000/1m,burst=600" default:"6000/1m,burst=600" placeholder:"RATE" help:"Rate limit of new sessions and calls of one organization (default: ${default})."`
	TrustedProxies     proxies    `env:"TIMBRE_TRUSTED_PROXIES" example:"10.0.0.0/8,192.168.1.7/32" default:"127.0.0.0/8,::1/128" placeholder:"CIDRS" help:"Networks of the proxies whose X-Forwarded-For is trusted, separated by commas; none trusts no proxy (default: ${default})."`

	SettingsMaxAge    time.Duration `env:"TIMBRE_SETTINGS_MAX_AGE" example:"1s" default:"1s" placeholder:"TIME" help:"How long this process uses a key pair, its organization and its origins without reading them again, at most 1m; 0s reads them for each call (default: ${default})."`
	LimitsToken       time.Duration `env:"TIMBRE_LIMITS_TOKEN" example:"5m" default:"5m" placeholder:"TIME" help:"How long a session token can start a registration, an update or a download, in whole seconds (default: ${default})."`
	LimitsUploadSlot  time.Duration `env:"TIMBRE_LIMITS_UPLOAD_SLOT" example:"10m" default:"10m" placeholder:"TIME" help:"How long an upload URL is valid. A registration without a quote expires after 12 times this time (default: ${default})."`
	LimitsJob         time.Duration `env:"TIMBRE_LIMITS_JOB" example:"24h" placeholder:"TIME" help:"Longest life of a registration or an update that is not confirmed, also when its quote or upload URL is renewed. Then its files are removed (default: 24h, and at least 12 times --limits-upload-slot)."`
	LimitsQuote       time.Duration `env:"TIMBRE_LIMITS_QUOTE" example:"5m" default:"5m" placeholder:"TIME" help:"How long a quote is valid (default: ${default})."`
	LimitsResult      time.Duration `env:"TIMBRE_LIMITS_RESULT" example:"1h" default:"1h" placeholder:"TIME" help:"How long the access code can be read after a registration is complete (default: ${default})."`
	LimitsPrepares    int           `env:"TIMBRE_LIMITS_PREPARES" example:"4" default:"4" placeholder:"N" help:"Largest number of uploaded files that are checked at the same time (default: ${default})."`
	LimitsConnections int           `env:"TIMBRE_LIMITS_CONNECTIONS" example:"1000" default:"1000" placeholder:"N" help:"Largest number of open connections of one client address; 0 for no limit. Trusted proxies have no limit (default: ${default})."`
	LimitsFollowers   int           `env:"TIMBRE_LIMITS_FOLLOWERS" example:"10000" default:"10000" placeholder:"N" help:"Largest number of open progress streams (WebSocket, server-sent events) (default: ${default})."`

	LimitsUploads                 int   `env:"TIMBRE_LIMITS_UPLOADS" example:"256" default:"256" placeholder:"N" help:"Largest number of uploads that this process receives at the same time (default: ${default})."`
	LimitsUploadsOrganization     int   `env:"TIMBRE_LIMITS_UPLOADS_ORGANIZATION" example:"64" default:"64" placeholder:"N" help:"The same for one organization (default: ${default})."`
	LimitsUploadBytes             int64 `env:"TIMBRE_LIMITS_UPLOAD_BYTES" example:"107374182400" default:"107374182400" placeholder:"BYTES" help:"Largest total size of the uploads that are running or not yet registered (default: ${default}, 100 GiB)."`
	LimitsUploadBytesOrganization int64 `env:"TIMBRE_LIMITS_UPLOAD_BYTES_ORGANIZATION" example:"21474836480" default:"21474836480" placeholder:"BYTES" help:"The same for one organization (default: ${default}, 20 GiB)."`
	LimitsUploadRate              int64 `env:"TIMBRE_LIMITS_UPLOAD_RATE" example:"8192" default:"8192" placeholder:"BYTES" help:"Lowest speed of an upload in bytes per second, over 2 minutes; a slower upload is stopped (default: ${default})."`
	ReserveSpace                  int64 `env:"TIMBRE_RESERVE_SPACE" example:"1073741824" placeholder:"BYTES" help:"Free space reserved for the database on each file system that the server writes to. With less free space, new registrations and uploads are refused (default: a tenth of the file system, at most 1 GiB)."`
}

func (f limitFlags) uploads() blob.Limits {
	return blob.Limits{Puts: f.LimitsUploads, GroupPuts: f.LimitsUploadsOrganization, Bytes: f.LimitsUploadBytes, GroupBytes: f.LimitsUploadBytesOrganization, MinRate: f.LimitsUploadRate}
}

// space returns a guard of the file systems that a server writes to: that of a blob
// folder (not a bucket), and that of a SQLite database (not Postgres).
func (f serverFlags) space() *space.Guard {
	var places []space.Place
	if dir, ok := strings.CutPrefix(f.BlobURL, "file:"); ok && (f.has(ats) || f.has(worker)) {
		places = append(places, space.Place{Name: "uploads", Dir: dir})
	}
	if url, _, err := f.databaseFlag.url(); err == nil {
		if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
			places = append(places, space.Place{Name: "database", Dir: filepath.Dir(path)})
		}
	}
	return space.New(f.ReserveSpace, space.Of, places...)
}

func (f limitFlags) rates() limit.Rates {
	return limit.Rates{Mint: f.LimitsMint, Session: f.LimitsSession, Key: f.LimitsKey, Address: f.LimitsAddress, Organization: f.LimitsOrganization, Titles: duplicateTitles}
}

// duplicateTitles limits how often one end-user (or one session without an end-user)
// receives registration.duplicate_title: often enough to correct a title, too seldom to
// find out all the titles of a site.
var duplicateTitles = limit.Rate{Count: 20, Per: 10 * time.Minute, Burst: 20}

// ratio is a part of a whole, from 0 to 1.
type ratio float64

func (r *ratio) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(n >= 0 && n <= 1) {
		return errors.New("must be a number from 0 to 1")
	}
	*r = ratio(n)
	return nil
}

// serverFlags configure a server.
type serverFlags struct {
	Listen    string `env:"TIMBRE_LISTEN" example:"127.0.0.1:8080" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address to listen on, for plain HTTP: put a proxy with TLS in front (default: ${default})."`
	PublicURL string `env:"TIMBRE_PUBLIC_URL" example:"https://timbre.your-domain.example" placeholder:"URL" help:"Base URL at which browsers reach this server (for a worker process: that of the ats process). Required at the first start, because the log keeps the name of this host for ever (default after that: http:// and the listening address)."`
	roleFlags
	databaseFlag
	BlobURL string `env:"TIMBRE_BLOB_URL" example:"file:data/blobs" default:"file:data/blobs" placeholder:"URL" help:"Where files are stored: file:DIR or s3://BUCKET?endpoint=URL. More parameters of s3: region=us-east-1, public-endpoint=URL (at which browsers reach the store), prefix=PATH, path-style=1 or 0 (default: ${default})."`
	s3Flags
	SecretFile string `env:"TIMBRE_SECRET_FILE" example:"data/secret" default:"data/secret" type:"path" placeholder:"FILE" help:"File with the secret: 64 hex digits, or the keys of this process's roles (timbre secret derive). The keys of tokens, access codes, upload URLs and the log are derived from it. A new SQLite registry creates the file; instances on one Postgres database share one. Back it up: without it the log cannot continue (default: ${default})."`

	networkFlags
	explorerFlags
	NetworkBlockTime time.Duration `env:"TIMBRE_NETWORK_BLOCK_TIME" example:"6s" default:"6s" placeholder:"TIME" help:"Time between blocks of the built-in log (default: ${default})."`
	NetworkSilence   time.Duration `env:"TIMBRE_NETWORK_SILENCE" example:"36s" placeholder:"TIME" help:"New quotes are refused when no worker was active for this time (default: 30s more than --network-block-time)."`

	checkpointFlag
	witnessesFlags
	substrateFlags
	stampingFlags
	clockFlag

	MaxFileSize     int64  `env:"TIMBRE_MAX_FILE_SIZE" example:"524288000" default:"524288000" placeholder:"BYTES" help:"Largest file in bytes; organizations, keys and sessions can set a lower limit (default: ${default}, 500 MB)."`
	UploadPartsFrom int64  `env:"TIMBRE_UPLOAD_PARTS_FROM" example:"33554432" default:"33554432" placeholder:"BYTES" help:"Size of a file from which the widget uploads it in parts; 0: never (default: ${default}, 32 MiB)."`
	PricesTestnet   string `env:"TIMBRE_PRICES_TESTNET" example:"network=0,base=0,version=0" placeholder:"PRICES" help:"Prices on the test network, in credits (default: network=0,base=0,version=0,service-bp=0,storage=10:0/100:1/250:2/:3). On a chain, token=CREDITS,network-most=CREDITS charge its own fee: what a token of the chain costs, and the highest network fee."`
	PricesMainnet   string `env:"TIMBRE_PRICES_MAINNET" example:"network=12,base=50,version=20,service-bp=500" placeholder:"PRICES" help:"Prices on mainnet, in credits (default: network=12,base=50,version=20,service-bp=500 and storage as on the test network). On a chain, token=CREDITS,network-most=CREDITS charge its own fee: what a token of the chain costs, and the highest network fee."`

	limitFlags
	peopleFlags
	memoryFlag
	Signing signingFlags `embed:"" prefix:"certificate-"`
	registryFlag
	authorityFlag

	WebhooksAllow proxies `env:"TIMBRE_WEBHOOKS_ALLOW" example:"10.1.0.0/16,127.0.0.0/8" placeholder:"CIDRS" help:"Networks to which webhooks are delivered beside public addresses, separated by commas. Endpoints there may use http and any port. Without this flag, endpoints need https and a public address. Everybody who may make an endpoint can then send requests to these networks."`

	MetricsListen string `env:"TIMBRE_METRICS_LISTEN" example:"10.0.0.5:9090" placeholder:"ADDR" help:"Serve /metrics on this address, without authentication. Without this flag, only localhost can read /metrics, and only if the public URL is on localhost."`

	MetricsHost []string `env:"TIMBRE_METRICS_HOST" example:"timbre.internal.example" placeholder:"NAME" help:"Host names that clients use for --metrics-listen, separated by commas. IP addresses and names without a dot are always accepted. Other names are refused, because any web page could use them to read the metrics."`

	TracesEndpoint string `env:"TIMBRE_TRACES_ENDPOINT,OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" example:"http://collector.internal.example:4318/v1/traces" placeholder:"URL" help:"URL of an OpenTelemetry collector that receives traces, by OTLP over HTTP. Without this flag, no trace is recorded."`
	TracesRatio    ratio  `env:"TIMBRE_TRACES_RATIO" example:"0.1" default:"1" placeholder:"PART" help:"Part of the requests whose traces are recorded, from 0 to 1. Give all processes the same (default: ${default})."`

	DrainTime time.Duration `env:"TIMBRE_DRAIN_TIME" example:"5s" default:"5s" placeholder:"TIME" help:"How long a server that was asked to end still accepts connections, while /readyz is 503 and load balancers turn to other instances. Then running requests have 20 seconds (default: ${default})."`

	RequestLog int `name:"request-log" env:"TIMBRE_REQUEST_LOG" example:"14" default:"14" placeholder:"DAYS" help:"Days for which the calls of each organization are kept, for its console; 0 keeps none (default: ${default})."`

	LogLevel slog.Level `env:"TIMBRE_LOG_LEVEL" example:"INFO" default:"INFO" placeholder:"LEVEL" help:"DEBUG logs every request, INFO refused requests, WARN and ERROR only problems (default: ${default})."`
	// trial marks a server for trying Timbre out (demo, tests). It may create its secret
	// with any database, and its log takes the name of the listening address.
	trial bool

	LogFormat string `env:"TIMBRE_LOG_FORMAT" example:"json" default:"text" enum:"text,json" placeholder:"FORM" help:"Form of the server's log: text or json (default: ${default})."`
}

func (f serverFlags) logger(w io.Writer) *slog.Logger { return logger(w, f.LogFormat, f.LogLevel) }

// logger writes lines of a format, text or json.
func logger(w io.Writer, format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: discreet}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// uuid7 matches Timbre's ids, which are all UUIDv7.
var uuid7 = regexp.MustCompile(`([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3})-[0-9a-f]{4}-[0-9a-f]{12}`)

// discreet shortens ids in the server's log. A job's id is also its transaction's id:
// anyone who knows the id can follow the transaction and, for a while, read the access
// code. The part that stays is enough to find the row. It looks at every attribute,
// because errors can quote ids.
func discreet(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "organization" || a.Key == slog.TimeKey || a.Key == slog.LevelKey {
		return a
	}
	text := a.Value.String()
	if short := uuid7.ReplaceAllString(text, "$1…"); short != text {
		a.Value = slog.StringValue(short)
	}
	return a
}

func (f serverFlags) times() registry.Times {
	job := f.LimitsJob
	if job == 0 {
		job = max(registry.DefaultTimes().Job, 12*f.LimitsUploadSlot)
	}
	return registry.Times{Times: intake.Times{UploadSlot: f.LimitsUploadSlot, Job: job, Quote: f.LimitsQuote}, Result: f.LimitsResult}
}

// registryFlag names the registry on certificates.
type registryFlag struct {
	RegistryName string `env:"TIMBRE_REGISTRY_NAME" example:"Songs of Example" placeholder:"NAME" help:"Name of the registry on certificates, such as 'Songs of Example': one line of at most 200 characters (default: the host of the public URL)."`
}

// AfterApply refuses a name that is not one line.
func (f registryFlag) AfterApply() error {
	return fitsCertificate("registry-name", f.RegistryName)
}

// fitsCertificate refuses a text that is too long for a certificate or not visible on it.
func fitsCertificate(flag, text string) error {
	if kind, _, _ := legible.First(text); utf8.RuneCountInString(text) > 200 || kind != legible.Fine || strings.TrimSpace(text) != "" && legible.Blank(text) {
		return wrongf(flag, "must be one line of at most 200 characters")
	}
	return nil
}

// registryName is the registry's name on certificates of the server at url.
func (f registryFlag) registryName(public string) string {
	if name := strings.TrimSpace(f.RegistryName); name != "" {
		return name
	}
	if u, err := url.Parse(public); err == nil && u.Host != "" {
		return u.Host
	}
	return public
}

// authorityFlag names a time-stamp authority.
type authorityFlag struct {
	TSAURL string `name:"tsa-url" env:"TIMBRE_TSA_URL,TSA_URL" example:"https://tsa.example/tsr" placeholder:"URL" help:"Time-stamp authority (RFC 3161). A worker requests its token for each version before it makes the certificate."`
}

// authority returns nil when no authority is configured.
func (f authorityFlag) authority() (*timestamp.Client, error) {
	if f.TSAURL == "" {
		return nil, nil
	}
	c, err := timestamp.New(f.TSAURL, timestamp.DefaultTimeout)
	if err != nil {
		return nil, wrongf("tsa-url", "must be an http or https URL")
	}
	return c, nil
}

// mostDrain is the longest time to drain: no service manager waits longer.
const mostDrain = 10 * time.Minute

// mostRemembered is the longest age of settings in use: so long a disabled key could still mint.
const mostRemembered = time.Minute

// validate finds what the types of the flags cannot.
func (f serverFlags) validate() error {
	for _, x := range []struct {
		flag string
		n    int64
	}{
		{"max-file-size", f.MaxFileSize}, {"network-block-time", int64(f.NetworkBlockTime)}, {"network-clock-tolerance", int64(f.NetworkClockTolerance)}, {"limits-prepares", int64(f.LimitsPrepares)}, {"limits-followers", int64(f.LimitsFollowers)},
		{"limits-token", int64(f.LimitsToken / time.Second)}, {"limits-upload-slot", int64(f.LimitsUploadSlot)}, {"limits-quote", int64(f.LimitsQuote)}, {"limits-result", int64(f.LimitsResult)},
		{"limits-uploads", int64(f.LimitsUploads)}, {"limits-uploads-organization", int64(f.LimitsUploadsOrganization)},
		{"limits-upload-bytes", f.LimitsUploadBytes}, {"limits-upload-bytes-organization", f.LimitsUploadBytesOrganization}, {"limits-upload-rate", f.LimitsUploadRate},
	} {
		if x.n <= 0 {
			return wrongf(x.flag, "must be more than 0")
		}
	}
	if f.UploadPartsFrom < 0 {
		return wrongf("upload-parts-from", "must not be negative")
	}
	if err := f.validateNetworks(); err != nil {
		return err
	}
	for _, n := range network.Names() {
		p, err := f.pricesOf(n)
		if err != nil {
			return wrongf("prices-"+string(n), "%s", strings.TrimPrefix(err.Error(), "prices: "))
		}
		if at, ok := f.address(n); p.Token > 0 && ok && at.Info().Kind != substrateKind {
			return wrongf("prices-"+string(n), "token and network-most need a network that is a chain, such as %s=substrate:wss://node.example", n)
		}
	}
	if f.DrainTime < 0 || f.DrainTime > mostDrain {
		return wrongf("drain-time", "must be from 0 to %s", mostDrain)
	}
	if f.SettingsMaxAge < 0 || f.SettingsMaxAge > mostRemembered {
		return wrongf("settings-max-age", "must be from 0 to %s", mostRemembered)
	}
	if f.ReserveSpace < 0 {
		return wrongf("reserve-space", "must not be negative; 0 means the default")
	}
	if least := f.LimitsUploadSlot + f.LimitsQuote; f.LimitsJob != 0 && f.LimitsJob < least {
		return wrongf("limits-job", "must be at least %s, the sum of --limits-upload-slot and --limits-quote", least)
	}
	if err := f.validateBlobs(); err != nil {
		return err
	}
	if err := f.validateCheckpoints(); err != nil {
		return err
	}
	if err := f.validateWitnesses(); err != nil {
		return err
	}
	if err := f.validateSubstrate(); err != nil {
		return err
	}
	if err := f.validateStamping(); err != nil {
		return err
	}
	if err := f.peopleFlags.validate(); err != nil {
		return err
	}
	if _, err := f.authority(); err != nil {
		return err
	}
	if f.PublicURL != "" {
		if err := baseURL("public-url", f.PublicURL); err != nil {
			return err
		}
	}
	for _, x := range []struct{ flag, value string }{{"listen", f.Listen}, {"metrics-listen", f.MetricsListen}} {
		if x.value == "" && x.flag == "metrics-listen" {
			continue
		}
		if err := hostAndPort(x.flag, x.value); err != nil {
			return err
		}
	}
	for _, name := range f.MetricsHost {
		if name == "" || strings.ContainsAny(name, ":/ ") {
			return wrongf("metrics-host", "must be names such as timbre.internal.example, without a port, separated by commas")
		}
	}
	if u, err := url.Parse(f.TracesEndpoint); f.TracesEndpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return wrongf("traces-endpoint", "must be an http or https URL, such as http://127.0.0.1:4318/v1/traces")
	}
	if f.RequestLog < 0 || f.RequestLog > 366 {
		return wrongf("request-log", "must be 0 (off) to 366 days")
	}
	if f.LimitsConnections < 0 {
		return wrongf("limits-connections", "must be 0 (no limit) or more")
	}
	if err := f.memoryFlag.validate(); err != nil {
		return err
	}
	if f.NetworkSilence != 0 && f.NetworkSilence <= f.NetworkBlockTime {
		return wrongf("network-silence", "must be more than --network-block-time, which is %s", f.NetworkBlockTime)
	}
	return f.roleFlags.validate(f.PublicURL)
}
