package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"timbre.example/internal/account"
	"timbre.example/internal/blob"
	"timbre.example/internal/network"
	"timbre.example/internal/session"
	"timbre.example/internal/stamping"
	"timbre.example/internal/store"
)

type doctorCmd struct {
	serverFlags
	JSON bool `help:"Print JSON."`
}

// checkResult is the result of one check.
type checkResult struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

func (c *doctorCmd) Run(o *output) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var all []checkResult
	look := func(check string, err error, found, remedy string) {
		f := checkResult{Check: check, OK: err == nil, Found: found}
		if err != nil {
			f.Found, f.Remedy = o.say(err), remedy
		}
		all = append(all, f)
	}
	look("configuration", c.validate(), "valid", "Correct the flag or environment variable that the message names.")
	look("memory limit", nil, c.memoryFlag.say(), "")
	root, err := readSecret(c.SecretFile, false)
	if err == nil {
		err = root.serves(c.SecretFile, c.roles())
	}
	holds := "has all keys of a server"
	if spare := root.spare(c.roles()); len(spare) > 0 {
		holds = "has keys that these roles do not need (" + strings.Join(spare, ", ") + "): timbre secret derive writes a file with only the keys that they need"
	} else if root.root == nil {
		holds = "has the keys of these roles"
	}
	look("secret", err, holds, "The first start on SQLite creates it. Otherwise restore it, or for a new registry create one as the message says.")
	if _, err := os.Stat(c.SecretFile); err == nil {
		warning, err := guarded("secret-file", "secret file", c.SecretFile)
		found := "no other user can read it"
		if warning != "" {
			found = "accepted, but: " + warning
		}
		look("secret's permissions", err, found, "Run the command that the message names.")
	}
	signer, err := c.Signing.signer("certificate-")
	if c.has(worker) && c.Signing.given() {
		look("certificates' signature", err, "can be made", "Correct the file that the message names.")
	}
	if authority, err := c.authority(); err == nil && authority != nil && c.has(worker) {
		var sum [32]byte
		rand.Read(sum[:]) // not the commitment of a work
		_, err := authority.Stamp(ctx, sum)
		look("time-stamp authority", err, "returns valid tokens", "Correct --tsa-url, or find out why the authority does not answer. A certificate waits 10 minutes for its token, and is then made without one.")
		if raise := c.Signing.raise(signer, authority); raise != nil {
			level, err := signedLevel(ctx, signer, raise)
			look("signature's level", err, string(level)+": the signature can be verified after its certificate has ended", "The message says what the level lacks. Certificates are made nevertheless, at the level that they reach.")
		}
		authority.Close()
	}
	if c.has(ats) || c.has(worker) {
		c.blobs(ctx, look)
	}
	if servesConsole(c.roles()) {
		if smtp, err := c.smtp("timbre.example"); err == nil && smtp != nil {
			look("mail server", smtp.Check(ctx), "accepts connections, and the user name", "Correct the --smtp flags, or find out why the mail server does not answer. Mails wait for at most 24 hours.")
		}
		if provider, err := c.provider("https://timbre.example"); err == nil && provider != nil {
			look("OpenID provider", provider.Check(ctx), "describes itself", "Correct --oidc-issuer, or find out why the provider does not answer. People can sign in with their password meanwhile.")
		}
	}
	c.room(look)
	if c.verifiesElsewhere() {
		c.issuerKeys(ctx, look)
	}
	db, err := c.open(ctx, true)
	look("database", err, "answers", "Check that the database runs, and that the flag or variable has its URL.")
	if err == nil {
		defer db.Close()
		if path, ok := c.sqlite(); ok {
			var open error
			if files := openToAll(path); len(files) > 0 {
				open = fmt.Errorf("every user of this machine can read %s, which holds names and addresses", strings.Join(files, ", "))
			}
			look("database's permissions", open, "no other user can read it", "Run: chmod 600 "+shellWord(path)+"*. The server also does this when it starts.")
		}
		c.database(ctx, db, root, look)
		if c.has(ats) {
			c.uploads(ctx, db, look)
		}
	}
	failed := 0
	for _, f := range all {
		if !f.OK {
			failed++
		}
	}
	if err := o.print(c.JSON, all, func(w io.Writer) {
		for _, f := range all {
			mark := "ok  "
			if !f.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(w, "%s  %s: %s\n", mark, f.Check, f.Found)
			if f.Remedy != "" {
				fmt.Fprintf(w, "      → %s\n", f.Remedy)
			}
		}
	}); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(all))
	}
	return nil
}

func (c *doctorCmd) database(ctx context.Context, db *store.DB, root secret, look func(check string, err error, found, remedy string)) {
	pending, err := db.Pending(ctx)
	if err == nil && pending > 0 {
		err = fmt.Errorf("%s behind this release", plural(int(pending), "migration"))
	} else if err == nil && pending < 0 {
		err = errAhead(-pending)
	}
	look("schema", err, "up to date", "Make a backup. Then run `timbre migrate` of the release that the server runs.")
	if err != nil {
		return
	}
	retired, err := db.Retired(ctx)
	found := "all are used"
	if len(retired) > 0 {
		found = fmt.Sprintf("the release before alone uses %d. When no process of it runs and none will, run `timbre migrate --retire`", len(retired))
	}
	look("indexes", err, found, "Check that the user of the database may read its schema.")
	patterns, err := db.Read().AllOrigins(ctx)
	for _, text := range patterns {
		if _, e := account.ParsePattern(text); e != nil {
			err = errors.Join(err, e)
		}
	}
	look("allowed origins", err, fmt.Sprintf("%d, all valid", len(patterns)), "An invalid origin allows nothing: remove it (`timbre origins remove`), and add your own host.")
	// The difference includes the time of one query, so only a large one counts.
	skew, within, err := db.ClockSkew(ctx)
	if err == nil && skew.Abs() > time.Second+within {
		err = fmt.Errorf("the database's clock differs by %s", skew.Round(time.Millisecond))
	}
	look("clock", err, "agrees with the database's clock", "Synchronize both machines with a time server (NTP).")
	if root.none() || !c.has(ats) && !c.has(worker) {
		return
	}
	c.networks(ctx, db, root, look)
	c.stamps(ctx, db, look)
}

// stamps reports which blocks wait for dates, and which tokens must be renewed.
func (c *doctorCmd) stamps(ctx context.Context, db *store.DB, look func(check string, err error, found, remedy string)) {
	state, err := stamping.Status(ctx, db, c.renewBefore())
	if err != nil {
		look("dates of blocks", err, "", "")
		return
	}
	for _, b := range state.Blocks {
		check, found, remedy := "tokens of the blocks of "+b.Network, fmt.Sprintf("block %d is the newest, blocks without a token: %d", b.Seen, b.Waiting), "Find out why the authority of --tsa-url does not answer. A block is tried for a day."
		if b.Kind == "ots" {
			check, remedy = "OpenTimestamps proofs of "+b.Network, "Check --log-calendars, and that this machine reaches the calendars. A block is tried for a day."
			found = fmt.Sprintf("block %d is the newest, blocks without a proof: %d, proofs that wait for a block of Bitcoin: %d", b.Seen, b.Waiting, b.Pending)
		}
		if b.Kind == "anchor" {
			check, remedy = "anchors of "+b.Network, "Check the chain of --log-anchors, and its accounts. No registration waits for it."
			found = fmt.Sprintf("the chain has block %d, blocks that are on their way: %d", b.Seen, b.Waiting)
		}
		var err error
		if b.Waiting > manyWaiting && b.Kind != "anchor" { // one anchor covers any number of blocks
			err = errors.New(found)
		}
		look(check, err, found, remedy)
	}
	if state.NextEnd.IsZero() && state.RenewalsMissed == 0 {
		return
	}
	found := fmt.Sprintf("to renew now: %d", state.RenewalsDue)
	if !state.NextEnd.IsZero() {
		found += ", the next certificates end at " + state.NextEnd.Format(time.RFC3339)
	}
	switch {
	case state.RenewalsMissed > 0:
		err = fmt.Errorf("tokens whose certificates ended without a renewal: %d. %s", state.RenewalsMissed, found)
	case state.RenewalsDue > 0 && !state.NextEnd.IsZero() && state.NextEnd.Sub(db.Now()) < c.renewBefore()/2:
		err = errors.New(found)
	}
	look("renewal of tokens", err, found, "Set --tsa-url to an authority whose certificates live longer: a renewal is a token of the old token. It must be made before the old certificates end.")
}

// manyWaiting is how many blocks may wait for a date before the doctor reports a fault: an
// authority needs some time after a pause.
const manyWaiting = 100

// networks checks each network as its kind can.
func (c *doctorCmd) networks(ctx context.Context, db *store.DB, root secret, look func(check string, err error, found, remedy string)) {
	d := networkDeps{db: db, root: root, makes: c.has(worker), log: slog.New(slog.DiscardHandler)}
	if u, err := url.Parse(c.PublicURL); err == nil {
		d.host = u.Host
	}
	if c.has(worker) && c.validateCheckpoints() == nil { // else the check of the configuration reports it
		d.place = openPlace
	}
	kinds, closer, err := c.kinds(ctx, d)
	if d.place == openPlace && c.uses(builtInKind) {
		look("place of checkpoints", err, c.checkpointPlace(), "Correct --log-checkpoint, or allow this user to write there.")
	}
	if err != nil {
		d.place = leavePlace
		if kinds, closer, err = c.kinds(ctx, d); err != nil {
			look("networks", err, "", "Correct the flag or environment variable that the message names.")
			return
		}
	}
	defer closer.Close()
	for _, at := range append(c.addresses(), c.chains()...) {
		kinds.Examine(ctx, at, func(f network.Finding) {
			look(f.Check, wrongSecret(c.SecretFile, at.Name, f.Err), f.Found, f.Remedy)
		})
	}
}

// issuerKeys fetches the keys that verify tokens.
func (c *doctorCmd) issuerKeys(ctx context.Context, look func(check string, err error, found, remedy string)) {
	const remedy = "Check that the process with the role organizations runs, that --issuer-url is its address, and that this machine can reach it."
	if c.IssuerURL == "" { // the check of the configuration reports it
		return
	}
	at := c.keySetURL("")
	keys := session.NewIssuer(session.IssuerConfig{Name: c.issuer(""), URL: at, Refresh: c.JWKSRefresh, MaxAge: c.JWKSMaxAge, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	look("issuer's keys", keys.Renew(ctx), "published at "+at, remedy)
}

// blobs writes and removes a file in the store.
func (c *doctorCmd) blobs(ctx context.Context, look func(check string, err error, found, remedy string)) {
	if c.validateBlobs() != nil { // the check of the configuration reports it
		return
	}
	dir, ok := strings.CutPrefix(c.BlobURL, "file:")
	if !ok {
		s, err := c.openS3()
		if err == nil {
			defer s.Close()
			err = s.Probe(ctx)
		}
		look("object store", err, "can write, copy, read and remove", "Check the bucket's name, the endpoint, the region and the keys. The keys must allow s3:PutObject, s3:GetObject and s3:DeleteObject on the objects, and s3:ListBucket on the bucket.")
		if err == nil && c.UploadPartsFrom > 0 {
			look("uploads in parts", s.ProbeParts(ctx), "can begin, send, list and abort",
				"The keys must allow s3:PutObject, s3:ListMultipartUploadParts and s3:AbortMultipartUpload on the objects, and s3:ListBucketMultipartUploads on the bucket. Or turn uploads in parts off: --upload-parts-from 0.")
		}
		return
	}
	const remedy = "Make the directory writable for this user, and check that the disk is not full."
	found := "writable"
	at := dir // before the first start: the nearest parent that exists
	for {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(at) == at {
			break
		}
		at, found = filepath.Dir(at), "missing: the server creates it"
	}
	probe, err := os.CreateTemp(at, ".doctor-")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%s is not writable for this user", dir)
	} else if err != nil {
		err = fmt.Errorf("%s cannot be used: %s", dir, plainly(err))
	}
	look("object store", err, found, remedy)
}

// room compares the free space of the server's file systems with the reserve.
func (c *doctorCmd) room(look func(check string, err error, found, remedy string)) {
	for _, s := range c.space().States() {
		free, reserve := megabytes(s.Free), megabytes(s.Reserved)
		var err error
		switch {
		case s.Low():
			err = fmt.Errorf("%s free on the file system of %s, and %s are reserved for the database: new registrations and uploads are refused", free, s.Dir, reserve)
		case c.has(ats) && s.Name == "uploads" && s.Free-s.Reserved < c.MaxFileSize:
			err = fmt.Errorf("%s free on the file system of %s, of which %s are reserved for the database: one file of the largest size (%s) does not fit", free, s.Dir, reserve, megabytes(c.MaxFileSize))
		}
		look("space for the "+s.Name, err, fmt.Sprintf("%s free, of which %s are reserved for the database", free, reserve),
			"Free space on that file system, or move --blob-url to a larger one or to a bucket. The server removes expired files within minutes.")
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%d MB", n>>20) }

// uploads sends an S3 server the preflight request that a browser sends before an
// upload from a page of another origin. A folder is served by Timbre itself, and needs
// no such check.
func (c *doctorCmd) uploads(ctx context.Context, db *store.DB, look func(check string, err error, found, remedy string)) {
	if c.validateBlobs() != nil || strings.HasPrefix(c.BlobURL, "file:") {
		return
	}
	patterns, err := db.Read().AllOrigins(ctx)
	if err != nil { // the check of the schema reports it
		return
	}
	var origins []string
	for _, text := range patterns {
		if p, err := account.ParsePattern(text); err == nil && len(origins) < 10 {
			origins = append(origins, p.Example())
		}
	}
	if len(origins) == 0 {
		origins = []string{"https://www.songs.example"}
	}
	o, err := parseS3(c.BlobURL)
	var s *blob.S3
	if err == nil {
		s, err = c.openS3()
	}
	var to string
	if err == nil {
		defer s.Close()
		to, err = uploadOrigin(ctx, s)
	}
	for _, origin := range origins {
		if err == nil {
			err = preflight(ctx, s, origin)
		}
	}
	at := ""
	if o.Endpoint != "" {
		at = " --endpoint-url " + o.Endpoint
	}
	look("uploads from pages", err, "allowed, to "+to+" (a page with a Content-Security-Policy needs this origin in connect-src)",
		"Check that browsers reach the store at its public-endpoint, and allow pages to PUT: aws s3api put-bucket-cors --bucket "+o.Bucket+at+" --cors-configuration '"+bucketCORS+"'")
}

// bucketCORS allows pages of every origin to upload, and to read what they download.
// The signed URL is the permission; the origin does not matter.
const bucketCORS = `{"CORSRules":[{"AllowedOrigins":["*"],"AllowedMethods":["PUT","GET"],"AllowedHeaders":["Content-Type"],"MaxAgeSeconds":7200}]}`

// preflight sends the request that a browser sends for a page of this origin.
func preflight(ctx context.Context, s blob.Store, origin string) error {
	to, err := s.PresignPut(ctx, blob.Upload{Key: "probe/preflight", MaxBytes: 1, Expires: time.Now().Add(time.Minute)})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodOptions, to, nil)
	if err != nil {
		return err
	}
	r.Header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"PUT"}, "Access-Control-Request-Headers": {"content-type"}}
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	res, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("browsers could not reach the store at %s: %w", r.URL.Host, errors.Unwrap(err)) // without the signature
	}
	res.Body.Close()
	names := func(header, name string) bool {
		for one := range strings.SplitSeq(strings.Join(res.Header.Values(header), ","), ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.EqualFold(one, name) {
				return true
			}
		}
		return false
	}
	if res.StatusCode/100 != 2 || !names("Access-Control-Allow-Origin", origin) || !names("Access-Control-Allow-Methods", "PUT") || !names("Access-Control-Allow-Headers", "content-type") {
		return fmt.Errorf("pages of %s may not upload: the store answers their preflight with %s, Access-Control-Allow-Origin %q, -Methods %q, -Headers %q", origin, res.Status,
			res.Header.Get("Access-Control-Allow-Origin"), res.Header.Get("Access-Control-Allow-Methods"), res.Header.Get("Access-Control-Allow-Headers"))
	}
	return nil
}
