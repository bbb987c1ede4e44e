SELECT DISTINCT ON (text_hash)
    job_id, text_hash, n, endpoint_id, provider, model, storage_key, bytes, sha256, duration_s, words, usage, cost,
    found
FROM factory.job_parts
WHERE project_id = $1::uuid AND text_hash = ANY ($2::bytea[]) AND ($3::uuid IS NULL OR job_id = $3::uuid)
ORDER BY text_hash, job_id = $4::uuid DESC, created_at DESC
