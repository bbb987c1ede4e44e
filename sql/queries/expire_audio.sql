WITH forgotten AS (
    DELETE FROM factory.job_parts WHERE job_id = ANY ($1::uuid[])
)
UPDATE factory.jobs SET audio_expired_at = coalesce($2::timestamptz, now()) WHERE id = ANY ($1::uuid[])
