package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"timbre.example/internal/bulk"
)

// progress shows a run: a bar on a terminal, and elsewhere a line for each song.
type progress struct {
	w       io.Writer
	bar     bool
	dry     bool
	skipped int
	begun   time.Time

	mu      sync.Mutex
	all     int
	done    int
	earlier int
	counts  map[bulk.Status]int
	cost    int64
	bytes   int64 // sent
	priced  int64 // bytes of the priced songs
	drawn   string
	note    string    // why calls wait
	noted   time.Time // when it was last so
	told    time.Time // when a line said so
	stop    chan struct{}
	stopped chan struct{}
}

const redraw = 200 * time.Millisecond

func newProgress(w io.Writer, list *bulk.List, dry bool) *progress {
	p := &progress{w: w, dry: dry, skipped: list.Skipped, begun: time.Now(), all: len(list.Items), counts: map[bulk.Status]int{}, stop: make(chan struct{}), stopped: make(chan struct{})}
	if f, ok := under(w).(*os.File); ok && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb" {
		p.bar = true
	}
	if !p.bar {
		close(p.stopped)
		return p
	}
	go func() {
		defer close(p.stopped)
		t := time.NewTicker(redraw)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				p.mu.Lock()
				p.draw()
				p.mu.Unlock()
			case <-p.stop:
				return
			}
		}
	}()
	return p
}

func (p *progress) moved(n int64) {
	p.mu.Lock()
	p.bytes += n
	p.mu.Unlock()
}

func (p *progress) ended(o bulk.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.counts[o.Status]++
	if o.Status == bulk.Priced || o.Status == bulk.Registered && !p.dry { // a dry run adds up what is still to pay
		p.cost += o.Cost
	}
	if o.Status == bulk.Priced {
		p.priced += o.Item.Size
	}
	if o.Earlier {
		p.earlier++
	}
	if line := describeSong(o); line != "" && !(p.bar && (o.Status == bulk.Registered || o.Status == bulk.Priced) && o.Unsaved == "") {
		p.clear()
		fmt.Fprintln(p.w, line)
	}
}

// describeSong is the line of a song; "": it needs none.
func describeSong(o bulk.Outcome) string {
	name := oneLine(o.Item.Name)
	switch {
	case o.Unsaved != "":
		return fmt.Sprintf("registered   %s: work %d, but its files were not saved: %s", name, o.AtsID, oneLine(o.Unsaved))
	case o.Earlier || o.Status == bulk.Waiting || o.Status == bulk.Interrupted:
		return ""
	case o.Status == bulk.Registered:
		return fmt.Sprintf("registered   %s: work %d, %d credits", name, o.AtsID, o.Cost)
	case o.Status == bulk.Priced:
		return fmt.Sprintf("priced       %s: %d credits", name, o.Cost)
	}
	text := fmt.Sprintf("%-12s %s", o.Status, name)
	if o.Fault != nil {
		if o.Fault.Code != "" {
			text += ": " + o.Fault.Code
		}
		text += ": " + oneLine(o.Fault.Message)
	}
	return text
}

const (
	barWidth  = 30
	leastBar  = 10
	noteShown = 5 * time.Second // on a terminal, after the last time that the server made a call wait
	noteAgain = time.Minute     // elsewhere, between two lines
)

// waits tells why calls wait.
func (p *progress) waits(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note, p.noted = why, time.Now()
	if !p.bar && time.Since(p.told) >= noteAgain {
		p.told = time.Now()
		fmt.Fprintln(p.w, "waiting      "+why)
	}
}

// draw writes the bar over the one before.
func (p *progress) draw() {
	long, short := "", ""
	if now, spent := p.done-p.earlier, time.Since(p.begun).Seconds(); now > 0 && spent > 1 {
		each := float64(now) / spent
		short = "  " + time.Duration(float64(p.all-p.done)/each*float64(time.Second)).Round(time.Second).String() + " left"
		long = fmt.Sprintf("  %.1f/s  %.1f MB/s", each, float64(p.bytes)/spent/1e6) + short
	}
	if p.note != "" && time.Since(p.noted) < noteShown {
		long, short = "  "+p.note, "  waiting"
	}
	width := 80
	if f, ok := under(p.w).(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	text := bar(width-1, p.done, p.all, long, short)
	if text == p.drawn {
		return
	}
	p.clear()
	p.drawn = text
	raw(p.w, text)
}

// bar is a line of at most so many characters. A narrow terminal shows a shorter bar first, then the short text, and then no
// bar.
func bar(width, done, all int, long, short string) string {
	numbers := fmt.Sprintf("%d of %d", done, all)
	drawn := func(n int, more string) string {
		full := n * done / max(1, all)
		return "[" + strings.Repeat("=", full) + strings.Repeat(" ", n-full) + "] " + numbers + more
	}
	for _, text := range []string{
		drawn(barWidth, long), drawn(leastBar, long), drawn(barWidth, short), drawn(leastBar, short), numbers + short, drawn(leastBar, ""),
	} {
		if len(text) <= width {
			return text
		}
	}
	return numbers[:max(0, min(len(numbers), width))]
}

// under is the writer behind the one that makes foreign text harmless.
func under(w io.Writer) io.Writer {
	if t, ok := w.(terminal); ok {
		return t.Writer
	}
	return w
}

func (p *progress) clear() {
	if p.drawn != "" {
		raw(p.w, "\r\x1b[K")
		p.drawn = ""
	}
}

// raw writes control characters of our own to a terminal.
func raw(w io.Writer, text string) {
	fmt.Fprint(under(w), text)
}

func (p *progress) close() {
	close(p.stop)
	<-p.stopped
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// summary is the numbers of the run.
func (p *progress) summary() string {
	var parts []string
	for _, s := range []bulk.Status{bulk.Registered, bulk.Priced, bulk.Refused, bulk.Failed, bulk.Duplicate, bulk.Changed, bulk.Interrupted, bulk.Waiting} {
		if n := p.counts[s]; n > 0 {
			text := fmt.Sprintf("%d %s", n, s)
			if s == bulk.Registered && p.earlier > 0 {
				text += fmt.Sprintf(" (%d before)", p.earlier)
			}
			parts = append(parts, text)
		}
	}
	text := strings.Join(parts, ", ")
	if p.dry {
		text += fmt.Sprintf(". The prices together: %d credits, without the storage of %.1f MB", p.cost, float64(p.priced)/1e6)
	} else {
		text += fmt.Sprintf(". Together %d credits", p.cost)
	}
	if p.skipped > 0 {
		text += fmt.Sprintf(". %s skipped: not recordings", plural(p.skipped, "file"))
	}
	return text + ".\n"
}
