SELECT
    job.reserved_usd AS reserved, coalesce(spent.cost, 0) AS spent, coalesce(spent.uncertain_cost, 0) AS uncertain,
    spent.cost IS NULL AS unpriced
FROM factory.jobs AS job CROSS JOIN LATERAL factory.spent_on(job.id) AS spent
WHERE job.id = $1::uuid AND job.fence = $2::bigint AND job.state = 'in_progress'
FOR UPDATE OF job
