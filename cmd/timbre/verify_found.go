package main

import "time"

// The results of a question to a log.
const (
	noneLater   = "none"        // no later version up to the newest entry
	someLater   = "later"       // there are later versions
	partlyRead  = "partial"     // none in the entries that were read, and more follow
	logUnread   = "unread"      // the log does not answer, refuses, or serves what it did not sign
	logShorter  = "shorter"     // it has fewer entries than the evidence shows
	unwitnessed = "unwitnessed" // too few witnesses of the policy have seen its newest state
	notAsked    = "not_asked"
	logForked   = "forked"
	logBroken   = "broken" // it signed an entry that breaks its rules
)

// online is what a log says of the other versions of a work.
type online struct {
	Result string `json:"result"`
	// Source is the address or the folder; Size the number of entries there, and Read how many
	// of them were read.
	Source string `json:"source,omitempty"`
	Size   int64  `json:"size,omitempty"`
	Read   int64  `json:"read,omitempty"`
	// To is the number of entries up to the last one that was read, and Last its time.
	To   int64     `json:"to,omitempty"`
	Last time.Time `json:"last_time,omitzero"`
	// Versions are the other versions of the work, the earliest first.
	Versions []onlineVersion `json:"versions,omitempty"`
	Why      string          `json:"why,omitempty"`
	// Checkpoints are the two that contradict each other, for forked.
	Checkpoints []string `json:"checkpoints,omitempty"`
}

// onlineVersion is one other version.
type onlineVersion struct {
	Version    int64     `json:"version"`
	Time       time.Time `json:"time"`
	Index      int64     `json:"index"`
	Block      int64     `json:"block"`
	TxHash     string    `json:"tx_hash"`
	Commitment string    `json:"commitment"`
}

// The results of a question to a node, besides those to a log (noneLater, someLater, logUnread,
// notAsked).
const (
	nodeRevoked     = "revoked"      // the chain has the work no more
	nodeContradicts = "contradicted" // the node has another final block, or another commitment
	nodeBehind      = "behind"       // its newest final block is before that of the evidence
	nodeOtherChain  = "other_chain"
)

// nodeAnswer is what a node says of a version.
type nodeAnswer struct {
	Result string `json:"result"`
	// Source is the node's host, and Final the number of its newest final block.
	Source string `json:"source,omitempty"`
	Final  int64  `json:"final,omitempty"`
	// Versions are the other versions of the work, the earliest first.
	Versions []nodeVersion `json:"versions,omitempty"`
	Why      string        `json:"why,omitempty"`
}

// nodeVersion is one other version.
type nodeVersion struct {
	Version    int64  `json:"version"`
	Block      int64  `json:"block"`
	Commitment string `json:"commitment"`
}
