package manage

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"timbre.example/internal/account"
	"timbre.example/internal/credits"
	"timbre.example/internal/fault"
	"timbre.example/internal/permission"
)

// credits adds the routes of credits. Only the operator grants credits.
func (f *Face) credits() {
	do(f, operation{method: "GET", path: "/credits", id: "credits", summary: "The balance", needs: permission.CreditsRead}, f.balance)
	do(f, operation{method: "GET", path: "/credits/ledger", id: "list-transfers", summary: "The ledger, newest first", needs: permission.CreditsRead}, f.listTransfers)
	do(f, operation{method: "GET", path: "/credits/ledger.csv", id: "export-transfers", summary: "The ledger as CSV, newest first", needs: permission.CreditsRead}, f.exportTransfers)
	do(f, operation{method: "GET", path: "/credits/holds", id: "list-holds", summary: "Credits that running transactions hold, newest first", needs: permission.CreditsRead}, f.listHolds)
	submit(f, operation{method: "PATCH", path: "/credits", id: "change-credits", summary: "Change the level of the low-balance warning", needs: permission.CreditsManage}, f.changeWarning)
}

// wireEstimate says when the credits end if their use stays as it was.
type wireEstimate struct {
	Spent  int64      `json:"spent" doc:"Credits spent in the last days"`
	Days   int        `json:"days" doc:"30, or fewer for a younger ledger"`
	EndsAt *time.Time `json:"ends_at" nullable:"true" doc:"null: nothing was spent, or more than 10 years away"`
}

type balanceOutput struct {
	Body struct {
		Available    int64        `json:"available" doc:"Can be spent"`
		Held         int64        `json:"held" doc:"Reserved for running registrations"`
		Spent        int64        `json:"spent" doc:"Paid for final registrations"`
		Estimate     wireEstimate `json:"estimate"`
		WarningLevel int64        `json:"warning_level" doc:"A warning is sent when a registration takes the balance below this level; 0: no warning"`
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
	e, err := credits.EstimateEnd(c, f.DB.Read(), c.Organization, f.DB.Now())
	if err != nil {
		return nil, err
	}
	out := &balanceOutput{}
	out.Body.Estimate = wireEstimate(e)
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

// TransferFilter are the filters of the ledger. Its name is exported like that of Paging.
type TransferFilter struct {
	Kind          string `query:"kind" doc:"grant, hold, capture or release"`
	TransactionID string `query:"transaction_id" doc:"The transfers of one transaction"`
	Since         string `query:"since" doc:"From this time on"`
	Until         string `query:"until" doc:"Before this time"`
}

func (in TransferFilter) filter(c *Call, bad *fault.Refused) credits.Filter {
	return credits.Filter{
		Shown: c.shown,
		Kind:  in.Kind, TransactionID: in.TransactionID, Since: of(instant(bad, "since", &in.Since)), Until: of(instant(bad, "until", &in.Until)),
	}
}

type transfersInput struct {
	Paging
	TransferFilter
}

type transfersOutput struct {
	Body struct {
		Transfers []credits.Transfer `json:"transfers"`
		PageInfo  wirePage           `json:"page_info"`
	}
}

func (f *Face) listTransfers(c *Call, in *transfersInput) (*transfersOutput, error) {
	var bad fault.Refused
	first, after, filter := in.first(&bad), cursor(&bad, in.After), in.filter(c, &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	list, next, err := credits.Ledger(c, f.DB.Read(), c.Organization, filter, after, first)
	if err != nil {
		return nil, err
	}
	out := &transfersOutput{}
	out.Body.Transfers, out.Body.PageInfo = append([]credits.Transfer{}, list...), pageOf(next != "", next)
	return out, nil
}

type exportTransfersInput struct {
	TransferFilter
}

// exportTransfers writes a file while it reads it. An error before the first line is a
// refusal. A later one breaks the connection: a short file would look complete.
func (f *Face) exportTransfers(c *Call, in *exportTransfersInput) (*huma.StreamResponse, error) {
	var bad fault.Refused
	filter := in.filter(c, &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if _, _, err := credits.Ledger(c, f.DB.Read(), c.Organization, filter, "", 1); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "text/csv; charset=utf-8")
		ctx.SetHeader("Content-Disposition", `attachment; filename="credits.csv"`)
		ctx.SetStatus(http.StatusOK)
		if err := credits.WriteCSV(c, ctx.BodyWriter(), f.DB.Read(), c.Organization, filter); err != nil {
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

type holdsInput struct {
	Paging
}

type holdsOutput struct {
	Body struct {
		Holds    []credits.Held `json:"holds"`
		PageInfo wirePage       `json:"page_info"`
	}
}

func (f *Face) listHolds(c *Call, in *holdsInput) (*holdsOutput, error) {
	var bad fault.Refused
	first, after := in.first(&bad), cursor(&bad, in.After)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	list, next, err := credits.Holds(c, f.DB.Read(), c.Organization, after, first, c.shown)
	if err != nil {
		return nil, err
	}
	out := &holdsOutput{}
	out.Body.Holds, out.Body.PageInfo = append([]credits.Held{}, list...), pageOf(next != "", next)
	return out, nil
}
