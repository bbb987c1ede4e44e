WITH claimed AS (
    SELECT job.id, given.token, CASE WHEN job.state = 'queued' THEN greatest(job.queued_at, job.run_at) END AS due_at
    FROM unnest($1::uuid[], $2::bigint[]) AS given (id, token) JOIN factory.jobs AS job ON job.id = given.id
    WHERE job.id = ANY ($1::uuid[])
    ORDER BY job.id
    FOR UPDATE OF job
), started AS (
    UPDATE factory.jobs AS job SET
        fence = claimed.token,
        seq = seq + 1,
        attempts = attempts + (state = 'queued')::integer,
        lost_leases = lost_leases + (state <> 'queued')::integer,
        state = CASE WHEN state = 'cancelling' THEN 'cancelling' ELSE 'in_progress' END,
        started_at = coalesce(started_at, $3::timestamptz, now())
    FROM claimed
    WHERE job.id = claimed.id AND job.id = ANY ($1::uuid[]) AND fence < claimed.token
        AND state IN ('queued', 'in_progress', 'cancelling')
    RETURNING
        job.id, project_id, batch_id, key, after, state, kind, priority, request, attempts, lost_leases, fence,
        created_at, traceparent, fingerprint, waits_for,
        extract(epoch FROM deadline - coalesce($3::timestamptz, now()))::double precision AS deadline_in_s,
        extract(epoch FROM coalesce($3::timestamptz, now()) - started_at)::double precision AS running_for_s,
        extract(epoch FROM coalesce($3::timestamptz, now()) - claimed.due_at)::double precision AS waited_s
), boarded AS (
    INSERT INTO factory.flights (project_id, fingerprint, job_id)
    SELECT project_id, fingerprint, id FROM started
    WHERE fingerprint IS NOT NULL AND waits_for IS NULL AND state = 'in_progress'
    ORDER BY project_id, fingerprint, id
    ON CONFLICT DO NOTHING
    RETURNING project_id, fingerprint, job_id
), known AS MATERIALIZED (
    SELECT project_id, fingerprint
    FROM factory.known_answers(ARRAY(SELECT DISTINCT project_id FROM boarded), ARRAY(SELECT fingerprint FROM boarded))
)
SELECT
    started.id, started.project_id, batch_id, key, after, state, kind, priority, request::text, attempts, lost_leases,
    fence, created_at, deadline_in_s, running_for_s, waited_s, traceparent,
    EXISTS (
        SELECT FROM factory.batches AS batch WHERE batch.id = batch_id AND batch.max_cost_usd IS NOT NULL
    ) AS batch_has_ceiling,
    CASE WHEN started.id IN (SELECT job_id FROM boarded)
        AND (started.project_id, fingerprint) NOT IN (SELECT project_id, fingerprint FROM known)
        THEN encode(fingerprint, 'hex') END AS leads
-- Its commit is not waited for: nobody outside may learn of a start before a later commit of the same job, which is.
FROM started, set_config('synchronous_commit', 'off', true) AS unhurried
