package client

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// operation is a call of the server's description (/openapi.json). A test compares the operations, and the members of their
// bodies, with the part of the description in testdata/openapi.json.
type operation struct {
	method, path string // the path as the description writes it
	in, out      any    // of the type of the bodies; nil: none, or not read as JSON
	query        []string
}

func (o operation) name() string { return o.method + " " + o.path }

// fill replaces the parameters of the path.
func (o operation) fill(values []any) string {
	path := o.path
	for _, v := range values {
		before, rest, _ := strings.Cut(path, "{")
		_, after, _ := strings.Cut(rest, "}")
		path = before + url.PathEscape(fmt.Sprint(v)) + after
	}
	return path
}

var (
	opMint     = operation{"POST", "/v1/sessions", mintBody{}, Session{}, nil}
	opRevoke   = operation{"POST", "/v1/sessions/revoke", revokeBody{}, revoked{}, nil}
	opStats    = operation{"GET", "/v1/stats", nil, stats{}, nil}
	opFollow   = operation{"GET", "/v1/transactions/{id}", nil, transaction{}, nil}
	opEvents   = operation{"GET", "/v1/transactions/{id}/events", nil, nil, nil}
	opWorks    = operation{"GET", "/v1/works", nil, worksPage{}, []string{"network", "first", "after", "search", "external_user_ref"}}
	opWork     = operation{"GET", "/v1/works/{id}", nil, Work{}, []string{"network"}}
	opCreators = operation{"GET", "/v1/works/{id}/versions/{v}/creators", nil, creators{}, []string{"network"}}
	opVersions = operation{"GET", "/v1/works/{id}/versions", nil, versions{}, []string{"network"}}
	opEvidence = operation{"GET", "/v1/works/{id}/evidence", nil, nil, []string{"network", "version"}}
	opDownload = operation{"GET", "/v1/works/{id}/versions/{v}/download/{what}", nil, download{}, nil}

	registering = steps{
		init:     operation{"POST", "/v1/works/init", initBody{}, slot{}, nil},
		upload:   operation{"POST", "/v1/works/upload", jobBody{}, slot{}, nil},
		parts:    operation{"POST", "/v1/works/parts", partsBody{}, parts{}, nil},
		complete: operation{"POST", "/v1/works/parts/complete", jobBody{}, nil, nil},
		prepare:  operation{"POST", "/v1/works/prepare", jobBody{}, Quote{}, nil},
		confirm:  operation{"POST", "/v1/works/confirm", jobBody{}, confirmed{}, nil},
	}
	updating = steps{
		init:       operation{"POST", "/v1/works/{id}/versions/init", initVersionBody{}, slotJob{}, nil},
		initUpload: operation{"POST", "/v1/works/{id}/versions/init-upload", initVersionUploadBody{}, slot{}, nil},
		upload:     operation{"POST", "/v1/works/{id}/versions/upload", jobBody{}, slot{}, nil},
		parts:      operation{"POST", "/v1/works/{id}/versions/parts", partsBody{}, parts{}, nil},
		complete:   operation{"POST", "/v1/works/{id}/versions/parts/complete", jobBody{}, nil, nil},
		prepare:    operation{"POST", "/v1/works/{id}/versions/prepare", jobBody{}, Quote{}, nil},
		confirm:    operation{"POST", "/v1/works/{id}/versions/confirm", jobBody{}, confirmed{}, nil},
	}
)

// steps are the calls of a registration, or of an update.
type steps struct{ init, initUpload, upload, parts, complete, prepare, confirm operation }

type wireCreator struct {
	FullName string          `json:"full_name"`
	Email    string          `json:"email"`
	Roles    map[string]bool `json:"roles"`
	IPI      string          `json:"ipi,omitempty"`
	ISNI     string          `json:"isni,omitempty"`
}

type mintBody struct {
	SecretKey       string `json:"secret_key"`
	ActionType      string `json:"action_type"`
	AllowedNetwork  string `json:"allowed_network"`
	AllowedAtsID    int64  `json:"allowed_ats_id,omitempty"`
	ExternalUserRef string `json:"external_user_ref,omitempty"`
	MaxFileSize     int64  `json:"max_file_size_bytes,omitempty"`
	AssetStorage    string `json:"asset_storage,omitempty"`
	Rehearse        string `json:"rehearse,omitempty"`
}

type revokeBody struct {
	SecretKey string `json:"secret_key"`
	Revoke
}

type revoked struct {
	Revoked int `json:"revoked"`
}

type initBody struct {
	Title           string        `json:"title"`
	Creators        []wireCreator `json:"creators"`
	Filename        string        `json:"filename"`
	Network         string        `json:"network"`
	ExternalUserRef string        `json:"external_user_ref,omitempty"`
	SizeBytes       int64         `json:"size_bytes"`
	MediaSHA256     string        `json:"media_sha256"`
	AssetStorage    string        `json:"asset_storage,omitempty"`
	Rehearse        string        `json:"rehearse,omitempty"`
}

type initVersionBody struct {
	Creators        []wireCreator `json:"creators"`
	Network         string        `json:"network,omitempty"`
	ExternalUserRef string        `json:"external_user_ref,omitempty"`
	Rehearse        string        `json:"rehearse,omitempty"`
}

type initVersionUploadBody struct {
	initVersionBody
	Filename     string `json:"filename"`
	SizeBytes    int64  `json:"size_bytes"`
	MediaSHA256  string `json:"media_sha256"`
	AssetStorage string `json:"asset_storage,omitempty"`
}

type jobBody struct {
	JobID           string `json:"job_id"`
	Network         string `json:"network,omitempty"` // of an update, as the next one
	ExternalUserRef string `json:"external_user_ref,omitempty"`
}

type partsBody struct {
	jobBody
	SizeBytes int64 `json:"size_bytes,omitempty"`
	Numbers   []int `json:"numbers,omitempty"`
}

type slotJob struct {
	JobID string `json:"job_id"`
}

type slot struct {
	JobID     string `json:"job_id"`
	Upload    string `json:"upload"`
	UploadURL string `json:"upload_url"`
}

type parts struct {
	PartBytes int64        `json:"part_size_bytes"`
	Count     int          `json:"part_count"`
	Complete  bool         `json:"complete"`
	Stored    []storedPart `json:"stored"`
	URLs      []partURL    `json:"urls"`
}

type storedPart struct {
	Number int `json:"number"`
}

type partURL struct {
	Number int    `json:"number"`
	Size   int64  `json:"size_bytes"`
	URL    string `json:"url"`
}

type confirmed struct {
	TransactionID string `json:"transaction_id"`
	AccessCode    string `json:"access_code"`
}

type stats struct {
	Upload    string `json:"upload"`
	PartsFrom int64  `json:"parts_from_bytes"`
}

// transaction is the state of a confirmed registration. A result is that of a success or of a failure.
type transaction struct {
	CurrentStep string `json:"current_step"`
	Progress    int    `json:"progress"`
	IsComplete  bool   `json:"is_complete"`
	Result      *struct {
		Success bool `json:"success"`
		Result
		Error        string         `json:"error"`
		ErrorCode    Code           `json:"error_code"`
		ErrorDetails map[string]any `json:"error_details"`
		RequestID    string         `json:"request_id"`
	} `json:"result"`
}

type worksPage struct {
	Works    []Work `json:"works"`
	PageInfo struct {
		HasNextPage bool    `json:"has_next_page"`
		EndCursor   *string `json:"end_cursor"`
	} `json:"page_info"`
}

type versions struct {
	Versions []Version `json:"versions"`
}

type creators struct {
	Creators []Creator `json:"creators"`
}

type download struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}
