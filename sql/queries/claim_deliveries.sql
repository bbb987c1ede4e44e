WITH RECURSIVE lanes AS (
    (
        SELECT lane, next_at FROM factory.webhook_deliveries
        WHERE delivered_at IS NULL AND failed_at IS NULL
        ORDER BY lane, next_at LIMIT 1
    )
    UNION ALL
    SELECT further.lane, further.next_at
    FROM lanes CROSS JOIN LATERAL (
        SELECT other.lane, other.next_at FROM factory.webhook_deliveries AS other
        WHERE other.delivered_at IS NULL AND other.failed_at IS NULL AND other.lane > lanes.lane
        ORDER BY other.lane, other.next_at LIMIT 1
    ) AS further
), due AS (
    SELECT picked.id
    FROM (SELECT lane FROM lanes WHERE next_at <= coalesce($4::timestamptz, now()) ORDER BY next_at) AS waiting
    CROSS JOIN LATERAL (
        SELECT open.id FROM factory.webhook_deliveries AS open
        WHERE open.lane = waiting.lane AND open.delivered_at IS NULL AND open.failed_at IS NULL
            AND open.next_at <= coalesce($4::timestamptz, now())
            AND (open.leased_until IS NULL OR open.leased_until <= coalesce($4::timestamptz, now()))
        ORDER BY open.next_at
        LIMIT greatest(0, $2::integer - (
            SELECT count(*) FROM factory.webhook_deliveries AS held
            WHERE held.lane = waiting.lane AND held.delivered_at IS NULL AND held.failed_at IS NULL
                AND held.leased_until > coalesce($4::timestamptz, now())
        ))
        FOR UPDATE SKIP LOCKED
    ) AS picked
    LIMIT $1::integer
)
UPDATE factory.webhook_deliveries AS delivery SET
    leased_until = coalesce($4::timestamptz, now()) + $3::interval,
    url = coalesce(hook.url, delivery.url)
FROM due
JOIN factory.webhook_deliveries AS before ON before.id = due.id
JOIN factory.projects AS project ON project.id = before.project_id
LEFT JOIN factory.webhook_endpoints AS hook ON hook.id = before.endpoint_id
LEFT JOIN factory.webhook_secrets AS own ON own.project_id = before.project_id AND before.endpoint_id IS NULL
WHERE delivery.id = due.id
RETURNING
    delivery.id, delivery.project_id, project.name AS project, delivery.endpoint_id, delivery.job_id, delivery.batch_id,
    (SELECT job.traceparent FROM factory.jobs AS job WHERE job.id = delivery.job_id) AS traceparent,
    delivery.type, delivery.url, delivery.attempts, delivery.leased_until, coalesce(hook.active, true) AS active,
    coalesce(hook.include_content, false) AS include_content,
    coalesce(hook.secret_number, own.secret_number, 1) AS secret_number,
    coalesce(hook.secret_digest, own.secret_digest) AS secret_digest,
    CASE
        WHEN coalesce(hook.old_secret_until, own.old_secret_until) > coalesce($4::timestamptz, now())
        THEN coalesce(hook.old_secret_number, own.old_secret_number)
    END AS old_secret_number
