package manage

import (
	"time"

	"timbre.example/internal/fault"
	"timbre.example/internal/people"
	"timbre.example/internal/permission"
)

// members adds the list of members, where the process has them. Members are invited and
// removed in the console: these changes need a person.
func (f *Face) members() {
	if f.People == nil {
		return
	}
	do(f, operation{method: "GET", path: "/members", id: "list-members", summary: "Members, by e-mail address", needs: permission.PeopleRead}, f.listMembers)
}

type membersInput struct {
	Paging
	Search string `query:"search" doc:"A part of the e-mail address or of the name"`
}

type wireMember struct {
	ID           string          `json:"id" format:"uuid"`
	Email        string          `json:"email"`
	Name         string          `json:"name"`
	Role         permission.Role `json:"role" doc:"owner, admin, developer or viewer"`
	SecondFactor bool            `json:"second_factor"`
	Since        time.Time       `json:"since"`
}

type membersOutput struct {
	Body struct {
		Members  []wireMember `json:"members"`
		PageInfo wirePage     `json:"page_info"`
	}
}

func (f *Face) listMembers(c *Call, in *membersInput) (*membersOutput, error) {
	var bad fault.Refused
	first, after, search := in.first(&bad), text(&bad, "after", in.After), text(&bad, "search", in.Search)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	list, err := f.People.Members(c, c.Organization, people.Part{Search: search, After: after, Most: first + 1})
	if err != nil {
		return nil, err
	}
	out := &membersOutput{}
	out.Body.Members = []wireMember{}
	for _, m := range list[:min(first, len(list))] {
		out.Body.Members = append(out.Body.Members, wireMember{ID: m.PersonID, Email: m.Email, Name: m.Name, Role: m.Role, SecondFactor: m.Guarded, Since: m.Since})
	}
	if n := len(out.Body.Members); n > 0 {
		out.Body.PageInfo = pageOf(len(list) > first, out.Body.Members[n-1].Email)
	}
	return out, nil
}
