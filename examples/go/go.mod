module backend

go 1.25.0

require timbre.example/client v0.0.0

// In a copy of Timbre's repository. docs/go.md says how to get the module elsewhere.
replace timbre.example/client => ../../client
