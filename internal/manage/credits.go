package manage

import (
	"timbre.example/internal/account"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
)

// credits adds the routes of credits. Only the operator grants credits.
func (f *Face) credits() {
	do(f, operation{method: "GET", path: "/credits", id: "credits", summary: "The balance", needs: permission.CreditsRead}, f.balance)
	submit(f, operation{method: "PATCH", path: "/credits", id: "change-credits", summary: "Change the level of the low-balance warning", needs: permission.CreditsManage}, f.changeWarning)
}

type balanceOutput struct {
	Body struct {
		Available    int64 `json:"available" doc:"Can be spent"`
		Held         int64 `json:"held" doc:"Reserved for running registrations"`
		Spent        int64 `json:"spent" doc:"Paid for final registrations"`
		WarningLevel int64 `json:"warning_level" doc:"A warning is sent when a registration takes the balance below this level; 0: no warning"`
	}
}

func (f *Face) balance(c *Call, _ *struct{}) (*balanceOutput, error) {
	o, err := account.GetOrganization(c, f.DB, c.Organization)
	if err != nil {
		return nil, err
	}
	b, err := credits.Of(c, f.DB.Read(), c.Organization)
	if err != nil {
		return nil, err
	}
	out := &balanceOutput{}
	out.Body.Available, out.Body.Held, out.Body.Spent, out.Body.WarningLevel = b.Available, b.Held, b.Spent, o.LowCredits
	return out, nil
}

type changeWarningInput struct {
	Body struct {
		WarningLevel *int64 `json:"warning_level" required:"false" doc:"Credits; 0: no warning"`
	}
}

func (f *Face) changeWarning(c *Call, in *changeWarningInput) (*balanceOutput, error) {
	if in.Body.WarningLevel == nil {
		return nil, fault.CommonValidationFailed([]fault.Field{{Field: "warning_level", Rule: "required", Message: "This is required."}})
	}
	if _, err := account.ChangeOrganization(c, f.DB, c.Actor, c.Organization, 0, func(o *account.Organization) { o.LowCredits = *in.Body.WarningLevel }); err != nil {
		return nil, err
	}
	return f.balance(c, nil)
}
