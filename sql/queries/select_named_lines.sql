SELECT line, body FROM factory.batch_lines
WHERE batch_id = $1::uuid AND line = ANY ($2::integer[])
ORDER BY line
