// backend.go
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

var client = &http.Client{Timeout: 10 * time.Second}

// mint returns the server's answer, a token or a refusal. It fails when the server does not answer.
func mint() (status int, body []byte, err error) {
	question, err := json.Marshal(map[string]string{
		"secret_key": os.Getenv("ATS_SECRET_KEY"), "action_type": "register", "allowed_network": "testnet",
	})
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequest("POST", os.Getenv("ATS_URL")+"/v1/sessions", bytes.NewReader(question))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Origin", os.Getenv("SITE"))
	answer, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	var whole json.RawMessage
	err = json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&whole)
	return answer.StatusCode, whole, err
}

func main() {
	http.HandleFunc("POST /my-backend/session", func(w http.ResponseWriter, r *http.Request) {
		// Here you know your visitor: refuse those who may not register a song.
		status, body, err := mint()
		if err != nil {
			log.Print("mint: ", err)
			status, body = http.StatusBadGateway, []byte(`{"error":{"code":"common.service_unavailable","message":"The registry cannot be reached."}}`)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(body)
	})
	http.HandleFunc("POST /my-backend/webhook", receive)
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "index.html") })
	server := http.Server{
		Addr:        "localhost:" + cmp.Or(os.Getenv("PORT"), "3000"),
		ReadTimeout: 30 * time.Second, // for a browser that sends nothing
	}
	log.Fatal(server.ListenAndServe())
}
