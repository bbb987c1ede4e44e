SELECT project_id, kind, model, count(*) FILTER (WHERE ready) AS ready, count(*) FILTER (WHERE NOT ready) AS running
FROM (
    SELECT first.project_id, first.kind, first.request ->> 'model' AS model, true AS ready
    FROM unnest($2::text[]) AS wanted (kind)
    CROSS JOIN LATERAL (
        SELECT project_id, kind, request FROM factory.jobs
        WHERE state = 'queued' AND waits_for IS NULL AND run_at <= coalesce($1::timestamptz, now()) AND kind = wanted.kind
            AND project_id <> ALL ($3::uuid[])
        ORDER BY queued_at, id
        LIMIT $4::integer
    ) AS first
    UNION ALL
    SELECT project_id, kind, request ->> 'model', false FROM factory.jobs WHERE state IN ('in_progress', 'cancelling')
) AS open
GROUP BY project_id, kind, model
