package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"timbre.example/internal/e2e/harness"
)

// floodMemory is how much the server may grow while it is flooded, in bytes. It is
// what docs/operating.md promises.
const floodMemory = 256 << 20

// TestFlood sends the running server 200 large requests of each kind at once, with and
// without a token. The server stays within its memory, and another client mints.
func TestFlood(t *testing.T) {
	// No budget of calls: what is tested is what each of them costs.
	s := harness.Start(t, harness.Options{Roles: "organizations,ats,worker", Args: []string{
		"--limits-mint", "off", "--limits-session", "off", "--limits-address", "off", "--limits-organization", "off",
	}})
	s.NewOrganization("http://localhost:3000")
	tree := `{"x":[` + strings.Repeat("{},", 340_000) + `{}]}` // 1 MB: the dearest JSON for its size
	creators := `{"creators":[` + strings.Repeat("{},", 70_000) + `{}]}`
	var members strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&members, `"%x":1,`, i)
	}
	form := "--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n" + strings.Repeat("x", 4<<20)
	kinds := []struct {
		name, call, head, body string
		token, chunked         bool
		want                   string
	}{
		{name: "a mint of 1 MB", call: "POST /v1/sessions", body: tree, want: "422"},
		{name: "a mint of 1 MB in chunks", call: "POST /v1/sessions", body: tree, chunked: true, want: "422"},
		{name: "a mint within its bound", call: "POST /v1/sessions", body: `{"x":[` + strings.Repeat("{},", 2_600) + `{}]}`, want: "422"},
		{name: "an init of 1 MB without a token", call: "POST /v1/works/init", body: tree, want: "401"},
		{name: "an init of 1 MB", call: "POST /v1/works/init", body: tree, token: true, want: "422"},
		{name: "an init of 1 MB in chunks", call: "POST /v1/works/init", body: tree, token: true, chunked: true, want: "422 429 503"},
		{name: "an init of creators within its bound", call: "POST /v1/works/init", body: creators, token: true, want: "422 429 503"},
		{name: "an init of members within its bound", call: "POST /v1/works/init", body: "{" + members.String() + `"x":1}`, token: true, want: "422 429 503"},
		{name: "an init that is deep", call: "POST /v1/works/init", body: `{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", token: true, want: "422 429 503"},
		{name: "a prepare of 1 MB", call: "POST /v1/works/prepare", body: tree, token: true, want: "422"},
		{name: "a search with a form of 4 MB", call: "GET /docs/search?q=x", head: "Content-Type: multipart/form-data; boundary=b\r\n", body: form, want: "200"},
		{name: "a long query", call: "GET /docs/search?" + strings.Repeat("a&", 6_000), want: "422"},
		{name: "many headers", call: "GET /v1/stats", head: manyHeaders(2_000), want: "422 431"},
		{name: "more headers than are read", call: "GET /v1/stats", head: manyHeaders(10_000), want: "431"},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			tokens := make([]string, 5) // each has its own budget of calls
			for i := range tokens {
				song := &harness.Song{Server: s}
				if err := song.Mint(t.Context()); err != nil {
					t.Fatal(err)
				}
				tokens[i] = song.Token
			}
			idle, _ := s.Memory()
			s.ForgetPeak()
			var flood sync.WaitGroup
			answered := make(chan string, 200)
			for i := range 200 {
				flood.Go(func() {
					head := k.head
					if k.token {
						head += "Authorization: Bearer " + tokens[i%len(tokens)] + "\r\nX-Site-Key: " + s.SiteKey + "\r\nOrigin: http://localhost:3000\r\n"
					}
					answered <- flooded(s, k.call, fmt.Sprintf("192.0.2.%d", i), head, k.body, k.chunked)
				})
			}
			// Another tenant's backend, from elsewhere.
			for range 10 {
				if err := (&harness.Song{Server: s}).Mint(t.Context()); err != nil {
					t.Errorf("another's mint: %v", err)
				}
			}
			flood.Wait()
			close(answered)
			statuses := map[string]int{}
			for status := range answered {
				statuses[status]++
				if status != "" && !strings.Contains(k.want, status) {
					t.Errorf("answered %s, want %s", status, k.want)
				}
			}
			_, peak := s.Memory()
			t.Logf("%d MB, at most %d more; answers %v", idle>>20, (peak-idle)>>20, statuses)
			if peak-idle > floodMemory {
				t.Errorf("the server grew by %d MB, from %d", (peak-idle)>>20, idle>>20)
			}
			if statuses[""] > 100 {
				t.Errorf("%d of 200 had no answer", statuses[""])
			}
		})
	}
	if err := (&harness.Song{Server: s, Title: "After the flood"}).Mint(t.Context()); err != nil {
		t.Error(err)
	}
}

func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%x:\r\n", i)
	}
	return b.String()
}

// flooded sends one request as fast as it is taken, and returns the status of its
// answer; "" where the server closed the connection with the answer on its way.
func flooded(s *harness.Server, call, from, head, body string, chunked bool) string {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(harness.Timeout))
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	if chunked {
		length, body = "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	}
	go io.WriteString(conn, call+" HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: "+from+"\r\n"+head+length+"\r\n"+body)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	return fmt.Sprint(res.StatusCode)
}

// TestSlowBodies holds more slow bodies than there is room for. Their time ends by the
// clock, whatever they still send, and meanwhile another client mints.
func TestSlowBodies(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	idle, _ := s.Memory()
	s.ForgetPeak()
	begun := time.Now()
	var slow sync.WaitGroup
	ended := make(chan time.Duration, 400)
	for i := range 400 {
		slow.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.%d\r\nContent-Length: 8000\r\n\r\n{", i%4)
			go func() { // a byte a second
				for tick := time.NewTicker(time.Second); ; <-tick.C {
					if _, err := io.WriteString(conn, " "); err != nil {
						tick.Stop()
						return
					}
				}
			}()
			conn.SetDeadline(time.Now().Add(2 * harness.Timeout))
			io.Copy(io.Discard, conn)
			ended <- time.Since(begun)
		})
	}
	for range 20 {
		if err := (&harness.Song{Server: s}).Mint(t.Context()); err != nil {
			t.Errorf("another's mint: %v", err)
		}
	}
	slow.Wait()
	close(ended)
	var longest time.Duration
	for d := range ended {
		longest = max(longest, d)
	}
	_, peak := s.Memory()
	t.Logf("the last connection ended after %s; %d MB, at most %d more", longest.Round(100*time.Millisecond), idle>>20, (peak-idle)>>20)
	if longest > 20*time.Second {
		t.Errorf("a body of a byte a second held its connection for %s", longest)
	}
	if peak-idle > floodMemory {
		t.Errorf("the server grew by %d MB", (peak-idle)>>20)
	}
}
