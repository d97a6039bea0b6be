// Package query holds the SQL statements as Go functions. sqlc generates it from
// internal/store/queries. It never opens a transaction; its callers do.
package query
