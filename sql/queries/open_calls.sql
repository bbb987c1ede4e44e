INSERT INTO factory.calls (
    id, job_id, project_id, batch_id, kind, alias, attempt, part, fence, endpoint_id, provider, model, variant,
    emulated, started_at, max_cost, price_ref, asked, preferred
)
SELECT
    new.id, job.id, job.project_id, job.batch_id, job.kind, new.alias, new.attempt, new.part, job.fence,
    new.endpoint_id, new.provider, new.model, new.variant, new.emulated, new.started_at, new.max_cost, new.price_ref,
    new.asked, new.preferred
FROM jsonb_to_recordset($1::jsonb) AS new (
    id uuid, job_id uuid, fence bigint, alias text, attempt integer, part integer, endpoint_id uuid, provider text,
    model text, variant text, emulated boolean, started_at timestamptz, max_cost numeric, price_ref text,
    asked text, preferred text
) JOIN factory.jobs AS job ON job.id = new.job_id AND job.fence = new.fence
WHERE job.id = ANY ($2::uuid[]) AND job.state = 'in_progress'
RETURNING id
