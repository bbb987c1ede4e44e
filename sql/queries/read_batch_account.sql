SELECT
    batch.max_cost_usd, batch.spent_usd AS spent, batch.uncertain_usd AS uncertain,
    (
        SELECT coalesce(sum(job.reserved_usd), 0) FROM factory.jobs AS job
        WHERE job.batch_id = batch.id AND job.reserved_usd IS NOT NULL AND job.state IN ('in_progress', 'cancelling')
            AND job.id <> $2::uuid
    ) AS reserved
FROM factory.batches AS batch
WHERE batch.id = $1::uuid AND batch.max_cost_usd IS NOT NULL
