package monitor

import (
	"context"
	"fmt"

	"timbre.example/internal/network/log/checkpoint"
	"timbre.example/proof/evidence"
)

// keysName is the file of the key page, in a log and in a folder.
const keysName = "keys"

// keptKeys is the newest key page of the log, and what is in the folder.
type keptKeys struct {
	page     evidence.KeyPage // Text is "" without one
	text     string           // in the folder
	verified int              // how many changes were compared with the tree
}

// load reads the page in the folder.
func (k *keptKeys) load(dir string) (err error) {
	if dir == "" {
		return nil
	}
	if k.text, err = checkpoint.Dir(dir).Load(context.Background(), keysName); err != nil || k.text == "" {
		return err
	}
	if k.page, err = evidence.ParseKeyPage(k.text); err != nil {
		err = fmt.Errorf("the kept %w", err)
	}
	return err
}

// keep stores the page in the folder.
func (k *keptKeys) keep(ctx context.Context, dir, text string) error {
	if dir == "" || text == k.text {
		return nil
	}
	if err := checkpoint.Dir(dir).Swap(ctx, keysName, k.text, text); err != nil {
		return err
	}
	k.text = text
	return nil
}
