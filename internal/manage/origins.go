package manage

import (
	"strings"

	"timbre.example/internal/account"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
)

// origins adds the routes of the allowlist. An origin contains slashes, so a removal names
// it in the query.
func (f *Face) origins() {
	do(f, operation{method: "GET", path: "/origins", id: "list-origins", summary: "Allowed origins, in the order of their texts", needs: permission.IntegrationRead}, f.listOrigins)
	submit(f, operation{method: "POST", path: "/origins", id: "add-origin", summary: "Allow an origin", needs: permission.IntegrationManage, status: 201}, f.addOrigin)
	do(f, operation{method: "DELETE", path: "/origins", id: "remove-origin", summary: "Remove an origin from the allowlist", needs: permission.IntegrationManage}, f.removeOrigin)
}

type listOriginsInput struct {
	Paging
	Search string `query:"search" doc:"A part of the origin"`
}

type originsOutput struct {
	Body struct {
		Origins  []account.Origin `json:"origins"`
		PageInfo wirePage         `json:"page_info"`
	}
}

func (f *Face) listOrigins(c *Call, in *listOriginsInput) (*originsOutput, error) {
	var bad fault.Refused
	first := in.first(&bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	all, err := account.ListOrigins(c, f.DB, c.Organization)
	if err != nil {
		return nil, err
	}
	out := &originsOutput{}
	out.Body.Origins = []account.Origin{}
	// The list is bounded, so a page is a part of what one read returns.
	for _, o := range all {
		if o.Origin <= in.After && in.After != "" || !strings.Contains(o.Origin, strings.ToLower(in.Search)) {
			continue
		}
		if len(out.Body.Origins) == first {
			out.Body.PageInfo.HasNextPage = true
			break
		}
		out.Body.Origins = append(out.Body.Origins, o)
	}
	if n := len(out.Body.Origins); n > 0 {
		out.Body.PageInfo.EndCursor = &out.Body.Origins[n-1].Origin
	}
	return out, nil
}

type originInput struct {
	Body struct {
		Origin string `json:"origin" required:"false" doc:"[scheme://]host[:port]; *.host is every host below it, and :* every port"`
	}
}

type originOutput struct {
	Body struct {
		Origin string `json:"origin" doc:"As it is stored: an international name as punycode"`
	}
}

func (f *Face) addOrigin(c *Call, in *originInput) (*originOutput, error) {
	canonical, err := account.AddOrigin(c, f.DB, c.Actor, c.Organization, in.Body.Origin)
	if err != nil {
		return nil, err
	}
	out := &originOutput{}
	out.Body.Origin = canonical
	return out, nil
}

type removeOriginInput struct {
	Origin string `query:"origin" doc:"The origin, as it is stored"`
}

func (f *Face) removeOrigin(c *Call, in *removeOriginInput) (*originOutput, error) {
	if err := account.RemoveOrigin(c, f.DB, c.Actor, c.Organization, in.Origin); err != nil {
		return nil, err
	}
	out := &originOutput{}
	out.Body.Origin = in.Origin
	return out, nil
}
