DELETE FROM factory.batch_lines WHERE batch_id = $1::uuid
