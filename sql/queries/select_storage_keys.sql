WITH named AS (
    SELECT storage_key FROM factory.job_parts WHERE job_id = ANY ($1::uuid[])
    UNION
    SELECT result #>> '{audio,storage_key}' FROM factory.jobs WHERE id = ANY ($1::uuid[])
)
SELECT storage_key FROM named
WHERE storage_key IS NOT NULL AND NOT EXISTS (
    SELECT FROM factory.job_parts AS part
    WHERE part.storage_key = named.storage_key AND part.job_id <> ALL ($1::uuid[])
) AND NOT EXISTS (
    SELECT FROM factory.jobs AS job
    WHERE job.kind = 'speech' AND job.finished_at IS NOT NULL AND job.audio_expired_at IS NULL
        AND job.result #>> '{audio,storage_key}' = named.storage_key AND job.id <> ALL ($1::uuid[])
)
