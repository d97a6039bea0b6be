package access

import (
	"context"
	"database/sql"
	"errors"

	"timbre.example/internal/apikey"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/operation"
	"timbre.example/internal/permission"
	"timbre.example/internal/store/query"
)

// RegisteringByKey checks that a key may register works.
func RegisteringByKey(k apikey.Caller) (_ Registrant, err error) {
	defer operation.Wrap(&err, "check the scope for a registration")
	if err := k.May(permission.WorksRegister); err != nil {
		return Registrant{}, err
	}
	return Registrant{byKey(k)}, nil
}

// ListingByKey checks that a key may list the works of its organization.
func ListingByKey(k apikey.Caller) (_ Lister, err error) {
	defer operation.Wrap(&err, "check the scope for a list")
	if err := k.May(permission.WorksRead); err != nil {
		return Lister{}, err
	}
	return Lister{byKey(k)}, nil
}

// ReaderByKey checks that a key may read the work with this number on a network; "" is any
// network that has it. Another organization's work is reported as not found.
func (s *Service) ReaderByKey(ctx context.Context, k apikey.Caller, n network.Name, atsID int64) (_ Reader, err error) {
	defer operation.Wrap(&err, "look up work %d of an organization", atsID)
	if err := k.May(permission.WorksRead); err != nil {
		return Reader{}, err
	}
	w, err := s.ofOrganization(ctx, k, n, atsID)
	if err != nil {
		return Reader{}, err
	}
	return Reader{w.ID}, nil
}

// ReaderByKeyOfID is ReaderByKey for a work that is named by its id.
func (s *Service) ReaderByKeyOfID(ctx context.Context, k apikey.Caller, workID string) (_ Reader, err error) {
	defer operation.Wrap(&err, "look up work %s of an organization", workID)
	if err := k.May(permission.WorksRead); err != nil {
		return Reader{}, err
	}
	w, err := s.DB.Read().GetWork(ctx, workID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !hasWork(k, w) {
		return Reader{}, fault.WorkNotFound()
	} else if err != nil {
		return Reader{}, err
	}
	return Reader{w.ID}, nil
}

// Updater may update works. The body of its call names the work of a key; the work of a
// session is known before.
type Updater struct {
	editor  Editor
	service *Service
	key     apikey.Caller
	atsID   int64
}

// Updater returns the permission to update the work alone.
func (e Editor) Updater() Updater { return Updater{editor: e} }

// UpdaterByKey checks that a key may update works; atsID is the number in the path of its call.
func (s *Service) UpdaterByKey(k apikey.Caller, atsID int64) (_ Updater, err error) {
	defer operation.Wrap(&err, "check the scope for an update")
	if err := k.May(permission.WorksUpdate); err != nil {
		return Updater{}, err
	}
	return Updater{editor: Editor{caller: byKey(k)}, service: s, key: k, atsID: atsID}, nil
}

// Caller returns who calls.
func (u Updater) Caller() Caller { return u.editor.caller }

// Editor returns the permission to update the work that the body of a key's call names: on the
// network n ("" is any network that has the number), and for the end-user whose work it is.
// Without externalUserRef the call is the organization's own, which has every work. A session
// has named its work already.
func (u Updater) Editor(ctx context.Context, n network.Name, externalUserRef *string) (_ Editor, err error) {
	defer operation.Wrap(&err, "look up work %d of an organization", u.atsID)
	if u.service == nil {
		return u.editor, nil
	}
	w, err := u.service.ofOrganization(ctx, u.key, n, u.atsID)
	if err != nil {
		return Editor{}, err
	}
	if externalUserRef != nil && *externalUserRef != w.ExternalUserRef {
		return Editor{}, fault.CommonForbidden("other_external_user_ref")
	}
	c := u.editor.caller
	c.Network, c.ExternalUserRef = network.Name(w.Network), w.ExternalUserRef
	return Editor{c, w.ID}, nil
}

// ofOrganization reads a work of the key's organization by its number on a network. Without a
// network, the work is found if one network alone has it.
func (s *Service) ofOrganization(ctx context.Context, k apikey.Caller, n network.Name, atsID int64) (found query.Work, err error) {
	if n != "" {
		if !n.Valid() {
			return found, fault.CommonValidationFailed([]fault.Field{{Field: "network", Rule: "one_of", Message: k.Networks().MustBe()}})
		}
		if err := reachable(k, n); err != nil {
			return found, err
		}
	}
	for _, info := range k.Networks() {
		if n != "" && n != info.Name {
			continue
		}
		w, err := s.DB.Read().WorkByAtsID(ctx, query.WorkByAtsIDParams{Network: string(info.Name), AtsID: atsID})
		switch {
		case errors.Is(err, sql.ErrNoRows) || err == nil && (!hasWork(k, w) || w.RedactedAt.Valid):
		case err != nil:
			return found, err
		case found.ID != "":
			return found, fault.CommonValidationFailed([]fault.Field{{Field: "network", Rule: "required", Message: "Several networks have a work with this number. Name the network."}})
		default:
			found = w
		}
	}
	if found.ID == "" {
		return found, fault.WorkNotFound()
	}
	return found, nil
}

// hasWork reports whether a key reaches a work: same organization, made by a key of the same
// kind, on a network that the key reaches.
func hasWork(k apikey.Caller, w query.Work) bool {
	return w.OrganizationID == k.Organization && w.Test == k.Test && k.Networks().Has(network.Name(w.Network))
}
