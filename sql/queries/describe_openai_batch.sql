WITH described AS (
    INSERT INTO factory.openai_batches (batch_id, endpoint, input_file_id, cache, expires_at, output_life_s)
    VALUES ($1::uuid, $3::text, $4::uuid, $5::text, $6::timestamptz, $7::integer)
)
INSERT INTO factory.files (id, project_id, purpose, filename, batch_id, part)
SELECT factory.new_id(), $2::uuid, 'batch_output', format('batch_%s_%s.jsonl', replace($1::uuid::text, '-', ''), part), $1::uuid, part
FROM unnest(ARRAY['output', 'error']) AS part
