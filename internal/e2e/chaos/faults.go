package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"timbre.example/internal/e2e/faultproxy"
	"timbre.example/internal/e2e/harness"
)

// Fault is something that breaks, and mends itself when d has passed or ctx ends.
type Fault struct {
	Name string
	// Target is what it breaks. Two faults never break one target at a time: the second is left out.
	Target string
	// Weight is how often it is chosen.
	Weight int
	// Least and Most are the shortest and the longest time.
	Least, Most time.Duration
	Do          func(ctx context.Context, d time.Duration, rng *rand.Rand) error
}

// Storm breaks things at random, in an order that the seed decides.
type Storm struct {
	run    *Run
	faults []Fault
	rng    *rand.Rand
	pause  time.Duration

	mu       sync.Mutex
	busy     map[string]bool
	schedule []string
	wg       sync.WaitGroup
}

// NewStorm makes a storm with pauses of this mean between two faults.
func NewStorm(run *Run, seed uint64, pause time.Duration, faults []Fault) *Storm {
	return &Storm{run: run, faults: faults, rng: rand.New(rand.NewPCG(seed, 1<<63)), pause: pause, busy: map[string]bool{}}
}

// Blow breaks things until ctx ends, or most faults have been chosen, and returns when everything is mended.
func (s *Storm) Blow(ctx context.Context, most int) {
	defer s.wg.Wait()
	weights := 0
	for _, f := range s.faults {
		weights += f.Weight
	}
	for n := 0; n < most; n++ {
		Wait(ctx, s.pause/2+time.Duration(s.rng.Int64N(int64(s.pause))))
		if ctx.Err() != nil {
			return
		}
		// These draws happen for each fault, also one that is left out, so that the schedule depends on the seed alone.
		at, share, own := s.rng.IntN(weights), s.rng.Float64(), s.rng.Uint64()
		i := 0
		for ; at >= s.faults[i].Weight; i++ {
			at -= s.faults[i].Weight
		}
		f := s.faults[i]
		d := f.Least + time.Duration(share*float64(f.Most-f.Least)).Round(time.Millisecond)
		line := fmt.Sprintf("%s %s %s for %s", s.run.Since(), f.Name, f.Target, d.Round(time.Millisecond))
		if !s.take(f.Target, line) {
			continue
		}
		s.run.Count("fault " + f.Name)
		s.wg.Go(func() {
			if err := f.Do(ctx, d, rand.New(rand.NewPCG(own, 0))); err != nil {
				s.run.Say("the fault %s %s: %v", f.Name, f.Target, err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.busy[f.Target] = false
		})
	}
}

// take notes the fault, and reserves its target.
func (s *Storm) take(target, line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[target] {
		s.schedule = append(s.schedule, line+" (left out)")
		return false
	}
	s.busy[target] = true
	s.schedule = append(s.schedule, line)
	return true
}

// Schedule is every fault so far, one a line.
func (s *Storm) Schedule() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.schedule, "\n")
}

// Process is a server that a service manager starts again whenever it has ended.
type Process struct {
	Name string
	*harness.Server

	run  *Run
	stop chan struct{}
	done chan struct{}

	mu       sync.Mutex
	up       bool
	expected bool          // a fault ended it
	after    time.Duration // the time until the next start
}

// Manage begins to start the server again, until Close.
func Manage(run *Run, name string, s *harness.Server) *Process {
	p := &Process{Name: name, Server: s, run: run, stop: make(chan struct{}), done: make(chan struct{}), up: true}
	go p.manage()
	return p
}

func (p *Process) manage() {
	defer close(p.done)
	for {
		select {
		case <-p.stop:
			return
		case <-p.Exited():
		}
		p.mu.Lock()
		after, expected := p.after, p.expected
		p.up, p.expected = false, false
		p.mu.Unlock()
		if !expected {
			p.run.Say("the process %s ended by itself: %v", p.Name, p.State())
		}
		timer := time.NewTimer(after)
		for started := false; !started; {
			select {
			case <-p.stop:
				timer.Stop()
				return
			case <-timer.C:
			}
			err := p.Resume()
			if started = err == nil; err != nil { // its database does not answer
				p.run.Count("start " + p.Name + " failed")
				<-p.Exited()
				timer.Reset(300 * time.Millisecond)
			}
		}
		p.mu.Lock()
		p.up = true
		p.mu.Unlock()
	}
}

// Close ends the service manager, and leaves the server as it is.
func (p *Process) Close() {
	close(p.stop)
	<-p.done
}

// Up says that the server has started and not been ended.
func (p *Process) Up() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up && !p.expected
}

// end sends a signal that ends the server; it starts again after d. It returns what is closed at its end.
func (p *Process) end(sig syscall.Signal, d time.Duration) (<-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.up || p.expected {
		return nil, nil // it does not run yet
	}
	p.expected, p.after = true, d
	return p.Exited(), p.Signal(sig)
}

// Faults are those of a process.
func (p *Process) Faults() []Fault {
	return []Fault{
		{"kill", p.Name, 3, 0, time.Second, func(_ context.Context, d time.Duration, _ *rand.Rand) error {
			_, err := p.end(syscall.SIGKILL, d)
			return err
		}},
		{"terminate", p.Name, 2, 0, time.Second, func(_ context.Context, d time.Duration, _ *rand.Rand) error {
			exited, err := p.end(syscall.SIGTERM, d)
			if exited == nil || err != nil {
				return err
			}
			select {
			case <-exited:
				return nil
			case <-time.After(harness.Timeout):
				_ = p.Signal(syscall.SIGKILL)
				return fmt.Errorf("it has not ended after %s", harness.Timeout)
			}
		}},
		{"freeze", p.Name, 2, 300 * time.Millisecond, 5 * time.Second, func(ctx context.Context, d time.Duration, _ *rand.Rand) error {
			if !p.Up() {
				return nil
			}
			if err := p.Signal(syscall.SIGSTOP); err != nil {
				return err
			}
			Wait(ctx, d)
			return p.Signal(syscall.SIGCONT)
		}},
	}
}

// Clock moves the clock of the processes that read the file, by 15 seconds at least. The limits of a run
// refill in a second. So no call can reach a time that an instance wrote before it noticed the jump.
func Clock(name, file string, most time.Duration) Fault {
	return Fault{"clock", name, 2, time.Second, 8 * time.Second, func(ctx context.Context, d time.Duration, rng *rand.Rand) error {
		const least = 15 * time.Second
		by := least + time.Duration(rng.Int64N(int64(most-least)))
		if rng.IntN(2) == 0 {
			by = -by
		}
		if err := write(file, by.Round(time.Second).String()); err != nil {
			return err
		}
		Wait(ctx, d)
		return write(file, "")
	}}
}

// write replaces the file at once: no reader sees a part.
func write(file, text string) error {
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Network makes the network fail, for the processes that read the file.
func Network(file string) Fault {
	return Fault{"network", "network", 3, 300 * time.Millisecond, 4 * time.Second, func(ctx context.Context, d time.Duration, rng *rand.Rand) error {
		var words []string
		for _, op := range []string{"dryrun", "stage", "broadcast", "lost", "find", "prove"} {
			if rng.IntN(2) == 0 {
				words = append(words, fmt.Sprintf("%s=%d", op, 20+rng.IntN(81)))
			}
		}
		if err := write(file, strings.Join(words, " ")); err != nil {
			return err
		}
		Wait(ctx, d)
		return write(file, "")
	}}
}

// Link breaks a proxy.
func Link(name string, p *faultproxy.Proxy) []Fault {
	until := func(begin func(), end func()) func(context.Context, time.Duration, *rand.Rand) error {
		return func(ctx context.Context, d time.Duration, _ *rand.Rand) error {
			begin()
			Wait(ctx, d)
			end()
			return nil
		}
	}
	return []Fault{
		{"cut", name, 3, 0, 0, until(p.Cut, func() {})},
		{"refuse", name, 2, 200 * time.Millisecond, 3 * time.Second, until(func() { p.Refuse(); p.Cut() }, p.Pass)},
		{"swallow", name, 1, 500 * time.Millisecond, 7 * time.Second, until(p.Swallow, p.Pass)},
		{"slow", name, 2, 500 * time.Millisecond, 4 * time.Second, until(func() { p.Delay(30 * time.Millisecond) }, func() { p.Delay(0) })},
	}
}
