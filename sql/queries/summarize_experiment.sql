WITH called AS (
    SELECT
        call.job_id, min(call.variant) AS least, max(call.variant) AS most,
        count(*) AS calls,
        count(*) FILTER (WHERE call.outcome <> 'ok') AS failed_calls,
        count(*) FILTER (WHERE call.usage IS NOT NULL AND call.cost IS NULL) AS unpriced_calls,
        sum(call.cost) AS spent,
        sum(call.max_cost) FILTER (WHERE call.usage IS NULL AND call.cost IS NULL) AS uncertain,
        count(*) FILTER (WHERE call.schema_outcome = 'valid') AS valid,
        count(*) FILTER (WHERE call.schema_outcome = 'mended') AS mended,
        count(*) FILTER (WHERE call.schema_outcome = 'invalid') AS invalid,
        bool_or(call.asked IS NOT NULL) AS with_schema,
        bool_or(call.emulated) AS emulated,
        max(call.provider || '/' || call.model) FILTER (WHERE call.outcome = 'ok') AS answered_by
    FROM factory.calls AS call
    WHERE call.project_id = $1::uuid AND call.alias = $2::text AND call.variant IS NOT NULL
        AND call.job_id >= $3::uuid AND call.job_id < $4::uuid
    GROUP BY call.job_id
), drawn AS (
    SELECT
        coalesce(job.variant, CASE WHEN called.least = called.most THEN called.least ELSE (
            SELECT call.variant FROM factory.calls AS call
            WHERE call.job_id = called.job_id AND call.variant IS NOT NULL ORDER BY call.started_at, call.id LIMIT 1
        ) END) AS variant,
        job.id, job.state, job.cost, job.started_at, job.finished_at,
        called.calls, called.failed_calls, called.unpriced_calls, called.spent, called.uncertain,
        called.valid, called.mended, called.invalid, called.with_schema, called.emulated, called.answered_by
    FROM called JOIN factory.jobs AS job ON job.id = called.job_id
), figured AS (
    SELECT
        drawn.*, feedback.score, feedback.id IS NOT NULL AS judged, drawn.state = 'completed' AS completed,
        CASE drawn.state WHEN 'completed' THEN drawn.cost END AS paid,
        CASE drawn.state WHEN 'completed' THEN extract(epoch FROM drawn.finished_at - drawn.started_at) END AS took_s
    FROM drawn LEFT JOIN factory.feedback AS feedback ON feedback.job_id = drawn.id
)
SELECT
    variant,
    count(*) AS jobs,
    count(*) FILTER (WHERE completed) AS completed,
    count(*) FILTER (WHERE state IN ('failed', 'expired')) AS failed,
    count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE completed AND answered_by = variant) AS answered_itself,
    sum(calls)::bigint AS calls,
    sum(failed_calls)::bigint AS failed_calls,
    sum(unpriced_calls)::bigint AS unpriced_calls,
    coalesce(sum(spent), 0) AS spent,
    sum(uncertain) AS uncertain,
    count(paid) AS priced,
    coalesce(sum(paid), 0) AS paid,
    coalesce(sum(paid * paid), 0) AS paid_squares,
    count(took_s) AS timed,
    coalesce(sum(took_s), 0) AS took_s,
    coalesce(sum(took_s * took_s), 0) AS took_s_squares,
    sum(valid)::bigint AS valid,
    sum(mended)::bigint AS mended,
    sum(invalid)::bigint AS invalid,
    count(*) FILTER (WHERE with_schema AND state IN ('completed', 'failed', 'expired')) AS schema_jobs,
    count(*) FILTER (WHERE with_schema AND completed) AS schema_completed,
    count(*) FILTER (WHERE judged) AS judged,
    count(score) AS scored,
    coalesce(sum(score), 0) AS score,
    bool_or(emulated) AS emulated
FROM figured
GROUP BY variant
ORDER BY jobs DESC, variant
