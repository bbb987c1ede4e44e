WITH made AS (
    INSERT INTO factory.jobs (
        id, project_id, batch_id, line, key, after, blockers, state, kind, priority, request,
        run_at, deadline, retry_of, metadata, created_at, queued_at, fingerprint,
        reserved_usd, webhook_url, sent_hash, traceparent
    )
    SELECT
        new.id, new.project_id, new.batch_id, new.line, new.key, new.after, new.blockers, new.state, new.kind,
        new.priority, new.request, coalesce(new.run_at, now()), now() + make_interval(secs => new.deadline_s),
        new.retry_of, new.metadata, now(), CASE WHEN new.state = 'queued' THEN now() END,
        decode(new.fingerprint, 'hex'), new.reserved_usd, new.request ->> 'webhook_url', decode(new.sent_hash, 'hex'),
        new.traceparent
    FROM jsonb_to_recordset($1::jsonb) AS new (
        id uuid, project_id uuid, batch_id uuid, line integer, key text, after uuid[], blockers integer, state text,
        kind text, priority text, request jsonb, run_at timestamptz, deadline_s double precision, retry_of uuid,
        metadata jsonb, fingerprint text, reserved_usd numeric, sent_hash text, traceparent text
    )
)
SELECT now()
