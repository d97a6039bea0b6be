package main

import (
	"context"
	"errors"

	"timbre.example/internal/apikey"
	"timbre.example/internal/fault"
	"timbre.example/internal/store"
	"timbre.example/internal/webhook"
)

// checkURL refuses a webhook URL of an API key as that key's refusal.
func checkURL(hooks *webhook.Service) func(string) error {
	return func(url string) error {
		_, err := hooks.CheckURL(url)
		var wrong *webhook.InvalidURL
		if errors.As(err, &wrong) {
			return fault.APIKeyWebhookURLInvalid(wrong.Reason)
		}
		return err
	}
}

// endpointOf makes the endpoint of an API key with its secret.
func endpointOf(hooks *webhook.Service) func(context.Context, *store.Tx, apikey.Endpoint) (string, error) {
	return func(ctx context.Context, tx *store.Tx, e apikey.Endpoint) (string, error) {
		secret, err := hooks.CreateForKey(ctx, tx, e.Organization, e.KeyID, e.URL, e.Actor)
		if err != nil {
			return "", err
		}
		return secret.Base64(), nil
	}
}
