package client_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"timbre.example/client"
)

func connect() *client.Client {
	c, err := client.New(client.Config{URL: "https://ats.example", APIKey: os.Getenv("ATS_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// A backend registers a file, and accepts a price up to 100 credits.
func ExampleClient_RegisterFile() {
	done, err := connect().RegisterFile(context.Background(), "night-train.wav", client.Song{
		Title:   "Night Train",
		Network: client.Testnet,
		Creators: []client.Creator{{
			FullName: "Ada Example", Email: "ada@songs.example", Roles: []client.Role{client.Author, client.Composer},
		}},
		ExternalUserRef: "user-17",
	}, client.Options{
		Accept: func(_ context.Context, q client.Quote) error {
			if q.Total > 100 {
				return fmt.Errorf("%d credits are too many", q.Total)
			}
			return nil
		},
	})
	var refused *client.Error
	switch {
	case errors.As(err, &refused) && refused.Code == client.CodeRegistrationDuplicateTitle:
		log.Print("this title is registered already")
	case err != nil:
		log.Fatal(err)
	default:
		log.Printf("work %d in %s", done.AtsID, done.TxHash)
	}
}

// A registration continues after the process was ended, from the state that was saved last.
func ExampleClient_Register() {
	f, err := os.Open("night-train.wav")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	load := func() (s client.State) { return s }             // from a database
	store := func(client.State) error { return nil }         // to it
	show := func(p client.Progress) { log.Printf("%+v", p) } // to a person
	_, err = connect().Register(context.Background(), client.Recording{Name: "night-train.wav", Size: info.Size(), Bytes: f}, client.Song{
		Title: "Night Train", Network: client.Testnet,
		Creators: []client.Creator{{FullName: "Ada Example", Email: "ada@songs.example", Roles: []client.Role{client.Author}}},
	}, client.Options{State: load(), Save: store, Progress: show})
	if err != nil {
		log.Fatal(err)
	}
}

// A further version has other creators, and keeps the recording.
func ExampleClient_Update() {
	_, err := connect().Update(context.Background(), client.Update{
		AtsID: 7, Network: client.Testnet,
		Creators: []client.Creator{
			{FullName: "Ada Example", Email: "ada@songs.example", Roles: []client.Role{client.Author}},
			{FullName: "Grace Example", Email: "grace@songs.example", Roles: []client.Role{client.Composer}},
		},
	}, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
}

func ExampleClient_Works() {
	for work, err := range connect().Works(context.Background(), client.WorksQuery{Network: client.Testnet, ExternalUserRef: "user-17"}) {
		if err != nil {
			log.Fatal(err)
		}
		log.Printf("%d %s", work.AtsID, work.Title)
	}
}

func ExampleClient_Certificate() {
	f, err := os.Create("night-train.pdf")
	if err != nil {
		log.Fatal(err)
	}
	if err := connect().Certificate(context.Background(), "0190a0e6-2f5c-7000-8000-00000000c001", 1, f); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}

// The backend of a page mints a session for each visitor who may register a song.
func ExampleClient_Mint() {
	c, err := client.New(client.Config{URL: "https://ats.example", SecretKey: os.Getenv("ATS_SECRET_KEY"), Origin: "https://www.your-domain.example"})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /my-backend/session", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		session, err := c.Mint(ctx, client.Mint{Network: client.Testnet})
		if err != nil {
			log.Print(err)
			status, body := client.ForPage(err)
			w.WriteHeader(status)
			w.Write(body)
			return
		}
		fmt.Fprintf(w, `{"token":%q,"expires_in":%d}`, session.Token, session.ExpiresIn)
	})
}

func ExampleReadWebhook() {
	const secret = "whsec_c2VjcmV0" // from the configuration of the backend
	receive := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := client.ReadWebhook(r, secret)
		if err != nil {
			http.Error(w, err.Error(), client.WebhookStatus(err))
			return
		}
		fmt.Println(event.Kind, event.AtsID) // once for each event.ID
	})

	w := httptest.NewRecorder()
	receive(w, delivery(secret))
	fmt.Println(w.Code)
	parsed := delivery(secret)
	_ = parsed.ParseForm() // what some frameworks do before a handler
	w = httptest.NewRecorder()
	receive(w, parsed)
	fmt.Println(w.Code, w.Body)
	// Output:
	// work_registered 7
	// 200
	// 500 the body of the webhook is empty, or was read before: verify the raw body, before anything parses it
}

// delivery is a webhook as the server sends it.
func delivery(secret string) *http.Request {
	const body = `{"event":"work_registered","ats_id":7}`
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	stamp := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "evt_1.%s.%s", stamp, body)
	r := httptest.NewRequest("POST", "/webhook", strings.NewReader(body))
	r.Header.Set("webhook-id", "evt_1")
	r.Header.Set("webhook-timestamp", stamp)
	r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}
