package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// verifyWitnesses checks the cosignatures of the block's checkpoint, and those of later
// checkpoints that continue it. The cosignatures of the best of them count.
func verifyWitnesses(e Evidence, opts Options) []Check {
	any := len(e.Log.Cosignatures) > 0
	for _, a := range e.Attestations {
		any = any || len(a.Cosignatures) > 0
	}
	asked := opts.Policy != nil && opts.Policy.Asks()
	if !any && !asked {
		return nil
	}
	if opts.Policy == nil {
		return []Check{{Name: CheckWitnesses, Proves: word("check_witnesses"), Status: NotChecked, Why: word("why_witnesses")}}
	}
	hold := Check{Name: CheckCosignatures, Proves: word("check_cosignatures"), Status: OK}
	enough := Check{Name: CheckWitnesses, Proves: word("check_witnesses"), Status: Failed}
	best, err := opts.Policy.Witnessed(noteText(e.Log.Checkpoint), e.Log.Cosignatures)
	if err != nil {
		hold.Status, hold.Why = Failed, err.Error()
		enough.Status, enough.Why = NotChecked, word("why_witnesses_cosignatures")
		return []Check{hold, enough}
	}
	for _, a := range e.Attestations {
		if a.Kind != KindCheckpoint || verifyLater(e, a, opts) != nil {
			continue
		}
		// A wrong cosignature of an attestation is ignored, as the whole attestation.
		if later, err := opts.Policy.Witnessed(noteText(a.Checkpoint), a.Cosignatures); err == nil && better(later, best) {
			best = later
		}
	}
	switch {
	case best.Met && len(best.Names) > 0:
		enough.Status, enough.By = OK, strings.Join(best.Names, ", ")
		enough.Time = &best.Since
	case best.Met: // the policy asks for none, and none is here
		enough.Status, enough.Why = NotChecked, word("why_witnesses_none")
	case len(best.Names) == 0:
		enough.Why = word("why_witnesses_missing")
	default:
		enough.Why = filled("why_witnesses_few", "{names}", strings.Join(best.Names, ", "))
	}
	return []Check{hold, enough}
}

// better reports whether a says more than b: first the quorum, then the earlier time.
func better(a, b Cosigned) bool {
	if a.Met != b.Met {
		return a.Met
	}
	if !a.Met {
		return len(a.Names) > len(b.Names)
	}
	return len(a.Names) > 0 && (len(b.Names) == 0 || a.Since.Before(b.Since))
}

// noteText returns the signed text of a note.
func noteText(signed string) string {
	text, _, _ := parseNote(signed)
	return text
}

// verifyLater returns an error unless the log signed the later checkpoint a, and its tree
// continues that of the evidence's block.
func verifyLater(e Evidence, a Attestation, opts Options) error {
	key := usedKey(e.Log.Key, opts.ring.keys)
	then, err := OpenCheckpoint(e.Log.Checkpoint, e.Log.Origin, key)
	if err != nil {
		return errors.New(word("why_later_block"))
	}
	if by, err := signer(a.Checkpoint, e.Log.Origin, opts.ring.keys); err == nil {
		key = by // the log may have another key since
	}
	now, err := OpenCheckpoint(a.Checkpoint, e.Log.Origin, key)
	if err == nil {
		err = opts.ring.Counts(e.Log.Origin, key, now)
	}
	if err != nil {
		return fmt.Errorf("the later checkpoint: %w", err)
	}
	if now.N == then.N && now.Hash != then.Hash {
		return errFork
	}
	if then.N > now.N {
		return errors.New("the checkpoint is an earlier one")
	}
	if err := tlog.CheckTree(a.Consistency, now.N, now.Hash, then.N, then.Hash); err != nil {
		return errors.New("the consistency proof does not lead from the block to the later checkpoint")
	}
	return nil
}

// errFork: the log signed two trees of one size. Both cannot be its history.
var errFork = errors.New("the log signed another tree of the same size: it shows different histories to different readers")

// usedKey returns the key that signatures of the log are checked with.
func usedKey(own string, keys []string) string {
	for _, k := range keys {
		if k == own {
			return own
		}
	}
	if len(keys) > 0 {
		return keys[0]
	}
	return own
}

// verifyAttestation checks the attestation at index i.
func verifyAttestation(e Evidence, i int, opts Options) []Check {
	a, part := e.Attestations[i], partOf(i)
	sum, err := e.Digest(a.Of)
	switch a.Kind {
	case KindRFC3161:
		if err != nil {
			return nil // the form refuses it
		}
		return verifyToken(RFC3161{Token: a.Token}, sum, opts, part, func(before time.Time) bool { return renewed(e, i, before, opts) })
	case KindOpenTimestamps:
		if err != nil {
			return nil
		}
		return []Check{verifyBitcoin(a.Proof, sum, opts, part)}
	case KindCheckpoint:
		c := Check{Name: CheckLater, Proves: word("check_later"), Status: OK, Part: part}
		if err := verifyLater(e, a, opts); err != nil {
			c.Status, c.Why = Failed, err.Error()
			if errors.Is(err, errFork) {
				c.Part = "" // a contradiction of the log with itself concerns the whole evidence
			}
		}
		return []Check{c}
	case KindAnchor:
		if err != nil {
			return nil
		}
		return []Check{verifyAnchor(e, i, sum, opts)}
	}
	return []Check{{Name: CheckAttestation, Proves: word("check_attestation"), Status: NotChecked, Part: part, Why: filled("why_attestation", "{kind}", string(a.Kind))}}
}

// astray returns the checks of the attestation at index i. They fail if it is about an earlier
// attestation that does not hold: its date says nothing about the registration then. A token of an
// unknown authority still holds what it is about.
func astray(e Evidence, i int, r Report, checks []Check) []Check {
	of, ok := e.Attestations[i].Of.Attestation()
	if !ok || !slices.ContainsFunc(r, func(x Check) bool {
		return x.Part == partOf(of) && x.Status == Failed && x.Name != CheckTokenAuthority
	}) {
		return checks
	}
	for k, c := range checks {
		if c.Name != CheckTokenAuthority && c.Status != Failed {
			checks[k] = Check{Name: c.Name, Proves: word("check_" + string(c.Name)), Status: Failed, Why: "it is about an attestation that does not hold", Part: c.Part}
		}
	}
	return checks
}

// clockTolerance is how far the clocks of honest parties may differ. bitcoinTolerance is how
// wrong the header of a block of Bitcoin may be, and futureTolerance the clock of the verifier.
const (
	clockTolerance   = 5 * time.Minute
	bitcoinTolerance = 2 * time.Hour
	futureTolerance  = 24 * time.Hour
)

// verifyDates checks that the dates of the report r do not contradict each other. No one can
// see a block or an attestation before it was made, and no one can see anything in the future.
func verifyDates(e Evidence, r Report, now time.Time) []Check {
	c := Check{Name: CheckDates, Proves: word("check_dates"), Status: OK}
	future := now.Add(futureTolerance)
	fail := func(key string, at time.Time) {
		if c.Status == OK {
			c.Status, c.Why = Failed, filled(key, "{date}", at.UTC().Format(time.RFC3339))
		}
	}
	stated := e.Log != nil
	if stated && e.Block.Time.After(future) {
		fail("why_dates_future_log", e.Block.Time)
	}
	for _, x := range r {
		if !dated(r, x) {
			continue
		}
		if x.Time.After(future) {
			fail("why_dates_future", *x.Time)
		}
		block, earlier := subjects(e, r, x)
		if e.Log != nil && block && x.Time.Add(tolerance(x)).Before(e.Block.Time) {
			fail("why_dates_before", *x.Time)
		}
		for _, y := range r {
			if slices.Contains(earlier, y.Part) && dated(r, y) && x.Time.Add(max(tolerance(x), tolerance(y))).Before(*y.Time) {
				fail("why_dates_order", *x.Time)
			}
		}
		stated = true
	}
	if !stated {
		return nil
	}
	return []Check{c}
}

// trusted reports whether the token of this part is of an authority that the caller trusts.
func trusted(r Report, part string) bool {
	for _, c := range r {
		if c.Name == CheckTokenAuthority && c.Part == part {
			return c.Status == OK
		}
	}
	return false
}

// dated reports whether the check proves a date that the caller trusts.
func dated(r Report, c Check) bool {
	return c.Time != nil && c.Status == OK && (c.Name != CheckToken || trusted(r, c.Part))
}

// tolerance returns how wrong the date of an honest check may be.
func tolerance(c Check) time.Duration {
	if c.Name == CheckBitcoin {
		return bitcoinTolerance
	}
	return clockTolerance
}

// partOf is the part of the checks of the attestation at index i.
func partOf(i int) string { return fmt.Sprintf("attestations[%d]", i) }

// subjects returns what existed before the date of the check: whether the block did, and the
// parts of earlier attestations. An attestation that does not hold leads no further.
func subjects(e Evidence, r Report, c Check) (block bool, earlier []string) {
	if c.Name == CheckWitnesses {
		return true, nil
	}
	var of Subject
	for i, a := range e.Attestations {
		if partOf(i) == c.Part {
			of = a.Of
		}
	}
	for {
		i, ok := of.Attestation()
		if !ok {
			return of == OfBlock, earlier
		}
		part := partOf(i)
		if slices.ContainsFunc(r, func(x Check) bool { return x.Part == part && x.Status == Failed }) {
			return false, earlier
		}
		earlier = append(earlier, part)
		if of = e.Attestations[i].Of; e.Attestations[i].Kind == KindCheckpoint {
			of = OfBlock // the checkpoint continues it
		}
	}
}
