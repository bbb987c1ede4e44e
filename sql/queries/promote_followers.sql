WITH fallen AS (
    SELECT flight.project_id, flight.fingerprint
    FROM factory.flights AS flight
    WHERE flight.job_id = ANY ($1::uuid[])
    ORDER BY 1, 2
    FOR UPDATE
), chosen AS (
    SELECT DISTINCT ON (fallen.project_id, fallen.fingerprint) job.id, fallen.project_id, fallen.fingerprint
    FROM fallen JOIN factory.jobs AS job USING (project_id, fingerprint)
    WHERE job.waits_for IS NOT NULL AND job.state = 'queued'
    ORDER BY fallen.project_id, fallen.fingerprint,
        array_position(ARRAY['interactive', 'standard', 'batch'], job.priority), job.id
), renamed AS (
    UPDATE factory.flights AS flight SET job_id = chosen.id
    FROM chosen
    WHERE flight.project_id = chosen.project_id AND flight.fingerprint = chosen.fingerprint
), ended AS (
    DELETE FROM factory.flights AS flight USING fallen
    WHERE flight.project_id = fallen.project_id AND flight.fingerprint = fallen.fingerprint
        AND NOT EXISTS (
            SELECT FROM chosen
            WHERE chosen.project_id = fallen.project_id AND chosen.fingerprint = fallen.fingerprint
        )
)
UPDATE factory.jobs AS job SET waits_for = NULL, seq = job.seq + 1, queued_at = now()
FROM chosen
WHERE job.id = chosen.id AND job.state = 'queued' AND job.waits_for IS NOT NULL
RETURNING job.id, job.fence, job.project_id, job.kind, job.priority, job.state, job.created_at,
    extract(epoch FROM job.run_at - now())::double precision AS wait_s
