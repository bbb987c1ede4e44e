SELECT
    batch.id, project.name AS project, batch.name, batch.state, batch.total, batch.refused, batch.error, batch.on_error,
    batch.retry_of, batch.max_cost_usd, batch.metadata, batch.created_at, batch.finished_at, batch.content_deleted_at,
    batch.seq, batch.waiting, batch.queued, batch.in_progress, batch.completed, batch.failed, batch.cancelled,
    batch.expired, batch.cost_usd, batch.unpriced
FROM factory.batches AS batch JOIN factory.projects AS project ON project.id = batch.project_id
WHERE ($1::uuid IS NULL OR batch.id < $1::uuid)
    AND ($2::uuid IS NULL OR batch.project_id = $2::uuid)
    AND ($3::text IS NULL OR batch.state = $3::text)
ORDER BY batch.id DESC
LIMIT $4::integer
