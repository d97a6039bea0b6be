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
INSERT INTO ledger_entries (transfer_id, account, amount) VALUES (sqlc.arg(transfer_id), sqlc.arg(account), sqlc.arg(amount));

-- name: HeldFor :one
SELECT CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) FROM ledger_entries e JOIN ledger_transfers t ON t.id = e.transfer_id
WHERE t.transaction_id = sqlc.arg(transaction_id) AND e.account = 'held';

-- name: History :many
SELECT t.id, t.kind, t.transaction_id, t.note, t.created_at, e.account, e.amount
FROM ledger_transfers t JOIN ledger_entries e ON e.transfer_id = t.id
WHERE t.organization_id = sqlc.arg(organization_id) AND t.id < sqlc.arg(before)
ORDER BY t.id DESC, e.account LIMIT sqlc.arg(lim);
