package checkpoint

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
)

// Bucket is the part of an object store that Objects needs.
type Bucket interface {
	// Tagged returns an object of at most max bytes, and the tag of this version. Both
	// are empty if the object is missing.
	Tagged(ctx context.Context, key string, max int64) (data []byte, tag string, err error)
	// PutTagged stores these bytes as key if the object still has this tag. With an empty
	// tag, the object must be missing. ok is false if the condition is not met.
	PutTagged(ctx context.Context, key string, data []byte, tag string) (ok bool, err error)
	// Delete removes an object; a missing object is not an error.
	Delete(ctx context.Context, key string) error
}

// Objects is a Store in an object store with conditional writes: one object for each
// name, under checkpoints/.
type Objects struct {
	Bucket Bucket
	// Name describes the object store for people.
	Name string
}

var _ Store = Objects{}

func key(name string) string { return "checkpoints/" + name }

// Place implements Store.
func (o Objects) Place(name string) string { return "the object " + key(name) + " in " + o.Name }

// Load implements Store.
func (o Objects) Load(ctx context.Context, name string) (string, error) {
	data, _, err := o.Bucket.Tagged(ctx, key(name), MaxSize)
	if err != nil {
		return "", fmt.Errorf("checkpoint: %w", err)
	}
	return string(data), nil
}

// Swap implements Store.
func (o Objects) Swap(ctx context.Context, name, old, new string) error {
	data, tag, err := o.Bucket.Tagged(ctx, key(name), MaxSize)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if string(data) != old {
		return ErrSwapped
	}
	ok, err := o.Bucket.PutTagged(ctx, key(name), []byte(new), tag)
	if err == nil && !ok {
		return ErrSwapped
	} else if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// ErrIgnored is returned by Probe if a write succeeded although its condition is not met.
var ErrIgnored = errors.New("checkpoint: the object store accepts a conditional write (If-Match, If-None-Match) whose condition is not met")

// Probe returns ErrIgnored if the object store ignores conditions. It tests them with its
// own object, and removes that object.
func (o Objects) Probe(ctx context.Context) (err error) {
	probe := key("probe-" + strings.ToLower(rand.Text()))
	put := func(text, tag string) (bool, error) { return o.Bucket.PutTagged(ctx, probe, []byte(text), tag) }
	if _, err := put("timbre", ""); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer func() { err = errors.Join(err, o.Bucket.Delete(context.WithoutCancel(ctx), probe)) }()
	_, tag, err := o.Bucket.Tagged(ctx, probe, MaxSize)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	// One allowed write, and two that must fail: over a version that is replaced, and
	// where an object exists.
	for _, x := range []struct {
		text, tag string
		may       bool
	}{{"timbre again", tag, true}, {"a version that is gone", tag, false}, {"there is one", "", false}} {
		ok, err := put(x.text, x.tag)
		switch {
		case err != nil:
			return fmt.Errorf("checkpoint: %w", err)
		case ok && !x.may:
			return ErrIgnored
		case !ok && x.may:
			return errors.New("checkpoint: the object store refuses a conditional write whose condition is met")
		}
	}
	return nil
}
