// Package cosign asks a witness to cosign a checkpoint (c2sp.org/tlog-witness), as a log does.
// It returns only cosignatures that hold. It keeps nothing, and does not know when a witness
// is asked again.
package cosign

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/operation"
	"timbre.example/proof/evidence"
)

// maxAnswer is the longest answer of a witness, in bytes: some signature lines, of which a few
// may be post-quantum.
const maxAnswer = 32 << 10

// maxRetryAfter bounds the wait that a witness asks for.
const maxRetryAfter = time.Hour

// Witness is a witness with an address.
type Witness struct {
	evidence.Witness
	id     string
	policy evidence.Policy // of this witness alone
	prefix string          // of the witness's paths, with a slash at its end
}

// ErrKind is wrapped by New for a key of a kind that package evidence does not verify.
var ErrKind = errors.New("the key is not an Ed25519 key of a witness")

// New returns the witness of a policy. It refuses a witness that cannot be asked: one without
// an address, or with a key of another kind.
func New(w evidence.Witness) (_ *Witness, err error) {
	defer operation.Wrap(&err, "witness %s", w.Name)
	name, rest, _ := strings.Cut(w.Key, "+")
	hash, encoded, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, ErrKind
	}
	if w.URL == "" {
		return nil, errors.New("the policy has no address of it")
	}
	u, err := url.Parse(w.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, errors.New("the address must be an https or http URL without user, query and fragment")
	}
	policy, err := evidence.ParsePolicy([]byte("witness one " + w.Key + "\nquorum one\n"))
	if err != nil {
		return nil, err
	}
	return &Witness{Witness: w, id: name + "+" + hash, policy: policy, prefix: strings.TrimSuffix(u.String(), "/") + "/"}, nil
}

// ID is the name and the hash of the witness's key. It differs between two keys.
func (w *Witness) ID() string { return w.id }

// Conflict is the answer of a witness that cosigned a checkpoint of another size last.
type Conflict struct{ Size int64 }

func (c *Conflict) Error() string {
	return fmt.Sprintf("the witness cosigned a checkpoint of %d entries last", c.Size)
}

// Refused is another answer than a cosignature.
type Refused struct {
	Status int
	// RetryAfter is how long the witness asks to wait; 0: it does not say.
	RetryAfter time.Duration
}

func (r *Refused) Error() string {
	switch r.Status {
	case http.StatusForbidden:
		return "the witness does not know this key of the log (403)"
	case http.StatusNotFound:
		return "the witness does not know this log (404): its operator must add the verifier key of the log"
	case http.StatusUnprocessableEntity:
		return "the witness says that the checkpoint does not continue the one that it cosigned (422)"
	}
	return fmt.Sprintf("the witness answers %d", r.Status)
}

// Ask sends a signed checkpoint, with the proof from the size that the witness cosigned last.
// It returns the signature line of the witness, without the newline, and its time. It returns
// a *[Conflict] or a *[Refused] for those answers.
func (w *Witness) Ask(ctx context.Context, client *http.Client, old int64, proof tlog.TreeProof, checkpoint string) (line string, at time.Time, err error) {
	defer operation.Wrap(&err, "ask witness %s", w.Name)
	var body strings.Builder
	fmt.Fprintf(&body, "old %d\n", old)
	for _, h := range proof {
		body.WriteString(h.String() + "\n")
	}
	body.WriteString("\n" + checkpoint)
	status, header, answer, err := w.do(ctx, client, http.MethodPost, "add-checkpoint", body.String())
	switch {
	case err != nil:
		return "", at, err
	case status == http.StatusConflict:
		digits := strings.TrimSuffix(answer, "\n")
		size, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || size < 0 || strconv.FormatInt(size, 10) != digits {
			return "", at, errors.New("the witness answers 409 without a size")
		}
		return "", at, &Conflict{Size: size}
	case status != http.StatusOK:
		r := &Refused{Status: status}
		if s, err := strconv.ParseInt(header.Get("Retry-After"), 10, 32); err == nil && s > 0 {
			r.RetryAfter = min(time.Duration(s)*time.Second, maxRetryAfter)
		}
		return "", at, r
	}
	return w.opened(checkpoint, answer)
}

// opened returns the witness's line of an answer. It ignores lines of other keys.
func (w *Witness) opened(checkpoint, answer string) (line string, at time.Time, err error) {
	text, _, _ := strings.Cut(checkpoint, "\n\n")
	for one := range strings.SplitSeq(strings.TrimSuffix(answer, "\n"), "\n") {
		seen, err := w.policy.Witnessed(text+"\n", []string{one})
		if err != nil {
			return "", at, errors.New("the answer has a line that is not a signature, or does not hold")
		}
		if seen.Met {
			return one, seen.Since, nil
		}
	}
	return "", at, errors.New("the answer has no cosignature of the witness's key")
}

// Seen returns the newest checkpoint of a log that the witness cosigned, as the witness serves
// it. A witness need not serve it.
func (w *Witness) Seen(ctx context.Context, client *http.Client, origin string) (_ string, err error) {
	defer operation.Wrap(&err, "read the checkpoint that witness %s cosigned", w.Name)
	sum := sha256.Sum256([]byte(origin))
	status, _, text, err := w.do(ctx, client, http.MethodGet, hex.EncodeToString(sum[:])+"/checkpoint", "")
	if err == nil && status != http.StatusOK {
		err = &Refused{Status: status}
	}
	return text, err
}

// do makes one request. The answer is complete, and not longer than maxAnswer.
func (w *Witness) do(ctx context.Context, client *http.Client, method, path, body string) (status int, header http.Header, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, w.prefix+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	r.Header.Set("User-Agent", "timbre")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	res, err := client.Do(r)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the address
	}
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	return res.StatusCode, res.Header, string(b), err
}
