INSERT INTO factory.job_parts (
    job_id, text_hash, n, project_id, endpoint_id, provider, model, storage_key, bytes, sha256, duration_s, words,
    usage, cost, found
)
SELECT
    job.id, decode(new.text_hash, 'hex'), new.n, job.project_id, new.endpoint_id, new.provider, new.model,
    new.storage_key, new.bytes, new.sha256, new.duration_s, new.words, new.usage, new.cost, new.found
FROM
    jsonb_to_recordset($2::jsonb) AS new (
        text_hash text, n integer, endpoint_id uuid, provider text, model text, storage_key text, bytes bigint,
        sha256 text, duration_s double precision, words jsonb, usage jsonb, cost numeric, found boolean
    )
    CROSS JOIN factory.jobs AS job
WHERE job.id = $1::uuid
ON CONFLICT (job_id, text_hash) DO NOTHING
