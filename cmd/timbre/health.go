package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// healthCmd asks the server of this machine, so that an image without a shell and without
// curl can check itself.
type healthCmd struct {
	Listen string `env:"TIMBRE_LISTEN" example:"127.0.0.1:8080" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address on which the server listens (default: ${default})."`
	Ready  bool   `help:"Ask /readyz instead of /healthz: also the schema, the logs and the free space."`
}

func (c *healthCmd) Run(o *output) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return wrongf("listen", "must be HOST:PORT")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return wrongf("listen", "must have a port from 0 to 65535")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return wrongf("listen", "is not an address")
	}
	// A proxy of the environment cannot reach this address.
	client := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the server does not answer on %s: %s", req.URL.Host, plainly(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return fmt.Errorf("the answer of %s ended early: %s", req.URL.Host, plainly(err))
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", path, res.Status, body)
	}
	fmt.Fprintf(o.out, "%s\n", body)
	return nil
}
