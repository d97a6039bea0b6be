package blob

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// errSuperseded ends a PUT of a part when another PUT of the part begins, or when the upload
// ends.
var errSuperseded = errors.New("blob: another upload of this part has begun")

// writers are the running PUTs of parts of this process. One part has one: a newer PUT ends
// the older one, whose client has lost the connection.
type writers struct {
	mu  sync.Mutex
	all map[string]map[int]*writer // by the upload's folder and the part's number
}

type writer struct {
	stopped atomic.Bool
	conn    *http.ResponseController
	done    chan struct{}
}

func (w *writer) end() {
	w.stopped.Store(true)
	w.conn.SetReadDeadline(time.Now())
	<-w.done
}

func (ws *writers) enter(ctx context.Context, dir string, number int, conn *http.ResponseController) (*writer, error) {
	me := &writer{conn: conn, done: make(chan struct{})}
	for {
		ws.mu.Lock()
		before := ws.all[dir][number]
		if before == nil {
			if ws.all == nil {
				ws.all = map[string]map[int]*writer{}
			}
			if ws.all[dir] == nil {
				ws.all[dir] = map[int]*writer{}
			}
			ws.all[dir][number] = me
			ws.mu.Unlock()
			return me, nil
		}
		ws.mu.Unlock()
		before.end()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

func (ws *writers) leave(dir string, number int, me *writer) {
	ws.mu.Lock()
	if ws.all[dir][number] == me {
		delete(ws.all[dir], number)
		if len(ws.all[dir]) == 0 {
			delete(ws.all, dir)
		}
	}
	ws.mu.Unlock()
	close(me.done)
}

// endAll ends the running PUTs of an upload.
func (ws *writers) endAll(dir string) {
	ws.mu.Lock()
	var all []*writer
	for _, w := range ws.all[dir] {
		all = append(all, w)
	}
	ws.mu.Unlock()
	for _, w := range all {
		w.end()
	}
}
