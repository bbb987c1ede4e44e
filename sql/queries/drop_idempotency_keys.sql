DELETE FROM factory.idempotency_keys AS kept
USING unnest($1::uuid[], $2::bytea[]) AS given (project_id, key_hash)
WHERE kept.project_id = given.project_id AND kept.key_hash = given.key_hash
