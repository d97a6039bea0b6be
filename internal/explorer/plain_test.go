package explorer_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"timbre.example/internal/explorer"
	"timbre.example/internal/fault"
	"timbre.example/internal/network"
	"timbre.example/internal/network/networktest"
)

// Of a network that cannot be explored, the pages show single final transactions, and say
// what they do not show.
func TestNetworkThatCannotBeExplored(t *testing.T) {
	t.Parallel()
	fake := networktest.New(network.Mainnet)
	srv := httptest.NewServer(explorer.New([]network.Network{fake}, nil, func(w http.ResponseWriter, _ *http.Request, err error) {
		status := http.StatusInternalServerError
		if f := (*fault.Error)(nil); errors.As(err, &f) {
			status = f.Status()
		}
		http.Error(w, err.Error(), status)
	}))
	t.Cleanup(srv.Close)
	h := house{t: t, url: srv.URL}
	anchor := func(nonce string) string {
		s, err := fake.Stage(t.Context(), network.Call{Commitment: sha256.Sum256([]byte(nonce)), ProtocolVersion: 1, Nonce: nonce})
		if err == nil {
			err = fake.Broadcast(t.Context(), []network.Staged{s})
		}
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("0x%x", s.Hash)
	}
	final := anchor("final")
	fake.IncludeFailed("the work is frozen")
	refused := anchor("refused")
	fake.Hold()
	waiting := anchor("waiting")
	for _, c := range []struct {
		path   string
		status int
		words  string
	}{
		{"/explorer", http.StatusOK, "no list of its entries"},
		{"/w/mainnet", http.StatusOK, "no list of its entries"},
		{"/explorer/mainnet", http.StatusOK, "no list of its entries"},
		{"/explorer/mainnet/tx/" + final, http.StatusOK, "This transaction is final"},
		{"/explorer/mainnet/tx/" + refused, http.StatusOK, "refused this transaction: the work is frozen"},
		{"/explorer/mainnet/tx/" + waiting, http.StatusNotFound, "This page is not here"},
		{"/explorer/mainnet/tx/0x12", http.StatusNotFound, "This page is not here"},
		{"/explorer/mainnet/tx/" + final + "/proof.txt", http.StatusNotFound, "This page is not here"},
		{"/explorer/mainnet/block/1", http.StatusNotFound, "This page is not here"},
		{"/w/mainnet/1", http.StatusNotFound, "A certificate proves its entry without this page"},
		{"/w/mainnet/1/badge.svg", http.StatusNotFound, "This page is not here"},
		{"/w/testnet/1", http.StatusNotFound, "This page is not here"},
		{"/other", http.StatusNotFound, "Page not found"},
	} {
		resp, body := h.ask("GET", c.path, "Accept", "text/html")
		if resp.StatusCode != c.status || !strings.Contains(body, c.words) {
			t.Errorf("%s: %d, want %d with %q\n%s", c.path, resp.StatusCode, c.status, c.words, body)
		}
		if resp.StatusCode == http.StatusOK && (strings.Contains(body, "Verified") || strings.Contains(body, `role="search"`) || strings.Contains(body, "/log/")) {
			t.Errorf("%s promises what this network does not have\n%s", c.path, body)
		}
	}
	fake.Fail(networktest.Find)
	if resp, body := h.ask("GET", "/explorer/mainnet/tx/"+final, "Accept", "text/html"); resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "This page cannot be shown right now") {
		t.Errorf("a network that does not answer: %d %s", resp.StatusCode, body)
	}
}
