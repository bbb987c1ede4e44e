INSERT INTO factory.cache_hits (
    id, project_id, job_id, kind, model, saved_usd, provider, alias, batch_id, usage, source_job, part,
    preferred_cost
)
SELECT
    gen_random_uuid(), job.project_id, job.id, job.kind, source.model, source.cost, source.provider,
    job.request ->> 'model', job.batch_id, source.usage, source.job_id, true,
    (
        SELECT call.preferred_cost FROM factory.calls AS call
        WHERE call.job_id = source.job_id AND call.outcome = 'ok' AND coalesce(call.part, source.n) = source.n
        ORDER BY call.finished_at DESC LIMIT 1
    )
FROM factory.jobs AS job
JOIN factory.job_parts AS mine ON mine.job_id = job.id AND mine.found AND mine.text_hash = ANY ($2::bytea[])
CROSS JOIN LATERAL (
    SELECT bought.job_id, bought.n, bought.model, bought.provider, bought.cost, bought.usage
    FROM factory.job_parts AS bought
    WHERE bought.project_id = job.project_id AND bought.text_hash = mine.text_hash AND NOT bought.found
    ORDER BY bought.created_at LIMIT 1
) AS source
WHERE job.id = $1::uuid AND NOT EXISTS (SELECT FROM factory.cache_hits AS told WHERE told.job_id = job.id AND told.part)
