package fault

// Refused collects every invalid field of a request, not only the first.
type Refused []Field

// Refuse adds a field, the rule that it breaks, and what to do, for people.
func (r *Refused) Refuse(field, rule, message string) {
	*r = append(*r, Field{Field: field, Rule: rule, Message: message})
}

// Err returns common.validation_failed if any field was refused.
func (r Refused) Err() error {
	if len(r) > 0 {
		return CommonValidationFailed(r)
	}
	return nil
}
