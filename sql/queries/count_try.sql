UPDATE factory.batches SET tries = tries + 1 WHERE id = $1::uuid
RETURNING tries
