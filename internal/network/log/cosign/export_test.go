package cosign

// Opened returns the witness's line of an answer.
func (w *Witness) Opened(checkpoint, answer string) (line string, err error) {
	line, _, err = w.opened(checkpoint, answer)
	return line, err
}
