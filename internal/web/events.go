package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"timbre.example/internal/operation"
)

// Events is an answer of server-sent events.
type Events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// StartEvents begins the answer. A client whose connection ends reconnects after 2 seconds.
func StartEvents(w http.ResponseWriter) (_ *Events, err error) {
	defer operation.Wrap(&err, "begin an event stream")
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	e := &Events{w, http.NewResponseController(w)}
	return e, e.write("retry: 2000\n\n")
}

// Send sends one event. A client that reconnects names the number of the last event that it
// received in Last-Event-ID; an event with the number 0 has none.
func (e *Events) Send(number int, event string, body any) (err error) {
	defer operation.Wrap(&err, "send event %d", number)
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return e.SendData(number, event, b)
}

// SendData is Send of JSON that is already encoded.
func (e *Events) SendData(number int, event string, data []byte) (err error) {
	defer operation.Wrap(&err, "send event %d", number)
	if number > 0 {
		return e.write("id: %d\nevent: %s\ndata: %s\n\n", number, event, data)
	}
	return e.write("event: %s\ndata: %s\n\n", event, data)
}

// Beat sends a comment. Send one after each [Heartbeat].
func (e *Events) Beat() (err error) {
	defer operation.Wrap(&err, "send a heartbeat")
	return e.write(": still here\n\n")
}

func (e *Events) write(format string, args ...any) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.w, format, args...); err != nil {
		return err
	}
	return e.control.Flush()
}
