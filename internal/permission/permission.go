// Package permission is the table of what an organization's people and API keys may do: each
// role and each scope opens permissions. The console, the management API and the API of works
// ask the same table. It has data only: it does not know who calls, or with which organization.
package permission

import (
	"slices"
	"strings"
)

// Permission is one kind of read or change within one organization.
type Permission string

// The permissions. A permission to change includes the permission to read the same thing.
const (
	WorksRead          Permission = "works.read"          // works, versions, evidence, certificates, transactions
	WorksRegister      Permission = "works.register"      // new works
	WorksUpdate        Permission = "works.update"        // new versions of works
	WorksErase         Permission = "works.erase"         // redaction of personal data, replacement of access codes
	IntegrationRead    Permission = "integration.read"    // key pairs and origins of the widget
	IntegrationManage  Permission = "integration.manage"  // their creation, rotation and removal; the widget on or off
	CreditsRead        Permission = "credits.read"        // the balance, the ledger, holds
	CreditsManage      Permission = "credits.manage"      // the level of the low-balance warning
	KeysRead           Permission = "keys.read"           // API keys, without secrets
	KeysManage         Permission = "keys.manage"         // their creation and revocation
	WebhooksRead       Permission = "webhooks.read"       // endpoints and deliveries
	WebhooksManage     Permission = "webhooks.manage"     // endpoints, secrets, test events, replays
	SettingsRead       Permission = "settings.read"       // the organization's settings
	SettingsManage     Permission = "settings.manage"     // their change
	PeopleRead         Permission = "people.read"         // members and invitations
	PeopleManage       Permission = "people.manage"       // invitations, roles, removal
	AuditRead          Permission = "audit.read"          // the audit log
	OrganizationManage Permission = "organization.manage" // owners: their appointment and removal
)

// Role is what a person is in one organization.
type Role string

// The roles, the most powerful first. Each includes the next one.
const (
	Owner     Role = "owner"
	Admin     Role = "admin"
	Developer Role = "developer"
	Viewer    Role = "viewer"
)

// Roles lists the roles, the most powerful first.
func Roles() []Role { return []Role{Owner, Admin, Developer, Viewer} }

// Scope is what an API key may do.
type Scope string

// The scopes. The first three and keys:manage are the wire contract's.
const (
	ScopeRegister       Scope = "works:register"
	ScopeUpdate         Scope = "works:update"
	ScopeRead           Scope = "works:read"
	ScopeKeys           Scope = "keys:manage"
	ScopeWebhooks       Scope = "webhooks:manage"
	ScopeReadSettings   Scope = "organization:read"
	ScopeManageSettings Scope = "organization:manage"
)

// Scopes lists the scopes in the order of the documents.
func Scopes() []Scope {
	return []Scope{ScopeRegister, ScopeUpdate, ScopeRead, ScopeKeys, ScopeWebhooks, ScopeReadSettings, ScopeManageSettings}
}

var (
	viewer    = []Permission{WorksRead, IntegrationRead, CreditsRead, KeysRead, WebhooksRead, SettingsRead, PeopleRead}
	developer = append(slices.Clip(viewer), WorksRegister, WorksUpdate, IntegrationManage, WebhooksManage)
	admin     = append(slices.Clip(developer), WorksErase, CreditsManage, KeysManage, SettingsManage, PeopleManage, AuditRead)
	owner     = append(slices.Clip(admin), OrganizationManage)

	roles = map[Role][]Permission{Owner: owner, Admin: admin, Developer: developer, Viewer: viewer}

	scopes = map[Scope][]Permission{
		ScopeRegister:       {WorksRegister},
		ScopeUpdate:         {WorksUpdate},
		ScopeRead:           {WorksRead},
		ScopeKeys:           {KeysRead, KeysManage},
		ScopeWebhooks:       {WebhooksRead, WebhooksManage},
		ScopeReadSettings:   {IntegrationRead, CreditsRead, SettingsRead, PeopleRead, AuditRead},
		ScopeManageSettings: {IntegrationRead, IntegrationManage, CreditsRead, CreditsManage, SettingsRead, SettingsManage, PeopleRead, AuditRead, WorksErase},
	}
)

// May reports whether the role has a permission. An unknown role has none.
func (r Role) May(p Permission) bool { return slices.Contains(roles[r], p) }

// Reads reports whether the permission only reads. Members of a suspended organization have no other.
func (p Permission) Reads() bool { return strings.HasSuffix(string(p), ".read") }

// Known reports whether this is a role.
func (r Role) Known() bool { return roles[r] != nil }

// May reports whether the scope has a permission. An unknown scope has none.
func (s Scope) May(p Permission) bool { return slices.Contains(scopes[s], p) }

// TransactionID returns the id of a transaction as a caller with some permissions may see it. The id also
// reads the access code of a new work, for everybody. So a caller who changes neither works nor where
// their events go sees its beginning, which lacks 62 random bits and opens nothing.
func TransactionID(id string, may func(Permission) bool) string {
	if slices.ContainsFunc([]Permission{WorksRegister, WorksUpdate, WorksErase, WebhooksManage}, may) {
		return id
	}
	return id[:min(len(id), 18)]
}

// Known reports whether this is a scope.
func (s Scope) Known() bool { return scopes[s] != nil }

// Opening returns the first scope that has the permission, for refusals; "" if no scope has it.
func Opening(p Permission) Scope {
	for _, s := range Scopes() {
		if s.May(p) {
			return s
		}
	}
	return ""
}
