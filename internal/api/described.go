package api

import (
	"maps"
	"slices"

	"timbre.example/internal/fault"
	"timbre.example/internal/openapi"
)

// This file is the part of the API's description that types cannot tell. Each operation has
// the codes that its handler and the packages below can answer. The tests compare both with the answers that they receive.

// codes joins lists of codes.
func codes(lists ...[]fault.Code) []fault.Code { return slices.Concat(lists...) }

// The refusals that several operations share.
var (
	mintCodes = []fault.Code{fault.CodeCommonAuthInvalidAPIKey, fault.CodeOrganizationNoIntegration, fault.CodeSessionRateLimited}
	jobCodes  = []fault.Code{fault.CodeTransactionNotFound, fault.CodeTransactionAlreadyConfirmed, fault.CodeTransactionExpired}
	readFile  = []fault.Code{
		fault.CodeRegistrationUploadMissing, fault.CodeRegistrationAudioEmpty, fault.CodeRegistrationInvalidAudioFormat, fault.CodeRegistrationAudioTooLarge,
		fault.CodeRegistrationDryRunFailed, fault.CodeWorkAlreadyRegistered,
	}
	accept      = []fault.Code{fault.CodeRegistrationUploadMissing, fault.CodeWorkAlreadyRegistered, fault.CodeRegistrationInsufficientCredits, fault.CodeCommonQuotaExceeded}
	codeCodes   = []fault.Code{fault.CodeAccessCodeFormatInvalid, fault.CodeAccessCodeNotFound, fault.CodeAccessCodeExpired}
	ownCodes    = []fault.Code{fault.CodeCommonForbidden, fault.CodeWorkNotFound}
	beginUpdate = []fault.Code{fault.CodeVersionAlreadyInProgress, fault.CodeCommonQuotaExceeded}
	announce    = []fault.Code{fault.CodeRegistrationAudioTooLarge, fault.CodeRegistrationAudioEmpty, fault.CodeWorkAlreadyRegistered}
	fileCodes   = []fault.Code{fault.CodeCommonNotFound, fault.CodeWorkNotFound, fault.CodeWorkCertificateUnavailable}
)

// The values of the examples, which tell one story.
const (
	exampleJob         = "0190a0e6-2f5c-7000-8000-00000000a001"
	exampleWorkID      = "0190a0e6-2f5c-7000-8000-00000000b001"
	exampleTransaction = "0190a0e6-2f5c-7000-8000-00000000c001"
	exampleCode        = "atc_5f0c1e8a9d3b7c264e1f0a8b5d7c9e3f2a6b4c8d0e1f3a5b7c9d2e4f6a8b0c1d"
	hash               = "0x9b1c7f3e5a2d4860b1c7f3e5a2d4860f9b1c7f3e5a2d4860b1c7f3e5a2d4860f"

	exampleCreatorsIn  = `[{"full_name":"Ada Example","email":"ada@songs.example","roles":{"author":true,"composer":true},"isni":"0000000121032683"}]`
	exampleCreatorsOut = `[{"full_name":"Ada Example","email":"ada@songs.example","roles":["author","composer"],"isni":"0000000121032683"}]`
	exampleJobBody     = `{"job_id":"` + exampleJob + `"}`
	exampleSlot        = `{"job_id":"` + exampleJob + `","upload_url":"https://timbre.example/blob/uploads/0190a0e6?expires=1772367000&sig=5f0c1e8a","upload_expires_at":"2026-03-01T12:10:00Z"}`
	exampleQuoted      = `"job_id":"` + exampleJob + `","work_id":"` + exampleWorkID + `","commitment":"` + hash + `","network_fee_credits":12,"total_deposit_credits":70,"service_fee_credits":5,"storage_fee_credits":0,"total_price_credits":87,"is_valid":true,"expires_at":"2026-03-01T12:15:00Z","media_hash":"` + hash + `","size_bytes":5242880,"format":"FLAC","duration_seconds":214.5,"sample_rate":44100`
	exampleConfirmed   = `"transaction_id":"` + exampleTransaction + `","ws_url":"/v1/ws/transactions/` + exampleTransaction + `","status_url":"/v1/transactions/` + exampleTransaction + `"`
	exampleVersion     = `{"version":1,"commitment":"` + hash + `","asset_filename":"porch-light.flac","registered_at_block":41,"registered_at":"2026-03-01T12:11:30Z","media_hash":"` + hash + `","merkle_root":"` + hash + `","block_hash":"` + hash + `","tx_hash":"` + hash + `","fee_credits":87,"storage_fee_credits":0}`
	exampleWork        = `{"id":"` + exampleWorkID + `","ats_id":4201,"network":"mainnet","owner":"timbre.example/log/mainnet","title":"Porch Light","asset_filename":"porch-light.flac","has_files":true,"latest_version":1,"latest_commitment":"` + hash + `","created_at":"2026-03-01T12:11:30Z","latest_version_at":"2026-03-01T12:11:30Z","updated_at":"2026-03-01T12:11:30Z","external_user_ref":"user-7","versions":[` + exampleVersion + `]}`
	exampleDownload    = `{"url":"https://timbre.example/blob/certificates/0190a0e6?expires=1772367000&sig=5f0c1e8a","expires_at":"2026-03-01T12:20:00Z"}`
	exampleEnded       = `{"id":"` + exampleTransaction + `","transaction_type":"register","current_step":"completed","progress":100,"description":"Registered.","is_complete":true,"result":{"success":true,"tx_hash":"` + hash + `","block_number":41,"block_hash":"` + hash + `","registered_at":"2026-03-01T12:11:30Z","ats_id":4201,"work_id":"` + exampleWorkID + `","explorer_url":"https://timbre.example/explorer/mainnet/tx/` + hash + `","work_url":"https://timbre.example/w/mainnet/4201"},"steps":[{"step":"completed","progress":100,"description":"Registered.","timestamp":"2026-03-01T12:11:30Z"}],"created_at":"2026-03-01T12:11:29Z","updated_at":"2026-03-01T12:11:30Z"}`
)

const (
	exampleUpload     = `{"creators":` + exampleCreatorsIn + `,"filename":"porch-light-remix.flac","size_bytes":5242880}`
	exampleQuote      = `{` + exampleQuoted + `}`
	exampleQuoteAgain = `{` + exampleQuoted + `,"version_deposit_credits":70}`
	exampleCreators   = `{"ats_id":4201,"version":1,"creators":` + exampleCreatorsOut + `}`
)

// The calls of an upload in parts.
const (
	partsText        = "Begins the upload of a large file in parts, or continues it. The answer has the parts that the store has, and the URLs that `numbers` asks for. A client sends each part to its URL with PUT, in any order."
	completeText     = "Makes one file of the parts. The server checks the size of each part. A repeated call is answered in the same way."
	abortText        = "Removes the parts. The job can then take another file. A repeated call is answered in the same way."
	exampleParts     = `{"job_id":"` + exampleJob + `","size_bytes":20000000,"numbers":[3]}`
	examplePartSlots = `{"job_id":"` + exampleJob + `","size_bytes":20000000,"part_size_bytes":8388608,"part_count":3,"complete":false,"stored":[{"number":1,"size_bytes":8388608},{"number":2,"size_bytes":8388608}],"urls":[{"number":3,"size_bytes":3222784,"url":"https://timbre.example/blob/uploads/0190a0e6?expires=1772367000&part=3&sig=5f0c1e8a"}],"urls_expire_at":"2026-03-01T12:10:00Z"}`
	exampleCompleted = `{"job_id":"` + exampleJob + `","size_bytes":20000000}`
)

var partCodes = []fault.Code{fault.CodeRegistrationUploadMissing, fault.CodeRegistrationAudioTooLarge, fault.CodeCommonRateLimited}

// with joins the examples of parameters.
func with(lists ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, one := range lists {
		maps.Copy(out, one)
	}
	return out
}

var (
	byCode   = map[string]any{"code": exampleCode}
	byNumber = map[string]any{"id": 4201}
	byID     = map[string]any{"id": exampleWorkID, "what": "certificate", "transaction": exampleTransaction}
	ofOne    = map[string]any{"v": 1}
	inFrench = map[string]any{"Accept-Language": "fr"}
	followed = map[string]any{"id": exampleTransaction}
)

// updates describes the calls that add a version, which exist by access code and by number.
func updates(name string, params map[string]any, proof []fault.Code) map[string]openapi.Description {
	return map[string]openapi.Description{
		"init-" + name: {
			Tag: openapi.Versions, Text: "Begins a version with other creators. The recording stays. `creators` has all creators, not only the changed ones.",
			Codes: codes(proof, beginUpdate), Parameters: with(params, inFrench), Request: `{"creators":` + exampleCreatorsIn + `}`, Response: exampleJobBody,
		},
		"init-" + name + "-upload": {
			Tag: openapi.Versions, Text: "Begins a version with a new recording. The client uploads the file to `upload_url` with PUT, and then calls prepare.",
			Codes: codes(proof, beginUpdate, announce), Parameters: with(params, inFrench), Request: exampleUpload, Response: exampleSlot,
		},
		"renew-" + name + "-upload": {
			Tag: openapi.Versions, Text: "Gives another upload URL for a job that was not confirmed.",
			Codes: codes(proof, jobCodes), Parameters: params, Request: exampleJobBody, Response: exampleSlot,
		},
		"parts-" + name: {
			Tag: openapi.Versions, Text: partsText, Codes: codes(proof, jobCodes, partCodes), Parameters: params, Request: exampleParts, Response: examplePartSlots,
		},
		"complete-parts-" + name: {
			Tag: openapi.Versions, Text: completeText, Codes: codes(proof, jobCodes, partCodes), Parameters: params, Request: exampleJobBody, Response: exampleCompleted,
		},
		"abort-parts-" + name: {
			Tag: openapi.Versions, Text: abortText, Codes: codes(proof, jobCodes), Parameters: params, Request: exampleJobBody, Response: exampleJobBody,
		},
		"prepare-" + name: {
			Tag: openapi.Versions, Text: "Reads the uploaded file, if there is one, and quotes the price. A repeated call renews the quote.",
			Codes: codes(proof, jobCodes, readFile), Parameters: params, Request: exampleJobBody, Response: exampleQuoteAgain,
		},
		"confirm-" + name: {
			Tag: openapi.Versions, Text: "Accepts the quote and holds its credits. The server completes the version by itself.",
			Codes: codes(proof, jobCodes, accept, []fault.Code{fault.CodeVersionAlreadyInProgress}), Parameters: params, Request: exampleJobBody, Response: `{` + exampleConfirmed + `}`,
		},
	}
}

// operations has the description of each operation.
var operations = func() map[string]openapi.Description {
	all := map[string]openapi.Description{
		"mint-session": {
			Tag:        openapi.Sessions,
			Text:       "The host's backend exchanges its secret key for a token for the browser of one end-user. Unknown members are refused: a misspelled restriction would not restrict anything. The answer has no CORS headers.",
			Codes:      codes(mintCodes, []fault.Code{fault.CodeOrganizationInactive, fault.CodeSessionKeyInactive, fault.CodeSessionWidgetNotEnabled, fault.CodeSessionOriginNotAllowed, fault.CodeSessionInvalidExternalUserRef, fault.CodeRegistrationInsufficientCredits}),
			Parameters: map[string]any{"Origin": "https://www.your-domain.example"},
			Request:    `{"secret_key":"csk_0000000000000000000000000000000000000000000000000000000000000000","action_type":"register","allowed_network":"testnet","external_user_ref":"user-7"}`,
			Response:   `{"token":"eyJhbGciOiJFZERTQSJ9.eyJqdGkiOiIwMTkwYTBlNiJ9.c2lnbmF0dXJl","expires_in":300}`,
		},
		"revoke-sessions": {
			Tag: openapi.Sessions, Text: "The host's backend ends one session, or all sessions of an end-user, from the next call on.", Codes: mintCodes,
			Request: `{"secret_key":"csk_0000000000000000000000000000000000000000000000000000000000000000","external_user_ref":"user-7"}`, Response: `{"revoked":2}`,
		},
		"stats": {
			Tag: openapi.Server, Text: "The number of works on a network, and what the server accepts. No permission is needed.",
			Parameters: map[string]any{"network": "testnet"}, Response: `{"total_works":128,"max_audio_size_bytes":524288000,"supported_formats":["WAV","AIFF","FLAC","MP3"],"upload":"multipart","parts_from_bytes":33554432}`,
		},
		"transaction": {
			Tag: openapi.Transactions, Text: "Reads the steps of a transaction, and its result after its end. The id is the permission.",
			Codes: []fault.Code{fault.CodeTransactionNotFound, fault.CodeTransactionStoreUnavailable}, Parameters: followed, Response: exampleEnded,
		},
		"follow-socket": {
			Tag: openapi.Transactions, Text: "Follows a transaction over a WebSocket. Every past and future step is an `update` frame, and a failure is an `error` frame. The server closes the socket cleanly only after the last step.",
			Codes: []fault.Code{fault.CodeTransactionNotFound, fault.CodeTransactionStoreUnavailable, fault.CodeCommonRateLimited}, Parameters: followed,
		},
		"follow-events": {
			Tag: openapi.Transactions, Text: "Follows a transaction by server-sent events: `update`, and then `completed` or `error`. An unknown transaction is an `error` event of a 200, because an EventSource reads no other answer.",
			Codes: []fault.Code{fault.CodeCommonRateLimited}, Parameters: with(followed, map[string]any{"Last-Event-ID": 3}), Headers: []string{"X-Accel-Buffering"},
		},
		"jwks": {
			Tag: openapi.Server, Text: "The public keys that verify session tokens (EdDSA).", Headers: []string{"Cache-Control"},
			Response: `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-03","use":"sig","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		},

		"init-work": {
			Tag:   openapi.Works,
			Text:  "Begins a registration. The client uploads the file to `upload_url` with PUT, and then calls prepare. A refused call does not use up the token. Texts are trimmed.",
			Codes: codes(announce, []fault.Code{fault.CodeCommonForbidden, fault.CodeSessionInvalidExternalUserRef, fault.CodeRegistrationDuplicateTitle, fault.CodeCommonQuotaExceeded}), Parameters: inFrench,
			Request: `{"title":"Porch Light","creators":` + exampleCreatorsIn + `,"filename":"porch-light.flac","network":"mainnet","size_bytes":5242880}`, Response: exampleSlot,
		},
		"renew-upload": {
			Tag: openapi.Works, Text: "Gives another upload URL for a job that was not confirmed.", Codes: jobCodes, Request: exampleJobBody, Response: exampleSlot,
		},
		"parts":          {Tag: openapi.Works, Text: partsText, Codes: codes(jobCodes, partCodes), Request: exampleParts, Response: examplePartSlots},
		"complete-parts": {Tag: openapi.Works, Text: completeText, Codes: codes(jobCodes, partCodes), Request: exampleJobBody, Response: exampleCompleted},
		"abort-parts":    {Tag: openapi.Works, Text: abortText, Codes: jobCodes, Request: exampleJobBody, Response: exampleJobBody},
		"prepare-work": {
			Tag: openapi.Works, Text: "Reads the uploaded file and quotes the price. A repeated call renews the quote.", Codes: codes(jobCodes, readFile), Request: exampleJobBody, Response: exampleQuote,
		},
		"confirm-work": {
			Tag: openapi.Works, Text: "Accepts the quote and holds its credits. The server completes the registration by itself.",
			Codes: codes(jobCodes, accept, []fault.Code{fault.CodeRegistrationDuplicateTitle}), Request: exampleJobBody, Response: `{` + exampleConfirmed + `,"access_code":"` + exampleCode + `"}`,
		},

		"work-by-code": {
			Tag: openapi.AccessCodes, Text: "Reads the work that an access code opens, with its versions.", Codes: codeCodes, Parameters: byCode,
			Response: `{"ats_id":4201,"title":"Porch Light","network":"mainnet","owner_address":"timbre.example/log/mainnet","latest_version":1,"latest_commitment":"` + hash + `","created_at":"2026-03-01T12:11:30Z","asset_filename":"porch-light.flac","creators":` + exampleCreatorsOut + `,"versions":[` + exampleVersion + `]}`,
		},
		"download-by-code": {
			Tag: openapi.AccessCodes, Text: "Gives a URL of a version's certificate or recording, which is valid for five minutes.", Codes: codes(codeCodes, fileCodes),
			Parameters: with(byCode, ofOne, map[string]any{"what": "certificate"}), Response: exampleDownload,
		},
		"rotate-code": {
			Tag: openapi.AccessCodes, Text: "Replaces an access code. The code in the path ends at once. The same session may repeat the call, and receives the same new code.", Codes: codeCodes, Parameters: byCode,
			Response: `{"access_code":"` + exampleCode + `"}`,
		},

		"own-works": {
			Tag: openapi.Works, Text: "Lists works, latest change first. `after` is the `end_cursor` of the page before.", Codes: []fault.Code{fault.CodeCommonForbidden, fault.CodeSessionInvalidExternalUserRef},
			Parameters: map[string]any{"network": "mainnet", "first": 20, "after": "eyJpZCI6NDIwMX0", "search": "porch"},
			Response:   `{"works":[` + exampleWork + `],"page_info":{"has_next_page":false,"has_previous_page":false,"start_cursor":"eyJpZCI6NDIwMX0","end_cursor":"eyJpZCI6NDIwMX0"},"total_count":1}`,
		},
		"own-work":        {Tag: openapi.Works, Text: "Reads one work, as in the list.", Codes: ownCodes, Parameters: byNumber, Response: exampleWork},
		"latest-creators": {Tag: openapi.Works, Text: "Reads the creators of the latest version.", Codes: ownCodes, Parameters: byNumber, Response: exampleCreators},
		"evidence": {
			Tag: openapi.Works, Text: "The [evidence](/docs/evidence) of a version: everything that proves the registration without this server. It is the file that `timbre verify` reads.",
			Codes: []fault.Code{fault.CodeWorkNotFound, fault.CodeWorkCertificateUnavailable}, Parameters: with(byNumber, map[string]any{"version": 1}),
			Response: `{"evidence":1,"title":"Porch Light"}`,
		},
		"own-versions": {Tag: openapi.Works, Text: "Lists the versions of a work, oldest first.", Codes: ownCodes, Parameters: byNumber, Response: `{"ats_id":4201,"versions":[` + exampleVersion + `]}`},
		"own-creators": {Tag: openapi.Works, Text: "Reads the creators of a version.", Codes: ownCodes, Parameters: with(byNumber, ofOne), Response: exampleCreators},
		"download-latest": {
			Tag: openapi.Works, Text: "Gives a URL of the latest version's certificate or recording, which is valid for five minutes. The session that began a job may call it for the certificate of the job's version.",
			Codes: codes(ownCodes, fileCodes), Parameters: byID, Response: exampleDownload,
		},
		"download-version": {
			Tag: openapi.Works, Text: "Gives a URL of a version's certificate or recording, which is valid for five minutes.", Codes: codes(ownCodes, fileCodes),
			Parameters: with(byID, ofOne), Response: exampleDownload,
		},
	}
	maps.Copy(all, updates("version", byCode, codeCodes))
	maps.Copy(all, updates("own-version", byNumber, codes(ownCodes, []fault.Code{fault.CodeSessionInvalidExternalUserRef})))
	return all
}()
