package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"timbre.example/internal/network"
	"timbre.example/proof/evidence"
)

// policyFile is a log and the file with the policy of its witnesses.
type policyFile struct {
	network network.Name
	path    string
	policy  evidence.Policy
}

// UnmarshalText reads NAME=FILE, and the file.
func (p *policyFile) UnmarshalText(text []byte) error {
	name, path, ok := strings.Cut(string(text), "=")
	if !ok || path == "" || !network.Name(name).Valid() {
		return fmt.Errorf("must be NAME=FILE, where NAME is %s", network.Every())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			err = failed.Err // without the name of the call
		}
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	policy, err := evidence.ParsePolicy(b)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	*p = policyFile{network.Name(name), path, policy}
	return nil
}
