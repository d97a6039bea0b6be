package main

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"timbre.example/internal/credits"
	"timbre.example/internal/limit"
	"timbre.example/internal/network"
	"timbre.example/internal/registry"
	"timbre.example/internal/store"
	"timbre.example/internal/timestamp"
)

// databaseFlag names the database, for every command that needs only that.
type databaseFlag struct {
	DatabaseURL     string `env:"TIMBRE_DATABASE_URL" default:"sqlite:data/timbre.db" placeholder:"URL" help:"sqlite:PATH or postgres://USER@HOST/NAME (default: ${default})."`
	DatabaseURLFile string `env:"TIMBRE_DATABASE_URL_FILE" type:"path" placeholder:"FILE" help:"Read the database URL from this file instead."`
}

func (f databaseFlag) url() (string, error) {
	if f.DatabaseURLFile == "" {
		return f.DatabaseURL, nil
	}
	b, err := os.ReadFile(f.DatabaseURLFile)
	return strings.TrimSpace(string(b)), err
}

func (f databaseFlag) open(ctx context.Context) (*store.DB, error) {
	url, err := f.url()
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, url)
}

// limitFlags say how much anybody may call, and how long what was begun lives.
type limitFlags struct {
	LimitsMint         limit.Rate `env:"TIMBRE_LIMITS_MINT" default:"300/1m,burst=100" placeholder:"RATE" help:"Sessions minted by a key pair (default: ${default}); off is no limit."`
	LimitsSession      limit.Rate `env:"TIMBRE_LIMITS_SESSION" default:"120/1m,burst=60" placeholder:"RATE" help:"Calls of a session (default: ${default})."`
	LimitsAddress      limit.Rate `env:"TIMBRE_LIMITS_ADDRESS" default:"1200/1m,burst=300" placeholder:"RATE" help:"Calls from an address (default: ${default})."`
	LimitsOrganization limit.Rate `env:"TIMBRE_LIMITS_ORGANIZATION" default:"6000/1m,burst=600" placeholder:"RATE" help:"Mints and calls of an organization (default: ${default})."`
	TrustedProxies     proxies    `env:"TIMBRE_TRUSTED_PROXIES" default:"127.0.0.0/8,::1/128" placeholder:"CIDRS" help:"Whose X-Forwarded-For is believed (default: ${default}); none is nobody's."`

	LimitsToken      time.Duration `env:"TIMBRE_LIMITS_TOKEN" default:"5m" placeholder:"TIME" help:"How long a session token can begin something, in whole seconds (default: ${default})."`
	LimitsUploadSlot time.Duration `env:"TIMBRE_LIMITS_UPLOAD_SLOT" default:"10m" placeholder:"TIME" help:"How long an upload URL takes PUTs; a job without a quote lives six times as long (default: ${default})."`
	LimitsQuote      time.Duration `env:"TIMBRE_LIMITS_QUOTE" default:"5m" placeholder:"TIME" help:"How long a quote can be confirmed (default: ${default})."`
	LimitsResult     time.Duration `env:"TIMBRE_LIMITS_RESULT" default:"1h" placeholder:"TIME" help:"How long a finished transaction shows its access code (default: ${default})."`
	LimitsPrepares   int           `env:"TIMBRE_LIMITS_PREPARES" default:"4" placeholder:"N" help:"How many files are read at once (default: ${default})."`
	LimitsFollowers  int           `env:"TIMBRE_LIMITS_FOLLOWERS" default:"10000" placeholder:"N" help:"How many sockets and event streams are open at once (default: ${default})."`
}

func (f limitFlags) rates() limit.Rates {
	return limit.Rates{Mint: f.LimitsMint, Session: f.LimitsSession, Address: f.LimitsAddress, Organization: f.LimitsOrganization}
}

// proxies are networks, separated by commas, or "none".
type proxies []netip.Prefix

func (p *proxies) UnmarshalText(text []byte) error {
	*p = nil
	if string(text) == "none" {
		return nil
	}
	for one := range strings.SplitSeq(string(text), ",") {
		network, err := netip.ParsePrefix(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		*p = append(*p, network)
	}
	return nil
}

// serverFlags configure a server.
type serverFlags struct {
	Listen    string `env:"TIMBRE_LISTEN" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where to listen (default: ${default}). Put a proxy that speaks TLS in front."`
	PublicURL string `env:"TIMBRE_PUBLIC_URL" placeholder:"URL" help:"How browsers reach this server; a worker is told that of ats (default: http:// and the listening address)."`
	roleFlags
	databaseFlag
	BlobURL string `env:"TIMBRE_BLOB_URL" default:"file:data/blobs" placeholder:"URL" help:"Where uploads are kept: file:DIR, or s3://BUCKET?endpoint=URL with region=us-east-1, public-endpoint=URL (the store as browsers reach it), prefix=PATH, path-style=1 or 0 (default: ${default})."`
	s3Flags
	SecretFile string `env:"TIMBRE_SECRET_FILE" default:"data/secret" type:"path" placeholder:"FILE" help:"64 hex digits that tokens, access codes, upload URLs and the log's key are derived from. Made at first start on SQLite; instances on one Postgres share one. Keep it: a new one is a new log (default: ${default})."`

	NetworkTestnet   string        `env:"TIMBRE_NETWORK_TESTNET" default:"log:" placeholder:"URL" help:"The testnet: log: is the built-in transparency log (default: ${default})."`
	NetworkMainnet   string        `env:"TIMBRE_NETWORK_MAINNET" default:"log:" placeholder:"URL" help:"The mainnet (default: ${default})."`
	NetworkBlockTime time.Duration `env:"TIMBRE_NETWORK_BLOCK_TIME" default:"6s" placeholder:"TIME" help:"Time between blocks of the built-in log (default: ${default})."`
	NetworkSilence   time.Duration `env:"TIMBRE_NETWORK_SILENCE" placeholder:"TIME" help:"How long no worker may have given a sign of life before quotes are refused (default: 30s more than the time between blocks)."`

	MaxFileSize   int64  `env:"TIMBRE_MAX_FILE_SIZE" default:"524288000" placeholder:"BYTES" help:"Largest file; organizations, keys and sessions may lower it (default: ${default}, 500 MB)."`
	PricesTestnet string `env:"TIMBRE_PRICES_TESTNET" placeholder:"PRICES" help:"In credits, as network=0,base=0,version=0,service-bp=0,storage=10:0/100:1/250:2/:3 (the default)."`
	PricesMainnet string `env:"TIMBRE_PRICES_MAINNET" placeholder:"PRICES" help:"Likewise; default network=12,base=50,version=20,service-bp=500 and the same storage."`

	limitFlags
	Signing signingFlags `embed:"" prefix:"certificate-"`
	registryFlag
	authorityFlag

	MetricsListen string `env:"TIMBRE_METRICS_LISTEN" placeholder:"ADDR" help:"Serve the metrics here, to whoever reaches it. Without it they are at /metrics, for programs of this machine, unless the public URL is another's."`

	LogLevel slog.Level `env:"TIMBRE_LOG_LEVEL" default:"INFO" placeholder:"LEVEL" help:"DEBUG logs every request, INFO those refused, WARN and ERROR less (default: ${default})."`
	// ownSecret says that nobody else can need the secret, so that it may be made
	// whatever the database.
	ownSecret bool

	LogFormat string `env:"TIMBRE_LOG_FORMAT" default:"text" enum:"text,json" placeholder:"FORM" help:"text or json (default: ${default})."`
}

func (f serverFlags) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: f.LogLevel, ReplaceAttr: discreet}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// uuid7 is the form of every id of ours.
var uuid7 = regexp.MustCompile(`([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3})-[0-9a-f]{4}-[0-9a-f]{12}`)

// discreet keeps a line of the log from being a key: a job's id is its
// transaction's, which opens tracking and with it, for a while, the access code.
// Enough of an id stays to find it by. Errors may quote ids anywhere.
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

func (f serverFlags) prices() (map[network.Name]credits.Prices, error) {
	test, err := credits.ParsePrices(f.PricesTestnet, credits.TestnetPrices())
	if err != nil {
		return nil, err
	}
	main, err := credits.ParsePrices(f.PricesMainnet, credits.MainnetPrices())
	return map[network.Name]credits.Prices{network.Testnet: test, network.Mainnet: main}, err
}

func (f serverFlags) times() registry.Times {
	return registry.Times{UploadSlot: f.LimitsUploadSlot, Quote: f.LimitsQuote, Result: f.LimitsResult}
}

// registryFlag names the registry on certificates.
type registryFlag struct {
	RegistryName string `env:"TIMBRE_REGISTRY_NAME" placeholder:"NAME" help:"The registry's name on certificates, such as 'Songs of Example': one line of at most 200 characters (default: the host of the public URL)."`
}

// AfterApply refuses a name that is not one line.
func (f registryFlag) AfterApply() error {
	if name := f.RegistryName; utf8.RuneCountInString(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("--registry-name %q: give one line of at most 200 characters, such as 'Songs of Example'", name)
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
	TSAURL string `name:"tsa-url" env:"TIMBRE_TSA_URL,TSA_URL" placeholder:"URL" help:"A time-stamp authority (RFC 3161): a worker gets its token on each version before it makes the certificate."`
}

// authority is nil when there is none.
func (f authorityFlag) authority() (*timestamp.Client, error) {
	if f.TSAURL == "" {
		return nil, nil
	}
	return timestamp.New(f.TSAURL, timestamp.DefaultTimeout)
}

// validate finds what the types of the flags cannot.
func (f serverFlags) validate() error {
	for _, x := range []struct {
		flag string
		n    int64
	}{
		{"max-file-size", f.MaxFileSize}, {"network-block-time", int64(f.NetworkBlockTime)}, {"limits-prepares", int64(f.LimitsPrepares)}, {"limits-followers", int64(f.LimitsFollowers)},
		{"limits-token", int64(f.LimitsToken / time.Second)}, {"limits-upload-slot", int64(f.LimitsUploadSlot)}, {"limits-quote", int64(f.LimitsQuote)}, {"limits-result", int64(f.LimitsResult)},
	} {
		if x.n <= 0 {
			return fmt.Errorf("--%s must be more than 0", x.flag)
		}
	}
	for _, x := range []struct{ flag, value string }{{"network-testnet", f.NetworkTestnet}, {"network-mainnet", f.NetworkMainnet}} {
		if x.value != "log:" {
			return fmt.Errorf("--%s: this release speaks log: only, not %q", x.flag, x.value)
		}
	}
	for _, x := range []struct{ flag, value string }{{"prices-testnet", f.PricesTestnet}, {"prices-mainnet", f.PricesMainnet}} {
		if _, err := credits.ParsePrices(x.value, credits.Prices{}); err != nil {
			return fmt.Errorf("--%s: %w", x.flag, err)
		}
	}
	if err := f.validateBlobs(); err != nil {
		return err
	}
	if _, err := f.authority(); err != nil {
		return fmt.Errorf("--tsa-url: %w", err)
	}
	if f.PublicURL != "" {
		if err := baseURL("public-url", f.PublicURL); err != nil {
			return err
		}
	}
	if f.NetworkSilence != 0 && f.NetworkSilence <= f.NetworkBlockTime {
		return errors.New("--network-silence must be more than --network-block-time")
	}
	return f.roleFlags.validate(f.PublicURL)
}

// secret is the root that every key of a server is derived from.
type secret []byte

// readSecret reads the secret, and makes one at first start where that is safe:
// only when this process alone can need it.
func readSecret(path string, mayMake bool) (secret, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && mayMake {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		var b [32]byte
		rand.Read(b[:])
		// Linked into place complete, so that of two first starts one wins
		// and the other reads what it wrote.
		tmp, err := os.CreateTemp(filepath.Dir(path), ".secret-")
		if err != nil {
			return nil, err
		}
		defer os.Remove(tmp.Name())
		_, err = tmp.WriteString(hex.EncodeToString(b[:]) + "\n")
		if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
			return nil, err
		}
		if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		// On disk before anything is signed with it.
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(path)
		if err != nil {
			return nil, err
		}
	} else if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the secret file %s is not there: make one with `openssl rand -hex 32`, readable by this user alone, the same for every instance", path)
	} else if err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != 32 {
		return nil, fmt.Errorf("the secret file %s does not hold 64 hex digits", path)
	}
	return b, nil
}

// key derives a key of 32 bytes for one purpose.
func (s secret) key(purpose string) []byte {
	k, err := hkdf.Key(sha256.New, s, nil, "timbre "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths that SHA-256 cannot give
	}
	return k
}
