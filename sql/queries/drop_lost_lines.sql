DELETE FROM factory.batch_lines AS line
WHERE line.batch_id < $1::uuid
    AND NOT EXISTS (SELECT FROM factory.batches AS batch WHERE batch.id = line.batch_id)
