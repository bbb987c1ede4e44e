SELECT asked.batch_id
FROM factory.openai_batches AS asked JOIN factory.batches AS batch ON batch.id = asked.batch_id
WHERE asked.input_file_id = $2::uuid AND batch.project_id = $1::uuid AND asked.endpoint = $3::text
    AND batch.metadata = $4::jsonb AND batch.created_at > coalesce($6::timestamptz, now()) - make_interval(secs => $5::double precision)
ORDER BY asked.batch_id DESC
LIMIT 1
