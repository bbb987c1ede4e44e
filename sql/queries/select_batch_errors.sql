SELECT line, key, problems FROM factory.batch_errors
WHERE batch_id = $1::uuid AND line > $2::integer
ORDER BY line
LIMIT $3::integer
