package access

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/fault"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
)

// Member is a person in an organization, who uses the console.
type Member struct {
	Organization string // id
	Role         permission.Role
}

// Manager proves that a member may erase a work and replace its access code.
type Manager struct{ reader Reader }

// Reader returns the proof for reading the same work.
func (m Manager) Reader() Reader { return m.reader }

// WorkID returns the id of the work.
func (m Manager) WorkID() string { return m.reader.work }

// ReaderByMember checks that a member may read a work. Another organization's work is reported as not found.
func (s *Service) ReaderByMember(ctx context.Context, m Member, workID string) (_ Reader, err error) {
	defer operation.Wrap(&err, "look up work %s of an organization", workID)
	return s.ofMember(ctx, m, permission.WorksRead, workID)
}

// ManagerByMember checks that a member may erase a work. Another organization's work is reported as not found.
func (s *Service) ManagerByMember(ctx context.Context, m Member, workID string) (_ Manager, err error) {
	defer operation.Wrap(&err, "look up work %s of an organization", workID)
	r, err := s.ofMember(ctx, m, permission.WorksErase, workID)
	return Manager{r}, err
}

func (s *Service) ofMember(ctx context.Context, m Member, needs permission.Permission, workID string) (Reader, error) {
	if !m.Role.May(needs) {
		return Reader{}, fault.CommonForbidden("role")
	}
	if len(workID) != len("00000000-0000-0000-0000-000000000000") {
		return Reader{}, fault.WorkNotFound()
	}
	w, err := s.DB.Read().GetWork(ctx, workID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (m.Organization == "" || w.OrganizationID != m.Organization) {
		return Reader{}, fault.WorkNotFound()
	} else if err != nil {
		return Reader{}, err
	}
	return Reader{work: w.ID}, nil
}
