// Package witness is a witness of transparency logs (c2sp.org/tlog-witness). It cosigns a
// checkpoint of a log that it knows, after it has verified that the checkpoint continues the
// one that it cosigned before.
//
// It keeps one checkpoint for each log, in a [checkpoint.Store]. It never cosigns two trees
// of one log of which one does not continue the other, also if several processes share the
// store. It reads no entries: it does not know what a log contains.
package witness

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/internal/operation"
	"timbre.example/proof/evidence"
)

// MaxRequest is the largest request in bytes: a checkpoint with a hundred signatures, of which
// a few are post-quantum, and 63 lines of a proof.
const MaxRequest = 32 << 10

// maxSteps is the longest consistency proof, in hashes.
const maxSteps = 63

// maxLog is more entries than any log has: above it, powers of two overflow in package tlog.
const maxLog = 1 << 62

// Config configures New.
type Config struct {
	// Name is the witness's name in its key, such as witness.example/w. It has no white space
	// and no plus sign, and never changes.
	Name string
	// Seed is the 32-byte seed of the Ed25519 key that cosigns.
	Seed []byte
	// Logs are the verifier keys of the logs that the witness cosigns. The name of a key is
	// the origin of its log. A log may have several keys.
	Logs []string
	// Pages are key pages of logs. Their keys count as those of Logs, each only for the trees
	// that its page gives it; and nothing follows the end of a log.
	Pages []evidence.KeyPage
	// Store keeps the newest checkpoint of each log. Every process with this key needs the
	// same store: with two stores, the witness could cosign two histories.
	Store checkpoint.Store
	// Now is the clock of cosignatures; nil means the system's.
	Now func() time.Time
	// Logger logs what may be proof of a log's misbehavior; nil means slog.Default.
	Logger *slog.Logger
}

// Witness cosigns checkpoints. It is safe for concurrent use.
type Witness struct {
	config Config
	key    ed25519.PrivateKey
	vkey   string
	hash   uint32
	logs   map[string]note.Verifiers // by origin
	pages  evidence.Keyring
}

// cosignatureType is the signature type of Ed25519 cosignatures (c2sp.org/tlog-cosignature).
const cosignatureType = 4

// New returns a witness. It refuses a name or a key that is not valid.
func New(c Config) (_ *Witness, err error) {
	defer operation.Wrap(&err, "open witness %s", c.Name)
	if len(c.Seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the seed must have %d bytes, not %d", ed25519.SeedSize, len(c.Seed))
	}
	if c.Name == "" || strings.ContainsAny(c.Name, "+ \t\r\n") {
		return nil, errors.New("the name must not be empty, and must have no white space and no plus sign")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	w := &Witness{config: c, key: ed25519.NewKeyFromSeed(c.Seed), logs: map[string]note.Verifiers{}}
	public := append([]byte{cosignatureType}, w.key.Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(c.Name+"\n"), public...))
	w.hash = binary.BigEndian.Uint32(sum[:])
	w.vkey = fmt.Sprintf("%s+%08x+%s", c.Name, w.hash, base64.StdEncoding.EncodeToString(public))
	keys := map[string][]note.Verifier{}
	all := slices.Clone(c.Logs)
	for _, p := range c.Pages {
		all = append(all, p.Keys()...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if w.pages, err = evidence.NewKeyring(all, c.Pages); err != nil {
		return nil, err
	}
	for _, key := range all {
		v, err := note.NewVerifier(key)
		if err != nil {
			return nil, fmt.Errorf("the log's key %.80q: %w", key, err)
		}
		keys[v.Name()] = append(keys[v.Name()], v)
	}
	for origin, all := range keys {
		w.logs[origin] = note.VerifierList(all...)
	}
	return w, nil
}

// VerifierKey returns the witness's public key, for policies: NAME+HASH+BASE64.
func (w *Witness) VerifierKey() string { return w.vkey }

// Refusal is why a checkpoint was not cosigned, with the HTTP status of the protocol.
type Refusal struct {
	Status int
	Why    string
	// Size is the size of the newest cosigned checkpoint, for the status 409.
	Size int64
}

func (r *Refusal) Error() string { return r.Why }

// Add verifies a request (old size, consistency proof, checkpoint), and returns the lines of
// the witness's cosignatures. It returns a *[Refusal] for what the protocol refuses, and
// another error when the store fails: then the checkpoint may be kept, and is not cosigned.
func (w *Witness) Add(ctx context.Context, request []byte) (lines string, err error) {
	defer operation.Wrap(&err, "cosign a checkpoint")
	r, err := parseRequest(request)
	if err != nil {
		return "", &Refusal{Status: http.StatusBadRequest, Why: err.Error()}
	}
	keys, known := w.logs[r.origin]
	if !known {
		return "", &Refusal{Status: http.StatusNotFound, Why: "this witness does not know the log"}
	}
	opened, err := note.Open(r.checkpoint, keys)
	if err != nil {
		return "", &Refusal{Status: http.StatusForbidden, Why: "the log's key did not sign this checkpoint"}
	}
	tree, err := parseTree(opened.Text)
	if err != nil {
		return "", &Refusal{Status: http.StatusBadRequest, Why: err.Error()}
	}
	if _, bounded := w.pages.Page(r.origin); bounded {
		if _, _, err := w.pages.Open(string(r.checkpoint), r.origin); err != nil {
			w.config.Logger.ErrorContext(ctx, "a log's checkpoint contradicts its key page", "origin", r.origin, "why", err, "checkpoint", string(r.checkpoint))
			return "", &Refusal{Status: http.StatusForbidden, Why: err.Error()}
		}
	}
	if r.old > tree.N {
		return "", &Refusal{Status: http.StatusBadRequest, Why: "the old size is larger than the checkpoint's"}
	}
	for {
		kept, err := w.config.Store.Load(ctx, place(r.origin))
		if err != nil {
			return "", err
		}
		before, err := keptTree(kept)
		if err != nil {
			return "", err
		}
		if err := w.continues(r, before, tree, kept != ""); err != nil {
			return "", err
		}
		line := w.cosign(opened.Text)
		next := opened.Text + "\n"
		for _, s := range opened.Sigs {
			next += fmt.Sprintf("— %s %s\n", s.Name, s.Base64)
		}
		err = w.config.Store.Swap(ctx, place(r.origin), kept, next+line)
		if errors.Is(err, checkpoint.ErrSwapped) {
			continue // another request was faster: compare with its checkpoint
		}
		return line, err
	}
}

// continues returns a Refusal unless the tree continues the newest cosigned one.
func (w *Witness) continues(r request, before, tree tlog.Tree, any bool) error {
	if r.old != before.N {
		return &Refusal{Status: http.StatusConflict, Why: "the old size is not that of the newest cosigned checkpoint", Size: before.N}
	}
	inconsistent := func(why string) error {
		// It may be proof that the log shows two histories.
		w.config.Logger.Error("a log's checkpoint does not continue the cosigned one", "origin", r.origin, "why", why,
			"old_size", before.N, "old_root", before.Hash.String(), "checkpoint", string(r.checkpoint))
		return &Refusal{Status: http.StatusUnprocessableEntity, Why: why}
	}
	empty := tlog.Hash(sha256.Sum256(nil))
	switch {
	case tree.N == 0 && tree.Hash != empty:
		return inconsistent("the root of an empty tree is another one")
	case r.old == 0 && len(r.proof) > 0:
		return &Refusal{Status: http.StatusUnprocessableEntity, Why: "a proof from size 0 must be empty"}
	case r.old == 0 && tree.N == 0 && any && before.Hash != tree.Hash, r.old > 0 && r.old == tree.N && before.Hash != tree.Hash:
		return inconsistent("the log signed another tree of the same size")
	case r.old > 0:
		if err := tlog.CheckTree(r.proof, tree.N, tree.Hash, before.N, before.Hash); err != nil {
			return inconsistent("the consistency proof does not hold")
		}
	}
	return nil
}

// cosign returns the witness's signature line for a checkpoint's text.
func (w *Witness) cosign(text string) string {
	at := w.config.Now().Unix()
	raw := binary.BigEndian.AppendUint32(nil, w.hash)
	raw = binary.BigEndian.AppendUint64(raw, uint64(at))
	raw = append(raw, ed25519.Sign(w.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))...)
	return fmt.Sprintf("— %s %s\n", w.config.Name, base64.StdEncoding.EncodeToString(raw))
}

// Checkpoint returns the newest cosigned checkpoint of the log whose origin has this SHA-256,
// in hexadecimal; "" without one.
func (w *Witness) Checkpoint(ctx context.Context, hash string) (_ string, err error) {
	defer operation.Wrap(&err, "read a cosigned checkpoint")
	for origin := range w.logs {
		if place(origin) == hash {
			return w.config.Store.Load(ctx, hash)
		}
	}
	return "", nil
}

// place is the name under which the store keeps a log's checkpoint.
func place(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:])
}

// ServeHTTP serves the protocol: POST /add-checkpoint and GET /HASH/checkpoint.
func (w *Witness) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	out.Header().Set("X-Content-Type-Options", "nosniff")
	hash, isCheckpoint := strings.CutSuffix(strings.TrimPrefix(in.URL.Path, "/"), "/checkpoint")
	switch {
	case in.URL.Path == "/add-checkpoint":
		if in.Method != http.MethodPost {
			out.Header().Set("Allow", http.MethodPost)
			http.Error(out, "only POST", http.StatusMethodNotAllowed)
			return
		}
		w.serveAdd(out, in)
	case isCheckpoint:
		if in.Method != http.MethodGet && in.Method != http.MethodHead {
			out.Header().Set("Allow", "GET, HEAD")
			http.Error(out, "only GET", http.StatusMethodNotAllowed)
			return
		}
		text, err := w.Checkpoint(in.Context(), hash)
		switch {
		case err != nil:
			w.fail(out, in, err)
		case text == "":
			http.Error(out, "no checkpoint of this log was cosigned", http.StatusNotFound)
		default:
			out.Header().Set("Content-Type", "text/plain; charset=utf-8")
			out.Header().Set("Cache-Control", "no-cache")
			_, _ = io.WriteString(out, text)
		}
	default:
		http.Error(out, "there is nothing here", http.StatusNotFound)
	}
}

func (w *Witness) serveAdd(out http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(out, in.Body, MaxRequest))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		http.Error(out, fmt.Sprintf("more than %d bytes", MaxRequest), http.StatusRequestEntityTooLarge)
		return
	} else if err != nil {
		return // the client has left
	}
	lines, err := w.Add(in.Context(), body)
	refusal := (*Refusal)(nil)
	switch {
	case errors.As(err, &refusal) && refusal.Status == http.StatusConflict:
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(refusal.Status)
		_, _ = fmt.Fprintf(out, "%d\n", refusal.Size)
	case refusal != nil:
		http.Error(out, refusal.Why, refusal.Status)
	case err != nil:
		w.fail(out, in, err)
	default:
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(out, lines)
	}
}

// fail answers a request that the store failed.
func (w *Witness) fail(out http.ResponseWriter, in *http.Request, err error) {
	if in.Context().Err() == nil {
		w.config.Logger.ErrorContext(in.Context(), "a request failed", "path", in.URL.Path, "error", err)
	}
	out.Header().Set("Retry-After", "5")
	http.Error(out, "the witness cannot read or write its store", http.StatusServiceUnavailable)
}

// request is the body of add-checkpoint.
type request struct {
	old        int64
	proof      tlog.TreeProof
	origin     string
	checkpoint []byte
}

// parseRequest reads the lines before the checkpoint, and the checkpoint's first line.
func parseRequest(body []byte) (r request, err error) {
	head, rest, found := strings.Cut(string(body), "\n\n")
	if !found {
		return r, errors.New("there is no empty line before the checkpoint")
	}
	lines := strings.Split(head, "\n")
	digits, ok := strings.CutPrefix(lines[0], "old ")
	if r.old, err = strconv.ParseInt(digits, 10, 64); !ok || err != nil || r.old < 0 || strconv.FormatInt(r.old, 10) != digits {
		return r, errors.New("the first line must be old and a size")
	}
	if len(lines)-1 > maxSteps {
		return r, fmt.Errorf("a proof of more than %d lines", maxSteps)
	}
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return r, errors.New("a line of the proof is not a hash")
		}
		r.proof = append(r.proof, hash)
	}
	r.checkpoint = []byte(rest)
	r.origin, _, ok = strings.Cut(rest, "\n")
	if !ok || r.origin == "" {
		return r, errors.New("there is no checkpoint")
	}
	return r, nil
}

// parseTree reads a checkpoint's text (c2sp.org/tlog-checkpoint). Lines after the root are
// extensions.
func parseTree(text string) (tlog.Tree, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 {
		return tlog.Tree{}, errors.New("not a checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > maxLog || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, errors.New("the size is not the size of a log")
	}
	for _, extension := range lines[3:] {
		if extension == "" {
			return tlog.Tree{}, errors.New("an empty extension line")
		}
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, errors.New("the root is not a hash")
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// keptTree reads the tree of a kept checkpoint. Without one it is the empty tree.
func keptTree(kept string) (tlog.Tree, error) {
	if kept == "" {
		return tlog.Tree{}, nil
	}
	text, _, _ := strings.Cut(kept, "\n\n")
	tree, err := parseTree(text + "\n")
	if err != nil {
		err = fmt.Errorf("the kept text: %w", err)
	}
	return tree, err
}
