package transactions

import (
	"slices"
	"strings"
	"time"

	"timbre.example/internal/requestlog"
	"timbre.example/internal/story"
)

// line is one line of a story: a call, or a step of the transaction.
type line struct {
	At   time.Time
	Call *requestlog.Call
	// Kind is the key of the call's text: mint, init, upload, prepare, confirm, read or call.
	Kind, Step string
	Curl       string
}

// lines joins calls and steps in the order of time.
func lines(s story.Story, publicURL string, full bool) []line {
	var all []line
	for i := range s.Calls {
		call := &s.Calls[i]
		one := line{At: call.At, Call: call, Kind: kindOf(*call)}
		if call.Caller.Kind == requestlog.APIKey {
			one.Curl = curl(*call, publicURL, full)
		}
		all = append(all, one)
	}
	for _, step := range s.Steps {
		all = append(all, line{At: step.At, Step: string(step.Code)})
	}
	slices.SortStableFunc(all, func(a, b line) int { return a.At.Compare(b.At) })
	return all
}

// kindOf returns what a call does in a registration.
func kindOf(c requestlog.Call) string {
	last := c.Route[strings.LastIndexByte(c.Route, '/')+1:]
	switch {
	case c.Caller.Kind == requestlog.Upload || c.Method == "PUT":
		return "upload"
	case c.Route == "/v1/sessions":
		return "mint"
	case last == "init" || last == "init-upload":
		return "init"
	case last == "upload":
		return "slot"
	case last == "prepare" || last == "confirm":
		return last
	case c.Method == "GET":
		return "read"
	}
	return "call"
}

// curl returns the command that repeats a call of an API key. The key is a variable of the shell, and the
// body has only what the request log knows. full: the reader may see the id of the job.
func curl(c requestlog.Call, publicURL string, full bool) string {
	b := "curl -i"
	if c.Method != "GET" {
		b += " -X " + c.Method
	}
	b += ` -H "Authorization: Bearer $TIMBRE_API_KEY"`
	if c.Method == "POST" {
		body := "{}"
		switch kindOf(c) {
		case "prepare", "confirm", "slot":
			job := "JOB_ID"
			if full && c.Job != "" {
				job = c.Job
			}
			body = `{"job_id":"` + job + `"}`
		case "init":
			body = `{"title":"TITLE","creators":[{"full_name":"NAME","email":"EMAIL","roles":{"author":true}}],"filename":"song.wav","network":"testnet"}`
		}
		b += ` -H "Content-Type: application/json" -d '` + body + `'`
	}
	return b + " '" + publicURL + c.Route + "'"
}
