package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"timbre.example/internal/fault"
	"timbre.example/internal/web"
)

// follow enters the audience of the transaction in the path of a request, and reserves a
// stream, until leave is called. err is an ordinary refusal. If the client reads refusals in
// the stream, unseen is one for it, and the stream has no audience.
func (a *API) follow(r *http.Request, reads bool) (at *audience, leave func(), unseen, err error) {
	id, ok := parseID(chi.URLParam(r, "id"))
	organization, left := "", func() {}
	if !ok {
		err = fault.TransactionNotFound()
	} else if entered, v, missing := a.followers.enter(r.Context(), id); missing != nil {
		err = missing
	} else {
		at, organization, left, err = entered, v.Organization, func() { a.followers.leave(entered) }, untracked(v)
	}
	if err != nil {
		left()
		if !reads || !inStream(err) {
			return nil, nil, nil, err
		}
		at, organization, id, left, unseen = nil, "", "", func() {}, err
	}
	out, err := a.Web.EnterStream(organization, id)
	if err != nil {
		left()
		return nil, nil, nil, err
	}
	return at, func() { left(); out() }, unseen, nil
}

// inStream reports whether a follower reads a refusal in the stream: browsers hide the
// answer to a refused handshake from the page. Other refusals are ordinary answers, and the
// page polls instead.
func inStream(err error) bool {
	return errors.Is(err, fault.CodeTransactionNotFound) || errors.Is(err, fault.CodeTransactionStoreUnavailable)
}

// terminal is the only frame of a stream for a transaction that cannot be followed.
func terminal(r *http.Request, err error) frame {
	body := web.Refusal(r.Context(), err)
	return frame{event: "error", body: errorFrame{Type: "error", Error: body}, last: true}
}

// socketFollower follows over a WebSocket.
type socketFollower struct{ *web.Socket }

func (s *socketFollower) send(n news) {
	if n.last {
		s.End(n.wire)
	} else {
		s.Send(n.wire)
	}
}
func (s *socketFollower) beat() { s.Beat() }
func (s *socketFollower) drop() { s.Drop() }

// socket streams progress over a WebSocket. The id is the capability, so any page may
// follow. The socket is closed cleanly only after a terminal frame. In every other case the
// connection is dropped, and the client polls.
//
// A transaction that is unknown or cannot be read is reported by an error frame. Too many
// followers are refused at the handshake: the transaction continues, and a page with a
// refused handshake polls.
//
// The handler returns after the handshake. So what net/http holds for a request is free while
// the socket is open, and the request is logged at once.
func (a *API) socket(w http.ResponseWriter, r *http.Request) {
	at, leave, unseen, err := a.follow(r, strings.EqualFold(r.Header.Get("Upgrade"), "websocket"))
	if err != nil {
		web.RenderError(w, r, err)
		return
	}
	s := &socketFollower{web.AcceptSocket(w, r)}
	if s.Socket == nil {
		leave()
		return
	}
	if unseen != nil {
		n, err := encode(terminal(r, unseen))
		if err != nil {
			s.drop()
		}
		s.send(n)
		go func() { s.Run(); leave() }()
		return
	}
	_ = at.join(s, 0, frame{body: connectedFrame{"connected", at.id}}) // after an error it is dropped
	go func() { s.Run(); at.part(s); leave() }()
}

// eventsFollower follows by server-sent events.
type eventsFollower struct {
	// c receives news, and nothing for a beat. A transaction has fewer changes than its
	// capacity, so it is full only when the client takes nothing for minutes.
	c    chan *news
	over bool // c is closed
}

func newEventsFollower() *eventsFollower { return &eventsFollower{c: make(chan *news, 8)} }

func (e *eventsFollower) send(n news) { e.put(&n) }
func (e *eventsFollower) beat()       { e.put(nil) }
func (e *eventsFollower) put(n *news) {
	if e.over {
		return
	}
	select {
	case e.c <- n:
	default:
		e.drop()
	}
}

func (e *eventsFollower) drop() {
	if !e.over {
		e.over = true
		close(e.c)
	}
}

// run writes events until the last one, or until the stream is dropped or the client leaves.
func (e *eventsFollower) run(r *http.Request, to *web.Events, seen int) error {
	for {
		select {
		case <-r.Context().Done():
			return r.Context().Err()
		case n, open := <-e.c:
			switch {
			case !open:
				return nil
			case n == nil:
				if err := to.Beat(); err != nil {
					return err
				}
				continue
			}
			for _, x := range n.events {
				if x.number <= seen && !x.last {
					continue
				}
				if err := to.SendData(x.number, x.name, x.data); err != nil || x.last {
					return err
				}
			}
		}
	}
}

// events streams progress as server-sent events: update, completed, error. The id of each
// event is the number of steps sent. A client that reconnects with Last-Event-ID gets the
// remaining ones. A transaction that is unknown or cannot be read is reported by an error
// event without an id: an EventSource reads no other answer.
//
// The handler returns at the end of the stream, so that its connection can be used again.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	at, leave, unseen, err := a.follow(r, true)
	if err != nil {
		web.RenderError(w, r, err)
		return
	}
	defer leave()
	seen, err := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	if err != nil || seen < 0 {
		seen = 0
	}
	to, err := web.StartEvents(w)
	if err != nil {
		return
	}
	if unseen != nil {
		f := terminal(r, unseen)
		_ = to.Send(f.number, f.event, f.body)
		return
	}
	e := newEventsFollower()
	defer at.part(e)
	if at.join(e, seen) == nil {
		_ = e.run(r, to, seen)
	}
}
