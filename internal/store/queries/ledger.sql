-- name: OpenAccount :exec
INSERT INTO ledger_accounts (organization_id, account, balance) VALUES (sqlc.arg(organization_id), sqlc.arg(account), 0)
ON CONFLICT (organization_id, account) DO NOTHING;

-- name: MoveBalance :execrows
UPDATE ledger_accounts SET balance = balance + CAST(sqlc.arg(amount) AS BIGINT)
WHERE organization_id = sqlc.arg(organization_id) AND account = sqlc.arg(account)
  AND (account = 'issued' OR balance + CAST(sqlc.arg(amount) AS BIGINT) >= 0);

-- name: GetBalance :one
SELECT balance FROM ledger_accounts WHERE organization_id = sqlc.arg(organization_id) AND account = sqlc.arg(account);

-- name: ListBalances :many
SELECT account, balance FROM ledger_accounts WHERE organization_id = sqlc.arg(organization_id) ORDER BY account;

-- name: InsertTransfer :execrows
INSERT INTO ledger_transfers (id, organization_id, kind, transaction_id, note, created_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(kind), sqlc.arg(transaction_id), sqlc.arg(note), sqlc.arg(created_at))
ON CONFLICT (transaction_id, kind) WHERE transaction_id <> '' DO NOTHING;

-- name: InsertEntry :exec
-- The balance is the account's after the entry: call it after MoveBalance.
INSERT INTO ledger_entries (transfer_id, account, amount, balance)
SELECT CAST(sqlc.arg(transfer_id) AS TEXT), a.account, CAST(sqlc.arg(amount) AS BIGINT), a.balance FROM ledger_accounts a
WHERE a.organization_id = sqlc.arg(organization_id) AND a.account = sqlc.arg(account);

-- name: BelowLevel :one
-- The balance and the level of an organization whose balance an entry of amount, which is
-- negative, took below the level. No row: it did not.
SELECT a.balance, CAST(o.low_credits AS BIGINT) AS level FROM ledger_accounts a JOIN organizations o ON o.id = a.organization_id
WHERE a.organization_id = sqlc.arg(organization_id) AND a.account = 'available'
  AND a.balance < o.low_credits AND a.balance - CAST(sqlc.arg(amount) AS BIGINT) >= o.low_credits;

-- name: InsertCreditWarning :exec
INSERT INTO credit_warnings (id, organization_id, level, balance, created_at)
VALUES (sqlc.arg(id), sqlc.arg(organization_id), sqlc.arg(level), sqlc.arg(balance), sqlc.arg(created_at));

-- name: GetCreditWarning :one
SELECT * FROM credit_warnings WHERE id = sqlc.arg(id);

-- name: ListCreditWarnings :many
SELECT * FROM credit_warnings WHERE organization_id = sqlc.arg(organization_id) AND id < sqlc.arg(before) ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: HeldFor :one
SELECT CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) FROM ledger_entries e JOIN ledger_transfers t ON t.id = e.transfer_id
WHERE t.transaction_id = sqlc.arg(transaction_id) AND t.transaction_id <> '' AND e.account = 'held';

-- name: History :many
SELECT page.id, page.kind, page.transaction_id, page.note, page.created_at, e.account, e.amount, e.balance
FROM (SELECT * FROM ledger_transfers l WHERE l.organization_id = sqlc.arg(organization_id) AND l.id >= sqlc.arg(first) AND l.id < sqlc.arg(before)
  ORDER BY l.id DESC LIMIT sqlc.arg(lim)) AS page
JOIN ledger_entries e ON e.transfer_id = page.id
ORDER BY page.id DESC;

-- name: HistoryOfKind :many
SELECT page.id, page.kind, page.transaction_id, page.note, page.created_at, e.account, e.amount, e.balance
FROM (SELECT * FROM ledger_transfers l WHERE l.organization_id = sqlc.arg(organization_id) AND l.kind = sqlc.arg(kind) AND l.id >= sqlc.arg(first) AND l.id < sqlc.arg(before)
  ORDER BY l.id DESC LIMIT sqlc.arg(lim)) AS page
JOIN ledger_entries e ON e.transfer_id = page.id
ORDER BY page.id DESC;

-- name: HistoryOfTransaction :many
-- In no order: an order by id would make SQLite read all transfers of the organization.
SELECT t.id, t.kind, t.transaction_id, t.note, t.created_at, e.account, e.amount, e.balance
FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id
WHERE t.transaction_id = sqlc.arg(transaction_id) AND t.transaction_id <> '' AND t.organization_id = sqlc.arg(organization_id);

-- name: BalanceBefore :one
-- The balance of an account before a transfer. Postgres does not conclude the condition on the entries.
SELECT e.balance FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id AND e.account = sqlc.arg(account) AND e.transfer_id < sqlc.arg(before)
WHERE t.organization_id = sqlc.arg(organization_id) AND t.id < sqlc.arg(before)
ORDER BY t.id DESC LIMIT 1;

-- name: SpentBefore :one
-- The sum of an organization's payments before a transfer.
SELECT e.balance FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id AND e.account = 'spent'
WHERE t.organization_id = sqlc.arg(organization_id) AND t.kind = 'capture' AND t.id < sqlc.arg(before)
ORDER BY t.id DESC LIMIT 1;

-- name: FirstTransfer :one
SELECT created_at FROM ledger_transfers WHERE organization_id = sqlc.arg(organization_id) ORDER BY id LIMIT 1;

-- name: ListHolds :many
SELECT x.id, x.network, x.kind, x.created_at, e.amount FROM in_flight f JOIN transactions x ON x.id = f.transaction_id
JOIN ledger_transfers t ON t.transaction_id = f.transaction_id AND t.kind = 'hold' AND t.transaction_id <> ''
JOIN ledger_entries e ON e.transfer_id = t.id AND e.account = 'held'
WHERE f.organization_id = sqlc.arg(organization_id) AND f.transaction_id < sqlc.arg(before)
ORDER BY f.transaction_id DESC LIMIT sqlc.arg(lim);
