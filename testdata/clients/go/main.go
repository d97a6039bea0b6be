// Command client registers a song with a client that oapi-codegen generates from a server's
// OpenAPI document: by a session token, or by an API key. It prints the transaction and where
// the work is registered, as JSON.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	server, origin, title := os.Getenv("SERVER"), os.Getenv("ORIGIN"), os.Getenv("TITLE")
	network := InitInputBodyNetworkTestnet
	open, err := NewClientWithResponses(server)
	if err != nil {
		return err
	}
	proof := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+os.Getenv("API_KEY"))
		return nil
	}
	if os.Getenv("API_KEY") == "" {
		minted, err := open.MintSessionWithResponse(ctx, &MintSessionParams{Origin: &origin}, MintInputBody{
			SecretKey: os.Getenv("SECRET_KEY"), ActionType: Register, AllowedNetwork: MintInputBodyAllowedNetworkTestnet,
		})
		if err != nil {
			return err
		}
		if minted.JSON200 == nil {
			return fmt.Errorf("mint: %s %s", minted.Status(), minted.Body)
		}
		proof = func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+minted.JSON200.Token)
			r.Header.Set("X-Site-Key", os.Getenv("SITE_KEY"))
			r.Header.Set("Origin", origin)
			return nil
		}
	}
	c, err := NewClientWithResponses(server, WithRequestEditorFn(proof))
	if err != nil {
		return err
	}
	audio, err := os.ReadFile(os.Getenv("RECORDING"))
	if err != nil {
		return err
	}
	author := true
	begun, err := c.InitWorkWithResponse(ctx, &InitWorkParams{}, InitInputBody{
		Title: title, Filename: "song.wav", Network: network,
		Creators: []Creator{{FullName: "Ada Example", Email: "ada@songs.example", Roles: Roles{Author: &author}}},
	})
	if err != nil {
		return err
	}
	if begun.JSON200 == nil || begun.JSON200.UploadUrl == nil {
		return fmt.Errorf("init: %s %s", begun.Status(), begun.Body)
	}
	put, err := http.NewRequestWithContext(ctx, http.MethodPut, *begun.JSON200.UploadUrl, bytes.NewReader(audio))
	if err != nil {
		return err
	}
	stored, err := http.DefaultClient.Do(put)
	if err != nil {
		return err
	}
	stored.Body.Close()
	quoted, err := c.PrepareWorkWithResponse(ctx, JobInputBody{JobId: begun.JSON200.JobId})
	if err != nil {
		return err
	}
	if quoted.JSON200 == nil {
		return fmt.Errorf("prepare: %s %s", quoted.Status(), quoted.Body)
	}
	confirmed, err := c.ConfirmWorkWithResponse(ctx, JobInputBody{JobId: begun.JSON200.JobId})
	if err != nil {
		return err
	}
	if confirmed.JSON202 == nil {
		return fmt.Errorf("confirm: %s %s", confirmed.Status(), confirmed.Body)
	}
	done, err := follow(ctx, c, confirmed.JSON202.TransactionId)
	if err != nil {
		return err
	}
	// A second confirm is refused with a typed error.
	again, err := c.ConfirmWorkWithResponse(ctx, JobInputBody{JobId: begun.JSON200.JobId})
	if err != nil {
		return err
	}
	if again.JSON409 == nil {
		return fmt.Errorf("second confirm: %s %s", again.Status(), again.Body)
	}
	refused, err := again.JSON409.Error.AsTransactionAlreadyConfirmedError()
	if err != nil || refused.Details.TransactionId != confirmed.JSON202.TransactionId {
		return fmt.Errorf("second confirm: %s %v", again.Body, err)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"ats_id": done.AtsId, "commitment": quoted.JSON200.Commitment, "tx_hash": done.TxHash})
}

// follow reads the transaction until it has ended.
func follow(ctx context.Context, c *ClientWithResponses, id uuid.UUID) (Succeeded, error) {
	for range 600 {
		seen, err := c.TransactionWithResponse(ctx, id)
		if err != nil {
			return Succeeded{}, err
		}
		if seen.JSON200 == nil {
			return Succeeded{}, fmt.Errorf("transaction: %s %s", seen.Status(), seen.Body)
		}
		if seen.JSON200.IsComplete {
			return seen.JSON200.Result.AsSucceeded()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return Succeeded{}, fmt.Errorf("the transaction %s does not end", id)
}
