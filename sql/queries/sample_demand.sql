-- To count a long text's characters takes longer than all else here, so how many bytes they have is taken from the
-- first 500. Three are a wide script, whose characters take three times as long to say. OFFSET 0: the text is taken out
-- of the request once, not as often as it is looked at.
SELECT project_id, kind, model, count(*) FILTER (WHERE ready) AS ready, count(*) FILTER (WHERE NOT ready) AS running,
    coalesce(array_agg(spoken.characters) FILTER (WHERE spoken.characters IS NOT NULL), '{}') AS characters
FROM (
    SELECT first.project_id, first.kind, first.request, first.request ->> 'model' AS model, true AS ready
    FROM unnest($2::text[]) AS wanted (kind)
    CROSS JOIN LATERAL (
        SELECT project_id, kind, request FROM factory.jobs
        WHERE state = 'queued' AND waits_for IS NULL AND run_at <= coalesce($1::timestamptz, now()) AND kind = wanted.kind
            AND project_id <> ALL ($3::uuid[])
        ORDER BY queued_at, id
        LIMIT $4::integer
    ) AS first
    UNION ALL
    SELECT project_id, kind, request, request ->> 'model', false FROM factory.jobs
    WHERE state IN ('in_progress', 'cancelling')
) AS open
LEFT JOIN LATERAL (
    SELECT CASE
        WHEN octet_length(head) > 2 * length(head) THEN octet_length(said)
        ELSE octet_length(said)::bigint * length(head) / greatest(octet_length(head), 1)
    END AS characters
    FROM (SELECT coalesce(request ->> 'input', request ->> 'prompt') AS said OFFSET 0) AS text, left(said, 500) AS head
    WHERE kind = 'speech'
) AS spoken ON true
GROUP BY project_id, kind, model
