INSERT INTO factory.calls (
    id, job_id, project_id, batch_id, kind, alias, attempt, part, fence, endpoint_id, provider, model, variant,
    emulated, started_at, max_cost, price_ref
)
SELECT
    $1::uuid, job.id, job.project_id, job.batch_id, job.kind, $4::text, $5::integer, $6::integer, job.fence,
    $7::uuid, $8::text, $9::text, $10::text, $11::boolean, $12::timestamptz, $13::numeric, $14::text
FROM factory.jobs AS job
WHERE job.id = $2::uuid AND job.fence = $3::bigint AND job.state = 'in_progress'
RETURNING id
