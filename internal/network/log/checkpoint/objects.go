package checkpoint

import (
	"context"
	"errors"
	"fmt"
)

// Bucket is what Objects needs of an object store.
type Bucket interface {
	// Tagged returns an object of at most max bytes and the tag of this version of
	// it; both are empty when there is no such object.
	Tagged(ctx context.Context, key string, max int64) (data []byte, tag string, err error)
	// PutTagged makes key an object with these bytes if the object there has this
	// tag still; an empty tag means that there is none. ok is false when it has not.
	PutTagged(ctx context.Context, key string, data []byte, tag string) (ok bool, err error)
}

// Objects is a Store in an object store with conditional writes: one object for each
// name, under checkpoints/.
type Objects struct {
	Bucket Bucket
	// Name says to people which object store it is.
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

// ErrIgnored is returned by Probe when a write went through whose condition does not
// hold.
var ErrIgnored = errors.New("checkpoint: the object store takes a conditional write (If-Match, If-None-Match) whose condition does not hold")

// Probe returns ErrIgnored when the object store does not keep to conditions. It leaves one
// small object behind.
func (o Objects) Probe(ctx context.Context) error {
	const probe = "probe"
	data, tag, err := o.Bucket.Tagged(ctx, key(probe), MaxSize)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if data == nil {
		if _, err := o.Bucket.PutTagged(ctx, key(probe), []byte("timbre 1\n"), ""); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if _, tag, err = o.Bucket.Tagged(ctx, key(probe), MaxSize); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	// Two writes that must not happen: where an object is, and over another version.
	next := []byte("timbre " + tag + "\n")
	for _, wrong := range []string{"", "00000000000000000000000000000000"} {
		ok, err := o.Bucket.PutTagged(ctx, key(probe), next, wrong)
		if err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		} else if ok {
			return ErrIgnored
		}
	}
	return nil
}
