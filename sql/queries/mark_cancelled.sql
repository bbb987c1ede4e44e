UPDATE factory.batches SET cancelled_at = coalesce(cancelled_at, $3::timestamptz, now())
WHERE id = $1::uuid AND project_id = $2::uuid AND finished_at IS NULL
