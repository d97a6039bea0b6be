package evidence

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/commitment"
	"timbre.example/proof/evidence/leaf"
)

// Status is the result of a check.
type Status string

// The results of a check.
const (
	OK         Status = "ok"
	Failed     Status = "failed"
	NotChecked Status = "not_checked"
)

// Check is one check and its result.
type Check struct {
	// Name is stable, for programs.
	Name string `json:"name"`
	// Proves is a sentence that is true when Status is OK.
	Proves string `json:"proves"`
	Status Status `json:"status"`
	// Why says why it failed or was not checked.
	Why string `json:"why,omitempty"`
}

// Report lists all checks, in the order from the file to the network.
type Report []Check

// OK reports whether no check failed. Skipped checks prove nothing: see
// each check.
func (r Report) OK() bool {
	for _, c := range r {
		if c.Status == Failed {
			return false
		}
	}
	return len(r) > 0
}

// Anchored reports whether no check failed and the commitment is in a log whose
// key the caller trusts. It is false without a trusted key and on a chain: then the
// evidence could name an invented network.
func (r Report) Anchored() bool {
	proved := map[string]bool{}
	for _, c := range r {
		proved[c.Name] = c.Status == OK
	}
	return r.OK() && proved["log_key"] && proved["inclusion"]
}

// Options is the verifier's input besides the evidence.
type Options struct {
	// Media is the recording, or nil.
	Media io.Reader
	// Key is the log's verifier key from a trusted source, or empty.
	Key string
	// Authorities are the roots of the trusted time-stamp authorities, or nil.
	Authorities *x509.CertPool
}

// Verify checks e and returns a report with all results. It returns an error only
// when reading opts.Media fails.
func Verify(e Evidence, opts Options) (Report, error) {
	if err := e.validate(); err != nil {
		return Report{{"form", "The document is evidence.", Failed, err.Error()}}, nil
	}
	var r Report
	add := func(name, proves string, err error) {
		c := Check{Name: name, Proves: proves, Status: OK}
		if err != nil {
			c.Status, c.Why = Failed, err.Error()
		}
		r = append(r, c)
	}
	skip := func(name, proves, why string) { r = append(r, Check{name, proves, NotChecked, why}) }

	if opts.Media == nil {
		skip("media", word("check_media"), word("why_media"))
	} else {
		hash, size, err := commitment.HashMedia(opts.Media)
		if _, empty := errors.AsType[*commitment.ValidationError](err); err != nil && !empty {
			return nil, fmt.Errorf("evidence: the recording: %w", err)
		}
		add("media", word("check_media"), must(err == nil && hash == e.Media.SHA256 && size == e.Media.SizeBytes, word("why_media_failed")))
	}
	add("creators", word("check_creators"), creators(e))
	if complete(e) {
		add("all_creators", word("check_all_creators"), nil)
	} else {
		skip("all_creators", word("check_all_creators"), word("why_all_creators"))
	}
	add("commitment", word("check_commitment"),
		must(e.ProtocolVersion == commitment.Version && commitment.Seal(e.Title, e.Media.SHA256, e.MerkleRoot) == e.Commitment, "they give another"))
	if e.Log != nil {
		verifyLog(e, opts.Key, add, skip)
	} else {
		verifySubstrate(e, add, skip)
	}
	if e.RFC3161 != nil {
		verifyToken(e, opts, add, skip)
	}
	return r, nil
}

func verifyLog(e Evidence, key string, add func(string, string, error), skip func(string, string, string)) {
	l := e.Log
	entry, err := leaf.ParseLeaf([]byte(l.Leaf))
	if err == nil {
		err = must(entry.Commitment == e.Commitment && entry.ProtocolVersion == e.ProtocolVersion && entry.AtsID == e.AtsID && entry.Version == e.Version &&
			entry.Hash() == e.TxHash && entry.Block == e.Block.Number, "the entry says something else")
	}
	add("entry", word("check_entry"), err)
	add("time", word("check_time"), must(err == nil && entry.At.Equal(e.Block.Time), "the entry says another time"))

	if key == "" {
		skip("log_key", word("check_log_key"), word("why_log_key"))
		key = l.Key
	} else {
		add("log_key", word("check_log_key"), must(key == l.Key, word("why_log_key_failed")))
	}
	tree, err := OpenCheckpoint(l.Checkpoint, l.Origin, key)
	if err == nil && NetworkOf(l.Origin) != e.Network.Name {
		// An entry of a test network must not pass as an entry of the mainnet.
		err = errors.New("the log belongs to another network")
	}
	if err != nil && key != l.Key {
		err = errors.New(word("why_checkpoint_failed"))
	}
	add("checkpoint", word("check_checkpoint"), err)
	if err == nil {
		err = tlog.CheckRecord(l.Proof, tree.N, tree.Hash, l.Index, tlog.RecordHash([]byte(l.Leaf)))
	} else {
		err = errors.New("no checkpoint to compare with")
	}
	add("inclusion", word("check_inclusion"), err)
	add("block", word("check_block"), must(sha256.Sum256([]byte(l.Checkpoint)) == e.Block.Hash, "it is another's"))
}

func creators(e Evidence) error {
	for i, c := range e.Creators {
		if !commitment.VerifyProof(commitment.Leaf(c.Creator), c.Proof, e.MerkleRoot) {
			return fmt.Errorf("creators[%d] is not proved", i)
		}
	}
	return nil
}

// complete reports whether the disclosed creators alone give the root.
func complete(e Evidence) bool {
	leaves := make([]commitment.Hash, len(e.Creators))
	for i, c := range e.Creators {
		leaves[i] = commitment.Leaf(c.Creator)
	}
	root, err := commitment.Root(leaves)
	return err == nil && root == e.MerkleRoot
}

// maxLog is more entries than any log has. Above this size tlog's powers of two
// overflow, and its loop never ends.
const maxLog = 1 << 62

// OpenCheckpoint verifies a log's signed checkpoint with the log's verifier key, and
// returns the signed tree. The key's name must be the log's origin. OpenCheckpoint
// refuses a note of another log, and a note that is not a tree.
func OpenCheckpoint(signed, origin, key string) (tlog.Tree, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	if v.Name() != origin {
		return tlog.Tree{}, errors.New("the key belongs to another log")
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > maxLog || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, errors.New("the size is not the size of a log")
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func must(ok bool, why string) error {
	if ok {
		return nil
	}
	return errors.New(why)
}
