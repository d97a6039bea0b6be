// Package access decides who may do what with works. Its results are proofs: values that only
// the functions with the checks make. A method that needs a permission takes the proof of it
// as an argument, so a call without the check does not compile.
//
//	session.Caller ──May──▶ Registrant   may register new works
//	      │        ──ref──▶ EndUser      may list the works of one end-user
//	      ├─ code, end-user or job ──▶ Reader   may read one work, or one version of it
//	      └─ code or end-user ───────▶ Editor   may add a version to one work
//
// A proof says what was true when it was made: a work may be erased a moment later, so its
// reader looks again. Another kind of caller, such as a member of an organization, needs
// another constructor here, and no change of the methods that take a proof.
//
// The package changes no row. It does not authenticate: a session.Caller comes from package
// session.
package access

import (
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/record"
	"timbre.example/internal/session"
	"timbre.example/internal/store"
	"timbre.example/internal/store/query"
)

// Service makes the proofs that need rows. Every field is required.
type Service struct {
	DB *store.DB
	// Result is how long the id of a final transaction opens the certificate of its version.
	Result time.Duration
}

// Registrant may register new works.
type Registrant struct{ caller session.Caller }

// Registering checks that a session may register. begins is set when the call begins
// something, which an expired token may not do.
func Registering(c session.Caller, begins bool) (Registrant, error) {
	if err := c.May(session.Register, "", begins); err != nil {
		return Registrant{}, err
	}
	return Registrant{c}, nil
}

// Caller returns who calls.
func (r Registrant) Caller() session.Caller { return r.caller }

// Makes reports whether a job makes a new work.
func (r Registrant) Makes(job query.Job) bool {
	return job.Kind != record.KindUpdate && r.caller.Action == session.Register
}

// Editor may add versions to one work.
type Editor struct {
	caller session.Caller
	work   string
}

// Caller returns who calls.
func (e Editor) Caller() session.Caller { return e.caller }

// WorkID returns the id of the work.
func (e Editor) WorkID() string { return e.work }

// Reader returns the permission to read the work.
func (e Editor) Reader() Reader { return Reader{work: e.work} }

// Makes reports whether a job adds a version to the work.
func (e Editor) Makes(job query.Job) bool {
	return job.Kind == record.KindUpdate && e.caller.Action == session.UpdateVersion && e.work == job.WorkID
}

// Maker may continue jobs: a Registrant those of new works, an Editor those of its work.
type Maker interface {
	// Caller returns who calls.
	Caller() session.Caller
	// Makes reports whether a job is of the kind that the caller may continue. Whether the
	// job is the caller's own is another question.
	Makes(job query.Job) bool
	proof()
}

func (Registrant) proof() {}
func (Editor) proof()     {}

// Reader may read one work, with all its versions.
type Reader struct{ work string }

// WorkID returns the id of the work.
func (r Reader) WorkID() string { return r.work }

// Certificate returns the permission to read the certificate of a version; 0 is the latest.
func (r Reader) Certificate(version int64) CertificateReader {
	return CertificateReader{r.work, version}
}

// CertificateReader may read the certificate of one version of a work.
type CertificateReader struct {
	work    string
	version int64
}

// WorkID returns the id of the work.
func (r CertificateReader) WorkID() string { return r.work }

// Version returns the version; 0 is the latest.
func (r CertificateReader) Version() int64 { return r.version }

// EndUser may list the works of one end-user.
type EndUser struct{ caller session.Caller }

// Listing checks that a session may list the works of its end-user.
func Listing(c session.Caller) (EndUser, error) {
	if err := c.MayRead(); err != nil {
		return EndUser{}, err
	}
	if err := named(c); err != nil {
		return EndUser{}, err
	}
	return EndUser{c}, nil
}

// Caller returns who calls; its ExternalUserRef is not "".
func (e EndUser) Caller() session.Caller { return e.caller }

// named refuses a session without an end-user.
func named(c session.Caller) error {
	if c.ExternalUserRef == "" {
		return fault.CommonForbidden("no_external_user_ref")
	}
	return nil
}

// reaches reports whether the caller can reach a work at all: same organization, same
// network, and made by a key of the same kind, test or live.
func reaches(c session.Caller, w query.Work) bool {
	return w.OrganizationID == c.Organization && w.Network == string(c.Network) && w.Test == c.Test
}
