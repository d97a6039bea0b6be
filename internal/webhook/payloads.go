package webhook

// Payloads returns a payload of each event, for the description of the API: its type has the
// members.
func Payloads() map[Event]any {
	return map[Event]any{WorkRegistered: succeeded{}, WorkUpdated: succeeded{}, WorkFailed: failed{}, CreditsLow: creditsLow{}, Test: tested{}}
}
