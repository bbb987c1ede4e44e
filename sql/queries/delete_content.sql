WITH forgotten AS (
    DELETE FROM factory.job_parts WHERE job_id = ANY ($1::uuid[])
), uncached AS (
    DELETE FROM factory.cache_entries WHERE job_id = ANY ($1::uuid[])
)
UPDATE factory.jobs SET
    content_deleted_at = coalesce($2::timestamptz, now()),
    request = jsonb_build_object('model', request -> 'model', 'kind', to_jsonb(kind)),
    result = NULL,
    error = CASE WHEN error IS NOT NULL THEN error || '{"message": "deleted with the content of the job"}' END,
    metadata = '{}',
    fingerprint = NULL,
    sent_hash = NULL,
    audio_expired_at = coalesce(audio_expired_at, $2::timestamptz, now())
WHERE id = ANY ($1::uuid[]) AND content_deleted_at IS NULL AND finished_at IS NOT NULL
