// Package access decides who may do what with works. Its results are proofs: values that only
// the functions with the checks make. A method that needs a permission takes the proof of it
// as an argument, so a call without the check does not compile.
//
//	session.Caller ──May──▶ Registrant   may register new works
//	      │        ──ref──▶ Lister       may list the works of one end-user
//	      ├─ code, end-user or job ──▶ Reader   may read one work, or one version of it
//	      └─ code or end-user ───────▶ Editor   may add a version to one work
//
//	apikey.Caller ── scope ──▶ the same proofs, for every work of its organization
//
// A proof says what was true when it was made: a work may be erased a moment later, so its
// reader looks again. Another kind of caller, such as a member of an organization, needs
// another constructor here, and no change of the methods that take a proof.
//
// The package changes no row. It does not authenticate: a session.Caller comes from package
// session, and an apikey.Caller from package apikey.
package access

import (
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
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
type Registrant struct{ caller Caller }

// Registering checks that a session may register. begins is set when the call begins
// something, which an expired token may not do.
func Registering(c session.Caller, begins bool) (Registrant, error) {
	if err := c.May(session.Register, "", begins); err != nil {
		return Registrant{}, err
	}
	return Registrant{bySession(c)}, nil
}

// Caller returns who calls.
func (r Registrant) Caller() Caller { return r.caller }

// Begin returns the caller of a new registration on a network, for an end-user ("": the organization itself).
// It refuses what the session is not for, and a network that the key does not reach. An
// unknown network passes: the check of the other fields reports it.
func (r Registrant) Begin(n network.Name, externalUserRef string) (c Caller, err error) {
	defer operation.Wrap(&err, "begin a registration on %s", n)
	c = r.caller
	if c.APIKeyID != "" {
		c.Network, c.ExternalUserRef = n, externalUserRef
		return c, reachable(c.key, n)
	}
	named := n
	if !n.Valid() {
		named = ""
	}
	if err := c.session.May(session.Register, named, true); err != nil {
		return Caller{}, err
	}
	if externalUserRef != "" && externalUserRef != c.ExternalUserRef {
		return Caller{}, fault.CommonForbidden("other_external_user_ref")
	}
	return c, nil
}

// Asking returns the registrant with what the call asks for.
func (r Registrant) Asking(w Wishes) (_ Registrant, err error) {
	defer operation.Wrap(&err, "check what a call asks for")
	r.caller, err = r.caller.asking(w)
	return r, err
}

// Makes reports whether a job makes a new work.
func (r Registrant) Makes(job query.Job) bool {
	return job.Kind != record.KindUpdate && (r.caller.APIKeyID != "" || r.caller.session.Action == session.Register)
}

// Editor may add versions to one work.
type Editor struct {
	caller Caller
	work   string
}

// Caller returns who calls.
func (e Editor) Caller() Caller { return e.caller }

// WorkID returns the id of the work.
func (e Editor) WorkID() string { return e.work }

// Reader returns the permission to read the work.
func (e Editor) Reader() Reader { return Reader{work: e.work} }

// Begin refuses a session that may begin no update now.
func (e Editor) Begin() (err error) {
	defer operation.Wrap(&err, "begin an update of work %s", e.work)
	if e.caller.APIKeyID != "" {
		return nil
	}
	return e.caller.session.May(session.UpdateVersion, "", true)
}

// Asking returns the editor with what the call asks for.
func (e Editor) Asking(w Wishes) (_ Editor, err error) {
	defer operation.Wrap(&err, "check what a call asks for")
	e.caller, err = e.caller.asking(w)
	return e, err
}

// Makes reports whether a job adds a version to the work.
func (e Editor) Makes(job query.Job) bool {
	return job.Kind == record.KindUpdate && e.work == job.WorkID && (e.caller.APIKeyID != "" || e.caller.session.Action == session.UpdateVersion)
}

// Maker may continue jobs: a Registrant those of new works, an Editor those of its work.
type Maker interface {
	// Caller returns who calls.
	Caller() Caller
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

// Lister may list works: those of one end-user, or those of an organization.
type Lister struct{ caller Caller }

// Listing checks that a session may list the works of its end-user.
func Listing(c session.Caller) (Lister, error) {
	if err := c.MayRead(); err != nil {
		return Lister{}, err
	}
	if err := named(c); err != nil {
		return Lister{}, err
	}
	return Lister{bySession(c)}, nil
}

// Caller returns who calls. A session's ExternalUserRef is not "".
func (l Lister) Caller() Caller { return l.caller }

// AtsID returns the only work that the caller may list; 0: every work.
func (l Lister) AtsID() int64 { return l.caller.session.AtsID }

// Networks returns the networks whose works are listed when the call names n; "" names none.
func (l Lister) Networks(n network.Name) (_ []network.Name, err error) {
	defer operation.Wrap(&err, "list works on %s", n)
	switch c := l.caller; {
	case c.APIKeyID == "" && n.Valid() && n != c.Network:
		return nil, fault.SessionInvalidToken("network")
	case c.APIKeyID == "":
		return []network.Name{c.Network}, nil
	case n != "":
		return []network.Name{n}, reachable(c.key, n)
	}
	var all []network.Name
	for _, info := range l.caller.key.Networks() {
		all = append(all, info.Name)
	}
	return all, nil
}

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
