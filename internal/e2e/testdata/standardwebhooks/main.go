// Command standardwebhooks verifies one delivery with the published Go library of Standard
// Webhooks. It reads {secret, headers, body} as JSON.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"

	sw "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	var in struct {
		Secret  string
		Headers map[string]string
		Body    string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		log.Fatal(err)
	}
	w, err := sw.NewWebhook(in.Secret)
	if err != nil {
		log.Fatal(err)
	}
	h := http.Header{}
	for name, value := range in.Headers {
		h.Set(name, value)
	}
	if err := w.Verify([]byte(in.Body), h); err != nil {
		log.Fatal(err)
	}
}
