package openapi

import "github.com/danielgtaylor/huma/v2"

const intro = `Timbre registers songs: it anchors a commitment to a recording and its creators, and keeps the proof.

All bodies are JSON in UTF-8. Times are RFC 3339 in UTC, sizes are bytes, hashes are ` + "`0x`" + ` and 64 hex digits, and credits are whole numbers.
Every answer has the header ` + "`X-Request-Id`" + `. Every refusal has the same envelope with one code of the error catalogue.
Each operation lists the codes that it can answer. A newer server may have more codes: a client treats an unknown code by its HTTP status.`

// The tags of operations.
const (
	Sessions     = "Sessions"
	Works        = "Works"
	Versions     = "Versions"
	AccessCodes  = "Access codes"
	Transactions = "Transactions"
	Organization = "Organization"
	Webhooks     = "Webhooks"
	Server       = "Server"
)

// Tags are the groups of operations, in the order of the reference.
var Tags = []*huma.Tag{
	{Name: Sessions, Description: "A host's backend mints sessions for the browsers of its end-users, and ends them."},
	{Name: Works, Description: "Calls that register a work, and read works."},
	{Name: Versions, Description: "Calls that add a version to a work."},
	{Name: AccessCodes, Description: "Calls by the holder of an access code: the code opens one work."},
	{Name: Transactions, Description: "The progress of a registration. The transaction's id is the permission."},
	{Name: Organization, Description: "An organization manages itself: API keys, key pairs, origins, settings, credits and the audit log."},
	{Name: Webhooks, Description: "Endpoints of webhooks, their deliveries, and replays."},
	{Name: Server, Description: "The server itself: its numbers, health, keys and this description."},
}

// exampleID is the request id of all examples. It belongs to no request.
const exampleID = "req_01J9Z3NDEKTSV4RRFFQ69G5FAV"

// usual are the examples of parameters that many operations have.
var usual = map[string]any{
	"org": "0190a0e6-2f5c-7000-8000-000000000001", "first": 20, "after": "0190a0e6-2f5c-7000-8000-00000000d001",
	"Idempotency-Key": "import-2026-03-01-0042", "Accept-Language": "fr",
	"network": "mainnet", "external_user_ref": "user-7",
}

const requestID = "^req_[0-9A-HJKMNP-TV-Z]{26}$"

// headers are the documented headers of answers.
func headers() map[string]*huma.Header {
	text := func(description, example string) *huma.Header {
		return &huma.Header{Description: description, Schema: &huma.Schema{Type: huma.TypeString}, Example: example}
	}
	out := map[string]*huma.Header{
		"X-Request-Id":                  text("The id of this call, for the operator and the log", exampleID),
		"Content-Disposition":           text("The name of the file for browsers that save it", `attachment; filename="credits.csv"`),
		"X-Content-Type-Options":        text("The body is only what Content-Type says", "nosniff"),
		"Cache-Control":                 text("Whether caches may store the answer", "no-store"),
		"Retry-After":                   {Description: "Whole seconds until another try is useful", Schema: &huma.Schema{Type: huma.TypeInteger, Minimum: number(1), Maximum: number(60)}, Example: 2},
		"RateLimit":                     text("The rest of a budget of calls: r, the remaining calls, and t, the seconds until there are more (draft-ietf-httpapi-ratelimit-headers)", `"address";r=99;t=1`),
		"RateLimit-Policy":              text("The budget of calls: q calls in w seconds", `"address";q=100;w=60`),
		"Link":                          text("The explanation of the code, with rel=\"help\"", `<https://timbre.example/docs/errors#common.not_found>; rel="help"`),
		"Vary":                          text("The request headers that change the answer", "Origin"),
		"Access-Control-Allow-Origin":   text("The origin of the page that may read the answer", "https://www.your-domain.example"),
		"Access-Control-Expose-Headers": text("The headers that the page may read", "Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"),
		"Idempotent-Replayed":           text("true: the answer is that of an earlier call with the same Idempotency-Key", "true"),
		"X-Accel-Buffering":             text("no: proxies pass each event at once", "no"),
		"ETag":                          text("Names this form of the answer; of settings, the revision for If-Match", `"4"`),
		"Connection":                    text("close: the server did not read the rest of the request", "close"),
	}
	out["X-Request-Id"].Required, out["X-Request-Id"].Schema.Pattern = true, requestID
	return out
}

func number(n float64) *float64 { return &n }
