SELECT entry.fingerprint, answered.result #>> '{audio,storage_key}' AS storage_key
FROM factory.cache_entries AS entry JOIN factory.jobs AS answered ON answered.id = entry.job_id
WHERE entry.project_id = $1::uuid AND entry.fingerprint = ANY ($2::bytea[]) AND answered.kind = 'speech'
    AND entry.expires_at > now() AND answered.audio_expired_at IS NULL
