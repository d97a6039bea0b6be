package chaos

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"timbre.example/internal/e2e/harness"
	"timbre.example/proof/evidence"
	"timbre.example/proof/evidence/leaf"
	"timbre.example/proof/pdf"
)

// Answers compares the answers that clients received with the rows of a database in which nothing is in flight.
func Answers(ctx context.Context, run *Run, db *sql.DB, songs []*Song) error {
	type row struct{ jti, state string }
	jobs, ends := map[string]row{}, map[string]string{}
	spent := map[string]string{} // jobs by session
	if err := read(ctx, db, "SELECT id, session_jti, state FROM jobs", func(scan func(...any) error) error {
		var id string
		var r row
		err := scan(&id, &r.jti, &r.state)
		jobs[id] = r
		if r.jti != "" {
			spent[r.jti] = id
		}
		return err
	}); err != nil {
		return err
	}
	if err := read(ctx, db, "SELECT id, state FROM transactions", func(scan func(...any) error) error {
		var id, state string
		err := scan(&id, &state)
		ends[id] = state
		return err
	}); err != nil {
		return err
	}
	known, begunBy := map[string]*Job{}, map[string]*Song{}
	for _, s := range songs {
		for _, p := range s.Parts {
			for _, j := range p.Jobs {
				id := j.ID
				if id == "" && j.JTI != "" {
					id = spent[j.JTI]
				}
				known[id], begunBy[id] = j, s
				for _, problem := range j.compare(id, id != "" && jobs[id].state != "", ends) {
					s.lie("version %d: %s", p.Version, problem)
				}
			}
			if p.Final == nil {
				s.lie("version %d never became final", p.Version)
			}
		}
	}
	for id := range jobs {
		if known[id] == nil {
			run.Say("no client began job %s", id)
		}
	}
	for id, state := range ends {
		if known[id] == nil {
			run.Say("no client confirmed transaction %s, which is %s", id, state)
		}
	}
	return nil
}

// uncertain says that a call may have been carried out although no success came.
func uncertain(errs []error) bool {
	for _, err := range errs {
		var r *harness.Refusal
		if err != nil && (!errors.As(err, &r) || unknown(r)) {
			return true
		}
	}
	return false
}

// succeeded says that one of the calls did.
func succeeded(errs []error) bool {
	for _, err := range errs {
		if err == nil {
			return true
		}
	}
	return false
}

// compare lists the answers that do not match the rows. The job is in the database if exists is true; ends
// are the states of transactions.
func (j *Job) compare(id string, exists bool, ends map[string]string) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if succeeded(j.Inits) && !exists {
		say("init answered with job %s, which does not exist", j.ID)
	}
	if !succeeded(j.Inits) && exists && !uncertain(j.Inits) {
		say("every init was refused as %v, and made job %s", j.Inits, id)
	}
	if n := len(j.Inits); n > 0 && code(j.Inits[n-1]) == "session.invalid_token" && !exists {
		say("init says that the session has begun a job, and it has none: %v", j.Inits)
	}
	state, confirmed := ends[id]
	if j.Transaction != "" && (j.Transaction != id || !confirmed) {
		say("confirm answered with transaction %s, and job %s has one: %t", j.Transaction, id, confirmed)
	}
	if confirmed && j.Transaction == "" && !uncertain(j.Confirms) {
		say("every confirm was refused as %v, and transaction %s exists", j.Confirms, id)
	}
	if r := j.Result; r != nil && (r.Success && state != "final" || !r.Success && state != "failed") {
		say("the client received %+v, and transaction %s is %s", *r, id, state)
	}
	if confirmed && state != "final" && state != "failed" {
		say("transaction %s is %s", id, state)
	}
	return wrong
}

// read reads all rows.
func read(ctx context.Context, db *sql.DB, query string, one func(scan func(...any) error) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := one(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Log reads the whole log at this address, computes its root again, and compares its entries with
// the commitments that clients computed: each is there once, and there are no others. It returns
// the key of the log.
func Log(ctx context.Context, run *Run, url string, songs []*Song) (key string, err error) {
	get := func(path string) ([]byte, error) {
		var text []byte
		c := caller{run: run, client: http.DefaultClient, name: "the reader of the log"}
		return text, c.do(ctx, "log", "GET", url+path, nil, nil, &text)
	}
	text, err := get("/key")
	if err != nil {
		return "", err
	}
	key = strings.TrimSpace(string(text))
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return "", err
	}
	signed, err := get("/checkpoint")
	if err != nil {
		return "", err
	}
	checkpoint, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return "", err
	}
	var origin, root string
	var size int64
	if _, err := fmt.Sscanf(checkpoint.Text, "%s\n%d\n%s\n", &origin, &size, &root); err != nil {
		return "", err
	}
	entries := map[[32]byte]int{}
	var hashes stored
	for n := int64(0); n*256 < size; n++ {
		width := min(256, size-n*256)
		path := strings.Replace(tlog.Tile{H: 8, L: 0, N: n, W: int(width)}.Path(), "tile/8/0/", "/tile/entries/", 1)
		bundle, err := get(path)
		if err != nil {
			return "", err
		}
		for i := range width {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return "", fmt.Errorf("%s ends in entry %d", path, i)
			}
			one := bundle[2 : 2+int(binary.BigEndian.Uint16(bundle))]
			bundle = bundle[2+len(one):]
			l, err := leaf.ParseLeaf(one)
			if err != nil {
				return "", err
			}
			entries[l.Transaction.Commitment]++
			more, err := tlog.StoredHashes(n*256+i, one, hashes)
			if err != nil {
				return "", err
			}
			hashes = append(hashes, more...)
		}
	}
	computed, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return "", err
	}
	if computed.String() != root {
		run.Say("the entries of the log have the root %s, and its checkpoint %s", computed, root)
	}
	for _, s := range songs {
		for _, p := range s.Parts {
			want := 0
			if p.Final != nil {
				want = 1
			}
			if n := entries[p.Commitment]; n != want {
				s.lie("the commitment of version %d is in the log %d times, final: %t", p.Version, n, p.Final != nil)
			}
			delete(entries, p.Commitment)
		}
	}
	for c := range entries {
		run.Say("the log has the commitment %x, which no client computed", c)
	}
	return key, nil
}

// stored are the hashes of a tree, as package tlog numbers them.
type stored []tlog.Hash

func (s stored) ReadHashes(at []int64) (out []tlog.Hash, err error) {
	for _, i := range at {
		out = append(out, s[i])
	}
	return out, nil
}

// Certificates downloads the certificate of each version and verifies it with the recording, some of
// them by `timbre verify` too.
func Certificates(ctx context.Context, run *Run, binary, key, dir string, songs []*Song) {
	var wg sync.WaitGroup
	next := make(chan *Song)
	for range 2 {
		wg.Go(func() {
			for s := range next {
				if err := s.certificates(ctx, binary, key, dir); err != nil {
					s.lie("%v", err)
				}
			}
		})
	}
	for _, s := range songs {
		next <- s
	}
	close(next)
	wg.Wait()
}

func (s *Song) certificates(ctx context.Context, binary, key, dir string) error {
	var audio []byte
	for _, p := range s.Parts {
		if p.Audio != nil {
			audio = p.Audio
		}
		if p.Final == nil {
			continue
		}
		var at struct{ URL string }
		path := fmt.Sprintf("%s/v1/works/%s/versions/%d/download/certificate", s.ats(), p.Final.WorkID, p.Version)
		for try := 0; ; try++ {
			err := s.do(ctx, "certificate", "GET", path, backend(s.Tenant), nil, &at)
			if err == nil {
				break
			}
			if try == 5 || !passing(ctx, err) {
				return fmt.Errorf("the certificate of version %d: %w", p.Version, err)
			}
		}
		var pdf []byte
		if err := s.do(ctx, "download", "GET", at.URL, nil, nil, &pdf); err != nil {
			return err
		}
		if err := proved(key, pdf, audio, p.Commitment); err != nil {
			return fmt.Errorf("the certificate of version %d: %w", p.Version, err)
		}
		if s.Number%commanded == 0 {
			if err := s.command(ctx, binary, key, dir, pdf, audio); err != nil {
				return fmt.Errorf("timbre verify of version %d: %w", p.Version, err)
			}
		}
	}
	return nil
}

// commanded: one song of so many is verified by the program too. A process for each takes longer than the storm.
const commanded = 16

// proved verifies a certificate with the recording.
func proved(key string, file, audio []byte, commitment [32]byte) error {
	attached, err := pdf.Read(file)
	if err != nil {
		return err
	}
	e, err := evidence.Decode(bytes.NewReader(attached.Evidence))
	if err != nil {
		return err
	}
	report, err := evidence.Verify(e, evidence.Options{Keys: []string{key}, Media: bytes.NewReader(audio)})
	if err != nil {
		return err
	}
	if verdict := evidence.Judge(e, report); !verdict.Proved() {
		return fmt.Errorf("%s: %v", verdict.Name(), report)
	}
	if e.Commitment != commitment {
		return fmt.Errorf("its commitment is %x, not %x", e.Commitment, commitment)
	}
	return nil
}

// command is proved by `timbre verify`.
func (s *Song) command(ctx context.Context, binary, key, dir string, file, audio []byte) error {
	certificate, recording := filepath.Join(dir, fmt.Sprint(s.Number, ".pdf")), filepath.Join(dir, fmt.Sprint(s.Number, ".wav"))
	err := errors.Join(os.WriteFile(certificate, file, 0o600), os.WriteFile(recording, audio, 0o600))
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, binary, "verify", "--log-key", key, "--media", recording, certificate).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return errors.Join(os.Remove(certificate), os.Remove(recording))
}
