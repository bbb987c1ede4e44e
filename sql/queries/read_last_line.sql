SELECT coalesce(max(line), 0) AS line FROM factory.jobs WHERE batch_id = $1::uuid
