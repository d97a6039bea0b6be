package evidence

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/proof/commitment"
)

// Status is the result of a check.
type Status string

// The results of a check.
const (
	OK         Status = "ok"
	Failed     Status = "failed"
	NotChecked Status = "not_checked"
)

// CheckName names a check. The names are stable: programs may compare them.
type CheckName string

// The checks, in the order of a [Report]. Each comment says when a report has the check.
const (
	CheckForm           CheckName = "form"            // only if the document is not evidence; then the report has no other check
	CheckPage           CheckName = "page"            // only if the caller adds it: see [Page]
	CheckMedia          CheckName = "media"           // always: the recording is the registered one
	CheckCreators       CheckName = "creators"        // always: each disclosed creator is part of the work
	CheckAllCreators    CheckName = "all_creators"    // always: the work has no other creators; skipped after a redaction
	CheckCommitment     CheckName = "commitment"      // always: title, creators and file hash give the commitment
	CheckTransaction    CheckName = "transaction"     // on a chain: the extrinsic has this hash
	CheckEntry          CheckName = "entry"           // always: the entry, or the extrinsic, is about this work
	CheckTime           CheckName = "time"            // always: the time of the block; on a chain it is skipped without a proof of the state
	CheckLogKey         CheckName = "log_key"         // in a log: the log's key is one that the caller trusts
	CheckCheckpoint     CheckName = "checkpoint"      // in a log: the log signed the block's checkpoint
	CheckInclusion      CheckName = "inclusion"       // always: the entry is in the block; on a chain it is skipped without proofs
	CheckBlock          CheckName = "block"           // always: the block has this hash
	CheckState          CheckName = "state"           // with a proof of a chain's state: it has this version
	CheckFinality       CheckName = "finality"        // with a proof of a chain's finality: its parts hold
	CheckChain          CheckName = "chain"           // on a chain: the proof of finality begins at authorities that the caller trusts; skipped without one
	CheckCosignatures   CheckName = "cosignatures"    // with cosignatures and a policy: those of its witnesses hold
	CheckWitnesses      CheckName = "witnesses"       // with cosignatures or a policy: enough witnesses saw the block
	CheckToken          CheckName = "token"           // for each time-stamp token: the token is of this commitment, block or attestation
	CheckTokenAuthority CheckName = "token_authority" // for each time-stamp token: the authority is one that the caller trusts
	CheckLater          CheckName = "later"           // for each later checkpoint: the log still has this block
	CheckBitcoin        CheckName = "bitcoin"         // for each OpenTimestamps proof: it leads to a block that the caller has
	CheckAnchor         CheckName = "anchor"          // for each anchor: a chain's final state has the block, or a later checkpoint
	CheckAttestation    CheckName = "attestation"     // for each attestation of an unknown kind; it is skipped
	CheckDates          CheckName = "dates"           // with a date: the dates do not contradict each other
)

// Check is one check and its result.
type Check struct {
	Name CheckName `json:"name"`
	// Proves is a sentence that is true when Status is OK.
	Proves string `json:"proves"`
	Status Status `json:"status"`
	// Why says why it failed or was not checked.
	Why string `json:"why,omitempty"`
	// Part is the attestation that the check is about, such as "attestations[0]", or "rfc3161"
	// for the token of format 1. It is empty for a check of the proof itself. A failed check with a part does not change the verdict:
	// the attestation is ignored.
	Part string `json:"part,omitempty"`
	// Time is the date that the check proves if Status is OK, and By is who states it. Both
	// are empty for most checks.
	Time *time.Time `json:"time,omitempty"`
	By   string     `json:"by,omitempty"`
}

// Report lists all checks, in the order from the file to the network.
type Report []Check

// OK reports whether no check of the proof failed. Attestations that do not hold are
// ignored. Skipped checks prove nothing: see each check.
func (r Report) OK() bool {
	for _, c := range r {
		if c.Status == Failed && c.Part == "" {
			return false
		}
	}
	return len(r) > 0
}

// Check returns the check with this name. It returns false if the report has none.
func (r Report) Check(name CheckName) (Check, bool) {
	i := slices.IndexFunc(r, func(c Check) bool { return c.Name == name })
	if i < 0 {
		return Check{}, false
	}
	return r[i], true
}

// proved reports whether the report has the check and the check passed.
func (r Report) proved(name CheckName) bool {
	c, _ := r.Check(name)
	return c.Status == OK
}

// Anchored reports whether no check failed and the commitment is in a log whose
// key the caller trusts. It is false without a trusted key: then the evidence could
// name an invented log. On a chain, it reports whether the chain's state has the commitment
// in a block that authorities made final whom the caller trusts: see
// [Options.ChainCheckpoints]. If a part of that is missing, a program asks a node for the
// block [Block.Hash] and for the event of its extrinsic [Substrate.Index].
func (r Report) Anchored() bool {
	return r.OK() && (r.proved(CheckLogKey) && r.proved(CheckInclusion) || r.onChain())
}

// onChain reports whether the chain's state proves the registration.
func (r Report) onChain() bool { return r.final() && r.proved(CheckChain) }

// final is onChain, with the authorities that the evidence names.
func (r Report) final() bool {
	return r.proved(CheckState) && r.proved(CheckTime) && r.proved(CheckFinality)
}

// Options is the verifier's input besides the evidence.
type Options struct {
	// Media is the recording, or nil.
	Media io.Reader
	// Keys are the verifier keys (signed-note form) of the logs that the caller trusts.
	// They come from a trusted source, and never from the evidence. Without any, the
	// evidence's own key is used: this shows that its parts match, and nothing about
	// who owns the log. If the evidence names none of several keys, the signature is
	// checked with the first one.
	Keys []string
	// KeyPages are key pages of logs, from any source. A page counts if it has one of the
	// Keys: the chain of its signatures then leads to the other keys of this log. Each key
	// is trusted only for the trees that the page gives it. See [NewKeyring].
	KeyPages []KeyPage
	// Authorities are the roots of the trusted time-stamp authorities, or nil.
	Authorities *x509.CertPool
	// ChainCheckpoints are the sets of authorities of chains that the caller trusts. They come
	// from a trusted source, and never from the evidence. Without one, evidence on a chain
	// shows only that its parts match. See [ParseChainCheckpoints].
	ChainCheckpoints []ChainCheckpoint
	// Policy says which witnesses the caller trusts, and how many must have seen the block.
	// Its logs are trusted as those of Keys. nil: no witness is trusted.
	Policy *Policy
	// Blocks returns the Merkle root and the time of the block of Bitcoin at this height. ok
	// is false if the caller does not have the block. nil: the caller has no blocks.
	Blocks func(height int64) (root [32]byte, at time.Time, ok bool)
	// Now is the time of the check, for dates in the future. Zero: the time of the call.
	Now time.Time

	ring    Keyring // of Keys and KeyPages; set by Verify
	ringErr error
}

// Verify checks e and returns a report with all results. It returns an error only
// when reading opts.Media fails. Verify reads all of opts.Media, and keeps nothing.
func Verify(e Evidence, opts Options) (Report, error) {
	if err := e.validate(); err != nil {
		return Report{Form(err)}, nil
	}
	var r Report
	add := func(name CheckName, proves string, err error) {
		c := Check{Name: name, Proves: proves, Status: OK}
		if err != nil {
			c.Status, c.Why = Failed, err.Error()
		}
		r = append(r, c)
	}
	skip := func(name CheckName, proves, why string) {
		r = append(r, Check{Name: name, Proves: proves, Status: NotChecked, Why: why})
	}
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	if opts.Policy != nil {
		opts.Keys = append(slices.Clone(opts.Keys), opts.Policy.Logs...)
	}

	if opts.Media == nil {
		skip(CheckMedia, word("check_media"), word("why_media"))
	} else {
		hash, size, err := commitment.HashMedia(opts.Media)
		var empty *commitment.ValidationError
		if err != nil && !errors.As(err, &empty) {
			return nil, fmt.Errorf("evidence: the recording: %w", err)
		}
		add(CheckMedia, word("check_media"), must(err == nil && hash == e.Media.SHA256 && size == e.Media.SizeBytes, word("why_media_failed")))
	}
	add(CheckCreators, word("check_creators"), creators(e))
	if complete(e) {
		add(CheckAllCreators, word("check_all_creators"), nil)
	} else {
		skip(CheckAllCreators, word("check_all_creators"), word("why_all_creators"))
	}
	add(CheckCommitment, word("check_commitment"),
		must(e.ProtocolVersion == commitment.Version && commitment.Seal(e.Title, e.Media.SHA256, e.MerkleRoot) == e.Commitment, "they give another"))
	if e.Log != nil {
		opts.ring, opts.ringErr = NewKeyring(opts.Keys, opts.KeyPages)
		verifyLog(e, opts, add, skip)
		r = append(r, verifyWitnesses(e, opts)...)
	} else {
		verifySubstrate(e, opts, add, skip)
	}
	if e.RFC3161 != nil {
		r = append(r, verifyToken(*e.RFC3161, e.Commitment, opts, "rfc3161", func(time.Time) bool { return false })...)
	}
	for i := range e.Attestations {
		r = append(r, astray(e, i, r, verifyAttestation(e, i, opts))...)
	}
	return append(r, verifyDates(e, r, opts.Now)...), nil
}

// adder and skipper add a check to the report.
type (
	adder   func(name CheckName, proves string, err error)
	skipper func(name CheckName, proves, why string)
)

func verifyLog(e Evidence, opts Options, add adder, skip skipper) {
	l := e.Log
	entry, err := l.Entry()
	if err == nil {
		err = must(entry.Commitment == e.Commitment && entry.ProtocolVersion == e.ProtocolVersion && entry.AtsID == e.AtsID && entry.Version == e.Version &&
			entry.Hash() == e.TxHash && entry.Block == e.Block.Number, "the entry says something else")
	}
	add(CheckEntry, word("check_entry"), err)
	switch {
	case err != nil:
		err = errors.New("the entry is not that of this work, so its time says nothing")
	case !entry.At.Equal(e.Block.Time):
		err = errors.New("the entry says another time")
	}
	add(CheckTime, word("check_time"), err)

	key := usedKey(l.Key, opts.ring.keys)
	tree, err := OpenCheckpoint(l.Checkpoint, l.Origin, key)
	counts := err
	if err == nil {
		counts = opts.ring.Counts(l.Origin, key, tree)
	}
	switch {
	case len(opts.Keys) == 0:
		skip(CheckLogKey, word("check_log_key"), word("why_log_key"))
	case opts.ringErr != nil:
		add(CheckLogKey, word("check_log_key"), opts.ringErr)
	case key != l.Key:
		add(CheckLogKey, word("check_log_key"), errors.New(word("why_log_key_failed")))
	case err == nil && counts != nil:
		add(CheckLogKey, word("check_log_key"), counts)
	default:
		add(CheckLogKey, word("check_log_key"), nil)
	}
	if conflict := (*KeyConflict)(nil); err == nil && errors.As(counts, &conflict) && conflict.Trees {
		err = counts // two trees of one size: both cannot be the log's
	}
	if err == nil && NetworkOf(l.Origin) != e.Network.Name {
		// An entry of a test network must not pass as an entry of the mainnet.
		err = errors.New("the log belongs to another network")
	}
	if err != nil && key != l.Key {
		err = errors.New(word("why_checkpoint_failed"))
	}
	add(CheckCheckpoint, word("check_checkpoint"), err)
	if err == nil {
		err = tlog.CheckRecord(l.Proof, tree.N, tree.Hash, l.Index, tlog.RecordHash([]byte(l.Leaf)))
	} else {
		err = errors.New("no checkpoint to compare with")
	}
	add(CheckInclusion, word("check_inclusion"), err)
	add(CheckBlock, word("check_block"), must(sha256.Sum256([]byte(l.Checkpoint)) == e.Block.Hash, "it is another's"))
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

func must(ok bool, why string) error {
	if ok {
		return nil
	}
	return errors.New(why)
}
