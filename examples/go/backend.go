// backend.go
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"

	"timbre.example/client"
)

func main() {
	timbre, err := client.New(client.Config{
		URL: os.Getenv("ATS_URL"), SecretKey: os.Getenv("ATS_SECRET_KEY"), Origin: os.Getenv("SITE"),
		Wait: -1, // the visitor waits: the widget asks again
	})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /my-backend/session", func(w http.ResponseWriter, r *http.Request) {
		// Here you know your visitor: refuse those who may not register a song.
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		session, err := timbre.Mint(ctx, client.Mint{Network: client.Testnet})
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			log.Print("mint: ", err)
			status, body := client.ForPage(err) // what the server refused: the widget explains it
			w.WriteHeader(status)
			w.Write(body)
			return
		}
		if err := json.NewEncoder(w).Encode(session); err != nil {
			log.Print("answer the page: ", err)
		}
	})
	http.HandleFunc("POST /my-backend/webhook", receive)
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "index.html") })
	server := http.Server{
		Addr:        "localhost:" + cmp.Or(os.Getenv("PORT"), "3000"),
		ReadTimeout: 30 * time.Second, // for a browser that sends nothing
	}
	log.Fatal(server.ListenAndServe())
}
