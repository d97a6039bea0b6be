package manage

import (
	"slices"
	"time"

	"timbre.example/internal/audit"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
)

// auditLog adds the route of the audit log.
func (f *Face) auditLog() {
	do(f, operation{method: "GET", path: "/audit", id: "audit-log", summary: "The audit log, newest first", needs: permission.AuditRead}, f.listAudit)
}

type auditInput struct {
	Paging
	ActorKind string `query:"actor_kind" doc:"person, api_key, operator or system"`
	ActorID   string `query:"actor_id" doc:"The id of a person or an API key"`
	Action    string `query:"action" doc:"Such as origin.added"`
	Subject   string `query:"subject" doc:"An id, a site key or an origin"`
	Since     string `query:"since" doc:"From this time on"`
	Until     string `query:"until" doc:"Before this time"`
	Search    string `query:"search" doc:"A part of the action, the subject, the actor, the request id or a changed value"`
}

type auditOutput struct {
	Body struct {
		Entries  []audit.Entry `json:"entries"`
		PageInfo wirePage      `json:"page_info"`
	}
}

func (f *Face) listAudit(c *Call, in *auditInput) (*auditOutput, error) {
	var bad fault.Refused
	first, after := in.first(&bad), cursor(&bad, in.After)
	since, until := instant(&bad, "since", &in.Since), instant(&bad, "until", &in.Until)
	if in.ActorKind != "" && !slices.Contains(audit.Kinds(), audit.Kind(in.ActorKind)) {
		bad.Refuse("actor_kind", "one_of", "Must be person, api_key, operator or system.")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	page, err := audit.List(c, f.DB, audit.Filter{
		Organization: c.Organization, ActorKind: audit.Kind(in.ActorKind), ActorID: in.ActorID, Action: in.Action, Subject: in.Subject,
		Since: of[time.Time](since), Until: of[time.Time](until), Text: in.Search,
	}, after, first)
	if err != nil {
		return nil, err
	}
	out := &auditOutput{}
	out.Body.Entries = append([]audit.Entry{}, page.Entries...)
	out.Body.PageInfo = pageOf(page.Next != "", page.Next)
	return out, nil
}
