package person

import (
	"errors"
	"net/url"
	"strings"

	"timbre.example/internal/console/shell"
	"timbre.example/internal/people"
)

const account = "/account"

type pages struct{ people *people.Service }

// ProveAt is the page that asks for the password or the second factor again, and then leads to next.
func ProveAt(next string) string {
	return shell.Root + "/account/prove?" + url.Values{"next": {next}}.Encode()
}

// proved sends a person whose last proof is too old to the page that asks again.
func proved(c *shell.Call, err error, next string) error {
	if errors.Is(err, people.ErrProve) {
		return c.To(ProveAt(c.Address(next)), shell.Say("prove.first"))
	}
	return err
}

// reveal says what was done, and shows new recovery codes once.
func reveal(said string, codes []string) []shell.Answer {
	answers := []shell.Answer{shell.Say(said)}
	if len(codes) > 0 {
		answers = append(answers, shell.Reveal("codes.shown", strings.Join(codes, " ")))
	}
	return answers
}
